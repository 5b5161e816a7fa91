//! Comparison of the identifiers two records carry.

use crate::model::{AGREE, AGREE_FOLDED, differ_level};
use crate::record::Slot;
use crate::words::{EMAIL, FORM_FOLDED, PHONE};

/// Level of one identifier type: the slots of that type on either side.
fn level(kind: u8, left: &[Slot], right: &[Slot]) -> u8 {
    let (mut folded, mut comparable) = (false, false);
    for a in left {
        for b in right {
            if a.token == b.token && a.form != FORM_FOLDED && b.form != FORM_FOLDED {
                return AGREE;
            }
            folded |= a.token == b.token && a.form == FORM_FOLDED && b.form == FORM_FOLDED;
            comparable |=
                a.form == b.form && a.form != FORM_FOLDED && (kind == EMAIL || kind == PHONE || a.namespace == b.namespace);
        }
    }
    if folded && kind == EMAIL {
        AGREE_FOLDED
    } else if comparable {
        differ_level(kind)
    } else {
        0
    }
}

/// Tells comparison and level of the identifier types that two records can be compared in. O(slots of one type on the left × on the right).
pub(super) fn levels(left: &[Slot], right: &[Slot], mut tell: impl FnMut(usize, u8)) {
    let (mut left, mut right) = (left, right);
    while let (Some(a), Some(b)) = (left.first(), right.first()) {
        let kind = a.kind.max(b.kind);
        left = &left[left.partition_point(|slot| slot.kind < kind)..];
        right = &right[right.partition_point(|slot| slot.kind < kind)..];
        let (own, other) = (left.partition_point(|slot| slot.kind == kind), right.partition_point(|slot| slot.kind == kind));
        let level = level(kind, &left[..own], &right[..other]);
        (left, right) = (&left[own..], &right[other..]);
        if level != 0 {
            tell(usize::from(kind) - 1, level);
        }
    }
}
