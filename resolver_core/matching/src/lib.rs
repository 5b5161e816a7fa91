//! Pure matching core of Goldthread: normalise, block, score, partition.
//!
//! Nothing here reads a clock, draws random numbers or does I/O: same input and model, same bytes, on every machine. The rules are
//! those of `docs/matching.md`; weights and scores are integers in millibits (1000 = one bit of log2 evidence).

mod block;
mod candidates;
mod distance;
mod engine;
mod error;
mod gather;
mod holdings;
mod incoming;
mod model;
mod normalize;
mod partition;
mod progress;
mod record;
mod score;
mod seal;
mod tables;
mod token;
mod token_maker;
mod training;
pub mod words;

pub use block::{BlockingKey, blocking_keys};
pub use distance::{double_metaphone, jaro_winkler, jaro_winkler_units, levenshtein, osa, soundex, within_one};
pub use engine::{Counts, ScoredRows, candidate_pairs, match_records};
pub use error::{CoreError, CoreResult};
pub use gather::{Claims, GatherKeys, Gathered, IdTexts, ProfileIds, RawColumns, gather};
pub use holdings::{
    EventChunk, EventKind, Evidence, HeldBlocks, HeldPair, HeldToken, NEVER, NamedCarrier, Profile, Profiles, RecordSums,
    Said, TiedProfiles, held_blocks,
};
pub use incoming::{EventReader, IncomingEvent, Key, KeyStatus, SeenKey};
pub use model::{BlockingRule, Extra, ExtraKind, Model, NameCounts, Part, Shares, Weight, levels_at};
pub use normalize::{
    Canonical, CleanRow, CleanRows, Column, Digest32, NORMALIZER_VERSION, canonical_identifiers, fold, normalize_attributes,
    normalize_extras, placeholder_digests, sha256,
};
pub use partition::{Partition, Relation, partition};
pub use progress::{Progress, Stage};
pub use record::{ExtraColumn, Records, TokenColumns};
pub use score::{Levels, PairScore, WeighedPair, score_pairs};
pub use seal::{seal, unseal};
pub use token::{AttributeColumns, Identifiers, address_records, tokenize};
pub use token_maker::{IdentifierValue, LookupTokens, TokenMaker};
pub use training::{
    Labels, Learnt, PassReport, Pattern, ReliabilityBin, Training, TrainingOptions, WeightBin, count_candidates,
    count_pairs, train,
};
