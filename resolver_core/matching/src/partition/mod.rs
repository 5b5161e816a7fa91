//! Partition of evidence into clusters: components, raised floors, constrained agglomeration.
//!
//! Every step reads records by ascending address, so the result does not depend on the order of rows, pairs or assertions.

mod agglomerate;
mod components;
mod field;
mod held;
mod kept;
mod limits;

use rayon::prelude::*;

use self::agglomerate::{Assertions, Outcome, agglomerate};
use self::components::components;
use self::held::merge_held;
pub(crate) use self::kept::{Edge, KeptPairs, connected};
use crate::error::CoreResult;
use crate::error::same_length;
use crate::model::Model;
use crate::record::{Records, row_number};
use crate::score::{Scorer, checked_rows};

/// Two clusters that are not merged and belong together in some way: a review or a household. Clusters are named by rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Relation {
    /// Cluster with the lower lowest address.
    pub x: usize,
    /// The other cluster.
    pub y: usize,
    /// Strength of the relation, in millibits.
    pub strength: i64,
    /// Row in `x` of the pair shown.
    pub left: usize,
    /// Row in `y` of the pair shown.
    pub right: usize,
}

/// Clusters of a batch; each is named by the row of its lowest-address record.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Partition {
    /// Cluster of each record.
    pub clusters: Vec<usize>,
    /// Records that fit two clusters which are apart, by address.
    pub ambiguous: Vec<usize>,
    /// `(ambiguous cluster, contender cluster)`, by address.
    pub contenders: Vec<(usize, usize)>,
    /// Clusters that may be one person and wait for somebody to decide, by address.
    pub reviews: Vec<Relation>,
    /// Clusters that would be one person if there were no households, by address.
    pub households: Vec<Relation>,
}

/// Assertions of a batch as pairs of rows.
#[derive(Debug, Default, Clone)]
pub(crate) struct AssertedPairs {
    pub(crate) same: Vec<(usize, usize)>,
    pub(crate) different: Vec<(usize, usize)>,
}

/// Sizes a partition reports.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Sizes {
    pub(crate) components: usize,
    pub(crate) largest: usize,
}

/// What became of some components.
#[derive(Default)]
struct Found {
    clusters: Vec<(u32, u32)>,
    ambiguous: Vec<usize>,
    contenders: Vec<(usize, usize)>,
    reviews: Vec<Relation>,
    households: Vec<Relation>,
}

impl Found {
    /// Adds what became of one more.
    fn with(mut self, outcome: Outcome) -> Self {
        self.clusters.extend(outcome.clusters.into_iter().map(|(row, cluster)| (row_number(row), row_number(cluster))));
        self.ambiguous.extend(outcome.ambiguous);
        self.contenders.extend(outcome.contenders);
        self.reviews.extend(outcome.reviews);
        self.households.extend(outcome.households);
        self
    }

    fn join(mut self, other: Self) -> Self {
        self.clusters.extend(other.clusters);
        self.ambiguous.extend(other.ambiguous);
        self.contenders.extend(other.contenders);
        self.reviews.extend(other.reviews);
        self.households.extend(other.households);
        self
    }
}

/// Partitions kept pairs, or a spanning forest of largest scores of them. O(Σ component size²) scores, on all cores; none for a component that
/// assertions alone hold together beyond the model's bound.
pub(crate) fn partition_edges(scorer: &Scorer<'_>, edges: Vec<Edge>, asserted: &AssertedPairs) -> (Partition, Sizes) {
    let records = scorer.records;
    let components = components(scorer.model, records, edges, asserted);
    let sizes = Sizes { components: components.count(), largest: components.sizes().max().unwrap_or(0) };
    let one = |found: Found, number: usize| {
        let component = components.get(number, records);
        let assertions = Assertions::of(&component, asserted);
        found.with(if component.members.len() > scorer.model.max_component() {
            merge_held(&component.members, &assertions)
        } else {
            agglomerate(scorer, &component.members, &assertions)
        })
    };
    let found = (0..sizes.components).into_par_iter().fold(Found::default, one).reduce(Found::default, Found::join);
    let mut partition = Partition {
        clusters: (0..records.len()).collect(),
        ambiguous: found.ambiguous,
        contenders: found.contenders,
        reviews: found.reviews,
        households: found.households,
    };
    for (row, cluster) in found.clusters {
        partition.clusters[row as usize] = cluster as usize;
    }
    let address = |row: usize| records.address(row);
    partition.ambiguous.sort_unstable_by_key(|&cluster| address(cluster));
    partition.contenders.sort_unstable_by_key(|&(cluster, contender)| (address(cluster), address(contender)));
    for relations in [&mut partition.reviews, &mut partition.households] {
        relations.sort_unstable_by_key(|relation| (address(relation.x), address(relation.y)));
    }
    (partition, sizes)
}

/// Partitions any number of components given by scored pairs and assertions. The pairs are those that are kept: a
/// caller leaves out what is below the model's floor and no kin.
/// O(pairs + Σ component size²).
///
/// # Errors
/// `Input` for columns of different lengths and rows outside the batch.
pub fn partition(
    records: &Records,
    left: &[i64],
    right: &[i64],
    scores: &[i64],
    same: &[(i64, i64)],
    different: &[(i64, i64)],
    model: &Model,
) -> CoreResult<Partition> {
    same_length("right", right.len(), left.len())?;
    same_length("scores", scores.len(), left.len())?;
    let (left, right) = (checked_rows("left", left, records)?, checked_rows("right", right, records)?);
    let pairs = |argument: &'static str, rows: &[(i64, i64)]| -> CoreResult<Vec<(usize, usize)>> {
        let (a, b): (Vec<i64>, Vec<i64>) = rows.iter().copied().unzip();
        Ok(checked_rows(argument, &a, records)?.into_iter().zip(checked_rows(argument, &b, records)?).collect())
    };
    let asserted = AssertedPairs { same: pairs("same", same)?, different: pairs("different", different)? };
    let bounded = |score: i64| i32::try_from(score.clamp(-1_000_000, 1_000_000)).unwrap_or(0);
    let edges: Vec<Edge> = left
        .into_iter()
        .zip(right)
        .zip(scores)
        .map(|((left, right), &score)| Edge { left: row_number(left), right: row_number(right), score: bounded(score) })
        .collect();
    let judge = Scorer::new(records, records.slots(), model);
    Ok(partition_edges(&judge, edges, &asserted).0)
}

#[cfg(test)]
mod tests;
