//! Connected components of kept pairs and assertions, with floors raised until they fit.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use super::AssertedPairs;
use super::kept::{Edge, Forest, reduce};
use crate::model::Model;
use crate::record::{MISSING, Records, row_number};

/// Millibits by which the floor of an oversized component rises.
const STEP: i32 = 1000;

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

/// Components of two or more records. Memory: 4 bytes to a record in one, and 8 to a component.
#[derive(Debug)]
pub(crate) struct Components {
    cuts: Vec<usize>,
    rows: Vec<u32>,
    /// Positions of `same` and `different` by component.
    asserted: FxHashMap<usize, [Vec<usize>; 2]>,
}

impl Components {
    /// Number of components.
    pub(crate) fn count(&self) -> usize {
        self.cuts.len() - 1
    }

    /// Number of records of each.
    pub(crate) fn sizes(&self) -> impl Iterator<Item = usize> {
        self.cuts.windows(2).map(|cut| cut[1] - cut[0])
    }

    /// One of them. O(size · log size).
    pub(crate) fn get(&self, number: usize, records: &Records) -> Component {
        let rows = &self.rows[self.cuts[number]..self.cuts[number + 1]];
        let mut members: Vec<usize> = rows.iter().map(|row| *row as usize).collect();
        members.sort_unstable_by_key(|&row| (records.address(row), row));
        let [same, different] = self.asserted.get(&number).cloned().unwrap_or_default();
        Component { members, same, different }
    }

    /// Hands each assertion to the component that holds both of its records.
    fn place(&mut self, asserted: &AssertedPairs) {
        if asserted.same.is_empty() && asserted.different.is_empty() {
            return;
        }
        let numbered = self.cuts.windows(2).enumerate();
        let home: FxHashMap<u32, usize> =
            numbered.flat_map(|(number, cut)| self.rows[cut[0]..cut[1]].iter().map(move |row| (*row, number))).collect();
        for (kind, pairs) in [&asserted.same, &asserted.different].into_iter().enumerate() {
            for (position, (left, right)) in pairs.iter().enumerate() {
                if let (Some(a), Some(b)) = (home.get(&row_number(*left)), home.get(&row_number(*right)))
                    && a == b
                {
                    self.asserted.entry(*a).or_default()[kind].push(position);
                }
            }
        }
    }
}

/// A group on its way to fitting.
struct Group {
    members: Vec<u32>,
    edges: Vec<Edge>,
    same: Vec<(u32, u32)>,
    floor: i32,
    /// Whether `different` assertions, and kept pairs below the floor, still connect it: they do at the first floor only.
    first: bool,
}

impl Group {
    fn new(floor: i32, first: bool) -> Self {
        Self { members: Vec::new(), edges: Vec::new(), same: Vec::new(), floor, first }
    }
}

/// Splits the members of a group that is no longer a first one into groups connected by edges at or above the floor and by `same`.
fn split(group: Group) -> Vec<Group> {
    let local: FxHashMap<u32, u32> = (0..).zip(&group.members).map(|(node, row)| (*row, node)).collect();
    let mut forest = Forest::new(group.members.len());
    let kept: Vec<Edge> = group.edges.into_iter().filter(|edge| edge.score >= group.floor).collect();
    for (left, right) in kept.iter().map(|edge| (edge.left, edge.right)).chain(group.same.iter().copied()) {
        forest.join(local[&left], local[&right]);
    }
    let roots = forest.into_roots();
    let mut numbers: FxHashMap<u32, usize> = FxHashMap::default();
    let mut groups: Vec<Group> = Vec::new();
    let mut home = Vec::with_capacity(roots.len());
    for (root, row) in roots.into_iter().zip(&group.members) {
        let number = *numbers.entry(root).or_insert_with(|| {
            groups.push(Group::new(group.floor, false));
            groups.len() - 1
        });
        home.push(number);
        groups[number].members.push(*row);
    }
    for edge in kept {
        groups[home[local[&edge.left] as usize]].edges.push(edge);
    }
    for pair in group.same {
        groups[home[local[&pair.0] as usize]].same.push(pair);
    }
    groups
}

/// Raises the floor of an oversized group until its parts fit, or are held together by `same` alone. O(records · raises).
fn parts(group: Group, most: usize) -> Vec<Vec<u32>> {
    let mut waiting = vec![group];
    let mut fitting = Vec::new();
    while let Some(mut group) = waiting.pop() {
        let held_by_same = group.edges.is_empty() && !group.first;
        if group.members.len() <= most || held_by_same {
            fitting.push(group.members);
            continue;
        }
        // The first step drops kin below the floor and the `different` assertions; later ones at which no pair falls away change nothing and are skipped.
        let weakest = group.edges.iter().map(|edge| edge.score).min().unwrap_or(group.floor);
        group.floor += if group.first { STEP } else { STEP * ((weakest - group.floor) / STEP + 1) };
        group.first = false;
        waiting.extend(split(group));
    }
    fitting
}

/// Components of two or more records, none larger than the model allows unless assertions hold it together. The edges need only be those of a
/// spanning forest of largest scores. O(records + edges), and what the raises of oversized ones take.
pub(crate) fn components(model: &Model, records: &Records, mut edges: Vec<Edge>, asserted: &AssertedPairs) -> Components {
    let numbered = |pairs: &[(usize, usize)]| -> Vec<(u32, u32)> {
        pairs.iter().map(|(left, right)| (row_number(*left), row_number(*right))).collect()
    };
    let (same, different) = (numbered(&asserted.same), numbered(&asserted.different));
    let mut forest = Forest::new(records.len());
    let ends = edges.iter().map(|edge| (edge.left, edge.right));
    for (left, right) in ends.chain(same.iter().copied()).chain(different) {
        forest.join(left, right);
    }
    let roots = forest.into_roots();
    let mut sizes = vec![0_u32; records.len()];
    for root in &roots {
        sizes[*root as usize] += 1;
    }

    let mut found = Components { cuts: vec![0], rows: Vec::new(), asserted: FxHashMap::default() };
    let mut oversized: BTreeMap<u32, Group> = BTreeMap::new();
    // From here on `next` holds, at each root, where its next member goes.
    let mut next = sizes;
    let mut total = 0;
    for (root, place) in (0..).zip(&mut next) {
        let size = *place as usize;
        *place = if size > 1 && size <= model.max_component() { row_number(total) } else { MISSING };
        if size > model.max_component() {
            oversized.insert(root, Group::new(model.edge_floor(), true));
        } else if size > 1 {
            total += size;
            found.cuts.push(total);
        }
    }
    found.rows = vec![0; total];
    for (row, root) in (0..).zip(&roots) {
        let place = &mut next[*root as usize];
        if *place != MISSING {
            found.rows[*place as usize] = row;
            *place += 1;
        } else if let Some(group) = oversized.get_mut(root) {
            group.members.push(row);
        }
    }
    if !oversized.is_empty() {
        edges.retain(|edge| oversized.contains_key(&roots[edge.left as usize]));
        reduce(&mut edges, records.len());
        for edge in edges {
            if let Some(group) = oversized.get_mut(&roots[edge.left as usize]) {
                group.edges.push(edge);
            }
        }
        for pair in same {
            if let Some(group) = oversized.get_mut(&roots[pair.0 as usize]) {
                group.same.push(pair);
            }
        }
        for part in oversized.into_values().flat_map(|group| parts(group, model.max_component())) {
            if part.len() > 1 {
                found.rows.extend(part);
                found.cuts.push(found.rows.len());
            }
        }
    }
    found.place(asserted);
    found
}
