//! How many distinct identifiers the clusters of one component carry (docs/matching.md section 8).

use crate::model::Model;
use crate::record::Slots;
use crate::words::{CUSTOMER_NUMBER, FORM_FOLDED};

/// Tokens that are counted against one limit: those of a type, or the customer numbers of one namespace.
struct Counted {
    limit: usize,
    /// Token numbers of each cluster, ascending.
    held: Vec<Vec<u32>>,
}

/// What live clusters carry, kept only where a limit can be passed at all.
pub(super) struct Carried {
    counted: Vec<Counted>,
}

/// Number of distinct elements of two ascending lists.
fn together(a: &[u32], b: &[u32]) -> usize {
    let (mut left, mut right, mut shared) = (0, 0, 0);
    while left < a.len() && right < b.len() {
        let (low, high) = (a[left] <= b[right], a[left] >= b[right]);
        shared += usize::from(low && high);
        left += usize::from(low);
        right += usize::from(high);
    }
    a.len() + b.len() - shared
}

impl Carried {
    /// Every member a cluster of its own. O(slots · log slots).
    pub(super) fn new(slots: &Slots, members: &[usize], model: &Model) -> Self {
        let mut all = Vec::new();
        for (node, &row) in members.iter().enumerate() {
            for slot in slots.of(row).iter().filter(|slot| slot.form != FORM_FOLDED) {
                let own_count = if slot.kind == CUSTOMER_NUMBER { slot.namespace } else { 0 };
                all.push(((slot.kind, own_count), (slot.namespace, slot.form, slot.token), node));
            }
        }
        all.sort_unstable();
        let mut counted = Vec::new();
        for run in all.chunk_by(|a, b| a.0 == b.0) {
            let limit = model.limit(run[0].0.0);
            if run.chunk_by(|a, b| a.1 == b.1).count() <= limit {
                continue;
            }
            let mut held = vec![Vec::new(); members.len()];
            for (number, carriers) in (0..).zip(run.chunk_by(|a, b| a.1 == b.1)) {
                for (_, _, node) in carriers {
                    held[*node].push(number);
                }
            }
            counted.push(Counted { limit, held });
        }
        Self { counted }
    }

    /// Whether two clusters would carry more together than a limit allows and than either carries. O(tokens of both).
    pub(super) fn over(&self, x: usize, y: usize) -> bool {
        self.counted.iter().any(|counted| {
            let (a, b) = (&counted.held[x], &counted.held[y]);
            a.len() + b.len() > counted.limit && together(a, b) > counted.limit.max(a.len()).max(b.len())
        })
    }

    /// Gives `x` what `y` carries.
    pub(super) fn merge(&mut self, x: usize, y: usize) {
        for counted in &mut self.counted {
            let gained = std::mem::take(&mut counted.held[y]);
            counted.held[x].extend(gained);
            counted.held[x].sort_unstable();
            counted.held[x].dedup();
        }
    }
}
