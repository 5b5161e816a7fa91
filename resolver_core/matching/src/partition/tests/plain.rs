//! Section 8 word by word, against the caching implementation, and independence of the order of rows.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::model::GIVEN;
use crate::score::PairScore;
use crate::words::{CUSTOMER_NUMBER, FORM_FOLDED, IDENTIFIER_TYPES};

/// What lies between two clusters.
#[allow(clippy::struct_excessive_bools)]
struct Between {
    best: i64,
    kinship: i64,
    field: i64,
    in_house: bool,
    same: bool,
    different: bool,
    over: bool,
    apart: bool,
}

impl Between {
    fn blocked(&self) -> bool {
        self.different || self.over
    }

    /// Before clusters count as persons, `once` is none.
    fn strength(&self, model: &Model, once: Option<i64>) -> i64 {
        let paired = self.best.min(self.field + i64::from(model.link()));
        let counted = once.map(|once| self.best.min(self.field) + once);
        if self.same { 1_000_000 } else { paired.max(counted.unwrap_or(paired)) }
    }
}

/// Reads section 8 for one component: everything is recomputed from the pairs at every step.
struct Reader<'a> {
    scorer: Scorer<'a>,
    asserted: &'a AssertedPairs,
}

/// Clusters by ascending address, and relations as `(x, y, strength, left, right)`.
#[derive(Default)]
struct Read {
    clusters: Vec<Vec<usize>>,
    reviews: Vec<Relation>,
    households: Vec<Relation>,
}

impl Reader<'_> {
    fn over_limit(&self, x: &[usize], y: &[usize]) -> bool {
        let slots = self.scorer.slots;
        let all = || x.iter().chain(y).flat_map(|&row| slots.of(row));
        let namespaces: BTreeSet<u32> = all().map(|slot| slot.namespace).collect();
        (1..=8).any(|kind| {
            let exceeds = |only: Option<u32>| {
                let held = |rows: &[usize]| -> BTreeSet<(u32, u8, u32)> {
                    let slots = rows.iter().flat_map(|&row| slots.of(row));
                    slots
                        .filter(|slot| slot.kind == kind && slot.form != FORM_FOLDED)
                        .filter(|slot| only.is_none_or(|namespace| slot.namespace == namespace))
                        .map(|slot| (slot.namespace, slot.form, slot.token))
                        .collect()
                };
                let (of_x, of_y) = (held(x), held(y));
                let together = of_x.union(&of_y).count();
                together > self.scorer.model.limit(kind) && together > of_x.len() && together > of_y.len()
            };
            if kind == CUSTOMER_NUMBER {
                namespaces.iter().any(|&namespace| exceeds(Some(namespace)))
            } else {
                exceeds(None)
            }
        })
    }

    fn between(&self, x: &[usize], y: &[usize]) -> Between {
        let model = self.scorer.model;
        let said = |pairs: &[(usize, usize)]| {
            pairs.iter().any(|(a, b)| (x.contains(a) && y.contains(b)) || (x.contains(b) && y.contains(a)))
        };
        let crossing = x.iter().flat_map(|&a| y.iter().map(move |&b| (a, b)));
        let judged: Vec<PairScore> = crossing.map(|(a, b)| self.scorer.score(a, b)).collect();
        let same = said(&self.asserted.same);
        let best = judged.iter().map(|pair| i64::from(pair.score())).max().unwrap_or(0);
        let (mut against_strangers, mut against_household) =
            (i64::from(model.stranger_prior()), i64::from(model.household_prior().unwrap_or(0)));
        let mut against = 0;
        let personal = |&comparison: &usize| model.is_personal(comparison);
        let told_apart = judged.iter().any(|pair| (0..model.width()).filter(personal).any(|one| pair.levels[one] != 0));
        for comparison in 0..model.width() {
            let crossing = x.iter().flat_map(|&a| y.iter().map(move |&b| (a, b)));
            let present: Vec<(u8, i64, i64)> = crossing
                .filter_map(|(a, b)| {
                    let level = self.scorer.score(a, b).levels[comparison];
                    let weight = model.weight(comparison, level);
                    let joined =
                        |row: usize| self.scorer.records.given(self.scorer.records.row(row)).map(|name| &name.joined);
                    let correction = match (comparison, level) {
                        (GIVEN::INDEX, GIVEN::EXACT) => model.given_frequency().correction(joined(a)?),
                        (FAMILY, FAMILY_EXACT) => {
                            let row = self.scorer.records.row(a);
                            model.family_frequency().correction(&self.scorer.records.family(row)?.joined)
                        }
                        _ => 0,
                    };
                    let (stranger, household) = (i64::from(weight.stranger), i64::from(weight.household));
                    (level != 0).then_some((level, stranger + i64::from(correction), stranger - household))
                })
                .collect();
            let Ok(count @ 1..) = i64::try_from(present.len()) else { continue };
            let mut stranger = present.iter().map(|pair| pair.1).sum::<i64>().div_euclid(count);
            let mut household = present.iter().map(|pair| pair.2).sum::<i64>().div_euclid(count);
            if comparison < IDENTIFIER_TYPES.len() {
                let as_sets = present.iter().min_by_key(|pair| pair.0).expect("some pair has it");
                stranger = as_sets.1;
                household = if told_apart { household } else { as_sets.2 };
            }
            against += household.min(0);
            against_strangers += stranger;
            against_household += household;
        }
        let field = against_strangers.min(against_household);
        let (different, over) = (said(&self.asserted.different), !same && self.over_limit(x, y));
        Between {
            best,
            kinship: judged.iter().map(|pair| i64::from(pair.stranger)).max().unwrap_or(0),
            field,
            in_house: against_household < against_strangers,
            same,
            different,
            over,
            apart: different || over || (!same && field < 0 && against < model.apart()),
        }
    }

    fn relation(&self, x: &[usize], y: &[usize], strength: i64, measure: fn(&PairScore) -> i32) -> Relation {
        let mut best: Option<(i32, usize, usize)> = None;
        for (a, b) in x.iter().flat_map(|&a| y.iter().map(move |&b| (a, b))) {
            let score = measure(&self.scorer.score(a, b));
            if best.is_none_or(|(other, _, _)| score > other) {
                best = Some((score, a, b));
            }
        }
        let (_, left, right) = best.expect("clusters are not empty");
        Relation { x: x[0], y: y[0], strength, left, right }
    }

    /// Adds what becomes of one component.
    fn read(&self, members: &[usize], read: &mut Read) {
        let model = self.scorer.model;
        let (link, review) = (i64::from(model.link()), i64::from(model.review()));
        let address = |row: usize| self.scorer.records.address(row);
        let mut live: Vec<Vec<usize>> = members.iter().map(|&row| vec![row]).collect();
        let mut once = None;
        loop {
            live.sort_by_key(|cluster| address(cluster[0]));
            let mut best: Option<(i64, usize, usize)> = None;
            for x in 0..live.len() {
                for y in x + 1..live.len() {
                    let found = self.between(&live[x], &live[y]);
                    let strength = found.strength(model, once);
                    if !found.blocked() && strength >= link && best.is_none_or(|(other, _, _)| strength > other) {
                        best = Some((strength, x, y));
                    }
                }
            }
            let Some((_, x, y)) = best else {
                if once.is_some() {
                    break;
                }
                once = Some(model.once());
                continue;
            };
            let pair = self.between(&live[x], &live[y]);
            let ambiguous = |side: usize, other: usize| {
                let rivals = (0..live.len()).filter(|&z| z != side && z != other);
                !pair.same
                    && live[side].len() == 1
                    && rivals.into_iter().any(|z| {
                        let rival = self.between(&live[side], &live[z]);
                        let near =
                            rival.strength(model, once) >= link && rival.field >= pair.field - model.ambiguity_margin();
                        !rival.blocked() && near && self.between(&live[other], &live[z]).apart
                    })
            };
            let (first, second) = (ambiguous(x, y), ambiguous(y, x));
            let right = live.remove(y);
            if first || second {
                let left = live.remove(x);
                for (flagged, cluster) in [(first, left), (second, right)] {
                    if flagged { read.clusters.push(cluster) } else { live.push(cluster) }
                }
            } else {
                live[x].extend(right);
                live[x].sort_by_key(|&row| address(row));
            }
        }
        for x in 0..live.len() {
            for y in x + 1..live.len() {
                let (a, b) = (&live[x], &live[y]);
                let found = self.between(a, b);
                let doubt = found.best.min(found.field) + model.once();
                let strength = found.strength(model, once);
                let reviewed = match (found.different, found.over) {
                    (true, _) => None,
                    (false, true) if strength >= link => Some(strength),
                    (false, _) => (review <= doubt).then_some(doubt),
                };
                if let Some(strength) = reviewed {
                    read.reviews.push(self.relation(a, b, strength, PairScore::score));
                } else if !found.same && !found.different && found.kinship >= link && found.in_house {
                    read.households.push(self.relation(a, b, found.kinship, |pair| pair.stranger));
                }
            }
        }
        read.clusters.extend(live);
    }
}

const FAMILY: usize = crate::model::FAMILY::INDEX;
const FAMILY_EXACT: u8 = crate::model::FAMILY::EXACT;

type Drawn = (Option<usize>, Option<usize>, Option<usize>, Option<usize>, Vec<usize>);
type Said = Vec<(usize, usize, bool)>;

fn drawn() -> impl Strategy<Value = Vec<Drawn>> {
    let maybe = |size: usize| prop::option::weighted(0.7, 0..size);
    prop::collection::vec((maybe(5), maybe(3), maybe(3), maybe(4), prop::collection::vec(0_usize..13, 0..5)), 2..14)
}

fn said() -> impl Strategy<Value = Said> {
    prop::collection::vec((0_usize..14, 0_usize..14, any::<bool>()), 0..4)
}

/// The model of the tests, with limits from none that bites to one of each, and persons of one record to many.
fn models() -> impl Strategy<Value = Model> {
    (1_usize..4, 0_u32..4).prop_map(|(limit, digits)| {
        let (before, rest) = PLAIN.split_once("[limits]").expect("the model has limits");
        let (_, after) = rest.split_once("[comparisons.email]").expect("comparisons follow");
        let limits: Vec<String> = IDENTIFIER_TYPES.iter().map(|name| format!("{name} = {}", limit * limit)).collect();
        let population = format!("population = 1800{}", "0".repeat(2 * digits as usize));
        let before = before.replace("population = 1800000", &population);
        Model::parse(&format!("{before}[limits]\n{}\n[comparisons.email]{after}", limits.join("\n"))).expect("valid")
    })
}

fn assemble(drawn: &[Drawn], order: &[usize]) -> (Vec<String>, Records) {
    const GIVEN: [&str; 5] = ["otto", "o", "zebulon", "marta", "ottilie"];
    const FAMILY: [&str; 3] = ["zimmer", "zimmerman", "smith"];
    const BORN: [&str; 3] = ["1980-05-12", "1980-05-13", "1951-11-30"];
    const CODES: [&str; 4] = ["02134", "02135", "99501", "10115"];
    const OWNED: [(i64, i64, &str); 13] = [
        (1, 1, "a@b"),
        (1, 1, "b@b"),
        (1, 2, "a@b"),
        (1, 3, "a@b"),
        (2, 1, "+1"),
        (2, 1, "+2"),
        (3, 1, "c"),
        (3, 1, "d"),
        (5, 1, "shop:1"),
        (5, 1, "app:1"),
        (8, 1, "pos:1"),
        (8, 1, "pos:2"),
        (8, 1, "crm:1"),
    ];
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

/// Assertions about records of the original order, as pairs of rows of another.
fn asserted(said: &Said, order: &[usize]) -> AssertedPairs {
    let row = |record: usize| order.iter().position(|&other| other == record);
    let mut pairs = AssertedPairs::default();
    for &(a, b, same) in said.iter().filter(|(a, b, _)| a != b) {
        if let (Some(a), Some(b)) = (row(a), row(b)) {
            if same { pairs.same.push((a, b)) } else { pairs.different.push((a, b)) }
        }
    }
    pairs
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn agrees_with_the_page_read_word_by_word(drawn in drawn(), said in said(), model in models()) {
        let order: Vec<usize> = (0..drawn.len()).collect();
        let (_, records) = assemble(&drawn, &order);
        let asserted = asserted(&said, &order);
        let reader = Reader { scorer: Scorer::new(&records, records.slots(), &model), asserted: &asserted };
        let mut read = Read::default();
        let mut homes = order.clone();
        let found = components(&model, &records, kept_edges(&records, &model), &asserted);
        for number in 0..found.count() {
            reader.read(&found.get(number, &records).members, &mut read);
        }
        for cluster in &read.clusters {
            for &row in cluster {
                homes[row] = cluster[0];
            }
        }
        let made = clusters_under(&model, &records, &asserted);
        prop_assert_eq!(made.clusters, homes);
        for (made, mut plain) in [(made.reviews, read.reviews), (made.households, read.households)] {
            plain.sort_by_key(|relation| (records.address(relation.x), records.address(relation.y)));
            prop_assert_eq!(made, plain);
        }
    }

    #[test]
    fn the_order_of_rows_does_not_matter(drawn in drawn(), said in said(), model in models(), seed in any::<u64>()) {
        let order: Vec<usize> = (0..drawn.len()).collect();
        let mut shuffled = order.clone();
        shuffled.sort_by_key(|row| crate::normalize::sha256(format!("{seed}{row}")));
        let run = |order: &[usize]| {
            let (names, records) = assemble(&drawn, order);
            let made = clusters_under(&model, &records, &asserted(&said, order));
            let lowest = made.clusters.iter().enumerate().all(|(row, home)| records.address(*home) <= records.address(row));
            let label = |row: usize| names[row].clone();
            let mut homes: Vec<(String, String)> =
                made.clusters.iter().enumerate().map(|(row, home)| (label(row), label(*home))).collect();
            homes.sort();
            let ambiguous: Vec<String> = made.ambiguous.iter().map(|row| label(*row)).collect();
            let contenders: Vec<(String, String)> = made.contenders.iter().map(|(a, b)| (label(*a), label(*b))).collect();
            let relations = |found: &[Relation]| -> Vec<(i64, [String; 4])> {
                found.iter().map(|one| (one.strength, [one.x, one.y, one.left, one.right].map(label))).collect()
            };
            (lowest, homes, ambiguous, contenders, relations(&made.reviews), relations(&made.households))
        };
        let one = run(&order);
        prop_assert!(one.0);
        prop_assert_eq!(one, run(&shuffled));
    }
}
