//! All that a ledger holds of a batch of events: records with their sums, tokens and blocking keys with their states, pairs and profiles.
//!
//! Made in memory from the rows of files, at once: [`Evidence`] is what the events say, [`Profiles`] what follows from it. It is what a ledger holds
//! that took the same events one after the other, save that it knows nothing of phones that change hands (docs/matching.md section 6a): records that
//! are held back have evidence only, and whoever settles the phones decides about them.

mod blocks;
mod events;
mod evidence;
mod profiles;
mod tokens;

pub use self::blocks::{HeldBlocks, held_blocks};
pub use self::events::{EventChunk, EventKind, Said};
pub use self::evidence::{Evidence, RecordSums};
pub use self::profiles::{HeldPair, Profile, Profiles, TiedProfiles};
pub use self::tokens::{HeldToken, NamedCarrier};

/// A moment that is none.
pub const NEVER: i64 = i64::MIN;

#[cfg(test)]
mod tests;
