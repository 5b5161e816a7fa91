//! Clean forms of names.

use super::text::{fold, is_letter_or_mark, lowered, squash};
use crate::tables::{PARTICLES, PLACEHOLDERS, SUFFIXES, TITLES};

/// A cleaned name and the generation suffix found at its end.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct CleanName {
    /// Words joined by a space; `None` if blank or a placeholder.
    pub(crate) name: Option<String>,
    /// One of `jr sr ii iii iv`.
    pub(crate) suffix: Option<&'static str>,
}

/// The parts of a full name.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct SplitName {
    pub(crate) given: Option<String>,
    pub(crate) middle: Option<String>,
    pub(crate) family: Option<String>,
    pub(crate) suffix: Option<&'static str>,
}

fn is_placeholder(value: &str) -> bool {
    let squashed = squash(value);
    squashed.is_empty() || PLACEHOLDERS.names.holds(&squashed)
}

/// Letters, marks, digits, `-` and `'` in words without leading or trailing `-'`.
fn raw_words(value: &str) -> Vec<String> {
    let kept: String = lowered(value)
        .chars()
        .map(|letter| if is_letter_or_mark(letter) || matches!(letter, '0'..='9' | '-' | '\'') { letter } else { ' ' })
        .collect();
    split(&kept)
}

fn split(value: &str) -> Vec<String> {
    value.split(' ').map(|word| word.trim_matches(['-', '\''])).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

fn has_letter(word: &str) -> bool {
    word.chars().any(is_letter_or_mark)
}

/// Words of a name without digits and titles; the suffix is looked for only where `suffixed`.
fn name_words(value: &str, suffixed: bool) -> (Vec<String>, Option<&'static str>) {
    let mut words = raw_words(value);
    let mut suffix = None;
    if suffixed {
        while words.last().is_some_and(|last| matches!(last.as_str(), "2nd" | "3rd" | "4th"))
            && words.iter().rev().skip(1).any(|word| has_letter(word))
        {
            let found = words.pop().and_then(|word| SUFFIXES.get(word.as_str()).copied());
            suffix = suffix.or(found);
        }
    }
    if words.iter().any(|word| word.bytes().any(|byte| byte.is_ascii_digit())) {
        words = split(&words.join(" ").replace(|letter: char| letter.is_ascii_digit(), " "));
    }
    let mut index = 0;
    while index < words.len() && words.len() > 1 {
        if TITLES.contains(words[index].as_str()) {
            words.remove(index);
        } else {
            index += 1;
        }
    }
    while suffixed && words.len() > 1 {
        let Some(found) = words.last().and_then(|last| SUFFIXES.get(last.as_str()).copied()) else { break };
        words.pop();
        suffix = suffix.or(Some(found));
    }
    (words, suffix)
}

fn unless_placeholder(words: &[String]) -> Option<String> {
    let name = words.join(" ");
    (!name.is_empty() && !is_placeholder(&name)).then_some(name)
}

/// Cleans a given or family name. O(n).
pub(crate) fn clean_name(value: &str) -> CleanName {
    if is_placeholder(value) {
        return CleanName::default();
    }
    let (words, suffix) = name_words(value, true);
    CleanName { name: unless_placeholder(&words), suffix }
}

/// Cleans a middle name, which keeps whatever stands at its end. O(n).
pub(crate) fn clean_middle(value: &str) -> Option<String> {
    if is_placeholder(value) {
        return None;
    }
    unless_placeholder(&name_words(value, false).0)
}

/// Reads a generation suffix.
pub(crate) fn clean_suffix(value: &str) -> Option<String> {
    SUFFIXES.get(squash(value).as_str()).map(|suffix| (*suffix).to_owned())
}

/// Splits a full name: "Family, Given Middle" or "Given Middle particles Family". O(n).
pub(crate) fn split_full_name(value: &str) -> SplitName {
    if is_placeholder(value) {
        return SplitName::default();
    }
    if let Some((left, right)) = value.split_once(',') {
        let (family, left_suffix) = name_words(left, true);
        let (others, right_suffix) = name_words(right, true);
        let suffixes = |words: &[String]| words.iter().all(|word| SUFFIXES.contains_key(word.as_str()));
        let only_suffix = suffixes(&others) || suffixes(&raw_words(right));
        if let (false, Some((given, middle))) = (family.is_empty() || only_suffix, others.split_first()) {
            return SplitName {
                given: unless_placeholder(std::slice::from_ref(given)),
                middle: unless_placeholder(middle),
                family: unless_placeholder(&family),
                suffix: right_suffix.or(left_suffix),
            };
        }
    }
    let (words, suffix) = name_words(value, true);
    let mut start = words.len().saturating_sub(1);
    while start > 1 && PARTICLES.contains(fold(&words[start - 1]).as_str()) {
        start -= 1;
    }
    SplitName {
        given: unless_placeholder(&words[..start.min(1)]),
        middle: unless_placeholder(words.get(1..start).unwrap_or_default()),
        family: unless_placeholder(&words[start..]),
        suffix,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(value: &str) -> Option<String> {
        clean_name(value).name
    }

    #[test]
    fn names_are_cleaned() {
        assert_eq!(name("  MÜLLER\u{a0}-  lüdenscheidt "), Some("müller lüdenscheidt".into()));
        assert_eq!(name("O’Brien"), Some("o'brien".into()));
        assert_eq!(name("Dr. Anna–Marie"), Some("anna-marie".into()));
        assert_eq!(name("Mr"), Some("mr".into()));
        assert_eq!(name("Sm1th3"), Some("sm th".into()));
        for blank in ["", " ", "\u{1c}", "N/A", "-", "?", "null", "Mr. Unknown", "n.a."] {
            assert_eq!(name(blank), None, "{blank:?}");
        }
    }

    #[test]
    fn suffixes_move() {
        assert_eq!(clean_name("Smith, Jr."), CleanName { name: Some("smith".into()), suffix: Some("jr") });
        assert_eq!(clean_name("Smith 3rd"), CleanName { name: Some("smith".into()), suffix: Some("iii") });
        assert_eq!(clean_name("Junior"), CleanName { name: Some("junior".into()), suffix: None });
        assert_eq!(clean_suffix("III."), Some("iii".into()));
        assert_eq!(clean_suffix("esq"), None);
    }

    #[test]
    fn full_names_are_split() {
        let parts = |value: &str| {
            let split = split_full_name(value);
            [split.given, split.middle, split.family].map(Option::unwrap_or_default).join("|")
        };
        assert_eq!(parts("Ludwig van Beethoven"), "ludwig||van beethoven");
        assert_eq!(parts("Beethoven, Ludwig van"), "ludwig|van|beethoven");
        assert_eq!(parts("Dr. John Q. Public Jr."), "john|q|public");
        assert_eq!(parts("John Smith, Jr"), "john||smith");
        assert_eq!(parts("Sir John Smith, 3rd"), "john||smith");
        assert_eq!(split_full_name("John Smith, 3rd").suffix, Some("iii"));
        assert_eq!(parts("Madonna"), "||madonna");
        assert_eq!(parts("van Beethoven"), "van||beethoven");
        assert_eq!(parts(" , "), "||");
        assert_eq!(split_full_name("Smith, John, Jr").suffix, Some("jr"));
    }
}
