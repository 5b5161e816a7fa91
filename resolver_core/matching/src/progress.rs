//! How far a batch run or a training is.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};

use crate::error::{CoreError, CoreResult};

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
    /// Counting what is seen of the candidates of a training.
    Count,
    /// Estimating a model from these counts.
    Estimate,
    /// Holding its scores against third records and labels.
    Calibrate,
}

impl Stage {
    const ALL: [Self; 7] =
        [Self::Waiting, Self::Block, Self::Score, Self::Partition, Self::Count, Self::Estimate, Self::Calibrate];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Block => "block",
            Self::Score => "score",
            Self::Partition => "partition",
            Self::Count => "count",
            Self::Estimate => "estimate",
            Self::Calibrate => "calibrate",
        }
    }
}

/// Groups between two reports of one thread.
const STRIDE: usize = 1024;

/// Where a run is, for whoever looks from another thread, and who may stop it. Results do not depend on it: there is the same one, or none.
#[derive(Debug, Default)]
pub struct Progress {
    stage: AtomicU8,
    done: AtomicUsize,
    total: AtomicUsize,
    stopped: AtomicBool,
}

impl Progress {
    /// Lets a batch run end soon: with the scores it is at, or with its stage.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    pub(crate) fn stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// Ends a run that was stopped.
    pub(crate) fn go_on(&self) -> CoreResult<()> {
        if self.stopped() { Err(CoreError::input("progress", "was stopped")) } else { Ok(()) }
    }

    pub(crate) fn begin(&self, stage: Stage, total: usize) {
        self.done.store(0, Ordering::Relaxed);
        self.total.store(total, Ordering::Relaxed);
        self.stage.store(stage as u8, Ordering::Relaxed);
    }

    /// Every group of a batch is passed once.
    pub(crate) fn passed(&self, group: usize) {
        if group % STRIDE == STRIDE - 1 {
            self.done.fetch_add(STRIDE, Ordering::Relaxed);
        }
    }

    /// One of a few is done.
    pub(crate) fn one_more(&self) {
        self.done.fetch_add(1, Ordering::Relaxed);
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
        assert_eq!(progress.go_on(), Ok(()));
        progress.stop();
        assert_eq!(progress.go_on(), Err(CoreError::input("progress", "was stopped")));
        progress.begin(Stage::Count, 2);
        progress.one_more();
        assert_eq!(progress.read(), (Stage::Count, 1, 2));
        assert_eq!(
            Stage::ALL.map(Stage::name),
            ["waiting", "block", "score", "partition", "count", "estimate", "calibrate"]
        );
    }
}
