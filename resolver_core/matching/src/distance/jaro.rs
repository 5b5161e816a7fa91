//! Jaro-Winkler similarity in integer arithmetic.

/// Similarity one, in units.
const ONE: u128 = 10_000;

/// Up to this length the fraction fits into 64 bits.
const SMALL: usize = 10_000;

/// Flags of at most this many characters live on the stack.
const SHORT: usize = 64;

/// Jaro-Winkler of two texts in units of 1/10000, rounded half up. O(n·window).
///
/// ```
/// assert_eq!(goldthread_matching::jaro_winkler("martha", "marhta"), 9611);
/// ```
#[must_use]
pub fn jaro_winkler(left: &str, right: &str) -> u32 {
    if left.is_ascii() && right.is_ascii() {
        return jaro_winkler_units(left.as_bytes(), right.as_bytes());
    }
    let (left, right): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
    jaro_winkler_units(&left, &right)
}

/// Jaro-Winkler of two sequences in units of 1/10000, rounded half up from the exact fraction. O(n·window).
#[must_use]
pub fn jaro_winkler_units<T: PartialEq + Copy>(left: &[T], right: &[T]) -> u32 {
    if left == right {
        return 10_000;
    }
    if left.is_empty() || right.is_empty() {
        return 0;
    }
    let (matches, transposed) =
        if left.len().max(right.len()) <= SHORT { short_matches(left, right) } else { long_matches(left, right) };
    let prefix = left.iter().zip(right).take(4).take_while(|(a, b)| a == b).count();
    units(left.len(), right.len(), matches, transposed, prefix)
}

/// `jaro = (m/a + m/b + (m - t)/m) / 3` and `jw = jaro + p/10·(1 - jaro)` as one fraction.
fn units(left: usize, right: usize, matches: usize, transposed: usize, prefix: usize) -> u32 {
    if matches == 0 {
        return 0;
    }
    let half = transposed / 2;
    if left.max(right) <= SMALL {
        let [left, right, matches, half, prefix] = [left, right, matches, half, prefix].map(|count| count as u64);
        let whole = 3 * left * right * matches;
        let jaro = matches * matches * (left + right) + (matches - half) * left * right;
        let numerator = 10 * jaro + prefix * (whole - jaro);
        return u32::try_from((20_000 * numerator + 10 * whole) / (20 * whole)).unwrap_or(10_000);
    }
    let [left, right, matches, half, prefix] = [left, right, matches, half, prefix].map(|count| count as u128);
    let denominator = 3 * left * right * matches;
    let jaro = matches * matches * (left + right) + (matches - half) * left * right;
    let numerator = 10 * jaro + prefix * (denominator - jaro);
    let denominator = 10 * denominator;
    u32::try_from((2 * ONE * numerator + denominator) / (2 * denominator)).unwrap_or(10_000)
}

/// How often each letter or digit occurs in a text: once, twice, and how many more there are. Two of them bound what Jaro-Winkler can match.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Letters {
    once: u64,
    twice: u64,
    more: u32,
}

impl Letters {
    /// Letters of a text. O(n).
    pub(crate) fn of(text: &[u8]) -> Self {
        let mut letters = Self::default();
        for byte in text {
            let bit = match byte {
                b'a'..=b'z' => 1 << (byte - b'a'),
                b'0'..=b'9' => 1 << (byte - b'0' + 26),
                _ => 1_u64 << (36 + byte % 28),
            };
            if letters.once & bit == 0 {
                letters.once |= bit;
            } else if letters.twice & bit == 0 {
                letters.twice |= bit;
            } else {
                letters.more += 1;
            }
        }
        letters
    }

    /// No fewer letters than the two have in common, each counted as often as both have it. O(1).
    pub(crate) fn shared(self, other: Self) -> usize {
        let pairs = (self.once & other.once).count_ones() + (self.twice & other.twice).count_ones();
        (pairs + self.more.min(other.more)) as usize
    }
}

/// No less than the Jaro-Winkler of two texts that share at most so many letters, in its units. O(1).
pub(crate) fn jaro_winkler_bound(left: &[u8], right: &[u8], shared: usize) -> u32 {
    let prefix = left.iter().zip(right).take(4).take_while(|(a, b)| a == b).count();
    units(left.len(), right.len(), shared.min(left.len()).min(right.len()), 0, prefix)
}

/// The fewest letters that texts of these lengths and this common beginning must share to be as similar, in units of 1/10000; more than either has
/// where that is impossible. O(length).
pub(crate) fn jaro_winkler_least(left: usize, right: usize, prefix: usize, similarity: u32) -> usize {
    let shorter = left.min(right);
    (1..=shorter).find(|shared| units(left, right, *shared, 0, prefix) >= similarity).unwrap_or(shorter + 1)
}

fn window(left: usize, right: usize) -> usize {
    (left.max(right) / 2).saturating_sub(1)
}

fn short_matches<T: PartialEq + Copy>(left: &[T], right: &[T]) -> (usize, usize) {
    let reach = window(left.len(), right.len());
    let (mut left_flags, mut right_flags) = (0_u64, 0_u64);
    for (i, letter) in left.iter().enumerate() {
        let start = i.saturating_sub(reach).min(right.len());
        let end = (i + reach + 1).min(right.len());
        let free = |&(j, other): &(usize, &T)| right_flags >> j & 1 == 0 && other == letter;
        if let Some((j, _)) = (start..end).zip(&right[start..end]).find(free) {
            left_flags |= 1 << i;
            right_flags |= 1 << j;
        }
    }
    let matches = left_flags.count_ones() as usize;
    let mut transposed = 0;
    while left_flags != 0 {
        let (i, j) = (left_flags.trailing_zeros() as usize, right_flags.trailing_zeros() as usize);
        transposed += usize::from(left[i] != right[j]);
        left_flags &= left_flags - 1;
        right_flags &= right_flags - 1;
    }
    (matches, transposed)
}

fn long_matches<T: PartialEq + Copy>(left: &[T], right: &[T]) -> (usize, usize) {
    let reach = window(left.len(), right.len());
    let mut taken = vec![false; right.len()];
    let mut matched = Vec::new();
    for (i, letter) in left.iter().enumerate() {
        let start = i.saturating_sub(reach).min(right.len());
        let end = (i + reach + 1).min(right.len());
        if let Some(offset) = (start..end).find(|&j| !taken[j] && right[j] == *letter) {
            taken[offset] = true;
            matched.push(*letter);
        }
    }
    let in_right = right.iter().zip(&taken).filter(|(_, taken)| **taken).map(|(letter, _)| letter);
    (matched.len(), matched.iter().zip(in_right).filter(|(a, b)| a != b).count())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn published_values() {
        for (left, right, expected) in [
            ("martha", "marhta", 9611),
            ("dwayne", "duane", 8400),
            ("dixon", "dicksonx", 8133),
            ("jones", "johnson", 8324),
            ("abroms", "abrams", 9222),
            ("a", "", 0),
            ("", "", 10_000),
            ("ab", "cd", 0),
        ] {
            assert_eq!(jaro_winkler(left, right), expected, "{left} {right}");
        }
    }

    proptest! {
        #[test]
        fn symmetric_bounded_and_reflexive(a in "[a-dé]{0,12}", b in "[a-dé]{0,12}") {
            prop_assert_eq!(jaro_winkler(&a, &b), jaro_winkler(&b, &a));
            prop_assert!(jaro_winkler(&a, &b) <= 10_000);
            prop_assert_eq!(jaro_winkler(&a, &a), 10_000);
        }

        #[test]
        fn shared_letters_bound_the_similarity(a in "[a-dxé0-2]{0,12}", b in "[a-dxé0-2]{0,12}") {
            let (left, right) = (a.as_bytes(), b.as_bytes());
            let shared = Letters::of(left).shared(Letters::of(right));
            prop_assert!(jaro_winkler_units(left, right) <= jaro_winkler_bound(left, right, shared) || left == right);
            let (near, longer) = (super::super::within_one(left, right), left.len().max(right.len()));
            prop_assert!(!near || shared + 1 >= longer);
            prop_assert!(!super::super::within_two(left, right) || shared + 2 >= longer);
        }

        #[test]
        fn long_and_short_ways_agree(a in "[a-c]{1,40}", b in "[a-c]{1,40}") {
            prop_assert_eq!(short_matches(a.as_bytes(), b.as_bytes()), long_matches(a.as_bytes(), b.as_bytes()));
        }
    }
}
