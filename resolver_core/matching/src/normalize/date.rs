//! Birth dates.

use super::text::{lowered, squash, trim};
use crate::tables::PLACEHOLDERS;

/// What became of a value.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// Blank or a placeholder.
    Missing,
    /// Present, but not to be read as a day.
    Invalid,
    /// `YYYY-MM-DD`, which is no calendar day between 1600 and 2100.
    NoDay(String),
    /// `YYYY-MM-DD`.
    Day(String),
}

/// Regions that write the month before the day.
const MONTH_FIRST: [&str; 3] = ["US", "PH", "BZ"];

fn days_in_month(year: u32, month: u32) -> u32 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Year, month, day as written.
fn parts(value: &str, month_first: bool) -> Option<(u32, u32, u32)> {
    if value.len() == 8 && value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some((value[..4].parse().ok()?, value[4..6].parse().ok()?, value[6..].parse().ok()?));
    }
    let separator = value.chars().find(|letter| matches!(letter, '/' | '.' | '-'))?;
    let mut groups = value.splitn(3, separator);
    let (first, second, third) = (groups.next()?, groups.next()?, groups.next()?);
    let read = |group: &str, longest: usize| {
        let digits = !group.is_empty() && group.len() <= longest && group.bytes().all(|byte| byte.is_ascii_digit());
        if digits { group.parse::<u32>().ok() } else { None }
    };
    if first.len() == 4 {
        let day = third.split(['T', 't', ' ']).next()?;
        return Some((read(first, 4)?, read(second, 2)?, read(day, 2)?));
    }
    if third.len() != 4 {
        return None;
    }
    let (left, right, year) = (read(first, 2)?, read(second, 2)?, read(third, 4)?);
    let (month, day) = if (month_first && left <= 12) || right > 12 { (left, right) } else { (right, left) };
    Some((year, month, day))
}

/// Reads a birth date; `region` decides between day first and month first where both are possible. O(n).
pub(crate) fn read_birth_date(value: &str, region: &str) -> Reading {
    let squashed = squash(value);
    if squashed.is_empty() || PLACEHOLDERS.birth_date.holds(&squashed) {
        return Reading::Missing;
    }
    let lowered = lowered(value);
    let Some((year, month, day)) = parts(trim(&lowered), MONTH_FIRST.contains(&region)) else {
        return Reading::Invalid;
    };
    if year == 9999 || PLACEHOLDERS.birth_date.holds(&format!("{year:04}{month:02}{day:02}")) {
        return Reading::Missing;
    }
    let valid = (1600..=2100).contains(&year) && (1..=12).contains(&month) && day >= 1 && day <= days_in_month(year, month);
    let clean = format!("{year:04}-{month:02}-{day:02}");
    if valid { Reading::Day(clean) } else { Reading::NoDay(clean) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(value: &str, region: &str) -> String {
        match read_birth_date(value, region) {
            Reading::Day(day) => day,
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn spellings_of_a_day() {
        for value in ["1980-05-12", "19800512", "1980/5/12", "1980.05.12", "1980-05-12T00:00:00", "1980-05-12 10:00"] {
            assert_eq!(day(value, "US"), "1980-05-12");
        }
        assert_eq!(day("05/12/1980", "US"), "1980-05-12");
        assert_eq!(day("05/12/1980", "GB"), "1980-12-05");
        assert_eq!(day("25.12.1980", "US"), "1980-12-25");
        assert_eq!(day("12/25/1980", "DE"), "1980-12-25");
        assert_eq!(day("１９８０-05-12", "US"), "1980-05-12");
    }

    #[test]
    fn impossible_and_placeholder_days() {
        for value in ["80-01-02", "soon", "1980", "1980-1234-01"] {
            assert_eq!(day(value, "US"), "Invalid", "{value}");
        }
        for (value, digits) in [
            ("1980-02-30", "1980-02-30"),
            ("1979-02-29", "1979-02-29"),
            ("1599-01-01", "1599-01-01"),
            ("25/26/1980", "1980-25-26"),
            ("1980-13-01", "1980-13-01"),
            ("01870045", "0187-00-45"),
        ] {
            assert_eq!(read_birth_date(value, "US"), Reading::NoDay(digits.to_owned()), "{value}");
        }
        for value in ["", "\u{a0}", "1900-01-01", "01/01/1970", "0000-00-00", "1111-11-11", "9999-12-31", "n/a", "-"] {
            assert_eq!(day(value, "US"), "Missing", "{value}");
        }
        assert_eq!(day("2000-02-29", "GB"), "2000-02-29");
    }
}
