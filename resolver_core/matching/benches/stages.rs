//! Time per stage over records with ordinary names: normalise, prepare, score, partition, match.
//!
//! `cargo bench -p goldthread-matching --bench stages`

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use goldthread_matching::{
    AttributeColumns, Column, Model, Progress, Records, TokenColumns, match_records, normalize_attributes, partition,
    score_pairs, sha256,
};

const GIVEN: [&str; 12] =
    ["Mary", "William", "Bill", "José", "Jennifer", "Li", "Catherine", "Kate", "Mohammed", "Anna-Marie", "J.", "Zoë"];
const FAMILY: [&str; 12] = [
    "Smith",
    "Johnson",
    "van der Berg",
    "García López",
    "Nguyen",
    "O'Brien",
    "Müller",
    "Smyth",
    "MacDonald",
    "Rodríguez",
    "Lee",
    "Fitzgerald-Jones",
];
const STREET: [&str; 6] = [
    "123 North Main Street",
    "9 Elm Ave Apt 4B",
    "4500 Martin Luther King Blvd",
    "77 Sunset Drive",
    "PO Box 12",
    "1 Oak Ct",
];

struct Columns {
    given: Vec<Option<&'static str>>,
    family: Vec<Option<&'static str>>,
    street: Vec<Option<&'static str>>,
    postcode: Vec<Option<String>>,
}

/// Walks the lists with steps that do not divide them, so that most combinations occur.
fn columns(rows: usize) -> Columns {
    let pick =
        |list: &'static [&'static str], step: usize| (0..rows).map(|row| Some(list[row * step / 7 % list.len()])).collect();
    Columns {
        given: pick(&GIVEN, 11),
        family: pick(&FAMILY, 17),
        street: pick(&STREET, 23),
        postcode: (0..rows).map(|row| Some(format!("{:05}", 10_000 + row * 7919 % (rows / 8 + 1)))).collect(),
    }
}

fn prepared(rows: usize) -> Records {
    let raw = columns(rows);
    let postcode: Vec<Option<&str>> = raw.postcode.iter().map(Option::as_deref).collect();
    let named: [(&str, Column<'_>); 4] =
        [("given_name", &raw.given), ("family_name", &raw.family), ("street", &raw.street), ("postcode", &postcode)];
    let clean = normalize_attributes(&named, "US").expect("valid columns").rows;
    let placed: Vec<Vec<Option<&str>>> =
        (0..8).map(|column| clean.iter().map(|row| row[column].as_deref()).collect()).collect();
    let attributes: AttributeColumns<'_> = std::array::from_fn(|column| Some(placed[column].as_slice()));
    let addresses: Vec<[u8; 32]> = (0..rows).map(|row| sha256(row.to_string())).collect();
    let addresses: Vec<&[u8]> = addresses.iter().map(<[u8; 32]>::as_slice).collect();
    let offsets = vec![0; rows + 1];
    let nothing = TokenColumns { offsets: &offsets, types: &[], namespaces: &[], forms: &[], tokens: &[] };
    Records::new(&addresses, &attributes, &[], &nothing).expect("valid columns")
}

fn stages(bench: &mut Criterion) {
    let model = Model::parse(include_str!("../../../server/goldthread/models/retail-persons-1.toml")).expect("valid model");
    let raw = columns(1000);
    let mut group = bench.benchmark_group("stages");
    group.throughput(Throughput::Elements(1000));
    group.bench_function("normalize 1000 rows", |bencher| {
        let named: [(&str, Column<'_>); 3] =
            [("given_name", &raw.given), ("family_name", &raw.family), ("street", &raw.street)];
        bencher.iter(|| normalize_attributes(black_box(&named), "US").map(|clean| clean.rows.len()));
    });
    group.bench_function("prepare 1000 rows", |bencher| bencher.iter(|| prepared(black_box(1000)).len()));

    let records = prepared(2000);
    let left: Vec<i64> = (0..4000).map(|pair| pair % 2000).collect();
    let right: Vec<i64> = (0..4000).map(|pair| (pair * 31 + 7) % 2000).collect();
    group.throughput(Throughput::Elements(4000));
    group.bench_function("score 4000 pairs", |bencher| {
        bencher.iter(|| score_pairs(black_box(&records), &left, &right, &model, None).map(|pairs| pairs.len()));
    });
    let cutoff = Some(i64::from(model.edge_floor()));
    group.bench_function("score 4000 pairs with the floor as cutoff", |bencher| {
        bencher.iter(|| score_pairs(black_box(&records), &left, &right, &model, cutoff).map(|pairs| pairs.len()));
    });

    let component: Vec<i64> = (0..199).collect();
    let next: Vec<i64> = (1..200).collect();
    let scores = vec![5000; 199];
    group.throughput(Throughput::Elements(200));
    group.bench_function("partition a component of 200", |bencher| {
        bencher.iter(|| {
            partition(black_box(&records), &component, &next, &scores, &[], &[], &model).map(|made| made.clusters.len())
        });
    });
    group.throughput(Throughput::Elements(2000));
    group.bench_function("match 2000 records", |bencher| {
        bencher.iter(|| {
            match_records(black_box(&records), &model, &[], &Progress::default()).map(|(_, counts)| counts.candidates)
        });
    });
    group.finish();
}

criterion_group!(benches, stages);
criterion_main!(benches);
