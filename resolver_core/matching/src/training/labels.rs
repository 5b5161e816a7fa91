//! What somebody knows of pairs of rows.

use super::calibrate::Judged;
use super::votes::ScoredPair;
use crate::error::{CoreResult, same_length};
use crate::record::Records;
use crate::score::{Scorer, checked_rows};

/// What somebody knows of pairs of rows.
#[derive(Debug, Clone, Copy, Default)]
pub struct Labels<'a> {
    /// Left rows of judged pairs.
    pub left: &'a [i64],
    /// Right rows.
    pub right: &'a [i64],
    /// Whether they are one person.
    pub same: &'a [bool],
    /// The person of each row, a negative number where unknown; or nothing.
    pub persons: &'a [i64],
}

/// Labels of rows that are there.
pub(super) struct Known<'a> {
    judged: Vec<(usize, usize, bool)>,
    persons: &'a [i64],
}

fn told(same: bool) -> f64 {
    f64::from(u8::from(same))
}

impl<'a> Labels<'a> {
    /// The same if they fit the batch. O(labels).
    pub(super) fn checked(&self, records: &Records) -> CoreResult<Known<'a>> {
        same_length("right", self.right.len(), self.left.len())?;
        same_length("same", self.same.len(), self.left.len())?;
        if !self.persons.is_empty() {
            same_length("persons", self.persons.len(), records.len())?;
        }
        let left = checked_rows("left", self.left, records)?;
        let right = checked_rows("right", self.right, records)?;
        let judged = left.into_iter().zip(right).zip(self.same).map(|((left, right), same)| (left, right, *same)).collect();
        Ok(Known { judged, persons: self.persons })
    }
}

impl Known<'_> {
    /// Labelled pairs with their scores: those that were judged, then those of the sample whose persons are known.
    pub(super) fn scored(&self, scorer: &Scorer<'_>, sample: &[ScoredPair]) -> Vec<Judged> {
        let bits = |score: i32| f64::from(score) / 1000.0;
        let judged = self.judged.iter();
        let mut found: Vec<Judged> = judged
            .map(|&(left, right, same)| Judged { bits: bits(scorer.score(left, right).score()), same: told(same) })
            .collect();
        let person = |row: u32| self.persons.get(row as usize).copied().filter(|person| *person >= 0);
        let known = |pair: &ScoredPair| {
            let (left, right) = (person(pair.left)?, person(pair.right)?);
            Some(Judged { bits: bits(pair.score), same: told(left == right) })
        };
        found.extend(sample.iter().filter_map(known));
        found
    }
}
