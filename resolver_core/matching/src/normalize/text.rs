//! Character-level work every normaliser shares.

use any_ascii::any_ascii_char;
use unicode_general_category::{GeneralCategory as Category, get_general_category};
use unicode_normalization::UnicodeNormalization;

/// Whether a character counts as blank: the `White_Space` property, U+FEFF, and the separators U+001C to U+001F, which some
/// languages strip and others do not.
pub(crate) fn is_blank(character: char) -> bool {
    character.is_whitespace() || character == '\u{feff}' || ('\u{1c}'..='\u{1f}').contains(&character)
}

/// Without blanks at either end.
pub(crate) fn trim(value: &str) -> &str {
    value.trim_matches(is_blank)
}

/// Whether a character is a control or an invisible format character.
pub(crate) fn is_control(character: char) -> bool {
    if character.is_ascii() {
        return character.is_ascii_control();
    }
    matches!(get_general_category(character), Category::Control | Category::Format)
}

/// Whether a character is a letter or a combining mark.
pub(crate) fn is_letter_or_mark(character: char) -> bool {
    if character.is_ascii() {
        return character.is_ascii_alphabetic();
    }
    matches!(
        get_general_category(character),
        Category::UppercaseLetter
            | Category::LowercaseLetter
            | Category::TitlecaseLetter
            | Category::ModifierLetter
            | Category::OtherLetter
            | Category::NonspacingMark
            | Category::SpacingMark
            | Category::EnclosingMark
    )
}

fn is_number(character: char) -> bool {
    if character.is_ascii() {
        return character.is_ascii_digit();
    }
    matches!(get_general_category(character), Category::DecimalNumber | Category::LetterNumber | Category::OtherNumber)
}

/// Makes typographic apostrophes and dashes plain.
pub(crate) fn plain(character: char) -> char {
    match character {
        '`' | '´' | '‘' | '’' | '‛' | '′' | '\u{2b9}' | '\u{2bb}' | '\u{2bc}' | '\u{2bd}' | '\u{ff07}' => '\'',
        '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe58}' | '\u{fe63}' | '\u{ff0d}' => '-',
        other => other,
    }
}

/// NFKC, lower case, apostrophes and dashes plain; stable under repetition. O(n).
pub(crate) fn lowered(value: &str) -> String {
    if value.is_ascii() {
        return value.chars().map(|character| plain(character.to_ascii_lowercase())).collect();
    }
    let composed: String = value.chars().map(plain).nfkc().collect();
    composed.to_lowercase().nfkc().map(plain).collect()
}

/// Letters, marks and numbers of the lowered value: the form placeholder tables are written in. O(n).
pub(crate) fn squash(value: &str) -> String {
    if value.is_ascii() {
        let mut squashed = String::with_capacity(value.len());
        squashed.extend(value.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()));
        return squashed;
    }
    lowered(value).chars().filter(|&character| is_letter_or_mark(character) || is_number(character)).collect()
}

/// ASCII transliteration, lower case, everything but letters and digits a single space; apostrophes vanish or become a space. O(n).
fn transliterate(value: &str, apostrophe_vanishes: bool) -> String {
    let mut folded = String::with_capacity(value.len());
    let mut gap = false;
    let mut push = |letter: char| {
        if letter.is_ascii_alphanumeric() {
            if gap && !folded.is_empty() {
                folded.push(' ');
            }
            gap = false;
            folded.push(letter.to_ascii_lowercase());
        } else if letter != '\'' || !apostrophe_vanishes {
            gap = true;
        }
    };
    for character in value.chars() {
        if character.is_ascii() {
            push(character);
        } else if character.is_whitespace() {
            push(' ');
        } else {
            any_ascii_char(character).chars().for_each(&mut push);
        }
    }
    folded
}

/// The compared form of names: `fold` of docs/matching.md section 4.
///
/// ```
/// assert_eq!(goldthread_matching::fold("O’Brien-Müller"), "obrien muller");
/// ```
#[must_use]
pub fn fold(value: &str) -> String {
    transliterate(value, true)
}

/// The stored form of places: as [`fold`], but an apostrophe becomes a space.
pub(crate) fn fold_place(value: &str) -> String {
    transliterate(value, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_of_every_language_are_trimmed() {
        for blank in [" ", "\t", "\u{a0}", "\u{85}", "\u{1c}", "\u{1d}", "\u{1e}", "\u{1f}", "\u{feff}", "\u{3000}"] {
            assert_eq!(trim(&format!("{blank}a{blank}")), "a");
            assert_eq!(trim(blank), "");
        }
        assert_eq!(trim("\u{200b}"), "\u{200b}");
    }

    #[test]
    fn folding() {
        assert_eq!(fold("  Señor   D’Arcy "), "senor darcy");
        assert_eq!(fold("Łukasz"), "lukasz");
        assert_eq!(fold("Straße"), "strasse");
        assert_eq!(fold("İ"), "i");
        assert_eq!(fold_place("Coeur d'Alene"), "coeur d alene");
        assert_eq!(squash(" N/A. "), "na");
        assert_eq!(squash("−–?"), "");
    }
}
