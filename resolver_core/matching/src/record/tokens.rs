//! The distinct tokens of a batch.

use rustc_hash::FxHashSet;

use crate::normalize::Digest32;
use crate::token::{KeyedHash, token_of};

/// What a token is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) kind: u8,
    pub(crate) form: u8,
    /// Number of the namespace.
    pub(crate) namespace: u32,
    pub(crate) digest: Digest32,
}

impl Identity {
    /// Hash by which equal ones are found.
    pub(crate) fn hash(&self) -> u64 {
        let digest = self.digest.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        let rest = u64::from(self.namespace) << 16 | u64::from(self.kind) << 8 | u64::from(self.form);
        digest ^ rest.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

/// Tokens by number: as they came, or what they are made of. Records are compared by number, so a batch that nobody closed a token of never makes one.
#[derive(Debug)]
pub(crate) enum Tokens {
    Made(Vec<Digest32>),
    Unmade { hash: KeyedHash, namespaces: Vec<Box<str>>, identities: Vec<Identity> },
}

impl Tokens {
    /// One of them by its number, with its form and its namespace; of tokens that came ready-made nobody knows these.
    pub(crate) fn made(&self, number: u32) -> (Digest32, u8, &str) {
        match self {
            Self::Made(tokens) => (tokens[number as usize], 0, ""),
            Self::Unmade { hash, namespaces, identities } => {
                let one = &identities[number as usize];
                let namespace: &str = &namespaces[one.namespace as usize];
                (token_of(hash, one.kind, namespace, one.form, &one.digest), one.form, namespace)
            }
        }
    }

    /// Which of them are in a set. O(tokens).
    pub(crate) fn among(&self, set: &FxHashSet<Digest32>) -> Vec<bool> {
        let count = match self {
            Self::Made(tokens) => tokens.len(),
            Self::Unmade { identities, .. } => identities.len(),
        };
        if set.is_empty() {
            return vec![false; count];
        }
        match self {
            Self::Made(tokens) => tokens.iter().map(|token| set.contains(token)).collect(),
            Self::Unmade { hash, namespaces, identities } => identities
                .iter()
                .map(|one| {
                    set.contains(&token_of(hash, one.kind, &namespaces[one.namespace as usize], one.form, &one.digest))
                })
                .collect(),
        }
    }
}
