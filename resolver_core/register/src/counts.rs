//! What is counted: read by whoever shows metrics, without stopping anybody.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tonic::Code;

use crate::answer::Outcome;

/// Ways in which a lookup is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    Grpc,
    Rest,
    OldFace,
    Batch,
    RestBatch,
}

impl Method {
    const ALL: [Self; 5] = [Self::Grpc, Self::Rest, Self::OldFace, Self::Batch, Self::RestBatch];

    /// The path, which is the metric's label.
    pub(crate) const fn path(self) -> &'static str {
        match self {
            Self::Grpc => "/goldthread.v1.LookupService/Lookup",
            Self::Rest => "/v1/lookup",
            Self::OldFace => "/api/pos/lookup",
            Self::Batch => "/goldthread.v1.LookupService/BatchLookup",
            Self::RestBatch => "/v1/batch-lookup",
        }
    }
}

/// What became of one read of the cache.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Read {
    Hit,
    Miss,
    Stale,
    Error,
}

/// What a call was refused for by its account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Budget {
    Misses,
    Answers,
}

impl Budget {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Misses => "misses",
            Self::Answers => "answers",
        }
    }
}

const CODES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// Name of a code, as metrics and JSON write it.
pub(crate) fn code_name(code: Code) -> &'static str {
    usize::try_from(i32::from(code)).ok().and_then(|number| CODES.get(number)).copied().unwrap_or("UNKNOWN")
}

/// Calls of one method and code.
#[derive(Debug, Clone, PartialEq)]
pub struct CallCount {
    /// Path of the method.
    pub method: &'static str,
    /// Name of the gRPC code.
    pub code: &'static str,
    /// Calls per bucket of the latency histogram, not cumulated; the last one has no upper bound.
    pub buckets: Vec<u64>,
    /// Sum of their times.
    pub seconds: f64,
}

#[derive(Debug)]
struct Histogram {
    buckets: Box<[AtomicU64]>,
    nanoseconds: AtomicU64,
}

/// All counters. Thread-safe.
#[derive(Debug)]
pub struct Counts {
    bounds: Box<[Duration]>,
    calls: Box<[Histogram]>,
    begun: [AtomicU64; Method::ALL.len()],
    ended: [AtomicU64; Method::ALL.len()],
    outcomes: [AtomicU64; 4],
    reads: [AtomicU64; 4],
    refusals: [AtomicU64; 2],
}

impl Counts {
    pub(crate) fn new(bounds: &[f64]) -> Self {
        let histogram = |_| Histogram {
            buckets: (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect(),
            nanoseconds: AtomicU64::new(0),
        };
        Self {
            bounds: bounds.iter().map(|seconds| Duration::from_secs_f64(*seconds)).collect(),
            calls: (0..Method::ALL.len() * CODES.len()).map(histogram).collect(),
            begun: Default::default(),
            ended: Default::default(),
            outcomes: Default::default(),
            reads: Default::default(),
            refusals: Default::default(),
        }
    }

    pub(crate) fn begun(&self, method: Method) {
        self.begun[method as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn ended(&self, method: Method, code: Code, time: Duration) {
        self.ended[method as usize].fetch_add(1, Ordering::Relaxed);
        let number = usize::try_from(i32::from(code)).unwrap_or(2);
        let histogram = &self.calls[method as usize * CODES.len() + number];
        let bucket = self.bounds.partition_point(|bound| *bound < time);
        histogram.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        histogram.nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    pub(crate) fn outcome(&self, outcome: Outcome) {
        self.outcomes[outcome as usize - 1].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn read(&self, read: Read) {
        self.reads[read as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn refused(&self, budget: Budget) {
        self.refusals[budget as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Calls that ended, of the methods and codes that there were.
    #[must_use]
    pub fn calls(&self) -> Vec<CallCount> {
        let mut found = Vec::new();
        for method in Method::ALL {
            for (number, code) in CODES.into_iter().enumerate() {
                let histogram = &self.calls[method as usize * CODES.len() + number];
                let buckets: Vec<u64> = histogram.buckets.iter().map(load).collect();
                if buckets.iter().any(|count| *count > 0) {
                    let seconds = Duration::from_nanos(load(&histogram.nanoseconds)).as_secs_f64();
                    found.push(CallCount { method: method.path(), code, buckets, seconds });
                }
            }
        }
        found
    }

    /// Calls being handled, of the methods that were called.
    #[must_use]
    pub fn in_flight(&self) -> Vec<(&'static str, u64)> {
        let row = |method: Method| {
            // Read in this order, so that a call that ends meanwhile is not missing.
            let ended = load(&self.ended[method as usize]);
            let begun = load(&self.begun[method as usize]);
            (begun > 0).then(|| (method.path(), begun.saturating_sub(ended)))
        };
        Method::ALL.into_iter().filter_map(row).collect()
    }

    /// Lookups by outcome.
    #[must_use]
    pub fn outcomes(&self) -> Vec<(&'static str, u64)> {
        named(["found", "not_found", "needs_confirmation", "ambiguous"], &self.outcomes)
    }

    /// Reads of the cache by result.
    #[must_use]
    pub fn reads(&self) -> Vec<(&'static str, u64)> {
        named(["hit", "miss", "stale", "error"], &self.reads)
    }

    /// Calls refused because a credential had no budget left, by budget.
    #[must_use]
    pub fn refusals(&self) -> Vec<(&'static str, u64)> {
        named([Budget::Misses.name(), Budget::Answers.name()], &self.refusals)
    }
}

fn load(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}

fn named<const N: usize>(names: [&'static str; N], counts: &[AtomicU64; N]) -> Vec<(&'static str, u64)> {
    names.into_iter().zip(counts.iter().map(load)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_falls_into_the_first_bucket_that_holds_it() {
        let counts = Counts::new(&[0.001, 0.01]);
        for milliseconds in [1, 2, 10, 11] {
            counts.begun(Method::Rest);
            counts.ended(Method::Rest, Code::Unavailable, Duration::from_millis(milliseconds));
        }
        let calls = counts.calls();
        assert_eq!(calls.len(), 1);
        assert_eq!((calls[0].method, calls[0].code), ("/v1/lookup", "UNAVAILABLE"));
        assert_eq!(calls[0].buckets, [1, 2, 1]);
        assert!((calls[0].seconds - 0.024).abs() < 1e-9);
        counts.begun(Method::Rest);
        assert_eq!(counts.in_flight(), [("/v1/lookup", 1)]);
    }

    #[test]
    fn codes_have_the_names_of_the_specification() {
        assert_eq!(code_name(Code::Ok), "OK");
        assert_eq!(code_name(Code::ResourceExhausted), "RESOURCE_EXHAUSTED");
        assert_eq!(code_name(Code::Unauthenticated), "UNAUTHENTICATED");
    }
}
