use proptest::prelude::*;

use super::*;
use crate::model::tests::shipped;
use crate::record::tests::{Sample, batch, named};
use crate::score::PairScore;

fn all_edges(records: &Records, model: &Model) -> Vec<Edge> {
    let scorer = Scorer::new(records, records.slots(), model);
    let mut edges = Vec::new();
    for left in 0..records.len() {
        for right in left + 1..records.len() {
            edges.push(Edge { left, right, score: scorer.score(left, right).score });
        }
    }
    edges
}

fn clusters(records: &Records, asserted: &AssertedPairs) -> Partition {
    let model = shipped();
    let scorer = Scorer::new(records, records.slots(), &model);
    partition_edges(&scorer, &all_edges(records, &model), asserted).0
}

const PHONE: &[(i64, i64, &str)] = &[(2, 1, "home")];

fn with_phone<'a>(given: &'a str, family: &'a str) -> Sample<'a> {
    (named(given, family).0, PHONE)
}

/// Names as members of the clusters they end in, sorted.
fn shape(names: &[&str], partition: &Partition) -> Vec<Vec<String>> {
    let mut groups: std::collections::BTreeMap<usize, Vec<String>> = std::collections::BTreeMap::new();
    for (name, cluster) in names.iter().zip(&partition.clusters) {
        groups.entry(*cluster).or_default().push((*name).to_owned());
    }
    let mut shaped: Vec<Vec<String>> = groups
        .into_values()
        .map(|mut members| {
            members.sort();
            members
        })
        .collect();
    shaped.sort();
    shaped
}

#[test]
fn a_shared_phone_does_not_merge_spouses() {
    let names = ["a", "b", "c", "d"];
    let samples = [
        with_phone("otto", "zimmer"),
        with_phone("o", "zimmer"),
        with_phone("zebulon", "zimmer"),
        with_phone("otto", "zimmer"),
    ];
    let partition = clusters(&batch(&names, &samples), &AssertedPairs::default());
    assert_eq!(partition.clusters[0], partition.clusters[3]);
    assert_ne!(partition.clusters[0], partition.clusters[2]);
}

#[test]
fn a_record_between_spouses_is_ambiguous() {
    let names = ["a", "b", "c"];
    let nameless: Sample<'_> = ([None; 8], PHONE);
    let samples = [with_phone("otto", "zimmer"), with_phone("zebulon", "zimmer"), nameless];
    let partition = clusters(&batch(&names, &samples), &AssertedPairs::default());
    assert_eq!(partition.ambiguous, [2]);
    let mut contenders = partition.contenders.clone();
    contenders.sort_unstable();
    assert_eq!(contenders, [(2, 0), (2, 1)]);
    assert_eq!(shape(&names, &partition), [["a"], ["b"], ["c"]]);
}

#[test]
fn assertions_win() {
    let names = ["a", "b", "c"];
    let nameless: Sample<'_> = ([None; 8], PHONE);
    let samples = [with_phone("otto", "zimmer"), with_phone("zebulon", "zimmer"), nameless];
    let records = batch(&names, &samples);
    let same = AssertedPairs { same: vec![(0, 1)], different: Vec::new() };
    assert_eq!(clusters(&records, &same).clusters[0], clusters(&records, &same).clusters[1]);
    let settled = AssertedPairs { same: vec![(2, 0)], different: vec![(2, 1)] };
    assert_eq!(shape(&names, &clusters(&records, &settled)), [vec!["a", "c"], vec!["b"]]);
    let both = AssertedPairs { same: vec![(0, 1)], different: vec![(1, 0)] };
    assert_ne!(clusters(&records, &both).clusters[0], clusters(&records, &both).clusters[1]);
}

#[test]
fn a_middling_pair_is_a_review() {
    let home = |given: &'static str| -> Sample<'static> {
        ([Some(given), None, Some("zimmer"), None, None, None, Some("boston"), None], &[])
    };
    let records = batch(&["a", "b"], &[home("zebulon"), home("z")]);
    let model = shipped();
    let scorer = Scorer::new(&records, records.slots(), &model);
    let score = i64::from(scorer.score(0, 1).score);
    let partition = clusters(&records, &AssertedPairs::default());
    let expected = (i64::from(model.review())..i64::from(model.link())).contains(&score);
    assert_eq!(partition.reviews.len(), usize::from(expected));
    assert!(
        partition
            .reviews
            .iter()
            .all(|review| review.strength == score && (review.x, review.y) == (review.left, review.right))
    );
}

#[test]
fn an_oversized_component_falls_apart_at_a_higher_floor() {
    let text = crate::model::tests::SHIPPED.replace("max_component = 200", "max_component = 2");
    let model = Model::parse(&text).expect("valid");
    let records = batch(&["a", "b", "c", "d"], &[named("otto", "zimmer"); 4]);
    let edge = |left, right, score| Edge { left, right, score };
    let edges = [edge(0, 1, 9000), edge(1, 2, 4500), edge(2, 3, 9000)];
    let sizes = |asserted: &AssertedPairs| -> Vec<usize> {
        components(&model, &records, &edges, asserted).iter().map(|component| component.members.len()).collect()
    };
    assert_eq!(sizes(&AssertedPairs::default()), [2, 2]);
    let held = AssertedPairs { same: vec![(1, 2)], different: Vec::new() };
    assert_eq!(sizes(&held), [2]);
    let apart = AssertedPairs { same: Vec::new(), different: vec![(1, 2)] };
    assert_eq!(sizes(&apart), [2, 2]);
}

#[test]
fn the_first_raise_only_drops_what_was_said_to_be_different() {
    let text = crate::model::tests::SHIPPED.replace("max_component = 200", "max_component = 3");
    let model = Model::parse(&text).expect("valid");
    let records = batch(&["a", "b", "c", "d", "e"], &[named("otto", "zimmer"); 5]);
    let edges = [(0, 1, 28_200), (1, 2, 5500), (3, 4, 12_500)].map(|(left, right, score)| Edge { left, right, score });
    let apart = AssertedPairs { same: Vec::new(), different: vec![(0, 3)] };
    let mut sizes: Vec<usize> =
        components(&model, &records, &edges, &apart).iter().map(|component| component.members.len()).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [2, 3]);
}

/// Section 8 word by word: everything recomputed from the pairs at every step.
fn plain_partition(records: &Records, members: &[usize], asserted: &AssertedPairs) -> Vec<Vec<usize>> {
    let model = shipped();
    let scorer = Scorer::new(records, records.slots(), &model);
    let said = |pairs: &[(usize, usize)], x: &[usize], y: &[usize]| {
        pairs.iter().any(|(a, b)| (x.contains(a) && y.contains(b)) || (x.contains(b) && y.contains(a)))
    };
    let between = |x: &[usize], y: &[usize]| {
        let judged: Vec<PairScore> =
            x.iter().flat_map(|&a| y.iter().map(move |&b| (a, b))).map(|(a, b)| scorer.score(a, b)).collect();
        let same = said(&asserted.same, x, y);
        let best = if same { 1_000_000 } else { judged.iter().map(|pair| i64::from(pair.score)).max().unwrap_or(0) };
        let opposition: i64 = judged.iter().map(|pair| i64::from((pair.score - model.prior()).min(0))).sum();
        let count =
            |keep: fn(&PairScore) -> bool| i64::try_from(judged.iter().filter(|pair| keep(pair)).count()).unwrap_or(0);
        let contradicted = count(PairScore::contradicts) * 1000 > model.contradiction_limit() * count(PairScore::comparable);
        let blocked = said(&asserted.different, x, y) || (!same && contradicted);
        let strength = best + opposition.div_euclid(i64::try_from(judged.len()).unwrap_or(1));
        (strength, blocked, same)
    };
    let link = i64::from(model.link());
    let mut live: Vec<Vec<usize>> = members.iter().map(|&row| vec![row]).collect();
    let mut done: Vec<Vec<usize>> = Vec::new();
    loop {
        live.sort_by_key(|cluster| records.address(cluster[0]));
        let mut best: Option<(i64, usize, usize)> = None;
        for x in 0..live.len() {
            for y in x + 1..live.len() {
                let (strength, blocked, _) = between(&live[x], &live[y]);
                if !blocked && strength >= link && best.is_none_or(|(other, _, _)| strength > other) {
                    best = Some((strength, x, y));
                }
            }
        }
        let Some((strength, x, y)) = best else { break };
        let asserted_same = between(&live[x], &live[y]).2;
        let ambiguous = |side: usize, other: usize| {
            (0..live.len()).filter(|&z| z != side && z != other).any(|z| {
                let (rival, blocked, _) = between(&live[side], &live[z]);
                let apart = between(&live[other], &live[z]).1;
                !asserted_same && !blocked && apart && rival >= link && rival >= strength - model.ambiguity_margin()
            })
        };
        let (first, second) = (ambiguous(x, y), ambiguous(y, x));
        let right = live.remove(y);
        if first || second {
            let left = live.remove(x);
            for (flagged, cluster) in [(first, left), (second, right)] {
                if flagged { done.push(cluster) } else { live.push(cluster) }
            }
        } else {
            live[x].extend(right);
            live[x].sort_by_key(|&row| records.address(row));
        }
    }
    done.extend(live);
    for cluster in &mut done {
        cluster.sort_unstable();
    }
    done.sort();
    done
}

type Drawn = (Option<usize>, Option<usize>, Option<usize>, Option<usize>, Vec<usize>);

fn drawn() -> impl Strategy<Value = Vec<Drawn>> {
    let maybe = |size: usize| prop::option::weighted(0.8, 0..size);
    prop::collection::vec((maybe(5), maybe(3), maybe(3), maybe(4), prop::collection::vec(0_usize..4, 0..3)), 2..14)
}

fn assemble(drawn: &[Drawn], order: &[usize]) -> (Vec<String>, Records) {
    const GIVEN: [&str; 5] = ["otto", "o", "zebulon", "marta", "ottilie"];
    const FAMILY: [&str; 3] = ["zimmer", "zimmerman", "smith"];
    const BORN: [&str; 3] = ["1980-05-12", "1980-05-13", "1951-11-30"];
    const CODES: [&str; 4] = ["02134", "02135", "99501", "10115"];
    const OWNED: [(i64, i64, &str); 4] = [(1, 1, "a@b"), (2, 1, "+1"), (2, 1, "+2"), (3, 1, "c")];
    let owned: Vec<Vec<(i64, i64, &str)>> =
        order.iter().map(|&row| drawn[row].4.iter().map(|&index| OWNED[index]).collect()).collect();
    let samples: Vec<Sample<'_>> = order
        .iter()
        .zip(&owned)
        .map(|(&row, owned)| {
            let (given, family, born, code, _) = &drawn[row];
            let mut attributes = [None; 8];
            attributes[0] = given.map(|index| GIVEN[index]);
            attributes[2] = family.map(|index| FAMILY[index]);
            attributes[4] = born.map(|index| BORN[index]);
            attributes[7] = code.map(|index| CODES[index]);
            (attributes, owned.as_slice())
        })
        .collect();
    let names: Vec<String> = order.iter().map(|row| format!("record {row}")).collect();
    let records = batch(&names.iter().map(String::as_str).collect::<Vec<_>>(), &samples);
    (names, records)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn agrees_with_the_page_read_word_by_word(drawn in drawn(), said in prop::collection::vec((0_usize..14, 0_usize..14, any::<bool>()), 0..3)) {
        let order: Vec<usize> = (0..drawn.len()).collect();
        let (names, records) = assemble(&drawn, &order);
        let inside = said.iter().filter(|(a, b, _)| a != b && *a < drawn.len() && *b < drawn.len());
        let (same, different): (Vec<_>, Vec<_>) = inside.partition(|(_, _, same)| *same);
        let ends = |said: Vec<&(usize, usize, bool)>| said.into_iter().map(|(a, b, _)| (*a, *b)).collect::<Vec<_>>();
        let asserted = AssertedPairs { same: ends(same), different: ends(different) };
        let model = shipped();
        let found = components(&model, &records, &all_edges(&records, &model), &asserted);
        let mut plain: Vec<Vec<String>> = Vec::new();
        let mut alone: Vec<bool> = vec![true; drawn.len()];
        for component in &found {
            component.members.iter().for_each(|&row| alone[row] = false);
            for cluster in plain_partition(&records, &component.members, &asserted) {
                plain.push(cluster.into_iter().map(|row| names[row].clone()).collect());
            }
        }
        plain.extend((0..drawn.len()).filter(|&row| alone[row]).map(|row| vec![names[row].clone()]));
        for cluster in &mut plain {
            cluster.sort();
        }
        plain.sort();
        let labels: Vec<&str> = names.iter().map(String::as_str).collect();
        prop_assert_eq!(shape(&labels, &clusters(&records, &asserted)), plain);
    }

    #[test]
    fn the_order_of_rows_does_not_matter(drawn in drawn(), seed in any::<u64>()) {
        let order: Vec<usize> = (0..drawn.len()).collect();
        let mut shuffled = order.clone();
        shuffled.sort_by_key(|row| crate::normalize::sha256(format!("{seed}{row}")));
        let (names, records) = assemble(&drawn, &order);
        let (other_names, other_records) = assemble(&drawn, &shuffled);
        let one = clusters(&records, &AssertedPairs::default());
        let other = clusters(&other_records, &AssertedPairs::default());
        let label = |names: &[String], rows: &[usize]| rows.iter().map(|row| names[*row].clone()).collect::<Vec<_>>();
        prop_assert_eq!(label(&names, &one.ambiguous), label(&other_names, &other.ambiguous));
        let pairs = |names: &[String], pairs: &[(usize, usize)]| {
            pairs.iter().map(|(a, b)| (names[*a].clone(), names[*b].clone())).collect::<Vec<_>>()
        };
        prop_assert_eq!(pairs(&names, &one.contenders), pairs(&other_names, &other.contenders));
        let reviews = |names: &[String], reviews: &[Review]| {
            let text = |review: &Review| {
                let [x, y, left, right] = [review.x, review.y, review.left, review.right].map(|row| names[row].clone());
                (x, y, review.strength, left, right)
            };
            reviews.iter().map(text).collect::<Vec<_>>()
        };
        prop_assert_eq!(reviews(&names, &one.reviews), reviews(&other_names, &other.reviews));
        let named = |names: &[String], partition: &Partition| {
            let mut named: Vec<(String, String)> =
                names.iter().cloned().zip(label(names, &partition.clusters)).collect();
            named.sort();
            named
        };
        prop_assert_eq!(named(&names, &one), named(&other_names, &other));
        let cluster_is_lowest = one.clusters.iter().enumerate().all(|(row, cluster)| records.address(*cluster) <= records.address(row));
        prop_assert!(cluster_is_lowest);
    }
}
