//! Clean forms of street, city and postcode.

use unicode_normalization::UnicodeNormalization;

use super::text::{fold_place, squash};
use crate::tables::{PLACEHOLDERS, Placeholders, STREET_WORDS};

/// Whether a value is blank, punctuation only, or a placeholder.
fn says_nothing(value: &str, table: &Placeholders) -> bool {
    let squashed = squash(value);
    squashed.is_empty() || table.holds(&squashed)
}

fn unless_placeholder(clean: String, table: &Placeholders) -> Option<String> {
    (!says_nothing(&clean, table)).then_some(clean)
}

/// Cleans a street line: standard words, `#` read as `apt`, `p o box` as `po box`. O(n).
pub(crate) fn clean_street(value: &str) -> Option<String> {
    if says_nothing(value, &PLACEHOLDERS.street) {
        return None;
    }
    let folded = fold_place(&value.replace('#', " apt "));
    let mut words: Vec<&str> = Vec::new();
    let mut rest = folded.split(' ').filter(|word| !word.is_empty()).peekable();
    while let Some(word) = rest.next() {
        let standard = STREET_WORDS.get(word).copied().unwrap_or(word);
        if standard == "apt" && words.last() == Some(&"apt") {
            continue;
        }
        if standard == "o" && words.last() == Some(&"p") && rest.peek() == Some(&"box") {
            words.pop();
            words.push("po");
            continue;
        }
        words.push(standard);
    }
    unless_placeholder(words.join(" "), &PLACEHOLDERS.street)
}

/// Cleans a city. O(n).
pub(crate) fn clean_city(value: &str) -> Option<String> {
    if says_nothing(value, &PLACEHOLDERS.city) {
        return None;
    }
    let folded = fold_place(value);
    let clean = match folded.split_once(' ') {
        Some(("st", rest)) => format!("saint {rest}"),
        Some(("mt", rest)) => format!("mount {rest}"),
        Some(("ft", rest)) => format!("fort {rest}"),
        _ => folded,
    };
    unless_placeholder(clean, &PLACEHOLDERS.city)
}

/// Cleans a postcode: upper-case letters and digits; nine digits keep the first five; one repeated digit is a placeholder. O(n).
pub(crate) fn clean_postcode(value: &str) -> Option<String> {
    let mut clean: String = if value.is_ascii() {
        value.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_uppercase()).collect()
    } else {
        value.nfkc().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_uppercase()).collect()
    };
    if clean.len() == 9 && clean.bytes().all(|byte| byte.is_ascii_digit()) {
        clean.truncate(5);
    }
    let first = clean.bytes().next().unwrap_or(b'0');
    if first.is_ascii_digit() && clean.bytes().all(|byte| byte == first) {
        return None;
    }
    unless_placeholder(clean, &PLACEHOLDERS.postcode)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streets() {
        let clean = |value: &str| clean_street(value).unwrap_or_default();
        assert_eq!(clean("123 North Main Street, Apt. #4B"), "123 n main st apt 4b");
        assert_eq!(clean("Unit 5, 12 Queen's Avnue"), "apt 5 12 queen s ave");
        assert_eq!(clean("P.O. Box 77"), "po box 77");
        assert_eq!(clean("1st Ave"), "1st ave");
        assert_eq!(clean("12 Königstraße"), "12 konigstrasse");
        assert_eq!(clean("N/A"), "");
        assert_eq!(clean(" - "), "");
        assert_eq!(clean(" # "), "");
    }

    #[test]
    fn cities_and_postcodes() {
        assert_eq!(clean_city("St. Louis"), Some("saint louis".into()));
        assert_eq!(clean_city("Ft Worth"), Some("fort worth".into()));
        assert_eq!(clean_city("st"), Some("st".into()));
        assert_eq!(clean_city("unknown"), None);
        assert_eq!(clean_postcode("sw1a 1aa"), Some("SW1A1AA".into()));
        assert_eq!(clean_postcode("90210-1234"), Some("90210".into()));
        assert_eq!(clean_postcode("00000"), None);
        assert_eq!(clean_postcode("99999-9999"), None);
        assert_eq!(clean_postcode("N/A"), None);
    }
}
