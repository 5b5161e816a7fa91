//! What is held of a load as rows of the ledger's tables, in the order of columns in which `fill.sql` names them. Records, tokens and
//! profiles are numbered from 0 here and from 1 there.

use std::ops::Range;

use goldthread_matching::words::ATTRIBUTES;
use goldthread_matching::{EventKind, Evidence, HeldBlocks, Model, NEVER, Profile, Profiles, TiedProfiles};

use crate::copying::Rows;

/// Surrogate of what is numbered from 0.
fn surrogate(number: u32) -> i64 {
    i64::from(number) + 1
}

fn narrow(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

fn ever(moment: i64) -> Option<i64> {
    (moment != NEVER).then_some(moment)
}

fn kind_name(kind: Option<EventKind>) -> &'static str {
    match kind {
        Some(EventKind::Purchase) => "purchase",
        Some(EventKind::Click) => "click",
        Some(EventKind::ConsentWithdrawn | EventKind::ConsentGiven) => "consent_change",
        Some(EventKind::CustomerChange) | None => "customer_change",
    }
}

/// `inbox`: events that count.
pub(crate) fn inbox(evidence: &Evidence, rows: Range<u32>) -> Vec<u8> {
    let mut out = Rows::with_room(rows.len() * 140);
    for (row, home) in rows.filter_map(|row| evidence.home(row).map(|home| (row, home))) {
        let (source, id) = evidence.event(row);
        let (kind, occurred, _, _) = evidence.happened(row);
        out.row(6).bytes(source).bytes(id).bytes(evidence.digest(row)).int8(surrogate(home));
        out.bytes(kind_name(kind)).int8(occurred);
    }
    out.into_bytes()
}

/// `event_conflict`: contents that lost.
pub(crate) fn conflicts(evidence: &Evidence) -> Vec<u8> {
    let mut out = Rows::default();
    for row in evidence.lost().iter().copied() {
        let (source, id) = evidence.event(row);
        let (kind, occurred, _, _) = evidence.happened(row);
        out.row(5).bytes(source).bytes(id).bytes(evidence.digest(row)).bytes(kind_name(kind)).int8(occurred);
    }
    out.into_bytes()
}

/// `purchase`.
pub(crate) fn purchases(evidence: &Evidence, rows: Range<u32>, currency: &str) -> Vec<u8> {
    let mut out = Rows::with_room(rows.len() * 100);
    for (row, home) in rows.filter_map(|row| evidence.home(row).map(|home| (row, home))) {
        let (kind, occurred, amount, store) = evidence.happened(row);
        if kind == Some(EventKind::Purchase) {
            let (source, id) = evidence.event(row);
            out.row(7)
                .bytes(source)
                .bytes(id)
                .int8(surrogate(home))
                .int8(occurred)
                .int8(amount)
                .bytes(currency)
                .bytes(store);
        }
    }
    out.into_bytes()
}

/// `consent_event`.
pub(crate) fn consents(evidence: &Evidence, rows: Range<u32>) -> Vec<u8> {
    let mut out = Rows::default();
    for (row, home) in rows.filter_map(|row| evidence.home(row).map(|home| (row, home))) {
        let (kind, occurred, _, purpose) = evidence.happened(row);
        if let Some(kind @ (EventKind::ConsentWithdrawn | EventKind::ConsentGiven)) = kind {
            let (source, id) = evidence.event(row);
            out.row(6).bytes(source).bytes(id).int8(surrogate(home)).int8(occurred).bytes(purpose);
            out.flag(kind == EventKind::ConsentGiven);
        }
    }
    out.into_bytes()
}

/// `record`.
pub(crate) fn records(evidence: &Evidence, records: Range<u32>) -> Vec<u8> {
    let mut out = Rows::with_room(records.len() * 320);
    for record in records {
        let sums = evidence.sums(record);
        out.row(20).int8(surrogate(record)).bytes(evidence.records().address(record as usize));
        out.uuid(evidence.birth_id(record)).bytes(evidence.event(sums.first_row).0);
        for position in 0..ATTRIBUTES.len() {
            out.text(evidence.clean(position, record));
        }
        out.text(evidence.name_key(record).as_deref()).int8(sums.first).int8(sums.last).int8(sums.sightings);
        out.int8(sums.purchases).int8(sums.total).int8_or_null(ever(sums.last_purchase)).bytes(evidence.last_store(record));
    }
    out.into_bytes()
}

/// `token`.
pub(crate) fn tokens(evidence: &Evidence, tokens: Range<u32>, key_version: i16, normalizer: &str) -> Vec<u8> {
    let mut out = Rows::with_room(tokens.len() * 130);
    for number in tokens {
        let held = evidence.token(number);
        out.row(11).int8(surrogate(number)).bytes(held.token).int2(i16::from(held.kind)).bytes(held.namespace);
        out.int2(i16::from(held.form)).int2(key_version).bytes(normalizer).int4(narrow(held.names));
        out.int4(narrow(held.records)).flag(held.generic).flag(held.overused);
    }
    out.into_bytes()
}

/// `record_token`.
pub(crate) fn record_tokens(evidence: &Evidence, records: Range<u32>) -> Vec<u8> {
    let mut out = Rows::with_room(records.len() * 80);
    for record in records {
        for token in evidence.carried(record) {
            out.row(2).int8(surrogate(record)).int8(surrogate(token));
        }
    }
    out.into_bytes()
}

/// `token_name`.
pub(crate) fn token_names(evidence: &Evidence, tokens: Range<u32>) -> Vec<u8> {
    let mut out = Rows::with_room(tokens.len() * 28);
    for token in tokens {
        for name in evidence.token_names(token) {
            out.row(2).int8(surrogate(token)).bytes(name);
        }
    }
    out.into_bytes()
}

/// `block`, of one rule.
pub(crate) fn blocks(held: &[HeldBlocks], model: &Model) -> Vec<u8> {
    let mut out = Rows::default();
    for one in held {
        let (rule, depth) = (i16::try_from(one.rule).unwrap_or(i16::MAX), i16::try_from(one.depth).unwrap_or(i16::MAX));
        for (key, records) in one.counts() {
            out.row(5).int8(key).int2(rule).int2(depth).int4(narrow(records)).flag(records > model.max_block());
        }
    }
    out.into_bytes()
}

/// `record_block`, of one rule and depth.
pub(crate) fn record_blocks(held: &HeldBlocks) -> Vec<u8> {
    let mut out = Rows::with_room(held.carried.len() * 26);
    for (key, record) in &held.carried {
        out.row(2).int8(*key).int8(surrogate(*record));
    }
    out.into_bytes()
}

/// `membership`.
pub(crate) fn memberships(profiles: &Profiles, records: Range<u32>) -> Vec<u8> {
    let mut out = Rows::with_room(records.len() * 34);
    for record in records {
        out.row(2).int8(surrogate(record));
        match profiles.home(record) {
            Some(home) => out.uuid(profiles.all()[home as usize].id),
            None => out.null(),
        };
    }
    out.into_bytes()
}

/// `pair`.
pub(crate) fn pairs(profiles: &Profiles, evidence: &Evidence, model: &Model, pairs: Range<u32>, model_id: i32) -> Vec<u8> {
    let width = model.width();
    let places: Vec<u32> = pairs.collect();
    let mut out = Rows::with_room(places.len() * (80 + 9 * width));
    for pair in profiles.weighed(evidence, model, &places) {
        out.row(6).int8(surrogate(pair.left)).int8(surrogate(pair.right)).int4(pair.weighed.pair.score());
        out.bytes(&pair.weighed.pair.levels[..width]).int4s(&pair.weighed.weights[..width]).int4(model_id);
    }
    out.into_bytes()
}

fn survivors(profile: &Profile) -> [Option<i64>; 3] {
    [profile.name, profile.address, profile.birth_date].map(|record| record.map(surrogate))
}

/// `profile`; versions follow the numbers.
pub(crate) fn profile_rows(profiles: &Profiles, evidence: &Evidence, range: Range<u32>, first_version: i64) -> Vec<u8> {
    let mut out = Rows::with_room(range.len() * 130);
    for number in range {
        let profile = &profiles.all()[number as usize];
        out.row(11).uuid(profile.id).int8(first_version + i64::from(number)).flag(true).flag(profile.ambiguous);
        for survivor in survivors(profile) {
            out.int8_or_null(survivor);
        }
        let last = profile.last_purchase;
        out.int8(profile.purchases).int8(profile.total);
        out.int8_or_null(last.map(|record| evidence.sums(record).last_purchase));
        out.bytes(last.map_or("", |record| evidence.last_store(record)));
    }
    out.into_bytes()
}

/// Who wrote, why, and under which model and first version.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Written<'a> {
    pub(crate) cause: &'a str,
    pub(crate) actor: &'a str,
    pub(crate) model_id: i32,
    pub(crate) first_version: i64,
}

/// `journal`: every profile began.
pub(crate) fn journal(profiles: &Profiles, evidence: &Evidence, range: Range<u32>, by: &Written<'_>) -> Vec<u8> {
    let mut out = Rows::with_room(range.len() * 260);
    for number in range {
        let profile = &profiles.all()[number as usize];
        let members: Vec<u128> = profiles.members(profile).iter().map(|record| evidence.birth_id(*record)).collect();
        let (source, id) = evidence.event(profile.first_row);
        out.row(13).int8(by.first_version + i64::from(number)).uuid(profile.id).flag(true).uuids(&[]).uuids(&members);
        out.uuids(&[]).int8s(&[None; 3]).int8s(&survivors(profile)).bytes(by.cause).bytes(by.actor);
        out.bytes(source).bytes(id).int4(by.model_id);
    }
    out.into_bytes()
}

/// `journal_link`.
pub(crate) fn journal_links(
    profiles: &Profiles,
    evidence: &Evidence,
    model: &Model,
    links: Range<u32>,
    first_version: i64,
) -> Vec<u8> {
    let width = model.width();
    let shown = &profiles.links()[links.start as usize..links.end as usize];
    let places: Vec<u32> = shown.iter().map(|(_, place)| *place).collect();
    let mut out = Rows::with_room(places.len() * (80 + 9 * width));
    for ((home, _), pair) in shown.iter().zip(profiles.weighed(evidence, model, &places)) {
        out.row(6).int8(first_version + i64::from(*home)).int8(surrogate(pair.left)).int8(surrogate(pair.right));
        out.int4(pair.weighed.pair.score()).bytes(&pair.weighed.pair.levels[..width]);
        out.int4s(&pair.weighed.weights[..width]);
    }
    out.into_bytes()
}

/// The relations of `household`, and with a model those of `review`.
pub(crate) fn tied(profiles: &Profiles, found: &[TiedProfiles], model_id: Option<i32>) -> Vec<u8> {
    let mut out = Rows::with_room(found.len() * 90);
    for one in found {
        let id = |number: u32| profiles.all()[number as usize].id;
        let strength = i32::try_from(one.strength).unwrap_or(i32::MAX);
        out.row(if model_id.is_some() { 6 } else { 5 }).uuid(id(one.low)).uuid(id(one.high));
        out.int8(surrogate(one.low_record)).int8(surrogate(one.high_record)).int4(strength);
        if let Some(model_id) = model_id {
            out.int4(model_id);
        }
    }
    out.into_bytes()
}

/// `contender`.
pub(crate) fn contenders(profiles: &Profiles) -> Vec<u8> {
    let mut out = Rows::default();
    let mut found = profiles.contenders().to_vec();
    found.dedup();
    for (one, other) in found {
        out.row(2).uuid(profiles.all()[one as usize].id).uuid(profiles.all()[other as usize].id);
    }
    out.into_bytes()
}

/// `outbox`: encoded changes of the profiles from `start` on, with the tokens whose answers they may change.
pub(crate) fn outbox(
    profiles: &Profiles,
    evidence: &Evidence,
    start: u32,
    first_version: i64,
    changes: &[&[u8]],
) -> Vec<u8> {
    let mut out = Rows::with_room(changes.iter().map(|change| change.len() + 160).sum());
    for (number, change) in (start..).zip(changes) {
        let profile = &profiles.all()[number as usize];
        let members = profiles.members(profile).iter();
        let mut tokens: Vec<Option<i64>> =
            members.flat_map(|record| evidence.carried(*record)).map(|token| Some(surrogate(token))).collect();
        tokens.sort_unstable();
        tokens.dedup();
        out.row(5).uuid(profile.id).int8(first_version + i64::from(number)).flag(true).bytes(change).int8s(&tokens);
    }
    out.into_bytes()
}
