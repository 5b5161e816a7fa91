//! What follows from evidence: kept pairs, and the profiles that the partition makes of them.

use rayon::prelude::*;

use super::NEVER;
use super::evidence::Evidence;
use crate::candidates::{Candidates, Probes};
use crate::engine::score_candidates;
use crate::error::{CoreError, CoreResult};
use crate::model::Model;
use crate::partition::{AssertedPairs, Edge, KeptPairs, Relation, connected, partition_edges};
use crate::progress::{Progress, Stage};
use crate::record::{MISSING, Slots, row_number};
use crate::score::{Scorer, WeighedPair};
use crate::words::{BIRTH_DATE, CITY, FAMILY_NAME, GIVEN_NAME, POSTCODE, STREET};

/// Pairs that are shown with a profile.
const LINKS: usize = 20;

/// A kept pair of records, the lower row first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldPair {
    /// Lower row.
    pub left: u32,
    /// Higher row.
    pub right: u32,
    /// Levels, score and weights.
    pub weighed: WeighedPair,
}

/// A profile: what its records make of it.
#[derive(Debug, Clone, Copy)]
pub struct Profile {
    /// Smallest birth id of its records.
    pub id: u128,
    /// Whether it fits profiles that contradict each other.
    pub ambiguous: bool,
    /// Record whose name survives.
    pub name: Option<u32>,
    /// Record whose street, city and postcode survive.
    pub address: Option<u32>,
    /// Record whose birth date survives.
    pub birth_date: Option<u32>,
    /// Purchases.
    pub purchases: i64,
    /// Their sum in minor units.
    pub total: i64,
    /// Record of the last purchase.
    pub last_purchase: Option<u32>,
    /// Row of its first event.
    pub first_row: u32,
    start: usize,
    end: usize,
}

/// A review or a household: two profiles by number, the one of the lower id first, with the pair of records shown, the lower first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TiedProfiles {
    /// Profile of the lower id.
    pub low: u32,
    /// The other.
    pub high: u32,
    /// Lower record shown.
    pub low_record: u32,
    /// Higher record shown.
    pub high_record: u32,
    /// Millibits.
    pub strength: i64,
}

/// Profiles of a load, numbered by ascending id, and the pairs that made them.
#[derive(Debug)]
pub struct Profiles {
    slots: Slots,
    edges: Vec<Edge>,
    /// Profile of each record; [`MISSING`] of one that is held back.
    homes: Vec<u32>,
    made: Vec<Profile>,
    /// Members of all profiles, one after the other, by ascending birth id.
    members: Vec<u32>,
    /// Profile and position in `edges` of the pairs shown with it, best first.
    links: Vec<(u32, u32)>,
    reviews: Vec<TiedProfiles>,
    households: Vec<TiedProfiles>,
    contenders: Vec<(u32, u32)>,
    candidates: usize,
}

impl Profiles {
    /// Scores, partitions and sums up. Records in a component with one of those that are held back have no pairs and no profile.
    /// O(records · log records + candidates), on all cores; memory beside that of a batch run: 16 bytes to a kept pair.
    ///
    /// # Errors
    /// `Input` for a record outside the batch, and for a run that was stopped.
    pub fn of(evidence: &Evidence, model: &Model, held_back: &[u32], progress: &Progress) -> CoreResult<Self> {
        let records = &evidence.records;
        if held_back.iter().any(|record| *record as usize >= records.len()) {
            return Err(CoreError::input("held_back", "holds a record outside the batch"));
        }
        progress.begin(Stage::Block, model.rules().len());
        let slots = records.slots().without(&evidence.states.generic);
        let rules: Vec<usize> = (0..model.rules().len()).collect();
        let candidates = Candidates::new(records, &slots, model, &rules, &Probes::all(records));
        progress.go_on()?;
        let scorer = Scorer::new(records, &slots, model);
        progress.begin(Stage::Score, candidates.groups().count());
        let kept = KeptPairs::all(records.len());
        let (counted, _) = score_candidates(&scorer, &candidates, model.edge_floor(), &kept, progress);
        drop(candidates);
        progress.go_on()?;
        progress.begin(Stage::Partition, 0);
        let mut edges = kept.into_pairs();
        let roots = connected(&edges, records.len());
        let mut waiting = vec![false; records.len()];
        for record in held_back {
            waiting[roots[*record as usize] as usize] = true;
        }
        let waits = |record: u32| waiting[roots[record as usize] as usize];
        edges.retain(|edge| !waits(edge.left));
        edges.par_sort_unstable();
        let (partition, _) = partition_edges(&scorer, edges.clone(), &AssertedPairs::default());
        drop(scorer);
        progress.go_on()?;
        let mut profiles = Self {
            slots,
            edges,
            homes: Vec::new(),
            made: Vec::new(),
            members: Vec::new(),
            links: Vec::new(),
            reviews: Vec::new(),
            households: Vec::new(),
            contenders: Vec::new(),
            candidates: counted,
        };
        let ranks = profiles.sum_up(evidence, &partition.clusters, waits);
        for cluster in partition.ambiguous {
            profiles.made[ranks[cluster] as usize].ambiguous = true;
        }
        profiles.contenders = partition.contenders.into_iter().map(|(one, other)| (ranks[one], ranks[other])).collect();
        profiles.contenders.sort_unstable();
        let tied = |relations: Vec<Relation>| -> Vec<TiedProfiles> {
            let one = |found: Relation| {
                let (a, b) = (ranks[found.x], ranks[found.y]);
                let (left, right) = (row_number(found.left), row_number(found.right));
                TiedProfiles {
                    low: a.min(b),
                    high: a.max(b),
                    low_record: left.min(right),
                    high_record: left.max(right),
                    strength: found.strength,
                }
            };
            let mut all: Vec<TiedProfiles> = relations.into_iter().map(one).collect();
            all.sort_unstable_by_key(|one| (one.low, one.high));
            all
        };
        profiles.reviews = tied(partition.reviews);
        profiles.households = tied(partition.households);
        profiles.link();
        Ok(profiles)
    }

    /// Makes the profiles of clusters; gives the number of each by the row that names its cluster.
    fn sum_up(&mut self, evidence: &Evidence, clusters: &[usize], waits: impl Fn(u32) -> bool) -> Vec<u32> {
        let mut placed: Vec<(u32, u128, u32)> = (0_u32..)
            .zip(clusters)
            .filter(|(record, _)| !waits(*record))
            .map(|(record, cluster)| (row_number(*cluster), evidence.birth_id(record), record))
            .collect();
        placed.par_sort_unstable();
        let mut groups: Vec<&[(u32, u128, u32)]> = placed.chunk_by(|a, b| a.0 == b.0).collect();
        groups.par_sort_unstable_by_key(|group| group[0].1);
        let mut ranks = vec![MISSING; clusters.len()];
        self.homes = vec![MISSING; clusters.len()];
        for (rank, group) in (0_u32..).zip(&groups) {
            ranks[group[0].0 as usize] = rank;
            let start = self.members.len();
            for (_, _, record) in *group {
                self.homes[*record as usize] = rank;
                self.members.push(*record);
            }
            self.made.push(profile(evidence, &self.members[start..], start));
        }
        ranks
    }

    /// Finds the strongest pairs inside each profile.
    fn link(&mut self) {
        let mut inside: Vec<(u32, i32, u32)> = (0_u32..)
            .zip(&self.edges)
            .filter(|(_, edge)| self.homes[edge.left as usize] == self.homes[edge.right as usize])
            .map(|(place, edge)| (self.homes[edge.left as usize], -edge.score, place))
            .collect();
        inside.par_sort_unstable();
        let runs = inside.chunk_by(|a, b| a.0 == b.0).flat_map(|run| &run[..run.len().min(LINKS)]);
        self.links = runs.map(|(home, _, place)| (*home, *place)).collect();
    }

    /// The profiles by ascending id.
    #[must_use]
    pub fn all(&self) -> &[Profile] {
        &self.made
    }

    /// Records of a profile, by ascending birth id.
    #[must_use]
    pub fn members(&self, profile: &Profile) -> &[u32] {
        &self.members[profile.start..profile.end]
    }

    /// Number of the profile that holds a record; `None` if it is held back.
    #[must_use]
    pub fn home(&self, record: u32) -> Option<u32> {
        self.homes.get(record as usize).copied().filter(|home| *home != MISSING)
    }

    /// Number of kept pairs; they are placed by ascending rows.
    #[must_use]
    pub fn pairs(&self) -> usize {
        self.edges.len()
    }

    /// Number of candidates that were compared.
    #[must_use]
    pub fn candidates(&self) -> usize {
        self.candidates
    }

    /// Kept pairs at these places, with the weights of their comparisons.
    #[must_use]
    pub fn weighed(&self, evidence: &Evidence, model: &Model, places: &[u32]) -> Vec<HeldPair> {
        let scorer = Scorer::new(&evidence.records, &self.slots, model);
        let one = |place: &u32| {
            let Edge { left, right, .. } = self.edges[*place as usize];
            let pair = scorer.score(left as usize, right as usize);
            HeldPair { left, right, weighed: scorer.weighed(left as usize, pair) }
        };
        places.par_iter().with_min_len(1024).map(one).collect()
    }

    /// Profile and pair, by its place among the kept ones, of the pairs shown with profiles; the best of each first.
    #[must_use]
    pub fn links(&self) -> &[(u32, u32)] {
        &self.links
    }

    /// Reviews.
    #[must_use]
    pub fn reviews(&self) -> &[TiedProfiles] {
        &self.reviews
    }

    /// Households.
    #[must_use]
    pub fn households(&self) -> &[TiedProfiles] {
        &self.households
    }

    /// Ambiguous profile and one that it fits.
    #[must_use]
    pub fn contenders(&self) -> &[(u32, u32)] {
        &self.contenders
    }

    /// Records that are held back.
    pub fn held_back(&self) -> impl Iterator<Item = u32> {
        (0_u32..).zip(&self.homes).filter(|(_, home)| **home == MISSING).map(|(record, _)| record)
    }
}

/// What some records make of a profile: names survive from the record with most name parts, then the latest event, then the greatest address; the address
/// likewise; the birth date from the latest that has one.
fn profile(evidence: &Evidence, members: &[u32], start: usize) -> Profile {
    let has = |position: usize, record: u32| usize::from(evidence.clean(position, record).is_some());
    let survivor = |any: &[usize], counted: &[usize]| {
        let parts =
            |positions: &[usize], record: u32| positions.iter().map(|position| has(*position, record)).sum::<usize>();
        let with = members.iter().copied().filter(|record| parts(any, *record) > 0);
        with.max_by_key(|record| {
            (parts(counted, *record), evidence.sums(*record).last, evidence.records.address(*record as usize))
        })
    };
    let sums = || members.iter().map(|record| evidence.sums(*record));
    let bought = members.iter().copied().filter(|record| evidence.sums(*record).last_purchase != NEVER);
    Profile {
        id: evidence.birth_id(members[0]),
        ambiguous: false,
        name: survivor(&[GIVEN_NAME, FAMILY_NAME], &[GIVEN_NAME, FAMILY_NAME]),
        address: survivor(&[STREET, CITY, POSTCODE], &[STREET, POSTCODE]),
        birth_date: survivor(&[BIRTH_DATE], &[]),
        purchases: sums().map(|sums| sums.purchases).sum(),
        total: sums().map(|sums| sums.total).sum(),
        last_purchase: bought.max_by_key(|record| (evidence.sums(*record).last_purchase, evidence.last_store(*record))),
        first_row: sums().map(|sums| sums.first_row).min().unwrap_or(MISSING),
        start,
        end: start + members.len(),
    }
}
