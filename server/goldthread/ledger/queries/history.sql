-- name: profile_entries
-- The last journal entry of each of these profiles that was written by a time; null: of all.
SELECT entry.profile_id, version, live, after_records, after_survivors, written_at
FROM unnest(%(profile_ids)s::uuid[]) AS asked (profile_id)
CROSS JOIN LATERAL (
    SELECT * FROM journal WHERE journal.profile_id = asked.profile_id AND (%(at)s::timestamptz IS NULL OR written_at <= %(at)s)
    ORDER BY version DESC LIMIT 1
) AS entry;

-- name: last_join
-- The last entry below a version with which a record came to a profile.
SELECT version, written_at FROM journal
WHERE profile_id = %(profile_id)s AND version < %(below)s
    AND after_records @> ARRAY[%(birth_id)s::uuid] AND NOT before_records @> ARRAY[%(birth_id)s::uuid]
ORDER BY version DESC LIMIT 1;

-- name: left_with
-- The entry of the transaction of one time with which a record left a profile.
SELECT profile_id, version FROM journal
WHERE written_at = %(written_at)s AND before_records <> after_records AND before_records <> '{}'
    AND before_records @> ARRAY[%(birth_id)s::uuid] AND NOT after_records @> ARRAY[%(birth_id)s::uuid]
ORDER BY version DESC LIMIT 1;

-- name: last_leave
-- The last entry of all with which a record left a profile; reads back through the entries with which any record moved.
SELECT profile_id, version, written_at FROM journal
WHERE before_records <> after_records AND before_records <> '{}'
    AND before_records @> ARRAY[%(birth_id)s::uuid] AND NOT after_records @> ARRAY[%(birth_id)s::uuid]
ORDER BY written_at DESC, version DESC LIMIT 1;

-- name: entry_time
-- When an entry was written.
SELECT written_at FROM journal WHERE version = %(version)s;

-- name: profiles_now
-- Profiles as they are, unlocked.
SELECT profile_id, version, live, ambiguous, name_record, address_record, birth_date_record, purchase_count, purchase_total_minor,
    last_purchase_at, last_purchase_store
FROM profile WHERE profile_id = ANY(%(profile_ids)s);

-- name: totals_taken
-- What these records' purchases come to that had been taken by a time; events that were hung elsewhere since count where they are now.
SELECT count(*), coalesce(sum(amount_minor), 0)::bigint, max(purchase.occurred_at),
    coalesce((array_agg(store ORDER BY purchase.occurred_at DESC, store DESC))[1], '')
FROM purchase JOIN record ON record.record_id = purchase.record_id
JOIN inbox ON inbox.source = purchase.source AND inbox.event_id = purchase.event_id
WHERE birth_id = ANY(%(birth_ids)s) AND taken_at <= %(at)s;

-- name: record_details
-- What records say, by surrogate or by birth id.
SELECT record_id, birth_id, source, given_name, middle_name, family_name, name_suffix, birth_date, street, city, postcode,
    first_seen, last_seen, sightings, purchase_count
FROM record WHERE record_id = ANY(%(record_ids)s) OR birth_id = ANY(%(birth_ids)s);

-- name: identifier_counts
-- Identifiers of records by kind: how many, and how many of them are generic; per record, or of all together (null).
SELECT CASE WHEN %(together)s THEN NULL ELSE birth_id END AS birth_id, type, namespace, count(DISTINCT token_id)::integer,
    (count(DISTINCT token_id) FILTER (WHERE generic))::integer
FROM record JOIN record_token USING (record_id) JOIN token USING (token_id)
WHERE birth_id = ANY(%(birth_ids)s) AND form <> 2
GROUP BY 1, type, namespace ORDER BY 1, type, namespace;

-- name: entry_links
-- The pairs that brought records together in journal entries, best first.
SELECT entry_version, low.birth_id, high.birth_id, score, levels, weights
FROM journal_link JOIN record AS low ON low.record_id = journal_link.low JOIN record AS high ON high.record_id = journal_link.high
WHERE entry_version = ANY(%(versions)s) ORDER BY entry_version, score DESC, journal_link.low, journal_link.high;

-- name: journal_end
-- The greatest version in the journal of this snapshot, the first transaction that is still under way in it, and the first one after it.
SELECT coalesce((SELECT max(version) FROM journal), 0), pg_snapshot_xmin(pg_current_snapshot())::text::bigint,
    pg_snapshot_xmax(pg_current_snapshot())::text::bigint;

-- name: journal_between
-- Entries above one version up to another, in their order.
SELECT journal.version, profile_id, live, before_records, after_records, successors, cause, journal.actor, source, event_id, journal.operation_id,
    coalesce(operation.reason, ''), match_model.version, written_at
FROM journal JOIN match_model USING (model_id) LEFT JOIN operation ON operation.operation_id = journal.operation_id
WHERE journal.version > %(after)s AND journal.version <= %(upto)s ORDER BY journal.version LIMIT %(limit)s;

-- name: carriers_of_tokens
-- Records with events that carry one of these identifiers, by birth id; of a phone that changed hands, whoever's.
SELECT DISTINCT birth_id, record_id FROM token JOIN record_token USING (token_id) JOIN record USING (record_id)
WHERE token = ANY(%(tokens)s) AND sightings > 0 ORDER BY birth_id LIMIT %(limit)s;

-- name: statements_about
-- What was said of these pairs of records and not taken back, latest first.
SELECT assertion.low, assertion.high, same, operation.actor, reason, asserted_at, assertion.operation_id
FROM assertion JOIN operation USING (operation_id)
WHERE assertion.low = ANY(%(record_ids)s) AND assertion.high = ANY(%(record_ids)s) AND retracted_by IS NULL
ORDER BY asserted_at DESC, assertion_id DESC;
