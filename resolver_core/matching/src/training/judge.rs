//! What the scores claim, held against third records and labels.

use rayon::prelude::*;

use super::calibrate::{Judged, Line, fit, fit_votes};
use super::candidates::{Candidates, Found, Probes};
use super::curves::{ReliabilityBin, Scores, WeightBin, histogram, reliability};
use super::learn::rounded;
use super::sample::pair_rank;
use super::votes::{STRONG, ScoredPair, Voices, votes};
use super::{Labels, TrainingOptions};
use crate::error::{CoreResult, same_length};
use crate::record::Records;
use crate::score::{Scorer, checked_rows};

/// Pairs whose scores are calibrated, and the scores between which they lie, in millibits.
const CALIBRATED_PAIRS: usize = 50_000;
const LEAST_SCORE: i32 = -6000;
const MOST_SCORE: i32 = 10_000;

/// The calibration, and what a report shows of it.
pub(super) struct Judgement {
    /// In thousandths.
    pub(super) slope: i32,
    /// In millibits.
    pub(super) intercept: i32,
    pub(super) votes: usize,
    pub(super) labels: usize,
    /// Candidates that reach the link; where records were sampled, the left one is of the sample.
    pub(super) linked: Vec<ScoredPair>,
    pub(super) histogram: Vec<WeightBin>,
    pub(super) reliability: Vec<ReliabilityBin>,
}

/// Scores of the candidates of the probes: all counted, those from `least` as pairs.
fn scored(scorer: &Scorer<'_>, candidates: &Candidates, probes: &Probes, least: i32) -> (Vec<ScoredPair>, Scores) {
    let one = |(mut pairs, mut scores, mut found): (Vec<ScoredPair>, Scores, Vec<Found>), probe: &u32| {
        candidates.partners(*probe, 0, &mut found);
        for one in &found {
            let pair = scorer.score(*probe as usize, one.partner as usize);
            scores.add(pair.score(), pair.against_household());
            if pair.score() >= least {
                pairs.push(ScoredPair { left: *probe, right: one.partner, score: pair.score() });
            }
        }
        (pairs, scores, found)
    };
    let folded = probes.rows.par_iter().with_min_len(64).fold(Default::default, one);
    folded.map(|(pairs, scores, _)| (pairs, scores)).reduce(Default::default, |mut all, (pairs, scores)| {
        all.0.extend(pairs);
        (all.0, all.1.join(&scores))
    })
}

/// The pairs to calibrate: those of middling scores, a sample of lowest rank if they are many, by rank and each once.
fn middling(records: &Records, pairs: &[ScoredPair], seed: u64) -> Vec<ScoredPair> {
    let mut ranked: Vec<(u64, ScoredPair)> = pairs
        .par_iter()
        .filter(|pair| (LEAST_SCORE..=MOST_SCORE).contains(&pair.score))
        .map(|pair| (pair_rank(records, seed, pair.left, pair.right), *pair))
        .collect();
    let key = |(rank, pair): &(u64, ScoredPair)| (*rank, *records.address(pair.left.min(pair.right) as usize));
    ranked.par_sort_unstable_by_key(key);
    ranked.dedup_by_key(|(rank, _)| *rank);
    ranked.truncate(CALIBRATED_PAIRS);
    ranked.into_iter().map(|(_, pair)| pair).collect()
}

/// Labelled pairs with their scores: those that were judged, then those of the sample whose persons are known.
fn labelled(scorer: &Scorer<'_>, labels: &Labels<'_>, sample: &[ScoredPair]) -> CoreResult<Vec<Judged>> {
    same_length("right", labels.right.len(), labels.left.len())?;
    same_length("same", labels.same.len(), labels.left.len())?;
    let left = checked_rows("left", labels.left, scorer.records)?;
    let right = checked_rows("right", labels.right, scorer.records)?;
    let score = |left: usize, right: usize| f64::from(scorer.score(left, right).score()) / 1000.0;
    let told = left.iter().zip(&right).zip(labels.same);
    let mut judged: Vec<Judged> = told.map(|((&a, &b), &same)| Judged { bits: score(a, b), same }).collect();
    if !labels.persons.is_empty() {
        same_length("persons", labels.persons.len(), scorer.records.len())?;
        let known =
            sample.iter().map(|pair| (pair, labels.persons[pair.left as usize], labels.persons[pair.right as usize]));
        let known = known.filter(|(_, a, b)| *a >= 0 && *b >= 0);
        judged.extend(known.map(|(pair, a, b)| Judged { bits: f64::from(pair.score) / 1000.0, same: a == b }));
    }
    Ok(judged)
}

/// Who speaks for the records of the sample. Where not all records were looked at, the candidates of these are looked for first, by the rules
/// that are needed.
fn voices(scorer: &Scorer<'_>, pairs: &[ScoredPair], sample: &[ScoredPair], probes: &Probes, rules: &[usize]) -> Voices {
    if probes.once() {
        return Voices::new(scorer, pairs);
    }
    let probes = Probes::of(scorer.records, sample.iter().flat_map(|pair| [pair.left, pair.right]).collect());
    let candidates = Candidates::new(scorer.records, scorer.slots, scorer.model, rules, &probes);
    let (pairs, _) = scored(scorer, &candidates, &probes, STRONG);
    Voices::new(scorer, &pairs)
}

/// Fits the calibration: to the votes, then, from there, to the labels. O(candidates of the probes + sample · voices).
pub(super) fn judge(
    scorer: &Scorer<'_>,
    candidates: &Candidates,
    probes: &Probes,
    expected: &[f64],
    rules: &[usize],
    options: &TrainingOptions<'_>,
) -> CoreResult<Judgement> {
    let (pairs, counted) = scored(scorer, candidates, probes, LEAST_SCORE);
    let sample = middling(scorer.records, &pairs, options.seed);
    let voted = votes(scorer, &sample, &voices(scorer, &pairs, &sample, probes, rules), expected);
    let labelled = labelled(scorer, &options.labels, &sample)?;
    let fitted = fit(&labelled, fit_votes(&voted));
    let (slope, intercept) = (rounded(1000.0 * fitted.slope), rounded(1000.0 * fitted.intercept));
    let line = Line { slope: f64::from(slope) / 1000.0, intercept: f64::from(intercept) / 1000.0 };
    let links = |pair: &ScoredPair| line.at(f64::from(pair.score) / 1000.0) * 1000.0 >= f64::from(scorer.model.link());
    Ok(Judgement {
        slope,
        intercept,
        votes: voted.len(),
        labels: labelled.len(),
        linked: pairs.into_iter().filter(links).collect(),
        histogram: histogram(&counted, line, probes.worth),
        reliability: reliability(if labelled.is_empty() { &voted } else { &labelled }, line),
    })
}
