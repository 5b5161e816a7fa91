//! Compared forms of attribute values, made once per distinct value.

use crate::distance::{Code, metaphone};
use crate::normalize::fold;
use crate::tables::{NICKNAMES, PARTICLES};

/// Number of a text in [`Texts`].
pub(crate) type TextId = u32;

/// The number that says "missing".
pub(crate) const MISSING: u32 = u32::MAX;

/// A given or family name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NameForm {
    /// Words without spaces; never empty.
    pub(crate) joined: String,
    /// Number of `joined`.
    pub(crate) id: TextId,
    /// Words of three letters or more.
    pub(crate) long_words: Vec<String>,
    /// Numbers of `long_words`.
    pub(crate) long_ids: Vec<TextId>,
    /// Metaphone of `joined`.
    pub(crate) code: Code,
    /// Nickname classes of the first word (given names only).
    pub(crate) classes: Vec<u16>,
    /// Canonical first word (given names only).
    pub(crate) canonical: String,
}

impl NameForm {
    fn of(words: &[&str]) -> Option<Self> {
        let joined = words.concat();
        if joined.is_empty() {
            return None;
        }
        let mut long_words: Vec<String> =
            words.iter().filter(|word| word.len() >= 3).map(|word| (*word).to_owned()).collect();
        long_words.sort_unstable();
        long_words.dedup();
        let code = metaphone(&joined);
        Some(Self {
            joined,
            id: MISSING,
            long_words,
            long_ids: Vec::new(),
            code,
            classes: Vec::new(),
            canonical: String::new(),
        })
    }

    /// Form of a clean given name; `None` if nothing can be compared.
    pub(crate) fn given(clean: &str) -> Option<Self> {
        let folded = fold(clean);
        let words: Vec<&str> = folded.split_whitespace().collect();
        let mut form = Self::of(&words)?;
        let first = words.first().copied().unwrap_or_default();
        form.classes = NICKNAMES.classes_of(first).to_vec();
        NICKNAMES.canonical(first).clone_into(&mut form.canonical);
        Some(form)
    }

    /// Form of a clean family name; `None` if nothing can be compared.
    pub(crate) fn family(clean: &str) -> Option<Self> {
        let folded = fold(clean);
        let mut words: Vec<&str> = folded.split_whitespace().collect();
        let mut index = 0;
        while index < words.len() && words.len() > 1 {
            if PARTICLES.contains(words[index]) {
                words.remove(index);
            } else {
                index += 1;
            }
        }
        Self::of(&words)
    }
}

/// A street line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StreetForm {
    /// First all-digit word; empty if there is none.
    pub(crate) number: String,
    /// The other words, joined.
    pub(crate) rest: String,
    /// House number and Metaphone of the first alphabetic word of two or more letters; empty if either is absent.
    pub(crate) key: String,
}

impl StreetForm {
    /// Form of a clean street.
    pub(crate) fn of(clean: &str) -> Self {
        let mut words: Vec<&str> = clean.split_whitespace().collect();
        let position = words.iter().position(|word| word.bytes().all(|byte| byte.is_ascii_digit()));
        let number = position.map(|index| words.remove(index)).unwrap_or_default().to_owned();
        let named = words.iter().find(|word| word.len() >= 2 && word.bytes().all(|byte| byte.is_ascii_alphabetic()));
        let code = named.map(|word| metaphone(word)).unwrap_or_default();
        let letters = code_text(&code);
        let key = if number.is_empty() || letters.is_empty() { String::new() } else { format!("{number}{letters}") };
        Self { number, rest: words.concat(), key }
    }
}

/// The code as text, without its zero filling.
pub(crate) fn code_text(code: &Code) -> &str {
    let end = code.iter().position(|byte| *byte == 0).unwrap_or(code.len());
    std::str::from_utf8(&code[..end]).unwrap_or_default()
}

/// A calendar day packed as year·512 + month·32 + day; 0 is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Day(u32);

impl Day {
    pub(crate) const MISSING: Self = Self(0);

    /// Reads a clean birth date.
    pub(crate) fn read(clean: &str) -> Option<Self> {
        let bytes = clean.as_bytes();
        let shaped = bytes.len() == 10
            && bytes
                .iter()
                .enumerate()
                .all(|(at, byte)| if at == 4 || at == 7 { *byte == b'-' } else { byte.is_ascii_digit() });
        if !shaped {
            return None;
        }
        let number = |from: usize, to: usize| bytes[from..to].iter().fold(0, |sum, byte| sum * 10 + u32::from(byte - b'0'));
        let (year, month, day) = (number(0, 4), number(5, 7), number(8, 10));
        (year > 0 && (1..=12).contains(&month) && (1..=31).contains(&day)).then_some(Self(year << 9 | month << 5 | day))
    }

    pub(crate) fn is_missing(self) -> bool {
        self.0 == 0
    }

    pub(crate) fn year(self) -> u32 {
        self.0 >> 9
    }

    pub(crate) fn month(self) -> u32 {
        self.0 >> 5 & 15
    }

    pub(crate) fn day(self) -> u32 {
        self.0 & 31
    }

    /// `YYYYMMDD`.
    pub(crate) fn digits(self) -> [u8; 8] {
        let mut number = self.year() * 10_000 + self.month() * 100 + self.day();
        let mut digits = [b'0'; 8];
        for digit in digits.iter_mut().rev() {
            *digit += u8::try_from(number % 10).unwrap_or(0);
            number /= 10;
        }
        digits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn family_names_lose_particles() {
        let joined = |clean: &str| NameForm::family(clean).map(|form| form.joined);
        assert_eq!(joined("van der berg"), Some("berg".into()));
        assert_eq!(joined("de la"), Some("la".into()));
        assert_eq!(joined("o brien"), joined("o'brien"));
        assert_eq!(joined("smith-jones"), Some("smithjones".into()));
        assert_eq!(joined("\u{301}"), None);
    }

    #[test]
    fn given_names_know_their_classes() {
        let form = NameForm::given("bill-joe").expect("a name");
        assert_eq!((form.joined.as_str(), form.canonical.as_str()), ("billjoe", "william"));
        assert_eq!(form.long_words, ["bill", "joe"]);
    }

    #[test]
    fn street_forms() {
        let form = StreetForm::of("apt 4b 123 n main st");
        assert_eq!((form.number.as_str(), form.rest.as_str(), form.key.as_str()), ("123", "apt4bnmainst", "123APT"));
        assert_eq!(StreetForm::of("rose cottage").key, "");
    }

    #[test]
    fn days() {
        let day = Day::read("1980-05-12").expect("a day");
        assert_eq!((day.year(), day.month(), day.day()), (1980, 5, 12));
        assert_eq!(&day.digits(), b"19800512");
        assert!(Day::read("1980-13-01").is_none() && Day::read("19800512").is_none());
    }
}
