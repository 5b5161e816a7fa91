//! What each pass is good for: which are needed, and which may not teach what one person looks like.

use super::candidates::{FIRST_RULE, Passes};
use super::tally::Finds;
use crate::model::Model;
use crate::words::IDENTIFIER_TYPES;

/// Expected pairs of one person or household that a pass must find before its make-up is judged.
const ENOUGH_FINDS: f64 = 50.0;
/// Share of the expected matches that may be given up for fewer rules, and the matches there must be for any to be.
const EXPENDABLE: f64 = 0.0005;
const ENOUGH_MATCHES: f64 = 1000.0;

/// What one pass found, in pairs of the file.
#[derive(Debug, Clone, PartialEq)]
pub struct PassReport {
    /// Identifier type or blocking rule.
    pub name: String,
    /// Candidate pairs.
    pub pairs: f64,
    /// Those that no pass before it found.
    pub new_pairs: f64,
    /// Expected pairs of one person among them.
    pub matches: f64,
    /// Those that no other pass found.
    pub only: f64,
    /// Expected pairs of two people of one household.
    pub households: f64,
    /// Whether it found mostly households, so that nothing was learned of it about one person.
    pub distrusted: bool,
    /// Whether the trained model keeps it; an identifier type is always kept.
    pub kept: bool,
}

fn of(finds: &[(Passes, Finds)], pass: usize) -> Finds {
    Finds::sum(finds.iter().filter(|(passes, _)| passes >> pass & 1 == 1).map(|(_, found)| *found))
}

/// Passes that find households more than persons. O(passes · finds).
pub(super) fn distrusted(finds: &[(Passes, Finds)], passes: usize) -> Passes {
    let judged = |pass: &usize| {
        let found = of(finds, *pass);
        found.households > found.matches && found.households + found.matches >= ENOUGH_FINDS
    };
    (0..passes).filter(judged).fold(0, |bits, pass| bits | 1 << pass)
}

/// Positions of the rules that are needed: all where few matches are expected, since a small file cannot tell. Else the least useful goes
/// first (ties: the one that finds more pairs) until one in two thousand of the expected matches would be lost. O(rules² · finds).
pub(super) fn needed(finds: &[(Passes, Finds)], rules: usize) -> Vec<usize> {
    let total = Finds::sum(finds.iter().map(|(_, found)| *found)).matches;
    if total < ENOUGH_MATCHES {
        return (0..rules).collect();
    }
    let mut kept: Vec<usize> = (0..rules).filter(|rule| of(finds, FIRST_RULE + rule).pairs > 0.0).collect();
    let tokens: Passes = (1 << FIRST_RULE) - 1;
    let loss = |rule: usize, kept: &[usize]| {
        let rest = kept.iter().filter(|other| **other != rule).fold(tokens, |bits, other| bits | 1 << (FIRST_RULE + other));
        let reached = |passes: Passes| passes & rest != 0;
        finds.iter().filter(|(passes, _)| !reached(*passes)).map(|(_, found)| found.matches).sum::<f64>()
    };
    while kept.len() > 1 {
        let costs = kept.iter().map(|&rule| (loss(rule, &kept), -of(finds, FIRST_RULE + rule).pairs, rule));
        let Some((cost, _, rule)) = costs.min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)).then(a.2.cmp(&b.2)))
        else {
            break;
        };
        if cost > EXPENDABLE * total {
            break;
        }
        kept.retain(|other| *other != rule);
    }
    kept
}

/// Reports of all passes that found a pair; one counted pair is worth `worth` pairs of the file. O(passes · finds).
pub(super) fn reports(
    finds: &[(Passes, Finds)],
    model: &Model,
    distrusted: Passes,
    needed: &[usize],
    worth: f64,
) -> Vec<PassReport> {
    let names = IDENTIFIER_TYPES.into_iter().chain(model.rules().iter().map(|rule| rule.name.as_str()));
    let report = |(pass, name): (usize, &str)| {
        let found = of(finds, pass);
        let bit: Passes = 1 << pass;
        let new = finds.iter().filter(|(passes, _)| passes & bit != 0 && passes & (bit - 1) == 0);
        let only = finds.iter().filter(|(passes, _)| *passes == bit);
        (found.pairs > 0.0).then(|| PassReport {
            name: name.to_owned(),
            pairs: found.pairs * worth,
            new_pairs: Finds::sum(new.map(|(_, found)| *found)).pairs * worth,
            matches: found.matches * worth,
            only: Finds::sum(only.map(|(_, found)| *found)).matches * worth,
            households: found.households * worth,
            distrusted: distrusted & bit != 0,
            kept: pass < FIRST_RULE || needed.contains(&(pass - FIRST_RULE)),
        })
    };
    names.enumerate().filter_map(report).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(matches: f64, households: f64) -> Finds {
        Finds { pairs: 10_000.0, matches, households }
    }

    fn rules(numbers: &[usize]) -> Passes {
        numbers.iter().fold(0, |bits, rule| bits | 1 << (FIRST_RULE + rule))
    }

    #[test]
    fn a_pass_made_mostly_of_households_is_distrusted() {
        let finds =
            [(rules(&[0]), found(400.0, 900.0)), (rules(&[0, 1]), found(450.0, 0.0)), (rules(&[2]), found(1.0, 40.0))];
        assert_eq!(distrusted(&finds, FIRST_RULE + 3), rules(&[0]));
    }

    #[test]
    fn rules_go_until_one_match_in_two_thousand_would_be_lost() {
        let finds = [
            (rules(&[0, 1]), found(5000.0, 0.0)),
            (rules(&[1, 2]), found(4.0, 0.0)),
            (rules(&[0, 3]), found(500.0, 0.0)),
            (rules(&[3]), found(20.0, 0.0)),
            (1, found(1000.0, 0.0)),
        ];
        assert_eq!(needed(&finds, 5), [1, 3]);
        let few = [(rules(&[0, 1]), found(90.0, 0.0)), (rules(&[1]), found(0.0, 0.0))];
        assert_eq!(needed(&few, 3), [0, 1, 2]);
    }
}
