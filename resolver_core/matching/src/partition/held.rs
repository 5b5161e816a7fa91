//! A part of more records than a component may have, which assertions hold together: they alone decide in it (docs/matching.md section 7).
//!
//! Nothing is scored here, so that memory is that of the assertions, however many of them a steward made.

use std::collections::BTreeSet;

use rustc_hash::FxHashSet;

use super::agglomerate::{Assertions, Outcome};

/// What one record, or the cluster that it is the lowest of, was asserted to be, by members.
#[derive(Default, Clone)]
struct Said {
    same: BTreeSet<usize>,
    different: FxHashSet<usize>,
}

/// Merges what is the same and not different, the lowest first; `members` are rows by ascending address. O(assertions · log assertions), and what
/// contradicts itself once more for each merge.
pub(super) fn merge_held(members: &[usize], assertions: &Assertions) -> Outcome {
    let mut said = vec![Said::default(); members.len()];
    for (a, b) in &assertions.same {
        said[*a].same.insert(*b);
        said[*b].same.insert(*a);
    }
    for (a, b) in &assertions.different {
        said[*a].different.insert(*b);
        said[*b].different.insert(*a);
    }
    let mut owner: Vec<usize> = (0..members.len()).collect();
    for x in 0..members.len() {
        // A merge frees no lower cluster: whoever is kept from x or from y is kept from both together. So x takes all it can, and the next follows.
        while let Some(y) = said[x].same.range(x + 1..).copied().find(|y| !said[x].different.contains(y)) {
            owner[y] = x;
            let Said { same, different } = std::mem::take(&mut said[y]);
            for z in same {
                said[z].same.remove(&y);
                if z != x {
                    said[z].same.insert(x);
                    said[x].same.insert(z);
                }
            }
            for z in different {
                said[z].different.remove(&y);
                said[z].different.insert(x);
                said[x].different.insert(z);
            }
        }
    }
    Outcome {
        clusters: owner.into_iter().enumerate().map(|(node, owner)| (members[node], members[owner])).collect(),
        ambiguous: Vec::new(),
        contenders: Vec::new(),
        reviews: Vec::new(),
        households: Vec::new(),
    }
}
