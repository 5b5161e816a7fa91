//! String distances and phonetic codes.

mod jaro;
mod phonetic;

use rapidfuzz::distance::{levenshtein as rapid_levenshtein, osa as rapid_osa};

pub(crate) use self::jaro::{Letters, jaro_winkler_bound, jaro_winkler_least};
pub use self::jaro::{jaro_winkler, jaro_winkler_units};
pub(crate) use self::phonetic::{Code, metaphone, metaphone_of};
pub use self::phonetic::{double_metaphone, soundex};

/// Levenshtein distance, bit-parallel. O(⌈m/64⌉·n).
///
/// ```
/// assert_eq!(goldthread_matching::levenshtein("kitten", "sitting"), 3);
/// ```
#[must_use]
pub fn levenshtein(left: &str, right: &str) -> usize {
    if left.is_ascii() && right.is_ascii() {
        return rapid_levenshtein::distance(left.bytes(), right.bytes());
    }
    rapid_levenshtein::distance(left.chars(), right.chars())
}

/// Optimal string alignment distance (an adjacent transposition costs one), bit-parallel. O(⌈m/64⌉·n).
///
/// ```
/// assert_eq!(goldthread_matching::osa("smiht", "smith"), 1);
/// ```
#[must_use]
pub fn osa(left: &str, right: &str) -> usize {
    if left.is_ascii() && right.is_ascii() {
        return rapid_osa::distance(left.bytes(), right.bytes());
    }
    rapid_osa::distance(left.chars(), right.chars())
}

/// Whether the optimal string alignment distance is at most one. O(n): what is left between the common ends decides.
#[must_use]
pub fn within_one(left: &[u8], right: &[u8]) -> bool {
    if left.len().abs_diff(right.len()) > 1 {
        return false;
    }
    let prefix = left.iter().zip(right).take_while(|(a, b)| a == b).count();
    let (left, right) = (&left[prefix..], &right[prefix..]);
    let suffix = left.iter().rev().zip(right.iter().rev()).take_while(|(a, b)| a == b).count();
    match (&left[..left.len() - suffix], &right[..right.len() - suffix]) {
        ([] | [_], [] | [_]) => true,
        ([a, b], [c, d]) => a == d && b == c,
        _ => false,
    }
}

/// Whether the optimal string alignment distance is at most two. O(n).
pub(crate) fn within_two(left: &[u8], right: &[u8]) -> bool {
    if left.len().abs_diff(right.len()) > 2 {
        return false;
    }
    let arguments = rapid_osa::Args::default().score_cutoff(2);
    rapid_osa::distance_with_args(left.iter().copied(), right.iter().copied(), &arguments).is_some()
}

/// Optimal string alignment distance of two lists of eight decimal digits, bit by bit (Hyyrö 2003). No more than some eighty operations.
pub(crate) fn osa_digits(left: [u8; 8], right: [u8; 8]) -> u32 {
    let mut places = [0_u32; 16];
    for (place, digit) in left.into_iter().enumerate() {
        places[usize::from(digit & 15)] |= 1 << place;
    }
    let (mut up, mut down, mut zero, mut before, mut distance) = (0xff_u32, 0_u32, 0_u32, 0_u32, 8);
    for digit in right {
        let here = places[usize::from(digit & 15)];
        let exchanged = ((!zero & here) << 1) & before;
        zero = (((here & up) + up) ^ up) | here | down | exchanged;
        let (risen, fallen) = (down | !(zero | up), zero & up);
        distance += risen >> 7 & 1;
        distance -= fallen >> 7 & 1;
        let risen = risen << 1 | 1;
        up = (fallen << 1 | !(zero | risen)) & 0xff;
        down = risen & zero & 0xff;
        before = here;
    }
    distance
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Textbook dynamic programme, with or without transpositions.
    fn plain(left: &str, right: &str, transpose: bool) -> usize {
        let (a, b): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
        let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
        for i in 0..=a.len() {
            for j in 0..=b.len() {
                rows[i][j] = if i == 0 || j == 0 {
                    i + j
                } else {
                    let substituted = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                    let mut best = substituted.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
                    if transpose && i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                        best = best.min(rows[i - 2][j - 2] + 1);
                    }
                    best
                };
            }
        }
        rows[a.len()][b.len()]
    }

    proptest! {
        #[test]
        fn levenshtein_is_the_textbook_metric(a in "[a-cé]{0,90}", b in "[a-cé]{0,90}", c in "[a-cé]{0,20}") {
            prop_assert_eq!(levenshtein(&a, &b), plain(&a, &b, false));
            prop_assert_eq!(levenshtein(&a, &b), levenshtein(&b, &a));
            prop_assert_eq!(levenshtein(&a, &a), 0);
            prop_assert!(levenshtein(&a, &b) <= levenshtein(&a, &c) + levenshtein(&c, &b));
        }

        #[test]
        fn osa_is_the_textbook_distance(a in "[a-cé]{0,90}", b in "[a-cé]{0,90}") {
            prop_assert_eq!(osa(&a, &b), plain(&a, &b, true));
            prop_assert_eq!(osa(&a, &b), osa(&b, &a));
        }

        #[test]
        fn within_two_is_osa_at_most_two(a in "[ab]{0,8}", b in "[ab]{0,8}") {
            prop_assert_eq!(within_two(a.as_bytes(), b.as_bytes()), plain(&a, &b, true) <= 2);
        }

        #[test]
        fn the_distance_of_digits_is_osa(a in "[0-3]{8}", b in "[0-3]{8}") {
            let digits = |text: &str| <[u8; 8]>::try_from(text.as_bytes()).expect("eight");
            prop_assert_eq!(osa_digits(digits(&a), digits(&b)) as usize, plain(&a, &b, true));
        }

        #[test]
        fn within_one_is_osa_at_most_one(a in "[ab]{0,8}", b in "[ab]{0,8}") {
            prop_assert_eq!(within_one(a.as_bytes(), b.as_bytes()), plain(&a, &b, true) <= 1);
        }
    }
}
