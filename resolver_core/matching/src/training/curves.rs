//! What a report shows of a training: the weights of the candidates, and how well their probabilities were kept.

use super::calibrate::{Judged, Line, probability};

/// Width of the bins in which scores are counted, and of those that are shown, in millibits.
const FINE: i32 = 100;
const SHOWN: f64 = 500.0;
/// Scores beyond these are counted with them.
const LEAST: i32 = -60_000;
const MOST: i32 = 90_000;
const BINS: usize = 1501;
/// Bins of about equally many pairs in which probabilities are compared, and the probability from which pairs count.
const RELIABILITY_BINS: usize = 20;
const LEAST_PROBABILITY: f64 = 0.05;

/// Candidates by score: those whose nearest rival is a stranger, and those against a household.
#[derive(Debug, Clone)]
pub(super) struct Scores {
    bins: Vec<[u64; 2]>,
}

impl Default for Scores {
    fn default() -> Self {
        Self { bins: vec![[0; 2]; BINS] }
    }
}

impl Scores {
    pub(super) fn add(&mut self, score: i32, against_household: bool) {
        let place = usize::try_from((score.clamp(LEAST, MOST) - LEAST) / FINE).unwrap_or(0);
        self.bins[place][usize::from(against_household)] += 1;
    }

    pub(super) fn join(mut self, other: &Self) -> Self {
        for (own, more) in self.bins.iter_mut().zip(&other.bins) {
            own[0] += more[0];
            own[1] += more[1];
        }
        self
    }
}

/// One bar of the histogram of match weights, in pairs of the file.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WeightBin {
    /// Lower edge, in calibrated millibits; a bin is 500 wide.
    pub from: i32,
    /// Candidates whose nearest rival is "strangers".
    pub strangers: f64,
    /// Candidates whose nearest rival is "two people of one household".
    pub households: f64,
    /// Expected pairs of one person among both.
    pub matches: f64,
}

/// The histogram by calibrated score; empty bins are left out. O(bins).
pub(super) fn histogram(scores: &Scores, line: Line, worth: f64) -> Vec<WeightBin> {
    let mut found: Vec<WeightBin> = Vec::new();
    for (place, [strangers, households]) in (0_i32..).zip(&scores.bins) {
        if strangers + households == 0 {
            continue;
        }
        let (strangers, households) =
            (super::estimate::real(*strangers) * worth, super::estimate::real(*households) * worth);
        let calibrated = line.at(f64::from(LEAST + FINE * place + FINE / 2) / 1000.0);
        // Slope and scores are bounded, so the edge is far inside i32.
        #[allow(clippy::cast_possible_truncation)]
        let from = (libm::floor(calibrated * 1000.0 / SHOWN) * SHOWN) as i32;
        let matches = (strangers + households) * probability(calibrated);
        match found.last_mut().filter(|last| last.from == from) {
            Some(last) => {
                last.strangers += strangers;
                last.households += households;
                last.matches += matches;
            }
            None => found.push(WeightBin { from, strangers, households, matches }),
        }
    }
    found
}

/// One point of the calibration curve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReliabilityBin {
    /// Pairs in it.
    pub pairs: usize,
    /// Mean calibrated probability.
    pub expected: f64,
    /// Share of them that the votes, or the labels, call one person.
    pub observed: f64,
}

/// Mean probability and share of one person over pairs of equal number, of those of some probability. O(pairs · log pairs).
pub(super) fn reliability(judged: &[Judged], line: Line) -> Vec<ReliabilityBin> {
    let mut points: Vec<(f64, f64)> = judged
        .iter()
        .map(|one| (probability(line.at(one.bits)), one.same))
        .filter(|(expected, _)| *expected >= LEAST_PROBABILITY)
        .collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let size = points.len().div_ceil(RELIABILITY_BINS).max(1);
    let bin = |part: &[(f64, f64)]| {
        let count = super::estimate::real(part.len() as u64);
        ReliabilityBin {
            pairs: part.len(),
            expected: part.iter().map(|(expected, _)| expected).sum::<f64>() / count,
            observed: part.iter().map(|(_, same)| same).sum::<f64>() / count,
        }
    };
    points.chunks(size).map(bin).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_counted_by_calibrated_bin() {
        let mut scores = Scores::default();
        for (score, household) in [(-1_000_000, false), (10, false), (20, true), (449, false), (1_000_000, false)] {
            scores.add(score, household);
        }
        let scores = scores.join(&Scores::default());
        let bins = histogram(&scores, Line::PLAIN, 2.0);
        assert_eq!(bins.iter().map(|bin| bin.from).collect::<Vec<_>>(), [-60_000, 0, 90_000]);
        assert_eq!((bins[1].strangers, bins[1].households), (4.0, 2.0));
        assert!(bins[1].matches > 3.0 && bins[1].matches < 3.6 && bins[2].matches > 1.999);
        let moved = histogram(&scores, Line { slope: 1.0, intercept: -1.0 }, 1.0);
        assert_eq!(moved[1].from, -1000);
    }

    #[test]
    fn reliability_compares_pairs_of_some_probability() {
        let mut judged: Vec<Judged> =
            (0..100).map(|n| Judged { bits: 4.0, same: if n % 4 == 0 { 0.0 } else { 1.0 } }).collect();
        judged.extend((0..50).map(|_| Judged { bits: -9.0, same: 0.0 }));
        let bins = reliability(&judged, Line::PLAIN);
        assert_eq!(bins.iter().map(|bin| bin.pairs).sum::<usize>(), 100);
        assert!(bins.iter().all(|bin| (bin.expected - probability(4.0)).abs() < 1e-9));
        assert_eq!(reliability(&[], Line::PLAIN), []);
    }
}
