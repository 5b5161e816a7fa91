use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::engine::match_records;
use crate::gather::{Claims, GatherKeys, RawColumns, gather};
use crate::model::Model;
use crate::model::tests::PLAIN;
use crate::normalize::sha256;
use crate::progress::Progress;
use crate::{BlockingKey, blocking_keys};

const KEYS: GatherKeys<'static> = GatherKeys { address: &[7; 32], token: &[9; 32] };
const SEED: [u8; 32] = [3; 32];
const DAY: i64 = 86_400_000_000;

/// A row: source, event id, given and family name, phone, day, amount (below nought: no purchase) and store.
type Row =
    (&'static str, &'static str, Option<&'static str>, Option<&'static str>, Option<&'static str>, i64, i64, &'static str);

fn read(rows: &[Row]) -> (Claims, EventChunk) {
    let sources: Vec<Option<&str>> = rows.iter().map(|row| Some(row.0)).collect();
    let given: Vec<Option<&str>> = rows.iter().map(|row| row.2).collect();
    let family: Vec<Option<&str>> = rows.iter().map(|row| row.3).collect();
    let phones: Vec<Option<&str>> = rows.iter().map(|row| row.4).collect();
    let postcodes: Vec<Option<&str>> = rows.iter().map(|row| row.2.and(Some("02134"))).collect();
    let mut identifiers = [None; 8];
    identifiers[1] = Some(phones.as_slice());
    let columns = RawColumns {
        sources: &sources,
        default_source: "",
        identifiers,
        attributes: vec![
            ("given_name", given.as_slice()),
            ("family_name", family.as_slice()),
            ("postcode", postcodes.as_slice()),
        ],
        extras: Vec::new(),
    };
    let claims = Claims::read(&KEYS, &columns, "US").expect("valid");
    let contents: Vec<String> = rows.iter().map(|row| format!("{} {} {}", row.5, row.6, row.7)).collect();
    let said = Said {
        sources: &rows.iter().map(|row| row.0).collect::<Vec<_>>(),
        ids: &rows.iter().map(|row| row.1).collect::<Vec<_>>(),
        kinds: &rows.iter().map(|row| if row.6 < 0 { 2 } else { 0 }).collect::<Vec<_>>(),
        occurred: &rows.iter().map(|row| row.5 * DAY + 5).collect::<Vec<_>>(),
        amounts: &rows.iter().map(|row| row.6).collect::<Vec<_>>(),
        details: &rows.iter().map(|row| row.7).collect::<Vec<_>>(),
        contents: &contents.iter().map(String::as_str).collect::<Vec<_>>(),
    };
    let chunk = EventChunk::read(&claims, &said).expect("valid");
    (claims, chunk)
}

fn evidence(parts: &[&[Row]], model: &Model) -> Evidence {
    let read: Vec<(Claims, EventChunk)> = parts.iter().map(|rows| super::tests::read(rows)).collect();
    let claims: Vec<&Claims> = read.iter().map(|part| &part.0).collect();
    let chunks: Vec<&EventChunk> = read.iter().map(|part| &part.1).collect();
    Evidence::of(&claims, &chunks, model, 1_750_000_000_000, &SEED).expect("valid")
}

const ONE: Option<&str> = Some("(718) 329-2901");
const TWO: Option<&str> = Some("(718) 329-2902");
const ROWS: [Row; 9] = [
    ("pos", "a", Some("Otto"), Some("Zimmer"), ONE, 3, 700, "S2"),
    ("pos", "b", Some("Otto"), Some("Zimmer"), ONE, 3, 900, "S9"),
    ("pos", "c", Some("Otto"), Some("Zimmer"), ONE, 1, -1, ""),
    ("web", "a", Some("Anna"), Some("Lee"), TWO, 4, -1, ""),
    ("web", "d", None, None, ONE, 5, 40, ""),
    ("web", "e", None, None, Some("n/a"), 5, 40, ""),
    ("pos", "a", Some("Otto"), Some("Zimmer"), ONE, 3, 700, "S2"),
    ("pos", "f", Some("Otto"), Some("Zimer"), TWO, 6, 10, "S1"),
    ("pos", "g", Some("Maria"), Some("Kowalski"), None, 6, -1, ""),
];

fn model() -> Model {
    Model::parse(PLAIN).expect("valid")
}

#[test]
fn records_sum_their_events_up() {
    let held = evidence(&[&ROWS[..4], &ROWS[4..]], &model());
    assert_eq!((held.rows(), held.records().len(), held.repeated(), held.lost().len()), (9, 5, 1, 0));
    assert_eq!(held.home(5), None);
    assert_eq!(read(&ROWS).1.unusable(), [5]);
    let otto = held.home(0).expect("an event");
    let sums = held.sums(otto);
    assert_eq!((sums.sightings, sums.purchases, sums.total, sums.first_row), (3, 2, 1600, 0));
    assert_eq!((sums.first, sums.last, sums.last_purchase), (DAY + 5, 3 * DAY + 5, 3 * DAY + 5));
    assert_eq!((held.last_store(otto), held.event(0)), ("S9", ("pos", "a")));
    assert_eq!((held.clean(0, otto), held.name_key(otto).as_deref()), (Some("otto"), Some("SMR|o")));
    let anna = held.home(3).expect("an event");
    assert_eq!((held.sums(anna).last_purchase, held.last_store(anna)), (NEVER, ""));
    assert_eq!(held.happened(4), (Some(EventKind::Purchase), 5 * DAY + 5, 40, ""));
    let content = [held.records().address(otto as usize).as_slice(), b"3 700 S2"].concat();
    assert_eq!(held.digest(0), &sha256(content));
}

#[test]
fn of_two_contents_the_lower_digest_counts_and_its_record_alone() {
    let rows: [Row; 4] = [
        ("pos", "a", Some("Otto"), Some("Zimmer"), ONE, 3, 1, ""),
        ("pos", "a", Some("Anna"), Some("Lee"), ONE, 3, 2, ""),
        ("pos", "a", Some("Maria"), Some("Lopez"), ONE, 3, 3, ""),
        ("pos", "a", Some("Anna"), Some("Lee"), ONE, 3, 2, ""),
    ];
    let held = evidence(&[&rows[..2], &rows[2..]], &model());
    let lowest = (0..3).min_by_key(|row| *held.digest(*row)).expect("some");
    assert_eq!((held.records().len(), held.home(lowest), held.lost().len()), (1, Some(0), 2));
    assert_eq!(held.repeated(), 1);
    assert!((0..3).filter(|row| *row != lowest).all(|row| held.home(row).is_none()));
}

#[test]
fn birth_ids_are_of_version_seven_and_drawn_from_the_seed() {
    let held = evidence(&[&ROWS], &model());
    let ids: BTreeSet<u128> = (0..5).map(|record| held.birth_id(record)).collect();
    assert_eq!(ids.len(), 5);
    for id in &ids {
        assert_eq!((id >> 80, id >> 76 & 0xf, id >> 62 & 0b11), (1_750_000_000_000, 7, 0b10));
    }
    let (claims, chunk) = read(&ROWS);
    let other = Evidence::of(&[&claims], &[&chunk], &model(), 1_750_000_000_000, &[4; 32]).expect("valid");
    assert!((0..5).all(|record| !ids.contains(&other.birth_id(record))));
}

#[test]
fn tokens_that_are_used_too_much_on_one_day_are_closed() {
    let text = PLAIN.replace("purchases_per_day = 30", "purchases_per_day = 1");
    assert_ne!(text, PLAIN);
    let held = evidence(&[&ROWS], &Model::parse(&text).expect("valid"));
    let states: BTreeMap<&str, (bool, bool, usize, usize)> = (0..2)
        .map(|number| {
            let token = held.token(number);
            let name = if held.carriers_of(&[number]).contains(&held.home(0).expect("an event")) { "one" } else { "two" };
            (name, (token.generic, token.overused, token.records, token.names))
        })
        .collect();
    assert_eq!(states["one"], (true, true, 2, 1));
    assert_eq!(states["two"], (false, false, 2, 2));
    let two = (0..2).find(|number| !held.token(*number).generic).expect("one of them");
    let contested = held.contested(2);
    assert_eq!(contested.len(), 1);
    assert_eq!((contested[0].0, contested[0].1.len()), (two, 2));
    assert_eq!(held.token_names(two).collect::<Vec<_>>(), ["L|a", "SMR|o"]);
}

#[test]
fn profiles_are_the_clusters_of_a_batch() {
    let model = model();
    let held = evidence(&[&ROWS], &model);
    let profiles = Profiles::of(&held, &model, &[], &Progress::default()).expect("valid");
    let (claims, _) = read(&ROWS);
    let batch = gather(&[&claims]).expect("valid");
    let (partition, counts) = match_records(&batch.records, &model, &[], &Progress::default()).expect("valid");
    assert_eq!((profiles.pairs(), profiles.candidates()), (counts.pairs, counts.candidates));
    let mut clusters: BTreeMap<usize, BTreeSet<u32>> = BTreeMap::new();
    for (record, cluster) in (0_u32..).zip(&partition.clusters) {
        clusters.entry(*cluster).or_default().insert(record);
    }
    let found: BTreeSet<BTreeSet<u32>> =
        profiles.all().iter().map(|profile| profiles.members(profile).iter().copied().collect()).collect();
    assert_eq!(found, clusters.into_values().collect());
    assert!(profiles.all().is_sorted_by_key(|profile| profile.id));
    for (number, profile) in (0_u32..).zip(profiles.all()) {
        let members = profiles.members(profile);
        assert_eq!(profile.id, members.iter().map(|record| held.birth_id(*record)).min().expect("some"));
        assert!(members.iter().all(|record| profiles.home(*record) == Some(number)));
    }
    let otto = profiles.home(held.home(0).expect("an event")).expect("a profile");
    let otto = &profiles.all()[otto as usize];
    let latest = profiles.members(otto).iter().copied().filter(|record| held.clean(0, *record).is_some());
    let latest = latest.max_by_key(|record| (held.sums(*record).last, held.records().address(*record as usize)));
    assert_eq!((otto.name, otto.address, otto.birth_date, otto.first_row), (latest, latest, None, 0));
    let every: Vec<u32> = (0..u32::try_from(profiles.pairs()).expect("few")).collect();
    let weighed = profiles.weighed(&held, &model, &every);
    assert!(weighed.is_sorted_by_key(|pair| (pair.left, pair.right)));
    assert!(weighed.iter().all(|pair| pair.weighed.pair.score() >= model.edge_floor()));
    assert!(!profiles.links().is_empty());
}

#[test]
fn what_hangs_together_with_a_record_held_back_waits_too() {
    let model = model();
    let held = evidence(&[&ROWS], &model);
    let all = Profiles::of(&held, &model, &[], &Progress::default()).expect("valid");
    let otto = held.home(0).expect("an event");
    let profiles = Profiles::of(&held, &model, &[otto], &Progress::default()).expect("valid");
    let waiting: BTreeSet<u32> = profiles.held_back().collect();
    assert!(waiting.contains(&otto) && waiting.len() > 1);
    assert_eq!(profiles.home(otto), None);
    assert_eq!(profiles.all().iter().map(|one| profiles.members(one).len()).sum::<usize>() + waiting.len(), 5);
    assert!(profiles.pairs() < all.pairs());
    assert!(Profiles::of(&held, &model, &[99], &Progress::default()).is_err());
}

#[test]
fn blocks_are_refined_below_crowded_keys_only() {
    let model = Model::parse(&PLAIN.replace("max_block = 100", "max_block = 2")).expect("valid");
    let third: Row = ("web", "h", Some("Otto"), Some("Zimmer"), None, 7, -1, "");
    let held = evidence(&[&ROWS, &[third]], &model);
    let key: &[u8] = &[5; 32];
    let every: Vec<BlockingKey> = blocking_keys(key, held.records(), &model).expect("valid");
    let mut refined = 0;
    for rule in 0..model.rules().len() {
        let mut crowded: BTreeSet<i64> = BTreeSet::new();
        for (depth, blocks) in held_blocks(key, held.records(), &model, rule).expect("valid").iter().enumerate() {
            let expected: BTreeSet<(i64, usize)> = every
                .iter()
                .filter(|key| key.rule == rule && key.depth == depth && (depth == 0 || crowded.contains(&key.parent)))
                .map(|key| (key.key, key.record))
                .collect();
            let found: BTreeSet<(i64, usize)> =
                blocks.carried.iter().map(|(key, record)| (*key, *record as usize)).collect();
            assert_eq!((blocks.rule, blocks.depth, &found), (rule, depth, &expected));
            crowded = blocks.counts().filter(|(_, records)| *records > 2).map(|(key, _)| key).collect();
            refined += usize::from(depth > 0) * found.len();
        }
    }
    assert!(refined > 0);
}
