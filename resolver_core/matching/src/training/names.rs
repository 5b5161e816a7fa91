//! Term frequencies of the names of a file.

use crate::model::{NameCounts, Shares};
use crate::record::{MISSING, NameForm, Records, Row};

/// Records that must have a name before a model may list it, and the names it lists at most.
const LEAST_COUNT: u32 = 20;
const MOST_LISTED: usize = 5000;
/// Largest correction, in millibits.
const LIMIT: i32 = 6000;

fn rounded(number: f64, places: f64) -> f64 {
    libm::floor(number * places + 0.5) / places
}

/// Counts of one name column, given the shares of its levels; rounded as the model file writes them. O(records).
pub(super) fn counts<'a>(
    records: &'a Records,
    shares: Option<&Shares>,
    name: impl Fn(&'a Row) -> Option<&'a NameForm>,
) -> NameCounts {
    let Some(shares) = shares else { return NameCounts::of_none() };
    let mut by_text: Vec<u32> = vec![0; records.texts().len()];
    let mut total: u32 = 0;
    for form in (0..records.len()).filter_map(|row| name(records.row(row))) {
        if form.id != MISSING {
            by_text[form.id as usize] += 1;
            total += 1;
        }
    }
    if total == 0 {
        return NameCounts::of_none();
    }
    let million = 1e6 / f64::from(total);
    let mut often: Vec<(u32, &str)> = Vec::new();
    let (mut rest, mut squares) = (0.0, 0.0);
    for (count, text) in by_text.into_iter().zip(records.texts()).filter(|(count, _)| *count > 0) {
        if count >= LEAST_COUNT {
            often.push((count, text));
        } else {
            rest += f64::from(count);
            squares += f64::from(count) * f64::from(count);
        }
    }
    often.sort_unstable_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(b.1)));
    for (count, _) in often.iter().skip(MOST_LISTED) {
        rest += f64::from(*count);
        squares += f64::from(*count) * f64::from(*count);
    }
    often.truncate(MOST_LISTED);
    // The frequency of the name of a person drawn from those whose names are not listed.
    let default = if rest > 0.0 { (squares / rest * million).max(million) } else { million };
    let mut listed: Vec<(String, f64)> =
        often.into_iter().map(|(count, name)| (name.to_owned(), rounded(f64::from(count) * million, 10.0))).collect();
    listed.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    NameCounts {
        baseline: rounded((shares.strangers[1] * 1e6).max(0.001), 1000.0),
        default: rounded(default.max(0.001), 1000.0),
        limit: LIMIT,
        listed,
    }
}
