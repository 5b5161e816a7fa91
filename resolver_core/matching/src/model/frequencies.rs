//! Term frequencies: rare names that agree weigh more.

use rustc_hash::FxHashMap;

/// Weight of exact agreement by value.
#[derive(Debug, Clone, Default)]
pub(crate) struct Frequencies {
    pub(super) weights: FxHashMap<String, i32>,
    pub(super) default: i32,
}

impl Frequencies {
    /// Correction of a name of this frequency: log2 of how much rarer it is than the baseline, within the limit.
    pub(super) fn millibits(baseline: f64, frequency: f64, limit: i32) -> i32 {
        let bound = f64::from(limit);
        // The clamp keeps the value well inside i32, so the conversion only drops the zero fraction.
        #[allow(clippy::cast_possible_truncation)]
        let millibits = libm::floor((1000.0 * libm::log2(baseline / frequency)) + 0.5).clamp(-bound, bound) as i32;
        millibits
    }

    /// Correction of the exact weight for a joined value, in millibits. O(1).
    pub(crate) fn correction(&self, joined: &str) -> i32 {
        self.weights.get(joined).copied().unwrap_or(self.default)
    }
}

/// Counts of a name column: what term frequencies are made of.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NameCounts {
    /// How often two strangers share the name, per million.
    pub baseline: f64,
    /// Frequency per million of a name that is not listed.
    pub default: f64,
    /// Largest correction, in millibits.
    pub limit: i32,
    /// Frequencies per million of joined names, by name.
    pub listed: Vec<(String, f64)>,
}

impl NameCounts {
    /// The corrections they make.
    pub(super) fn corrections(&self) -> Frequencies {
        let correction = |count: f64| Frequencies::millibits(self.baseline, count, self.limit);
        Frequencies {
            weights: self.listed.iter().map(|(name, count)| (name.clone(), correction(*count))).collect(),
            default: correction(self.default),
        }
    }

    /// Counts of a file without such a column: no correction.
    pub(crate) fn of_none() -> Self {
        Self { baseline: 1000.0, default: 1000.0, limit: 0, listed: Vec::new() }
    }
}
