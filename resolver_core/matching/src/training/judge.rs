//! What the scores claim, held against third records and labels.

use rayon::prelude::*;

use super::TrainingOptions;
use super::calibrate::{Judged, Line, fit};
use super::candidates::{Candidates, FIRST_RULE, Found, Passes, Probes};
use super::compared::Compared;
use super::curves::{ReliabilityBin, Scores, WeightBin, histogram, reliability};
use super::hearing::{LEAST_HEARD, MOST_HEARD, UNDECIDED, heard};
use super::labels::Known;
use super::learn::rounded;
use super::sample::pair_rank;
use super::votes::{STRONG, ScoredPair, Voices, Vote, votes};
use crate::progress::Progress;
use crate::record::Records;
use crate::score::{Ceiling, PairScore, Scorer};

/// Undecided pairs that are voted on, and pairs below them, and above: what votes look like where the answer is known.
const UNDECIDED_PAIRS: usize = 50_000;
const SURE_PAIRS: usize = 15_000;

/// The calibration, and what a report shows of it.
pub(super) struct Judgement {
    /// In thousandths.
    pub(super) slope: i32,
    /// In millibits.
    pub(super) intercept: i32,
    pub(super) votes: usize,
    /// Whether votes or labels were held against the scores.
    pub(super) believed: bool,
    pub(super) labels: usize,
    /// Candidates that reach the link; where records were sampled, the left one is of the sample.
    pub(super) linked: Vec<ScoredPair>,
    pub(super) histogram: Vec<WeightBin>,
    pub(super) reliability: Vec<ReliabilityBin>,
}

/// Scores of the candidates of the probes: all counted, those from `least` as pairs. O(candidates).
fn scored(
    scorer: &Scorer<'_>,
    (candidates, compared): (&Candidates, &Compared),
    probes: &Probes,
    least: i32,
    progress: &Progress,
) -> (Vec<ScoredPair>, Scores) {
    let uncorrected: Vec<PairScore> = compared.patterns().par_iter().map(|levels| scorer.uncorrected(levels)).collect();
    let one = |(mut pairs, mut scores, mut found): (Vec<ScoredPair>, Scores, Vec<Found>), (place, probe): (usize, &u32)| {
        candidates.partners(*probe, 0, &mut found);
        for (number, one) in compared.of_probe(place).iter().zip(&found) {
            let pair = scorer.corrected(*probe as usize, uncorrected[*number as usize]);
            scores.add(pair.score(), pair.against_household());
            if pair.score() >= least {
                pairs.push(ScoredPair { left: *probe, right: one.partner, score: pair.score() });
            }
        }
        progress.one_more();
        (pairs, scores, found)
    };
    let folded = probes.rows.par_iter().enumerate().with_min_len(64).fold(Default::default, one);
    folded.map(|(pairs, scores, _)| (pairs, scores)).reduce(Default::default, |mut all, (pairs, scores)| {
        all.0.extend(pairs);
        (all.0, all.1.join(&scores))
    })
}

/// Candidates of the probes with a score of at least `least`. O(candidates).
fn strong(scorer: &Scorer<'_>, candidates: &Candidates, probes: &Probes, least: i32) -> Vec<ScoredPair> {
    let tokens: Passes = (1 << FIRST_RULE) - 1;
    let ceiling = Ceiling::new(scorer);
    let one = |(mut pairs, mut found): (Vec<ScoredPair>, Vec<Found>), probe: &u32| {
        candidates.partners(*probe, 0, &mut found);
        let (left, marks) = (*probe as usize, ceiling.marks(*probe));
        for one in &found {
            let right = one.partner as usize;
            let pair = if one.passes & tokens != 0 {
                scorer.score_at_least(left, right, least)
            } else if ceiling.may_be_kept(&marks, &ceiling.marks(one.partner), least) {
                scorer.score_apart_at_least(left, right, least)
            } else {
                None
            };
            let score = pair.map(|pair| pair.score()).filter(|score| *score >= least);
            pairs.extend(score.map(|score| ScoredPair { left: *probe, right: one.partner, score }));
        }
        (pairs, found)
    };
    let folded = probes.rows.par_iter().with_min_len(64).fold(Default::default, one).map(|(pairs, _)| pairs);
    folded.reduce(Vec::new, |mut all, pairs| {
        all.extend(pairs);
        all
    })
}

/// The pairs with scores between two bounds, a sample of lowest rank if they are many, by rank and each once.
fn drawn(records: &Records, pairs: &[ScoredPair], seed: u64, (least, most): (i32, i32), count: usize) -> Vec<ScoredPair> {
    let mut ranked: Vec<(u64, ScoredPair)> = pairs
        .par_iter()
        .filter(|pair| (least..=most).contains(&pair.score))
        .map(|pair| (pair_rank(records, seed, pair.left, pair.right), *pair))
        .collect();
    let key = |(rank, pair): &(u64, ScoredPair)| (*rank, *records.address(pair.left.min(pair.right) as usize));
    ranked.par_sort_unstable_by_key(key);
    ranked.dedup_by_key(|(rank, _)| *rank);
    ranked.truncate(count);
    ranked.into_iter().map(|(_, pair)| pair).collect()
}

/// Who speaks for the records of the sample. Where not all records were looked at, the candidates of these are looked for first, by the rules
/// that are needed.
fn voices(scorer: &Scorer<'_>, pairs: &[ScoredPair], sample: &[ScoredPair], probes: &Probes, rules: &[usize]) -> Voices {
    if probes.once() {
        return Voices::new(scorer, pairs);
    }
    let probes = Probes::of(scorer.records, sample.iter().flat_map(|pair| [pair.left, pair.right]).collect());
    let candidates = Candidates::new(scorer.records, scorer.slots, scorer.model, rules, &probes);
    Voices::new(scorer, &strong(scorer, &candidates, &probes, STRONG))
}

/// The calibration: what the votes say, and from there what the labels say. O(candidates of the probes + pairs voted on · voices).
pub(super) fn judge(
    scorer: &Scorer<'_>,
    found: (&Candidates, &Compared),
    probes: &Probes,
    expected: &[f64],
    rules: &[usize],
    labels: &Known<'_>,
    options: &TrainingOptions<'_>,
) -> Judgement {
    let nobody = Progress::default();
    let progress = options.progress.unwrap_or(&nobody);
    let (pairs, counted) = scored(scorer, found, probes, LEAST_HEARD, progress);
    let sample = |range, count| drawn(scorer.records, &pairs, options.seed, range, count);
    let undecided = sample(UNDECIDED, UNDECIDED_PAIRS);
    let mut asked = undecided.clone();
    asked.extend(sample((LEAST_HEARD, UNDECIDED.0 - 1), SURE_PAIRS));
    asked.extend(sample((UNDECIDED.1 + 1, MOST_HEARD), SURE_PAIRS));
    let voted = votes(scorer, &asked, &voices(scorer, &pairs, &asked, probes, rules), expected);
    let heard = heard(&voted);
    let labelled = labels.scored(scorer, &undecided);
    let fitted = fit(&labelled, heard.line);
    let (slope, intercept) = (rounded(1000.0 * fitted.slope), rounded(1000.0 * fitted.intercept));
    let line = Line { slope: f64::from(slope) / 1000.0, intercept: f64::from(intercept) / 1000.0 };
    let links = |pair: &ScoredPair| line.at(f64::from(pair.score) / 1000.0) * 1000.0 >= f64::from(scorer.model.link());
    let told: Vec<Judged> = voted[..undecided.len()]
        .iter()
        .filter(|pair| pair.vote != Vote::Silent)
        .map(|pair| Judged { bits: f64::from(pair.score) / 1000.0, same: heard.chance(pair) })
        .collect();
    Judgement {
        slope,
        intercept,
        votes: told.len(),
        believed: heard.believed || !labelled.is_empty(),
        labels: labelled.len(),
        linked: pairs.iter().copied().filter(links).collect(),
        histogram: histogram(&counted, line, probes.worth),
        reliability: reliability(if labelled.is_empty() { &told } else { &labelled }, line),
    }
}
