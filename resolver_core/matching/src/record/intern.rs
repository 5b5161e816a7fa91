//! Equal values get equal numbers.

use std::hash::Hasher;

use rustc_hash::{FxHashMap, FxHasher};

use crate::error::{CoreError, CoreResult};
use crate::normalize::Digest32;

use super::{MISSING, TextId};

/// A number within a batch; numbers end below [`MISSING`].
pub(crate) fn small(number: usize) -> CoreResult<u32> {
    u32::try_from(number)
        .ok()
        .filter(|small| *small < MISSING)
        .ok_or_else(|| CoreError::input("addresses", "too many records"))
}

/// Numbers by hash. What is numbered stands elsewhere, once, and is asked whether it is equal: an entry takes 16 bytes however long the
/// value is.
#[derive(Debug, Default)]
pub(crate) struct HashIndex {
    numbers: FxHashMap<u64, u32>,
}

impl HashIndex {
    /// The number of a value with this hash, or `next` under which it is entered now. O(1).
    pub(crate) fn number(&mut self, hash: u64, next: u32, equal: impl Fn(u32) -> bool) -> u32 {
        let mut place = hash;
        loop {
            let number = *self.numbers.entry(place).or_insert(next);
            if number == next || equal(number) {
                return number;
            }
            place = place.wrapping_add(1);
        }
    }
}

/// Hash of a text.
pub(crate) fn text_hash(text: &str) -> u64 {
    let mut hasher = FxHasher::default();
    hasher.write(text.as_bytes());
    hasher.finish()
}

/// Numbers of distinct digests, which are hashes themselves.
#[derive(Debug, Default)]
pub(crate) struct DigestNumbers {
    index: HashIndex,
    digests: Vec<Digest32>,
}

impl DigestNumbers {
    /// Number of a digest, and whether it is new. O(1).
    pub(crate) fn number(&mut self, digest: &Digest32) -> CoreResult<(u32, bool)> {
        let next = small(self.digests.len())?;
        let hash = digest.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        let number = self.index.number(hash, next, |number| self.digests[number as usize] == *digest);
        if number == next {
            self.digests.push(*digest);
        }
        Ok((number, number == next))
    }

    /// The distinct digests by number.
    pub(crate) fn into_list(self) -> Vec<Digest32> {
        self.digests
    }
}

/// Texts by number, in one buffer of less than 4 GiB: a text takes four bytes more than its letters.
#[derive(Debug, Default)]
pub(crate) struct TextList {
    /// The columns whose texts these are.
    columns: &'static str,
    ends: Vec<u32>,
    buffer: String,
}

impl TextList {
    /// None yet, of these columns.
    pub(crate) fn of(columns: &'static str) -> Self {
        Self { columns, ..Self::default() }
    }

    /// Number of texts.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// A text by its number. O(1).
    pub(crate) fn get(&self, number: TextId) -> Option<&str> {
        let index = number as usize;
        let end = *self.ends.get(index)?;
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        self.buffer.get(start as usize..end as usize)
    }

    fn end(&self) -> u32 {
        self.ends.last().copied().unwrap_or(0)
    }

    /// Where the texts end once so many of so many bytes, of these columns, are added.
    fn grown(&self, columns: &'static str, texts: usize, bytes: usize) -> CoreResult<u32> {
        let end = small(self.len() + texts).and_then(|_| small(self.end() as usize + bytes));
        end.map_err(|_| CoreError::input(columns, "more than 4 GiB of distinct text"))
    }

    /// Adds a text, which gets the next number.
    pub(crate) fn push(&mut self, text: &str) -> CoreResult<()> {
        let end = self.grown(self.columns, 1, text.len())?;
        self.buffer.push_str(text);
        self.ends.push(end);
        Ok(())
    }

    /// Adds the texts of another list after the own ones; gives the number that its first text has now. O(its length).
    pub(crate) fn append(&mut self, other: &Self) -> CoreResult<u32> {
        self.grown(other.columns, other.len(), other.end() as usize)?;
        let (first, start) = (small(self.len())?, self.end());
        self.buffer.push_str(&other.buffer);
        self.ends.extend(other.ends.iter().map(|end| start + end));
        Ok(first)
    }
}

/// Gives equal texts equal numbers and keeps the texts.
#[derive(Debug)]
pub(crate) struct Interner {
    index: HashIndex,
    texts: TextList,
}

impl Interner {
    /// For the texts of these columns, which an error names.
    pub(crate) fn of(columns: &'static str) -> Self {
        Self { index: HashIndex::default(), texts: TextList::of(columns) }
    }

    /// Number of a text. O(length).
    pub(crate) fn number(&mut self, text: &str) -> CoreResult<TextId> {
        // A text too many has no number any more, and is refused when it is pushed.
        let next = small(self.texts.len()).unwrap_or(MISSING);
        let number = self.index.number(text_hash(text), next, |number| self.texts.get(number) == Some(text));
        if number == next {
            self.texts.push(text)?;
        }
        Ok(number)
    }

    /// Number of an optional text; [`MISSING`] where there is none.
    pub(crate) fn optional(&mut self, text: Option<&str>) -> CoreResult<TextId> {
        text.map_or(Ok(MISSING), |text| self.number(text))
    }

    /// The texts by number.
    pub(crate) fn into_list(self) -> TextList {
        self.texts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_have_equal_numbers() {
        let mut interner = Interner::of("names");
        let numbers: Vec<u32> =
            ["otto", "", "é", "otto", ""].iter().map(|text| interner.number(text).expect("few")).collect();
        assert_eq!(numbers, [0, 1, 2, 0, 1]);
        let mut list = interner.into_list();
        assert_eq!([0, 1, 2, 3].map(|number| list.get(number)), [Some("otto"), Some(""), Some("é"), None]);
        let mut other = Interner::of("names");
        other.number("x").expect("few");
        assert_eq!(list.append(&other.into_list()), Ok(3));
        assert_eq!((list.len(), list.get(3), list.get(2)), (4, Some("x"), Some("é")));
    }

    #[test]
    fn more_text_than_fits_is_refused_by_the_name_of_its_columns() {
        // As if the other texts took all but eight bytes.
        let full = |columns| TextList { ends: vec![MISSING - 9], ..TextList::of(columns) };
        let mut names = full("names");
        assert_eq!(names.push("12345678"), Ok(()));
        let refused = |columns| CoreError::input(columns, "more than 4 GiB of distinct text");
        assert_eq!(names.push("1"), Err(refused("names")));
        assert_eq!(names.push(""), Ok(()));
        let mut street = Interner::of("street");
        street.number("9 elm st").expect("few");
        let street = street.into_list();
        assert_eq!(full("names").append(&street), Ok(1));
        assert_eq!(names.append(&street), Err(refused("street")));
        assert_eq!((names.len(), names.buffer.as_str()), (3, "12345678"));
        let mut all = Interner { index: HashIndex::default(), texts: full("city") };
        assert_eq!(all.number("123456789"), Err(refused("city")));
    }

    #[test]
    fn values_of_one_hash_are_told_apart() {
        let mut index = HashIndex::default();
        let values = ["a", "b", "c"];
        let found = [0, 1, 2, 1, 2, 0].map(|at: u32| {
            let value = values[at as usize];
            index.number(7, at, |number| values[number as usize] == value)
        });
        assert_eq!(found, [0, 1, 2, 1, 2, 0]);
    }
}
