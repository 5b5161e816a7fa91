use super::*;
use crate::model::tests::plain;
use crate::normalize::{Canonical, Column, canonical_identifiers, normalize_attributes, normalize_extras, sha256};
use crate::record::{Records, TokenColumns};
use crate::token::{AttributeColumns, Identifiers, address_records, tokenize};
use crate::words::ATTRIBUTES;
use crate::{Digest32, blocking_keys, score_pairs};

const KEYS: GatherKeys<'static> = GatherKeys { address: &[7; 32], token: &[9; 32] };

const SOURCES: [Option<&str>; 8] =
    [Some("crm"), None, Some("pos"), Some("crm"), Some(""), Some("pos"), Some("crm"), Some("web")];
const GIVEN: [Option<&str>; 8] =
    [Some("Bill"), Some("bill "), None, Some("BILL"), None, Some("n/a"), Some("Bill"), Some("José")];
const FAMILY: [Option<&str>; 8] =
    [Some("Smith Jr"), Some("Smith"), None, Some("smith jr."), None, None, Some("Smith Jr"), None];
const FULL: [Option<&str>; 8] = [Some("x y"), None, Some("Dr. Ana de la Cruz II"), None, None, None, Some("a b"), None];
const BORN: [Option<&str>; 8] = [
    Some("1980-05-12"),
    Some("12.05.1980"),
    Some("1980-02-31"),
    Some("5/13/1980"),
    Some("soon"),
    None,
    Some("1980-05-12"),
    None,
];
const CITY: [Option<&str>; 8] =
    [Some("St Louis"), Some("Saint Louis"), None, Some("st. louis"), None, None, Some("St Louis"), None];
const EMAIL: [Option<&str>; 8] = [
    Some("B.Smith@gmail.com"),
    Some("bsmith@gmail.com"),
    Some("test@test.com"),
    Some("b.smith@gmail.com"),
    Some("not one"),
    None,
    Some("b.smith@GMAIL.com"),
    None,
];
const NUMBER: [Option<&str>; 8] =
    [Some("47 11"), Some("4711"), Some("4711"), Some("4711"), None, Some("0"), Some("4711"), None];
const SEX: [Option<&str>; 8] = [Some("M"), Some("m."), Some("f"), Some("M"), None, Some("none"), Some("m"), None];

fn columns(rows: std::ops::Range<usize>) -> RawColumns<'static> {
    let part = |column: &'static [Option<&'static str>; 8]| &column[rows.clone()];
    let mut identifiers = [None; 8];
    identifiers[0] = Some(part(&EMAIL));
    identifiers[7] = Some(part(&NUMBER));
    RawColumns {
        sources: part(&SOURCES),
        default_source: "file",
        identifiers,
        attributes: vec![
            ("given_name", part(&GIVEN)),
            ("family_name", part(&FAMILY)),
            ("full_name", part(&FULL)),
            ("birth_date", part(&BORN)),
            ("city", part(&CITY)),
        ],
        extras: vec![("sex", part(&SEX))],
    }
}

/// Addresses and records of the rows by the functions of single columns.
fn row_by_row() -> (Vec<Digest32>, Records) {
    let attributes: Vec<(&str, Column<'_>)> = columns(0..8).attributes;
    let clean = normalize_attributes(&attributes, "US").expect("valid").rows;
    let placed: Vec<Vec<Option<&str>>> =
        (0..ATTRIBUTES.len()).map(|column| clean.iter().map(|row| row[column].as_deref()).collect()).collect();
    let placed: AttributeColumns<'_> = std::array::from_fn(|column| Some(placed[column].as_slice()));
    let sex = normalize_extras(&SEX);
    let sex: Vec<Option<&str>> = sex.iter().map(Option::as_deref).collect();
    let sources: Vec<&str> = SOURCES.iter().map(|source| source.filter(|name| !name.is_empty()).unwrap_or("file")).collect();
    let emails = canonical_identifiers(&[1; 8], &EMAIL, "US").expect("valid");
    let numbers = canonical_identifiers(&[8; 8], &NUMBER, "US").expect("valid");
    let (mut offsets, mut types, mut namespaces, mut forms, mut digests) =
        (vec![0], Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for row in 0..8 {
        for (kind, found, namespace) in [(1, &emails[row], ""), (8, &numbers[row], sources[row])] {
            if let Canonical::Ok { value, folded } = found {
                for (form, text) in [(1, Some(value)), (2, folded.as_ref())] {
                    let Some(text) = text else { continue };
                    types.push(kind);
                    namespaces.push(namespace);
                    forms.push(form);
                    digests.push(sha256(text));
                }
            }
        }
        offsets.push(i64::try_from(types.len()).expect("few"));
    }
    let digests: Vec<&[u8]> = digests.iter().map(<[u8; 32]>::as_slice).collect();
    let identifiers = Identifiers { types: &types, namespaces: &namespaces, forms: &forms, digests: &digests };
    let addresses =
        address_records(KEYS.address, &sources, &offsets, &identifiers, &placed, &[("sex", &sex)], &[0; 8]).expect("valid");
    let tokens = tokenize(KEYS.token, &identifiers).expect("valid");
    let tokens: Vec<&[u8]> = tokens.iter().map(<[u8; 32]>::as_slice).collect();
    let listed: Vec<&[u8]> = addresses.iter().map(<[u8; 32]>::as_slice).collect();
    let held = TokenColumns { offsets: &offsets, types: &types, namespaces: &namespaces, forms: &forms, tokens: &tokens };
    let records = Records::new(&listed, &placed, &[("sex", &sex)], &held).expect("valid");
    (addresses, records)
}

fn gathered(cuts: &[usize]) -> Gathered {
    let read = |range: &[usize]| Claims::read(&KEYS, &columns(range[0]..range[1]), "US").expect("valid");
    let chunks: Vec<Claims> = cuts.windows(2).map(read).collect();
    gather(&chunks.iter().collect::<Vec<_>>()).expect("few")
}

#[test]
fn gathered_records_are_those_of_single_columns_however_the_rows_are_cut() {
    let (addresses, plain_records) = row_by_row();
    let model = plain();
    for cuts in [&[0, 8][..], &[0, 1, 8], &[0, 3, 4, 4, 8], &[0, 1, 2, 3, 4, 5, 6, 7, 8]] {
        let Gathered { records, rows } = gathered(cuts);
        // Row 6 repeats row 0 in other letters; rows 4 and 5 say nothing usable.
        assert_eq!(rows, [0, 1, 2, 3, u32::MAX, u32::MAX, 0, 4], "{cuts:?}");
        let firsts = [0, 1, 2, 3, 7];
        for (record, row) in firsts.into_iter().enumerate() {
            assert_eq!(records.address(record), &addresses[row]);
        }
        for (a, row_a) in firsts.into_iter().enumerate() {
            for (b, row_b) in firsts.into_iter().enumerate() {
                let [a, b, row_a, row_b] = [a, b, row_a, row_b].map(|row| i64::try_from(row).expect("few"));
                let ours = score_pairs(&records, &[a], &[b], &model, None).expect("valid");
                assert_eq!(ours, score_pairs(&plain_records, &[row_a], &[row_b], &model, None).expect("valid"));
            }
        }
        let keys = |records: &Records, row: usize| -> Vec<i64> {
            let keys = blocking_keys(KEYS.token, records, &model).expect("valid");
            keys.iter().filter(|key| key.record == row).map(|key| key.key).collect()
        };
        for (record, row) in firsts.into_iter().enumerate() {
            assert_eq!(keys(&records, record), keys(&plain_records, row));
        }
    }
}

#[test]
fn values_that_say_nothing_are_counted_by_row() {
    let chunk = Claims::read(&KEYS, &columns(0..8), "US").expect("valid");
    assert_eq!((chunk.rows(), chunk.records()), (8, 5));
    let counted = |counts: &[(&'static str, usize)], name: &str| {
        counts.iter().find(|(own, _)| *own == name).map_or(0, |(_, count)| *count)
    };
    assert_eq!(counted(chunk.invalid(), "birth_date"), 2);
    assert_eq!(counted(chunk.invalid(), "email"), 1);
    assert_eq!((counted(chunk.placeholders(), "email"), counted(chunk.placeholders(), "customer_number")), (1, 1));
}

#[test]
fn chunks_may_differ_in_their_extras() {
    let mut without = columns(0..4);
    without.extras.clear();
    let chunks =
        [Claims::read(&KEYS, &without, "US").expect("valid"), Claims::read(&KEYS, &columns(4..8), "US").expect("valid")];
    let Gathered { records, rows } = gather(&[&chunks[0], &chunks[1]]).expect("few");
    assert_eq!(rows, [0, 1, 2, 3, u32::MAX, u32::MAX, 4, 5]);
    let sexes: Vec<Option<&str>> =
        records.extra("sex").expect("a column").iter().map(|number| records.text(*number)).collect();
    assert_eq!(sexes, [None, None, None, None, Some("m"), None]);
}

#[test]
fn refusals_name_the_argument() {
    let refused =
        |columns: &RawColumns<'_>, region: &str| Claims::read(&KEYS, columns, region).err().map(|error| error.to_string());
    let mut short = columns(0..8);
    short.attributes[0].1 = &GIVEN[..3];
    assert_eq!(refused(&short, "US").as_deref(), Some("columns: 3 rows where 8 are expected"));
    let mut short = columns(0..8);
    short.identifiers[0] = Some(&EMAIL[..3]);
    assert_eq!(refused(&short, "US").as_deref(), Some("identifiers: 3 rows where 8 are expected"));
    assert!(refused(&columns(0..8), "??").is_some_and(|reason| reason.starts_with("region")));
    let keys = GatherKeys { address: &[7; 3], token: &[9; 32] };
    assert!(Claims::read(&keys, &columns(0..8), "US").is_err());
}
