//! How far a batch run is.

use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

/// What a run is busy with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Not begun.
    Waiting,
    /// Finding candidates.
    Block,
    /// Scoring candidates.
    Score,
    /// Partitioning what was kept.
    Partition,
}

impl Stage {
    const ALL: [Self; 4] = [Self::Waiting, Self::Block, Self::Score, Self::Partition];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Block => "block",
            Self::Score => "score",
            Self::Partition => "partition",
        }
    }
}

/// Records between two reports of one thread.
const STRIDE: usize = 1024;

/// Where a run is, for whoever looks from another thread. It tells and never asks: results do not depend on it.
#[derive(Debug, Default)]
pub struct Progress {
    stage: AtomicU8,
    done: AtomicUsize,
    total: AtomicUsize,
}

impl Progress {
    pub(super) fn begin(&self, stage: Stage, total: usize) {
        self.done.store(0, Ordering::Relaxed);
        self.total.store(total, Ordering::Relaxed);
        self.stage.store(stage as u8, Ordering::Relaxed);
    }

    /// Every record is passed once.
    pub(super) fn passed(&self, record: usize) {
        if record % STRIDE == STRIDE - 1 {
            self.done.fetch_add(STRIDE, Ordering::Relaxed);
        }
    }

    /// The stage, how much of it is done, and how much there is; 0 where nobody knows.
    #[must_use]
    pub fn read(&self) -> (Stage, usize, usize) {
        let stage = Stage::ALL.get(usize::from(self.stage.load(Ordering::Relaxed))).copied().unwrap_or(Stage::Waiting);
        (stage, self.done.load(Ordering::Relaxed), self.total.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_stage_and_share() {
        let progress = Progress::default();
        assert_eq!(progress.read(), (Stage::Waiting, 0, 0));
        progress.begin(Stage::Score, 3000);
        (0..3000).for_each(|record| progress.passed(record));
        assert_eq!(progress.read(), (Stage::Score, 2048, 3000));
        progress.begin(Stage::Partition, 0);
        assert_eq!(progress.read(), (Stage::Partition, 0, 0));
        assert_eq!(Stage::ALL.map(Stage::name), ["waiting", "block", "score", "partition"]);
    }
}
