//! Parts larger than the model's bound, which assertions alone hold together.

use super::*;

fn alike(count: usize) -> Records {
    let names: Vec<String> = (0..count).map(|record| format!("record {record}")).collect();
    batch(&names.iter().map(String::as_str).collect::<Vec<_>>(), &vec![([None; 8], &[] as &[_]); count])
}

fn clusters_of(records: &Records, model: &Model, same: &[(usize, usize)], different: &[(usize, usize)]) -> Partition {
    let scorer = Scorer::new(records, records.slots(), model);
    let asserted = AssertedPairs { same: same.to_vec(), different: different.to_vec() };
    partition_edges(&scorer, Vec::new(), &asserted).0
}

#[test]
fn as_many_records_as_a_steward_likes_are_one_person_without_being_scored() {
    const COUNT: usize = 20_000;
    let records = alike(COUNT);
    let chain: Vec<(usize, usize)> = (1..COUNT).map(|record| (record - 1, record)).collect();
    let partition = clusters_of(&records, &plain_model(), &chain, &[]);
    let lowest = (0..COUNT).min_by_key(|&row| records.address(row)).expect("some records");
    assert_eq!(partition.clusters, vec![lowest; COUNT]);
    // Two halves that somebody says are different, beside the pair that joins them.
    let partition = clusters_of(&records, &plain_model(), &chain, &[(COUNT / 2, COUNT / 2 - 1)]);
    let halves: std::collections::BTreeSet<usize> = partition.clusters.iter().copied().collect();
    assert_eq!(halves.len(), 2);
    assert!(partition.clusters.chunks(COUNT / 2).all(|half| half.iter().all(|cluster| *cluster == half[0])));
    assert_eq!((partition.reviews.len(), partition.households.len()), (0, 0));
}

#[test]
fn what_is_the_same_and_different_stays_apart_and_the_lowest_merge_first() {
    let model = Model::parse(&PLAIN.replace("max_component = 200", "max_component = 3")).expect("valid");
    let records = alike(5);
    let mut rows: Vec<usize> = (0..5).collect();
    rows.sort_unstable_by_key(|&row| records.address(row));
    let said = |pairs: &[(usize, usize)]| pairs.iter().map(|&(x, y)| (rows[x], rows[y])).collect::<Vec<_>>();
    let same = said(&[(0, 1), (1, 2), (2, 3), (3, 4), (0, 4)]);
    let partition = clusters_of(&records, &model, &same, &said(&[(2, 0)]));
    // The first takes the second, then the last and through it the fourth; the third is then kept from all of them as from the first.
    let mut expected = vec![rows[0]; 5];
    expected[rows[2]] = rows[2];
    assert_eq!(partition.clusters, expected);
    let whole = clusters_of(&records, &model, &same, &[]);
    assert_eq!(whole.clusters, vec![rows[0]; 5]);
}
