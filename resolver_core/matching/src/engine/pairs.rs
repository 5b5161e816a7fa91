//! Candidate pairs, group by group, each scored in the first group that both records are members of.

use rayon::prelude::*;

use crate::candidates::{Candidates, Groups};
use crate::partition::{Edge, KeptPairs};
use crate::progress::Progress;
use crate::score::{Ceiling, Marks, Scorer};

/// Kept pairs that a thread brings together.
const BROUGHT: usize = 4096;

/// Numbers of distinct candidates and of kept ones.
type Counted = (usize, usize);

/// What a thread works with. Memory: that of the largest group and of `BROUGHT` pairs.
#[derive(Default)]
struct Work {
    edges: Vec<Edge>,
    marks: Vec<Marks>,
    /// Groups before the one looked at and which member is in them, as one number.
    before: Vec<u64>,
    /// Of each member a set of the groups before which others are in, too.
    shared: Vec<u64>,
    counted: Counted,
}

impl Work {
    /// Finds out which members have met in a group before; gives the words of each one's set. O(memberships · log memberships).
    fn meet(&mut self, groups: Groups<'_>, group: usize, members: &[u32]) -> usize {
        self.before.clear();
        for (member, record) in (0_u64..).zip(members) {
            let own = groups.of(*record).iter().take_while(|own| (**own as usize) < group);
            self.before.extend(own.map(|own| u64::from(*own) << 32 | member));
        }
        self.before.sort_unstable();
        let meetings = || self.before.chunk_by(|a, b| a >> 32 == b >> 32).filter(|run| run.len() > 1);
        let words = meetings().count().div_ceil(64);
        self.shared.clear();
        self.shared.resize(members.len() * words, 0);
        for (number, run) in meetings().enumerate() {
            for entry in run {
                let member = usize::try_from(entry & u64::from(u32::MAX)).unwrap_or(0);
                self.shared[member * words + number / 64] |= 1 << (number % 64);
            }
        }
        words
    }

    /// Scores the pairs of a group whose records have not met before.
    fn group(&mut self, groups: Groups<'_>, group: usize, ceiling: &Ceiling<'_>, floor: i32) {
        let (members, sharing) = groups.get(group);
        let words = self.meet(groups, group, members);
        let scorer = ceiling.scorer();
        self.marks.clear();
        if !sharing {
            self.marks.extend(members.iter().map(|record| ceiling.marks(*record)));
        }
        for (one, left) in members.iter().enumerate() {
            let met = &self.shared[one * words..(one + 1) * words];
            for (other, right) in members.iter().enumerate().skip(one + 1) {
                let others = &self.shared[other * words..(other + 1) * words];
                if met.iter().zip(others).any(|(a, b)| a & b != 0) {
                    continue;
                }
                self.counted.0 += 1;
                let pair = if sharing {
                    scorer.score_at_least(*left as usize, *right as usize, floor)
                } else if ceiling.may_be_kept(&self.marks[one], &self.marks[other], floor) {
                    scorer.score_apart_at_least(*left as usize, *right as usize, floor)
                } else {
                    None
                };
                self.edges.extend(pair.map(|pair| Edge { left: *left, right: *right, score: pair.score() }));
            }
        }
    }

    fn bring(&mut self, kept: &KeptPairs) {
        self.counted.1 += self.edges.len();
        kept.add(&mut self.edges);
    }
}

/// Scores every candidate pair once and adds those at or above the floor, and kin, to `kept`; gives the numbers of candidates and of kept
/// pairs; not all of them if `progress` is stopped meanwhile. Memory beside `kept`: 64 bytes to a record.
pub(crate) fn score_candidates(
    scorer: &Scorer<'_>,
    candidates: &Candidates,
    floor: i32,
    kept: &KeptPairs,
    progress: &Progress,
) -> Counted {
    let groups = candidates.groups();
    let ceiling = Ceiling::new(scorer);
    let one = |mut work: Work, group: usize| {
        if progress.stopped() {
            return work;
        }
        work.group(groups, group, &ceiling, floor);
        if work.edges.len() >= BROUGHT {
            work.bring(kept);
        }
        progress.passed(group);
        work
    };
    (0..groups.count())
        .into_par_iter()
        .with_min_len(64)
        .fold(Work::default, one)
        .map(|mut work| {
            work.bring(kept);
            work.counted
        })
        .reduce(Default::default, |all, some| (all.0 + some.0, all.1 + some.1))
}
