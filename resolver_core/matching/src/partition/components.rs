//! Connected components of kept pairs and assertions, with floors raised until they fit.

use rustc_hash::FxHashMap;

use super::AssertedPairs;
use crate::model::Model;
use crate::record::Records;

/// Millibits by which the floor of an oversized component rises.
const STEP: i32 = 1000;

/// A scored pair of rows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Edge {
    pub(crate) left: usize,
    pub(crate) right: usize,
    pub(crate) score: i32,
}

/// Records to be partitioned together.
#[derive(Debug)]
pub(crate) struct Component {
    /// Rows by ascending address.
    pub(crate) members: Vec<usize>,
    /// Positions in [`AssertedPairs::same`].
    pub(crate) same: Vec<usize>,
    /// Positions in [`AssertedPairs::different`], with both records inside.
    pub(crate) different: Vec<usize>,
}

/// Union-find with path halving.
struct Forest {
    parents: Vec<u32>,
}

impl Forest {
    fn new(size: usize) -> Self {
        Self { parents: (0..u32::try_from(size).unwrap_or(u32::MAX)).collect() }
    }

    fn root(&mut self, mut node: usize) -> usize {
        while self.parents[node] as usize != node {
            let above = self.parents[node] as usize;
            self.parents[node] = self.parents[above];
            node = self.parents[node] as usize;
        }
        node
    }

    /// The lower root wins, so that results do not depend on the order of unions.
    fn join(&mut self, left: usize, right: usize) {
        let (a, b) = (self.root(left), self.root(right));
        let (low, high) = (a.min(b), a.max(b));
        self.parents[high] = self.parents[low];
    }
}

/// A group on its way to fitting: local node numbers stand for `members`.
struct Group {
    members: Vec<usize>,
    edges: Vec<Edge>,
    same: Vec<usize>,
    floor: i32,
    /// Whether `different` assertions, and kept pairs below the floor, still connect it: they do at the first floor only.
    first: bool,
}

/// Splits members into groups connected by edges at or above the floor and by `same` (at the first floor by all edges and `different`).
fn split(group: Group, asserted: &AssertedPairs) -> Vec<Group> {
    let local: FxHashMap<usize, usize> = group.members.iter().enumerate().map(|(node, row)| (*row, node)).collect();
    let mut forest = Forest::new(group.members.len());
    let kept: Vec<Edge> = group.edges.into_iter().filter(|edge| group.first || edge.score >= group.floor).collect();
    for edge in &kept {
        forest.join(local[&edge.left], local[&edge.right]);
    }
    let firm = group.same.iter().map(|&position| asserted.same[position]);
    for (left, right) in firm.chain(asserted.different.iter().copied().filter(|_| group.first)) {
        forest.join(local[&left], local[&right]);
    }
    let mut numbers: FxHashMap<usize, usize> = FxHashMap::default();
    let mut groups: Vec<Group> = Vec::new();
    let mut home = Vec::with_capacity(group.members.len());
    for (node, row) in group.members.iter().enumerate() {
        let number = *numbers.entry(forest.root(node)).or_insert_with(|| {
            groups.push(Group {
                members: Vec::new(),
                edges: Vec::new(),
                same: Vec::new(),
                floor: group.floor,
                first: group.first,
            });
            groups.len() - 1
        });
        home.push(number);
        groups[number].members.push(*row);
    }
    for edge in kept {
        groups[home[local[&edge.left]]].edges.push(edge);
    }
    for position in group.same {
        groups[home[local[&asserted.same[position].0]]].same.push(position);
    }
    groups
}

/// Components of two or more records, none larger than the model allows unless assertions hold it together. O(pairs · raises).
pub(crate) fn components(model: &Model, records: &Records, edges: &[Edge], asserted: &AssertedPairs) -> Vec<Component> {
    let floor = model.edge_floor();
    let kept: Vec<Edge> = edges.iter().copied().filter(|edge| edge.left != edge.right).collect();
    let ends = kept.iter().map(|edge| (edge.left, edge.right));
    let asserted_ends = asserted.same.iter().chain(&asserted.different).copied();
    let mut members: Vec<usize> = ends.chain(asserted_ends).flat_map(|(left, right)| [left, right]).collect();
    members.sort_unstable();
    members.dedup();
    let whole = Group { members, edges: kept, same: (0..asserted.same.len()).collect(), floor, first: true };
    let mut waiting = split(whole, asserted);
    let mut fitting: Vec<Group> = Vec::new();
    while let Some(mut group) = waiting.pop() {
        let held_by_same = group.edges.is_empty() && !group.first;
        if group.members.len() <= model.max_component() || held_by_same {
            fitting.push(group);
            continue;
        }
        // The first step drops kin below the floor and the `different` assertions; later ones at which no pair falls away change nothing and are skipped.
        let weakest = group.edges.iter().map(|edge| edge.score).min().unwrap_or(group.floor);
        group.floor += if group.first { STEP } else { STEP * ((weakest - group.floor) / STEP + 1) };
        group.first = false;
        waiting.extend(split(group, asserted));
    }
    let mut result: Vec<Component> = fitting
        .into_iter()
        .filter(|group| group.members.len() > 1)
        .map(|mut group| {
            group.members.sort_unstable_by_key(|&row| (records.address(row), row));
            Component { members: group.members, same: group.same, different: Vec::new() }
        })
        .collect();
    place_different(&mut result, asserted);
    result.sort_unstable_by_key(|component| component.members.first().map(|&row| records.address(row)));
    result
}

/// Hands each `different` assertion to the component that holds both of its records.
fn place_different(components: &mut [Component], asserted: &AssertedPairs) {
    if asserted.different.is_empty() {
        return;
    }
    let home: FxHashMap<usize, usize> = components
        .iter()
        .enumerate()
        .flat_map(|(number, component)| component.members.iter().map(move |row| (*row, number)))
        .collect();
    for (position, (left, right)) in asserted.different.iter().enumerate() {
        if let (Some(a), Some(b)) = (home.get(left), home.get(right))
            && a == b
        {
            components[*a].different.push(position);
        }
    }
}
