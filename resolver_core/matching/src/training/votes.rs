//! Votes of third records: whether two records are one person, as the records say that are certainly one person with either (docs/training.md section 5).

use rayon::prelude::*;
use rustc_hash::FxHashMap;

use super::learn::rounded;
use crate::score::{Levels, Scorer};

/// Bits from which a pair is certain enough for one to speak for the other, and how many speak at most for one record.
pub(super) const STRONG: i32 = 8000;
const MOST_VOICES: usize = 6;
/// A voice counts with so many bits at most.
const LOUDEST: i32 = 10_000;
/// Bits that a pair with the same fields could have been expected to reach: a voice that could not have said yes is not asked.
const ABLE: i32 = 6000;

/// A scored pair of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ScoredPair {
    pub(super) left: u32,
    pub(super) right: u32,
    pub(super) score: i32,
}

/// What the third records say of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Vote {
    /// There is none that could speak.
    Silent,
    /// Two persons.
    Different,
    /// Neither.
    Unclear,
    /// One person.
    Same,
}

impl Vote {
    /// How many there are.
    pub(super) const COUNT: usize = 4;

    /// Of a sum of voices, of which `able` could have been expected for one person: three tenths of that are clear.
    fn of(sum: i64, able: i64) -> Self {
        match able {
            0 => Self::Silent,
            _ if 10 * sum >= 3 * able => Self::Same,
            _ if 10 * sum < -3 * able => Self::Different,
            _ => Self::Unclear,
        }
    }
}

/// A pair and what is said of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Voted {
    /// In millibits.
    pub(super) score: i32,
    /// Millibits that a pair of one person with the same fields could have been expected to reach.
    pub(super) able: i32,
    pub(super) vote: Vote,
}

/// The records that speak for a record: those most certainly one person with it.
pub(super) struct Voices {
    by_record: FxHashMap<u32, Vec<u32>>,
}

impl Voices {
    /// Of the pairs at or above [`STRONG`]; ties go by address. O(pairs · log pairs).
    pub(super) fn new(scorer: &Scorer<'_>, pairs: &[ScoredPair]) -> Self {
        let mut strong: FxHashMap<u32, Vec<(i32, u32)>> = FxHashMap::default();
        for pair in pairs.iter().filter(|pair| pair.score >= STRONG) {
            strong.entry(pair.left).or_default().push((-pair.score, pair.right));
            strong.entry(pair.right).or_default().push((-pair.score, pair.left));
        }
        let best = |mut found: Vec<(i32, u32)>| {
            found.sort_unstable_by_key(|(score, row)| (*score, *scorer.records.address(*row as usize)));
            found.dedup();
            found.into_iter().take(MOST_VOICES).map(|(_, row)| row).collect()
        };
        Self { by_record: strong.into_iter().map(|(row, found)| (row, best(found))).collect() }
    }

    fn of(&self, row: u32) -> &[u32] {
        self.by_record.get(&row).map_or(&[], Vec::as_slice)
    }
}

/// What the third records say of each pair. `expected` is the weight that each comparison brings on average to a pair of one person, in bits.
/// O(pairs · voices).
pub(super) fn votes(scorer: &Scorer<'_>, pairs: &[ScoredPair], voices: &Voices, expected: &[f64]) -> Vec<Voted> {
    pairs.par_iter().with_min_len(256).map(|pair| Ballot { scorer, voices, expected }.vote(*pair)).collect()
}

struct Ballot<'a> {
    scorer: &'a Scorer<'a>,
    voices: &'a Voices,
    expected: &'a [f64],
}

impl Ballot<'_> {
    /// Millibits that a pair of one person with these fields could have been expected to reach.
    fn able(&self, levels: &Levels) -> i32 {
        let present = levels.iter().zip(self.expected).filter(|(level, _)| **level != 0).map(|(_, bits)| *bits);
        self.scorer.model.stranger_prior() + rounded(1000.0 * present.sum::<f64>())
    }

    /// Each side's voices speak of the other record. Two that say the same, level by level, are one voice: a record that repeats another. Nor does
    /// one speak of a pair whose levels are its own: it would only repeat the pair.
    fn vote(&self, pair: ScoredPair) -> Voted {
        let address = |row: u32| self.scorer.records.address(row as usize);
        let (one, other) =
            if address(pair.left) <= address(pair.right) { (pair.left, pair.right) } else { (pair.right, pair.left) };
        let own = self.scorer.score(pair.left as usize, pair.right as usize).levels;
        let mut heard: Vec<Levels> = vec![own];
        let (mut sum, mut able) = (0_i64, 0_i64);
        for (near, far) in [(one, other), (other, one)] {
            for third in self.voices.of(near).iter().filter(|third| **third != far) {
                let said = self.scorer.score(*third as usize, far as usize);
                let could = self.able(&said.levels);
                if could >= ABLE && !heard.contains(&said.levels) {
                    sum += i64::from(said.score().clamp(-LOUDEST, LOUDEST));
                    able += i64::from(could.min(LOUDEST));
                    heard.push(said.levels);
                }
            }
        }
        Voted { score: pair.score, able: self.able(&own), vote: Vote::of(sum, able) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::tests::plain;
    use crate::record::tests::{batch, named};

    #[test]
    fn a_vote_is_clear_from_three_tenths_of_what_could_be_said() {
        assert_eq!(Vote::of(0, 0), Vote::Silent);
        assert_eq!([Vote::of(3000, 10_000), Vote::of(2999, 10_000)], [Vote::Same, Vote::Unclear]);
        assert_eq!([Vote::of(-3000, 10_000), Vote::of(-3001, 10_000)], [Vote::Unclear, Vote::Different]);
    }

    /// Rows 0 to 4 are alike, row 5 is the other of the pair, row 6 is somebody near row 0 who writes the name otherwise.
    #[test]
    fn copies_are_not_heard() {
        let mut samples = vec![named("anna", "zimmer"); 5];
        samples.extend([named("annalena", "zimmermann"), named("annalena", "zimmer")]);
        let addresses: Vec<String> = (0..samples.len()).map(|row| format!("row {row}")).collect();
        let records = batch(&addresses.iter().map(String::as_str).collect::<Vec<_>>(), &samples);
        let model = plain();
        let scorer = Scorer::new(&records, records.slots(), &model);
        let expected = vec![20.0; model.width()];
        let pair = ScoredPair { left: 0, right: 5, score: 0 };
        let told = |near: &[u32]| {
            let strong: Vec<ScoredPair> =
                near.iter().map(|row| ScoredPair { left: 0, right: *row, score: STRONG }).collect();
            votes(&scorer, &[pair], &Voices::new(&scorer, &strong), &expected)[0].vote
        };
        assert_eq!(told(&[]), Vote::Silent);
        // What copies of row 0 say of row 5 is what row 0 says itself.
        assert_eq!(told(&[1, 2, 3, 4]), Vote::Silent);
        assert_ne!(told(&[1, 6]), Vote::Silent);
        let weak = vec![0.0; model.width()];
        let strong = [ScoredPair { left: 0, right: 6, score: STRONG }];
        assert_eq!(votes(&scorer, &[pair], &Voices::new(&scorer, &strong), &weak)[0].vote, Vote::Silent);
    }
}
