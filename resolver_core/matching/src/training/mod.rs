//! Training without labels: a model for a batch of records, estimated from them alone (docs/training.md).
//!
//! Three hypotheses for every pair: one person, two people of one household, strangers. Their shares and the shares of every level among
//! them are estimated from counts of level patterns; what the scores then claim is held against third records, or against labels if there
//! are any. The result depends on the set of records, the blueprint and the seed: neither row order nor the number of threads matters.

mod calibrate;
mod candidates;
mod compared;
mod curves;
mod estimate;
mod hearing;
mod judge;
mod labels;
mod learn;
mod limits;
mod names;
mod passes;
mod sample;
mod start;
mod tally;
mod votes;

use self::candidates::{Candidates, FIRST_RULE, Passes, Probes};
use self::compared::Compared;
pub use self::curves::{ReliabilityBin, WeightBin};
use self::estimate::{Estimate, Evidence, Ratios, estimate, real, support};
use self::judge::judge;
pub use self::labels::Labels;
use self::learn::{date_pairs, holder_pairs, learn, population_shift, priors, restate_identifiers};
pub use self::passes::PassReport;
use self::sample::random_pairs;
use self::tally::Finds;
pub use self::tally::{Pattern, count_candidates, count_pairs};
use crate::engine::generic_tokens;
use crate::error::{CoreError, CoreResult};
use crate::model::{Model, NameCounts, Shares, Weight};
use crate::progress::{Progress, Stage};
use crate::record::Records;
use crate::score::Scorer;
use crate::words::IDENTIFIER_TYPES;

/// Records whose candidates are looked at; more are sampled.
const MOST_PROBES: usize = 30_000;
/// Random pairs that show how often strangers agree, and pairs of a file up to which all are looked at.
const RANDOM_PAIRS: usize = 400_000;
const MOST_PAIRS: usize = 1_000_000;

/// What a training is told beside records and blueprint.
#[derive(Debug, Clone, Copy, Default)]
pub struct TrainingOptions<'a> {
    /// Of every draw.
    pub seed: u64,
    /// Number of records the priors shall speak of; that of the batch if absent.
    pub population: Option<u64>,
    /// Tokens that are generic whoever carries them.
    pub closed: &'a [&'a [u8]],
    /// Judged pairs, if there are any.
    pub labels: Labels<'a>,
    /// Told how far the work is, if anybody asks.
    pub progress: Option<&'a Progress>,
}

/// What was learned of one comparison.
#[derive(Debug, Clone, PartialEq)]
pub struct Learnt {
    /// Shares of its levels; empty where no candidate has it on both sides.
    pub shares: Shares,
    /// Uncalibrated weights of its levels, `missing` first.
    pub weights: Vec<Weight>,
}

/// A trained model and what it was learned from.
#[derive(Debug, Clone, PartialEq)]
pub struct Training {
    /// Records of the batch.
    pub records: usize,
    /// Number of records the priors speak of.
    pub population: u64,
    /// Records whose candidates were looked at.
    pub probes: usize,
    /// Candidate pairs of the batch; an estimate where records were sampled.
    pub candidates: f64,
    /// Distinct patterns among them.
    pub patterns: usize,
    /// Rounds of the estimation, and whether it settled.
    pub rounds: usize,
    /// Whether the estimation settled before its last round.
    pub settled: bool,
    /// Expected pairs of one person, and of one household, in the batch.
    pub matches: f64,
    /// Expected pairs of two people of one household.
    pub households: f64,
    /// Uncalibrated priors for the population, in millibits.
    pub stranger_prior: i32,
    /// The same against households.
    pub household_prior: i32,
    /// By comparison.
    pub comparisons: Vec<Learnt>,
    /// Frequencies of given names.
    pub given_names: NameCounts,
    /// Frequencies of family names.
    pub family_names: NameCounts,
    /// Identifier limits by type.
    pub limits: [usize; IDENTIFIER_TYPES.len()],
    /// Slope of the calibration in thousandths, intercept in millibits.
    pub calibration: (i32, i32),
    /// Pairs that third records voted on, and pairs that labels judged.
    pub judged: (usize, usize),
    /// Whether the calibration was held against labels, or against votes that say the same wherever one looks.
    pub believed: bool,
    /// Positions of the blueprint's rules that the model keeps.
    pub rules: Vec<usize>,
    /// What each pass found.
    pub passes: Vec<PassReport>,
    /// Candidates by calibrated score.
    pub weights: Vec<WeightBin>,
    /// Probabilities against what labels say, or against those with the votes if there are none.
    pub reliability: Vec<ReliabilityBin>,
}

/// One estimation and what it says of the pairs it saw.
struct Estimated {
    estimate: Estimate,
    finds: Vec<(Passes, Finds)>,
    /// Pairs by comparison and level that say something of its weight.
    support: Vec<Vec<f64>>,
    /// Distinct patterns of candidates, and pairs that have them.
    patterns: usize,
    pairs: f64,
}

/// Trains a model on a batch, beginning with a blueprint: its comparisons, extras, blocking rules, limits of blocks and tokens, and what it
/// was trained to itself. Memory: the blocks and patterns of the records looked at, which are bounded, and a few numbers to a record.
/// O(records · rules + records · log records) and the candidates of the records looked at.
///
/// # Errors
/// `Input` for no records, closed tokens that are not 32 bytes, and labels of rows outside the batch.
pub fn train(records: &Records, blueprint: &Model, options: &TrainingOptions<'_>) -> CoreResult<Training> {
    train_with(records, blueprint, options, MOST_PROBES)
}

/// The same with another number of records looked at.
fn train_with(
    records: &Records,
    blueprint: &Model,
    options: &TrainingOptions<'_>,
    most_probes: usize,
) -> CoreResult<Training> {
    if records.is_empty() {
        return Err(CoreError::input("records", "none to learn from"));
    }
    let nobody = Progress::default();
    let progress = options.progress.unwrap_or(&nobody);
    // First, lest a wrong row cost the whole estimation.
    let labels = options.labels.checked(records)?;
    progress.begin(Stage::Block, 0);
    let generic = generic_tokens(records, blueprint, options.closed)?;
    let slots = records.slots().without(&generic);
    let plain = Scorer::new(records, &slots, blueprint);
    let probes = Probes::new(records, options.seed, most_probes);
    let rules: Vec<usize> = (0..blueprint.rules().len()).collect();
    let candidates = Candidates::new(records, &slots, blueprint, &rules, &probes);
    let starts = start::starts(blueprint);
    let random = tally::pairs(&plain, &random_pairs(records, options.seed, MOST_PAIRS, RANDOM_PAIRS));
    let pairs = real(records.len() as u64) * (real(records.len() as u64) - 1.0) / 2.0;
    progress.begin(Stage::Count, probes.rows.len());
    let compared = Compared::of(&plain, &candidates, &probes, progress);
    let (holders, dates) = (holder_pairs(&slots, records.len()), date_pairs(records));
    let estimated = |distrusted| {
        let seen = tally::compared(&compared, blueprint, &candidates, &probes, distrusted);
        progress.begin(Stage::Estimate, 0);
        let patterns = tally::patterns(&seen);
        let evidence =
            Evidence { candidates: &patterns, worth: probes.worth, random: &random, pairs, holder_pairs: holders, dates };
        let estimate = estimate(&evidence, &starts);
        Estimated {
            finds: tally::finds(&seen, &Ratios::of(&estimate)),
            support: support(&evidence, &estimate, &starts),
            patterns: patterns.len(),
            pairs: patterns.iter().map(|pattern| real(pattern.pairs)).sum(),
            estimate,
        }
    };
    let passes = FIRST_RULE + blueprint.rules().len();
    let first = estimated(0);
    let distrusted = passes::distrusted(&first.finds, passes);
    let found = if distrusted == 0 { first } else { estimated(distrusted) };

    let needed = passes::needed(&found.finds, blueprint.rules().len());
    let relatives = names::relatives(records, &compared, &probes, &Ratios::of(&found.estimate));
    let mut learned = learn(records, &starts, &found, &relatives, &probes);
    let (stranger_prior, household_prior) = priors(&found.estimate);
    let model = blueprint.relearned(&learned.with((stranger_prior, household_prior)));
    let scorer = Scorer::new(records, &slots, &model);
    progress.begin(Stage::Calibrate, probes.rows.len());
    let judgement = judge(&scorer, (&candidates, &compared), &probes, &learned.expected, &needed, &labels, options);
    let population = options.population.unwrap_or(records.len() as u64);
    let shift = population_shift(records.len(), population, judgement.slope);
    restate_identifiers(&mut learned.comparisons, shift);
    let own = limits::limits(&slots, &judgement.linked, probes.once(), blueprint.limits());
    Ok(Training {
        records: records.len(),
        population,
        probes: probes.rows.len(),
        candidates: found.pairs * probes.worth,
        patterns: found.patterns,
        rounds: found.estimate.rounds,
        settled: found.estimate.settled,
        matches: found.estimate.matches * pairs,
        households: found.estimate.households * pairs,
        stranger_prior: stranger_prior + shift,
        household_prior,
        comparisons: learned.comparisons,
        given_names: learned.given_names,
        family_names: learned.family_names,
        limits: own,
        calibration: (judgement.slope, judgement.intercept),
        judged: (judgement.votes, judgement.labels),
        believed: judgement.believed,
        passes: passes::reports(&found.finds, blueprint, distrusted, &needed, probes.worth),
        rules: needed,
        weights: judgement.histogram,
        reliability: judgement.reliability,
    })
}

#[cfg(test)]
mod tests;
