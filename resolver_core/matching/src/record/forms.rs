//! Compared forms of attribute values, made once per distinct value.

use rustc_hash::FxHashMap;

use crate::distance::{Code, Letters, metaphone, metaphone_of};
use crate::normalize::fold;
use crate::tables::{NICKNAMES, PARTICLES};

/// Number of a text in the list of a batch.
pub(crate) type TextId = u32;

/// The number that says "missing".
pub(crate) const MISSING: u32 = u32::MAX;

/// A given or family name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NameForm {
    /// Words without spaces; never empty.
    pub(crate) joined: String,
    /// Letters of `joined`.
    pub(crate) letters: Letters,
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
    /// Number of `canonical`.
    pub(crate) canonical_id: TextId,
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
            letters: Letters::of(joined.as_bytes()),
            joined,
            id: MISSING,
            long_words,
            long_ids: Vec::new(),
            code,
            classes: Vec::new(),
            canonical: String::new(),
            canonical_id: MISSING,
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

/// What a street line is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StreetParts {
    /// First word that begins with a digit and is no ordinal; empty if there is none.
    pub(crate) number: String,
    /// The other words, joined; empty if there is none.
    pub(crate) name: String,
    /// First all-digit word and Metaphone of the first alphabetic word of two or more letters; empty if either is absent.
    pub(crate) key: String,
    /// Letters of `name`.
    pub(crate) letters: Letters,
    /// Metaphone of `name`.
    pub(crate) code: [u8; 8],
}

/// A street line as it is kept: nearly every record has one of its own, so its texts are numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StreetForm {
    /// Letters of the name.
    pub(crate) letters: Letters,
    /// Metaphone of the name.
    pub(crate) code: [u8; 8],
    /// Numbers of the texts of [`StreetParts`]; [`MISSING`] for an empty one.
    pub(crate) ids: StreetIds,
}

/// Numbers of the texts of a street line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StreetIds {
    pub(crate) number: TextId,
    pub(crate) name: TextId,
    pub(crate) key: TextId,
}

/// Whether a word is digits followed by `st`, `nd`, `rd` or `th`.
fn is_ordinal(word: &str) -> bool {
    let ending = ["st", "nd", "rd", "th"].into_iter().find_map(|ending| word.strip_suffix(ending));
    ending.is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Codes of the words and names of streets met before: many lines are houses of one street.
#[derive(Default)]
pub(crate) struct StreetCodes {
    words: FxHashMap<String, [u8; 4]>,
    names: FxHashMap<String, [u8; 8]>,
}

impl StreetCodes {
    fn code<const N: usize>(known: &mut FxHashMap<String, [u8; N]>, text: &str) -> [u8; N] {
        if let Some(code) = known.get(text) {
            return *code;
        }
        let code = metaphone_of(text);
        known.insert(text.to_owned(), code);
        code
    }
}

impl StreetParts {
    /// Parts of a clean street.
    pub(crate) fn of(clean: &str, codes: &mut StreetCodes) -> Self {
        let mut words: Vec<&str> = clean.split_whitespace().collect();
        let digits = words.iter().find(|word| word.bytes().all(|byte| byte.is_ascii_digit())).copied().unwrap_or_default();
        let named = words.iter().find(|word| word.len() >= 2 && word.bytes().all(|byte| byte.is_ascii_alphabetic()));
        let code = named.map(|word| StreetCodes::code(&mut codes.words, word)).unwrap_or_default();
        let letters = code_text(&code);
        let key = if digits.is_empty() || letters.is_empty() { String::new() } else { format!("{digits}{letters}") };
        let position = words.iter().position(|word| word.as_bytes()[0].is_ascii_digit() && !is_ordinal(word));
        let number = position.map(|index| words.remove(index)).unwrap_or_default().to_owned();
        let name = words.concat();
        let code = StreetCodes::code(&mut codes.names, &name);
        let letters = Letters::of(name.as_bytes());
        Self { number, name, key, letters, code }
    }
}

/// A city.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CityForm {
    /// Words without spaces; never empty.
    pub(crate) joined: String,
    /// Letters of `joined`.
    pub(crate) letters: Letters,
    /// Metaphone of `joined`.
    pub(crate) code: [u8; 6],
    /// Number of `joined`.
    pub(crate) id: TextId,
}

impl CityForm {
    /// Form of a clean city; `None` if nothing can be compared.
    pub(crate) fn of(clean: &str) -> Option<Self> {
        let joined = clean.replace(' ', "");
        (!joined.is_empty()).then(|| Self {
            letters: Letters::of(joined.as_bytes()),
            code: metaphone_of(&joined),
            joined,
            id: MISSING,
        })
    }
}

/// The code as text, without its zero filling.
pub(crate) fn code_text(code: &[u8]) -> &str {
    let end = code.iter().position(|byte| *byte == 0).unwrap_or(code.len());
    std::str::from_utf8(&code[..end]).unwrap_or_default()
}

/// The eight digits of a birth date as a number, whether or not the calendar has the day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Day(u32);

impl Day {
    pub(crate) const MISSING: Self = Self(u32::MAX);

    /// Reads a clean birth date.
    pub(crate) fn read(clean: &str) -> Option<Self> {
        let bytes = clean.as_bytes();
        let shaped = bytes.len() == 10
            && bytes
                .iter()
                .enumerate()
                .all(|(at, byte)| if at == 4 || at == 7 { *byte == b'-' } else { byte.is_ascii_digit() });
        let digits = bytes.iter().filter(|byte| **byte != b'-');
        shaped.then(|| Self(digits.fold(0, |number, byte| number * 10 + u32::from(byte - b'0'))))
    }

    pub(crate) fn is_missing(self) -> bool {
        self == Self::MISSING
    }

    pub(crate) fn year(self) -> u32 {
        self.0 / 10_000
    }

    pub(crate) fn month(self) -> u32 {
        self.0 / 100 % 100
    }

    pub(crate) fn day(self) -> u32 {
        self.0 % 100
    }

    /// `YYYYMMDD` as a number.
    pub(crate) fn number(self) -> u32 {
        self.0
    }

    /// Whether day and month are what is written where only the year is known.
    pub(crate) fn is_default(self) -> bool {
        matches!((self.month(), self.day()), (1, 1) | (0, _) | (_, 0))
    }

    /// `YYYYMMDD`.
    pub(crate) fn digits(self) -> [u8; 8] {
        let mut number = self.0;
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
        let parts = |clean: &str| {
            let form = StreetParts::of(clean, &mut StreetCodes::default());
            (form.number, form.name, form.key)
        };
        let expected = |number: &str, name: &str, key: &str| (number.to_owned(), name.to_owned(), key.to_owned());
        assert_eq!(parts("123 n main st apt 4b"), expected("123", "nmainstapt4b", "123MN"));
        assert_eq!(parts("apt 4b 123 n main st"), expected("4b", "apt123nmainst", "123APT"));
        assert_eq!(parts("12b 5th ave"), expected("12b", "5thave", ""));
        assert_eq!(parts("5th ave"), expected("", "5thave", ""));
        assert_eq!(parts("77"), expected("77", "", ""));
        assert_eq!(parts("rose cottage"), expected("", "rosecottage", ""));
        assert_eq!(code_text(&StreetParts::of("4 martin luther king blvd", &mut StreetCodes::default()).code), "MRTNL0RK");
    }

    #[test]
    fn days() {
        let day = Day::read("1980-05-12").expect("a day");
        assert_eq!((day.year(), day.month(), day.day()), (1980, 5, 12));
        assert_eq!((&day.digits(), day.is_default()), (b"19800512", false));
        let never = Day::read("0187-13-40").expect("digits");
        assert_eq!((never.digits(), never.is_default(), never.is_missing()), (*b"01871340", false, false));
        assert!(["1980-01-01", "1980-00-00", "1980-00-12"].iter().all(|date| Day::read(date).is_some_and(Day::is_default)));
        assert!(Day::read("1980-1-01").is_none() && Day::read("19800512").is_none());
    }
}
