//! What votes of third records say of the scores: how they must be stretched and moved (docs/training.md section 5).
//!
//! Who is heard differs: a person of two records has no third one, so only the pairs of two persons are voted on in a file of such. So a vote is
//! no label. It is a signal whose shares among pairs of one person and of two are learned beside the curve, silence included: a mixture of two,
//! in which the score is one view of a pair and the vote the other.

use super::calibrate::{Judged, Line, Ridges, believed, climbed, probability};
use super::estimate::real;
use super::votes::{Vote, Voted};

/// Scores between which pairs are looked at, in millibits: from the nearest to the widest.
const WINDOWS: [(i32, i32); 3] = [(-8000, 12_000), (-10_000, 14_000), (LEAST_HEARD, MOST_HEARD)];
pub(super) const LEAST_HEARD: i32 = -14_000;
pub(super) const MOST_HEARD: i32 = 20_000;
/// Scores between which pairs are undecided.
pub(super) const UNDECIDED: (i32, i32) = (-6000, 10_000);
/// Millibits of a bin of scores; scores beyond the bounds say no more about the curve.
const BIN: i32 = 125;
const LEAST_BIN: i32 = -8000;
const MOST_BIN: i32 = 12_000;
const BINS: usize = 161;
/// Thirds of the pairs by what they could have been expected to reach: little is said of a pair that has little.
const THIRDS: usize = 3;
const CELLS: usize = THIRDS * Vote::COUNT;
/// Pairs of either class that each vote is given beside those counted.
const UNSEEN: f64 = 0.5;
/// How firmly the slope is held at one and the intercept at nothing: some hundred votes move little, since a slip in one record makes both its score
/// and its votes doubtful.
const RIDGES: Ridges = Ridges { slope: 60.0, intercept: 12.0 };
/// Fewer votes say nothing of a file.
const LEAST_VOTES: usize = 100;
const MOST_ROUNDS: usize = 1500;
const SETTLED: f64 = 1e-5;

/// Pairs by third and vote, and by bin of scores.
type Counts = [[u32; BINS]; CELLS];

/// What the votes say.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Heard {
    /// What scores become.
    pub(super) line: Line,
    /// Whether somebody was heard, and says the same wherever one looks.
    pub(super) believed: bool,
    /// Upper bounds of the first two thirds, in millibits.
    bounds: [i32; THIRDS - 1],
    /// How much likelier a vote is of one person than of two, by third and vote.
    ratios: [f64; CELLS],
}

impl Heard {
    fn cell(bounds: [i32; THIRDS - 1], pair: &Voted) -> usize {
        bounds.iter().filter(|bound| pair.able >= **bound).count() * Vote::COUNT + pair.vote as usize
    }

    /// Probability that a pair is one person by its score and what is said of it.
    pub(super) fn chance(&self, pair: &Voted) -> f64 {
        let alone = probability(self.line.at(f64::from(pair.score) / 1000.0));
        posterior(alone, self.ratios[Self::cell(self.bounds, pair)])
    }
}

fn posterior(alone: f64, ratio: f64) -> f64 {
    alone * ratio / (alone * ratio + 1.0 - alone)
}

/// Lower bounds of the second and the last third of the undecided pairs, or of all if none is.
fn bounds(pairs: &[Voted]) -> [i32; THIRDS - 1] {
    let undecided = |pair: &&Voted| (UNDECIDED.0..=UNDECIDED.1).contains(&pair.score);
    let mut able: Vec<i32> = pairs.iter().filter(undecided).map(|pair| pair.able).collect();
    if able.is_empty() {
        able = pairs.iter().map(|pair| pair.able).collect();
    }
    able.sort_unstable();
    let bound = |third: usize| able.get(able.len() * third / THIRDS).copied().unwrap_or(0);
    [bound(1), bound(2)]
}

fn counted(pairs: &[Voted], bounds: [i32; THIRDS - 1], (least, most): (i32, i32)) -> Box<Counts> {
    let mut counts = Box::new([[0; BINS]; CELLS]);
    for pair in pairs.iter().filter(|pair| (least..=most).contains(&pair.score)) {
        let bin = (pair.score.clamp(LEAST_BIN, MOST_BIN) - LEAST_BIN + BIN / 2) / BIN;
        counts[Heard::cell(bounds, pair)][usize::try_from(bin).unwrap_or(0)] += 1;
    }
    counts
}

/// How much likelier each vote is of one person than of two, from the expected pairs of either by cell.
fn ratios(same: &[f64; CELLS], different: &[f64; CELLS]) -> [f64; CELLS] {
    let mut ratios = [1.0; CELLS];
    for third in (0..CELLS).step_by(Vote::COUNT) {
        let cells = third..third + Vote::COUNT;
        let all = different[cells.clone()].iter().sum::<f64>() / same[cells.clone()].iter().sum::<f64>();
        for cell in cells {
            ratios[cell] = same[cell] / different[cell] * all;
        }
    }
    ratios
}

/// The curve of greatest likelihood in one window, held towards `start`, and the ratios that it was found with: expectation maximisation.
/// O(rounds).
fn mixed(counts: &Counts, start: Line, ridges: Ridges) -> (Line, [f64; CELLS]) {
    let bits: [f64; BINS] = std::array::from_fn(|bin| (f64::from(LEAST_BIN) + f64::from(BIN) * real(bin as u64)) / 1000.0);
    let (mut line, mut found) = (start, [1.0; CELLS]);
    for _ in 0..MOST_ROUNDS {
        let last = line;
        let alone = bits.map(|bits| probability(last.at(bits)));
        let each = |add: &mut dyn FnMut(usize, usize, f64, f64), ratios: &[f64; CELLS]| {
            for (cell, bins) in counts.iter().enumerate() {
                for (bin, count) in bins.iter().enumerate().filter(|(_, count)| **count > 0) {
                    add(cell, bin, f64::from(*count), posterior(alone[bin], ratios[cell]));
                }
            }
        };
        let (mut same, mut different) = ([UNSEEN; CELLS], [UNSEEN; CELLS]);
        let mut count = |cell: usize, _: usize, pairs: f64, chance: f64| {
            same[cell] += pairs * chance;
            different[cell] += pairs * (1.0 - chance);
        };
        each(&mut count, &found);
        found = ratios(&same, &different);
        let (mut pairs_of, mut same_of) = ([0.0; BINS], [0.0; BINS]);
        let mut sum = |_: usize, bin: usize, pairs: f64, chance: f64| {
            pairs_of[bin] += pairs;
            same_of[bin] += pairs * chance;
        };
        each(&mut sum, &found);
        let told = bits.iter().zip(pairs_of).zip(same_of).filter(|((_, pairs), _)| *pairs > 0.0);
        let told = told.map(|((bits, pairs), same)| (Judged { bits: *bits, same: same / pairs }, pairs));
        line = climbed(&told, start, ridges);
        if (line.slope - last.slope).abs() + (line.intercept - last.intercept).abs() < SETTLED {
            break;
        }
    }
    (line, found)
}

/// How the scores must be stretched and moved. Votes and scores of a pair are not wholly independent. That steepens the curve: the slope goes half
/// the way from one to where the nearest window draws it. And it draws the intercept up or down with the pairs that are looked at: where the
/// windows do not agree on its sign nothing is believed, and where they do the least is taken.
///
/// Third records only ever take certainty away. Father and son agree with each other for the reason for which they agree with each other's records,
/// so votes for one person are no independent ones, and what comparisons have in common makes sums of them claim too much, never too little. So
/// the slope is at most one, and the intercept nothing at most. O(pairs · log pairs).
pub(super) fn heard(pairs: &[Voted]) -> Heard {
    let bounds = bounds(pairs);
    if pairs.iter().filter(|pair| pair.vote != Vote::Silent).count() < LEAST_VOTES {
        return Heard { line: Line::PLAIN, believed: false, bounds, ratios: [1.0; CELLS] };
    }
    let counts = WINDOWS.map(|window| counted(pairs, bounds, window));
    let drawn = mixed(&counts[0], Line::PLAIN, RIDGES).0.slope;
    let start = Line { slope: f64::midpoint(1.0, believed(drawn)).min(1.0), ..Line::PLAIN };
    let found = counts.map(|counts| mixed(&counts, start, RIDGES.with_fixed_slope()));
    let believed = found.iter().all(|(line, _)| line.intercept > 0.0) || found.iter().all(|(line, _)| line.intercept < 0.0);
    let least = found.iter().map(|(line, _)| line.intercept).min_by(|a, b| a.abs().total_cmp(&b.abs())).unwrap_or(0.0);
    let line = if believed { Line { intercept: least.min(0.0), ..start } } else { Line::PLAIN };
    Heard { line, believed, bounds, ratios: found[1].1 }
}

#[cfg(test)]
mod tests {
    use super::super::sample::Draw;
    use super::*;

    /// Pairs whose scores are right as often as `intercept` says. A pair of one person is voted on with the chance `told.0` and one of two
    /// persons with `told.1`; one vote of ten is unclear.
    fn voted(count: usize, intercept: f64, told: (f64, f64)) -> Vec<Voted> {
        let mut draw = Draw::new(17);
        let mut whole = move |bound: usize| i32::try_from(draw.below(bound)).expect("small");
        let mut pair = || (whole(30_000) - 13_000, [0; 3].map(|_: u8| f64::from(whole(1 << 30)) / f64::from(1 << 30)));
        (0..count)
            .map(|_| {
                let (score, [answer, chance, clear]) = pair();
                let same = answer < probability(f64::from(score) / 1000.0 + intercept);
                let vote = match same {
                    _ if chance >= if same { told.0 } else { told.1 } => Vote::Silent,
                    _ if clear < 0.1 => Vote::Unclear,
                    true => Vote::Same,
                    false => Vote::Different,
                };
                Voted { score, able: 9000, vote }
            })
            .collect()
    }

    #[test]
    fn the_intercept_behind_the_votes_is_found_whoever_is_heard() {
        for (intercept, told) in [(-1.5, (0.5, 0.5)), (-0.8, (0.2, 0.8)), (-1.0, (0.7, 0.1)), (-0.5, (0.9, 0.3))] {
            let Heard { line: Line { slope, intercept: found }, believed, .. } = heard(&voted(40_000, intercept, told));
            assert!(believed && slope <= 1.0);
            assert!((slope - 1.0).abs() < 0.05 && (found - intercept).abs() < 0.2, "{found} for {intercept}, {told:?}");
        }
    }

    #[test]
    fn votes_that_would_make_surer_are_heard_and_move_nothing_up() {
        for (intercept, told) in [(1.0, (0.2, 0.8)), (0.8, (0.9, 0.3))] {
            let Heard { line, believed, .. } = heard(&voted(40_000, intercept, told));
            assert!(believed && line.intercept.abs() < 1e-9 && line.slope <= 1.0 && line.slope > 0.95, "{line:?}");
        }
    }

    /// A file of two records to a person: only pairs of two persons can have a voice.
    #[test]
    fn pairs_that_only_strangers_speak_of_are_no_evidence_of_strangers() {
        for intercept in [0.0, -0.8] {
            let found = heard(&voted(20_000, intercept, (0.0, 0.6))).line.intercept;
            assert!(found < 0.2 && found > intercept - 0.3, "{found} for {intercept}");
        }
    }

    #[test]
    fn few_votes_move_nothing() {
        assert_eq!(heard(&[]).line, Line::PLAIN);
        assert_eq!(heard(&voted(3000, 1.5, (0.0, 0.0))).line, Line::PLAIN);
        let few = heard(&voted(150, -1.5, (0.3, 0.3)));
        assert!(few.line == Line::PLAIN && !few.believed, "{few:?}");
        assert!(heard(&voted(3000, -1.5, (0.3, 0.3))).believed);
    }

    #[test]
    fn what_is_said_of_a_pair_moves_its_probability() {
        let pairs = voted(20_000, 0.0, (0.5, 0.5));
        let found = heard(&pairs);
        let chance = |vote| found.chance(&Voted { score: 0, able: 9000, vote });
        assert!(chance(Vote::Same) > 0.9 && chance(Vote::Different) < 0.1, "{found:?}");
        assert!((chance(Vote::Silent) - 0.5).abs() < 0.05 && (chance(Vote::Unclear) - 0.5).abs() < 0.1);
    }
}
