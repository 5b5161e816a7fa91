//! Jaro-Winkler similarity in integer arithmetic.

/// Similarity one, in units.
const ONE: u128 = 10_000;

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
    let [left, right, matches, half, prefix] = [left, right, matches, transposed / 2, prefix].map(|count| count as u128);
    let denominator = 3 * left * right * matches;
    let jaro = matches * matches * (left + right) + (matches - half) * left * right;
    let numerator = 10 * jaro + prefix * (denominator - jaro);
    let denominator = 10 * denominator;
    u32::try_from((2 * ONE * numerator + denominator) / (2 * denominator)).unwrap_or(10_000)
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
        fn long_and_short_ways_agree(a in "[a-c]{1,40}", b in "[a-c]{1,40}") {
            prop_assert_eq!(short_matches(a.as_bytes(), b.as_bytes()), long_matches(a.as_bytes(), b.as_bytes()));
        }
    }
}
