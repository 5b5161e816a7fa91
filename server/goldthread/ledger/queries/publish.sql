-- name: outbox
-- Unpublished changes by version. A profile's versions are drawn under its locks: where one of them can be seen, so can every lower one.
SELECT outbox_id, profile_id, version, live, change, created_at, token_ids FROM outbox ORDER BY version, outbox_id LIMIT %(limit)s;

-- name: relay_pending
-- Whether changes or dead letters wait to be published. Asked often, so in the order of their indexes: those remember which of their rows are gone.
SELECT (SELECT version FROM outbox ORDER BY version LIMIT 1) IS NOT NULL
    OR (SELECT outbox_id FROM outbox_later ORDER BY outbox_id LIMIT 1) IS NOT NULL
    OR (SELECT dead_letter_id FROM dead_letter WHERE published_at IS NULL ORDER BY dead_letter_id LIMIT 1) IS NOT NULL;

-- name: outbox_ids
-- Places of unpublished changes after a place, in the same order.
SELECT version, outbox_id FROM outbox
WHERE version >= %(version)s AND (version, outbox_id) > (%(version)s, %(outbox_id)s)
ORDER BY version, outbox_id LIMIT %(limit)s;

-- name: outbox_waiting
-- Unpublished changes, counted up to a bound.
SELECT count(*) FROM (SELECT FROM outbox LIMIT %(most)s) AS counted;

-- name: outbox_token_ids
-- Identifiers whose answers unpublished changes may have changed.
SELECT DISTINCT unnest(token_ids) FROM outbox WHERE outbox_id = ANY(%(outbox_ids)s);

-- name: outbox_later
-- The first changes of the lane that may wait.
SELECT outbox_id, profile_id, version, live, change, created_at, token_ids FROM outbox_later ORDER BY outbox_id LIMIT %(limit)s;

-- name: outbox_later_done
-- Forgets published changes of that lane.
DELETE FROM outbox_later WHERE outbox_id = ANY(%(outbox_ids)s);

-- name: outbox_done
-- Forgets published changes, and what the lane that may wait says of the same profiles: it is older.
WITH done AS (DELETE FROM outbox WHERE outbox_id = ANY(%(outbox_ids)s) RETURNING profile_id, version)
DELETE FROM outbox_later USING done WHERE outbox_later.profile_id = done.profile_id AND outbox_later.version < done.version;

-- name: dead_letters_unpublished
-- Dead letters that are not on their topic yet.
SELECT dead_letter_id, topic, partition, message_offset, reason, violations, source, event_id, payload_sha256, payload_size, sealed_payload,
    key_version, rejected_at
FROM dead_letter WHERE published_at IS NULL ORDER BY dead_letter_id LIMIT %(limit)s;

-- name: dead_letters_done
-- Marks dead letters as published.
UPDATE dead_letter SET published_at = now() WHERE dead_letter_id = ANY(%(dead_letter_ids)s);

-- name: relay_lock
-- One relay at a time: a session lock that ends with the connection.
SELECT pg_try_advisory_lock(%(lock)s);

-- name: relay_unlock
-- Gives the relay's lock back.
SELECT pg_advisory_unlock(%(lock)s);

-- name: stamp
-- Stamp of the snapshot (ADR 0011): transactions that have ended in it, in the life that it belongs to. Grows with every commit.
SELECT (
    SELECT (life.number << 44) + pg_snapshot_xmax(pg_current_snapshot())::text::bigint
        - (SELECT count(*) FROM pg_snapshot_xip(pg_current_snapshot()))
    FROM life JOIN life_mark USING (singleton)
);

-- name: life_known
-- Answers, with a row unless a recovery has come and the next life has not begun.
SELECT true FROM life_mark;

-- name: begin_life
-- Begins the next life after a recovery, and versions 2^32 further on; whoever comes second does nothing.
WITH begun AS (INSERT INTO life_mark DEFAULT VALUES ON CONFLICT DO NOTHING RETURNING singleton),
counted AS (UPDATE life SET number = number + 1 FROM begun WHERE begun.singleton = life.singleton RETURNING number)
SELECT setval('ledger_version', ledger_version.last_value + (1::bigint << 32)) FROM counted CROSS JOIN ledger_version;

-- name: answers
-- The answer to each known token in one snapshot, with its stamp: first the profiles that hold the token's records, then, in rows without a token, what a
-- card shows of each live profile that was named, once for all of its tokens. Asked by token or by surrogate; the other list is empty then. Records that no look
-- has placed yet count for nothing, nor do those that are back but still at the home of their own, which has ended; withdrawn ones carry nothing. Of a phone that
-- changed hands the latest owner's count alone. Of several open reviews the one of the lowest ids is shown, so one in which the profile is the high one comes
-- first: not the eldest, since a review that is taken back and comes again must leave the answer as it was. LATERAL, LIMIT and OFFSET keep every step by its key:
-- while the statistics are behind, the planner would else read whole tables, or the whole index of reviews for each.
WITH held AS MATERIALIZED (
    SELECT token.token, token.type, token.generic, ARRAY(
        SELECT DISTINCT membership.profile_id
        FROM record_token JOIN membership USING (record_id)
        WHERE record_token.token_id = token.token_id AND record_token.epoch = token.epochs
            AND membership.profile_id IS NOT NULL AND NOT token.generic
    ) AS profile_ids
    FROM (
        SELECT token_id, token, type, generic, epochs FROM token WHERE token = ANY(%(tokens)s)
        UNION ALL
        SELECT token_id, token, type, generic, epochs FROM token WHERE token_id = ANY(%(token_ids)s)
    ) AS token
)
SELECT token, type, generic, (
    SELECT (life.number << 44) + pg_snapshot_xmax(pg_current_snapshot())::text::bigint
        - (SELECT count(*) FROM pg_snapshot_xip(pg_current_snapshot()))
    FROM life JOIN life_mark USING (singleton)
) AS stamp, profile_ids,
    NULL::uuid, NULL::boolean, NULL::text, NULL::text, NULL::bigint, NULL::bigint, NULL::timestamptz, NULL::text, NULL::bigint, NULL::date
FROM held
UNION ALL
SELECT NULL, NULL, NULL, NULL, NULL,
    shown.profile_id, shown.ambiguous, given.given_name, given.family_name,
    shown.purchase_count, shown.purchase_total_minor, shown.last_purchase_at, shown.last_purchase_store,
    coalesce(
        (
            SELECT review_id
            FROM (SELECT review_id, low_profile FROM review WHERE closed_at IS NULL AND high_profile = shown.profile_id OFFSET 0) AS theirs
            ORDER BY low_profile LIMIT 1
        ),
        (SELECT review_id FROM review WHERE closed_at IS NULL AND low_profile = shown.profile_id ORDER BY high_profile LIMIT 1)
    ),
    tiering.as_of
FROM (SELECT DISTINCT unnest(profile_ids) AS profile_id FROM held) AS named
CROSS JOIN tiering
CROSS JOIN LATERAL (
    SELECT * FROM profile WHERE profile.profile_id = named.profile_id AND profile.live LIMIT 1
) AS shown
LEFT JOIN LATERAL (SELECT given_name, family_name FROM record WHERE record_id = shown.name_record LIMIT 1) AS given ON true;

-- name: tokens_after
-- A page of the known tokens, in the order of their surrogates.
SELECT token_id, token FROM token WHERE token_id > %(token_id)s ORDER BY token_id LIMIT %(limit)s;

-- name: known_tokens
-- Those of the tokens that the ledger knows.
SELECT token FROM token WHERE token = ANY(%(tokens)s);

-- name: count_tokens
-- How many tokens the ledger knows.
SELECT count(*) FROM token;

-- name: counts
-- How much the ledger holds.
SELECT
    (SELECT count(*) FROM inbox), (SELECT count(*) FROM dead_letter), (SELECT count(*) FROM record),
    (SELECT count(*) FROM profile WHERE live), (SELECT count(*) FROM review WHERE closed_at IS NULL), (SELECT count(*) FROM review),
    (SELECT count(*) FROM profile WHERE NOT live), (SELECT count(*) FROM dirty_mark),
    (SELECT count(*) FROM outbox) + (SELECT count(*) FROM outbox_later),
    (SELECT count(*) FROM dead_letter WHERE published_at IS NULL);

-- name: partition
-- Every placed record's address and profile.
SELECT address, profile_id FROM record JOIN membership USING (record_id) WHERE profile_id IS NOT NULL AND sightings > 0 ORDER BY address;

-- name: resolve_id
-- The profile that now holds the record with this birth id (null until a look has placed it), and whether it lives; if it has ended because the record was
-- withdrawn, the one profile to which its other records went, if it is one.
SELECT membership.profile_id, profile.live, CASE WHEN profile.live THEN NULL ELSE (
    SELECT CASE WHEN cardinality(successors) = 1 THEN successors[1] END FROM journal
    WHERE journal.profile_id = membership.profile_id ORDER BY version DESC LIMIT 1
) END
FROM record JOIN membership USING (record_id) LEFT JOIN profile USING (profile_id) WHERE birth_id = %(birth_id)s;

-- name: ping
-- Answers.
SELECT 1;

-- name: event_profiles
-- Which profile each event is credited to now.
SELECT inbox.source, inbox.event_id, membership.profile_id FROM inbox JOIN membership USING (record_id) WHERE membership.profile_id IS NOT NULL;
