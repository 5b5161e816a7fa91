//! Counts what is under way, and bounds it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many there are. Cheap to clone; clones count together.
#[derive(Debug, Clone, Default)]
pub(crate) struct Places(Arc<AtomicUsize>);

impl Places {
    /// One more.
    pub(crate) fn take(&self) -> Place {
        let mut place = self.none();
        place.grow(1, usize::MAX);
        place
    }

    /// One more, unless there are `most` already.
    pub(crate) fn take_below(&self, most: usize) -> Option<Place> {
        let mut place = self.none();
        place.grow(1, most).then_some(place)
    }

    /// How many are taken.
    pub(crate) fn taken(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    fn none(&self) -> Place {
        Place { counted: Arc::clone(&self.0), own: 0 }
    }
}

/// Some of them; free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    counted: Arc<AtomicUsize>,
    own: usize,
}

impl Place {
    /// Takes so many more, all of them or none: whether there are no more than `most` then.
    pub(crate) fn grow(&mut self, more: usize, most: usize) -> bool {
        let before = self.counted.fetch_add(more, Ordering::Relaxed);
        let fits = before.saturating_add(more) <= most;
        if fits {
            self.own += more;
        } else {
            self.counted.fetch_sub(more, Ordering::Relaxed);
        }
        fits
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.counted.fetch_sub(self.own, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_again_when_it_is_dropped_and_a_refused_one_counts_nothing() {
        let places = Places::default();
        let mut first = places.take_below(1).expect("free");
        assert!(places.take_below(1).is_none());
        assert!(!first.grow(3, 3) && first.grow(2, 3));
        assert_eq!(places.taken(), 3);
        let second = places.take();
        assert_eq!(places.taken(), 4);
        drop((first, second));
        assert_eq!(places.taken(), 0);
        assert!(places.take_below(1).is_some());
    }
}
