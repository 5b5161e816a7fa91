//! The word tables under `tables/`, read once.

use std::sync::LazyLock;

use rustc_hash::{FxHashMap, FxHashSet};

fn lines(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

fn word_set(text: &'static str) -> FxHashSet<&'static str> {
    lines(text).flat_map(str::split_whitespace).collect()
}

fn classes(text: &'static str) -> impl Iterator<Item = (&'static str, std::str::SplitWhitespace<'static>)> {
    lines(text).filter_map(|line| line.split_once(':')).map(|(class, members)| (class.trim(), members.split_whitespace()))
}

/// Spelling → standard word.
fn spellings(text: &'static str) -> FxHashMap<&'static str, &'static str> {
    classes(text).flat_map(|(class, members)| members.map(move |member| (member, class))).collect()
}

/// Titles dropped from names.
pub(crate) static TITLES: LazyLock<FxHashSet<&'static str>> =
    LazyLock::new(|| word_set(include_str!("../tables/titles.txt")));

/// Particles of family names.
pub(crate) static PARTICLES: LazyLock<FxHashSet<&'static str>> =
    LazyLock::new(|| word_set(include_str!("../tables/particles.txt")));

/// Generation suffix by spelling.
pub(crate) static SUFFIXES: LazyLock<FxHashMap<&'static str, &'static str>> =
    LazyLock::new(|| spellings(include_str!("../tables/suffixes.txt")));

/// Standard street word by spelling.
pub(crate) static STREET_WORDS: LazyLock<FxHashMap<&'static str, &'static str>> =
    LazyLock::new(|| spellings(include_str!("../tables/street_words.txt")));

/// The nickname table: class numbers are positions in the alphabetical list of class names.
pub(crate) struct Nicknames {
    names: Vec<&'static str>,
    members: FxHashMap<&'static str, Vec<u16>>,
}

impl Nicknames {
    /// Class numbers of a folded word, ascending; empty where it is in no class.
    pub(crate) fn classes_of(&self, word: &str) -> &[u16] {
        self.members.get(word).map_or(&[], Vec::as_slice)
    }

    /// The folded word itself where it names a class, otherwise the alphabetically first of its class names, or the word.
    pub(crate) fn canonical<'a>(&'a self, word: &'a str) -> &'a str {
        if self.names.binary_search(&word).is_ok() {
            return word;
        }
        self.classes_of(word).first().and_then(|class| self.names.get(usize::from(*class))).copied().unwrap_or(word)
    }
}

/// Nickname classes.
pub(crate) static NICKNAMES: LazyLock<Nicknames> = LazyLock::new(|| {
    let mut table: Vec<_> = classes(include_str!("../tables/nicknames.txt")).collect();
    table.sort_by_key(|(class, _)| *class);
    let mut members: FxHashMap<&'static str, Vec<u16>> = FxHashMap::default();
    let mut names = Vec::with_capacity(table.len());
    for (number, (class, nicknames)) in (0_u16..).zip(table) {
        names.push(class);
        for word in std::iter::once(class).chain(nicknames) {
            let numbers = members.entry(word).or_default();
            if numbers.last() != Some(&number) {
                numbers.push(number);
            }
        }
    }
    Nicknames { names, members }
});

/// Placeholders of one attribute or identifier type.
#[derive(Default)]
pub(crate) struct Placeholders {
    squashed: FxHashSet<&'static str>,
    local_parts: FxHashSet<&'static str>,
    domains: FxHashSet<&'static str>,
    addresses: FxHashSet<&'static str>,
}

impl Placeholders {
    fn add(&mut self, entry: &'static str) {
        match entry.split_once('@') {
            None => self.squashed.insert(entry),
            Some((local, "*")) => self.local_parts.insert(local),
            Some(("*", domain)) => self.domains.insert(domain),
            Some(_) => self.addresses.insert(entry),
        };
    }

    /// Whether a squashed form (letters and digits only, lower case) stands in the table.
    pub(crate) fn holds(&self, squashed: &str) -> bool {
        self.squashed.contains(squashed)
    }

    /// Whether a canonical e-mail address stands in the table or matches one of its patterns.
    pub(crate) fn holds_email(&self, local: &str, domain: &str, address: &str) -> bool {
        self.local_parts.contains(local) || self.domains.contains(domain) || self.addresses.contains(address)
    }

    /// Entries that are whole values, and whole e-mail addresses.
    pub(crate) fn entries(&self) -> impl Iterator<Item = &'static str> {
        self.squashed.iter().chain(&self.addresses).copied()
    }
}

/// Placeholder tables by the column they apply to. Every one includes the entries of `any`.
pub(crate) struct PlaceholderTables {
    pub(crate) any: Placeholders,
    pub(crate) names: Placeholders,
    pub(crate) birth_date: Placeholders,
    pub(crate) street: Placeholders,
    pub(crate) city: Placeholders,
    pub(crate) postcode: Placeholders,
    pub(crate) email: Placeholders,
    pub(crate) phone: Placeholders,
    pub(crate) number: Placeholders,
}

/// The placeholder tables.
pub(crate) static PLACEHOLDERS: LazyLock<PlaceholderTables> = LazyLock::new(|| {
    let read = |columns: &[&str]| {
        let mut table = Placeholders::default();
        for (column, entries) in classes(include_str!("../tables/placeholders.txt")) {
            if column == "any" || columns.contains(&column) {
                entries.for_each(|entry| table.add(entry));
            }
        }
        table
    };
    PlaceholderTables {
        any: read(&[]),
        names: read(&["names"]),
        birth_date: read(&["birth_date"]),
        street: read(&["street"]),
        city: read(&["city"]),
        postcode: read(&["postcode"]),
        email: read(&["email"]),
        phone: read(&["phone", "number"]),
        number: read(&["number"]),
    }
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standard_words_are_fixed_points() {
        for table in [&*STREET_WORDS, &*SUFFIXES] {
            for standard in table.values() {
                assert!(table.get(standard).is_none_or(|again| again == standard), "{standard} is respelled");
            }
        }
    }

    #[test]
    fn a_street_spelling_stands_in_one_class() {
        let total = classes(include_str!("../tables/street_words.txt")).map(|(_, members)| members.count()).sum::<usize>();
        assert_eq!(STREET_WORDS.len(), total);
    }

    #[test]
    fn nicknames_share_classes() {
        let shares = |left: &str, right: &str| {
            NICKNAMES.classes_of(left).iter().any(|class| NICKNAMES.classes_of(right).contains(class))
        };
        assert!(shares("bill", "william"));
        assert!(shares("bob", "rob"));
        assert!(!shares("bill", "robert"));
        assert_eq!(NICKNAMES.canonical("bill"), "william");
        assert_eq!(NICKNAMES.canonical("william"), "william");
        assert_eq!(NICKNAMES.canonical("zebulon"), "zebulon");
        assert!(NICKNAMES.names.len() > 250);
    }

    #[test]
    fn placeholder_patterns() {
        let email = &PLACEHOLDERS.email;
        assert!(email.holds("na") && email.holds("noemail"));
        assert!(email.holds_email("noemail", "shop.net", "noemail@shop.net"));
        assert!(email.holds_email("jane", "example.org", "jane@example.org"));
        assert!(!email.holds_email("jane", "shop.net", "jane@shop.net"));
    }
}
