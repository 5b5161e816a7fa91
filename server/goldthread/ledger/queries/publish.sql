-- name: outbox
-- Changes whose transaction no running transaction precedes, oldest transaction first: nothing older can still appear.
SELECT outbox.outbox_id, outbox.profile_id, outbox.version, outbox.live, outbox.change, outbox.created_at,
    ARRAY(SELECT token FROM token WHERE token_id = ANY(outbox.token_ids))
FROM outbox WHERE xid < pg_snapshot_xmin(pg_current_snapshot()) AND outbox_id <> ALL(%(skip)s)
ORDER BY xid, outbox_id LIMIT %(limit)s;

-- name: outbox_done
-- Forgets published changes.
DELETE FROM outbox WHERE outbox_id = ANY(%(outbox_ids)s);

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

-- name: answers
-- The answer to each token in one snapshot: the profiles that carry it, with what a card shows. A token's version is the greatest of its own and
-- those of the profiles that hold its records, so it grows with every change of the answer.
SELECT token.token, token.type, token.generic, token.version, held.profiles, held.version,
    profile.profile_id, given.given_name, given.family_name,
    profile.purchase_count, profile.purchase_total_minor, profile.last_purchase_at, profile.last_purchase_store,
    (SELECT min(review_id) FROM review WHERE closed_at IS NULL AND low_profile = profile.profile_id),
    (SELECT min(review_id) FROM review WHERE closed_at IS NULL AND high_profile = profile.profile_id),
    tiering.as_of
FROM token
CROSS JOIN tiering
CROSS JOIN LATERAL (
    SELECT count(DISTINCT p.profile_id) FILTER (WHERE NOT p.ambiguous) AS profiles,
        (array_agg(p.profile_id ORDER BY p.profile_id) FILTER (WHERE NOT p.ambiguous))[1] AS profile_id,
        coalesce(max(p.version), 0) AS version
    FROM record_token JOIN record USING (record_id) JOIN profile p USING (profile_id)
    WHERE record_token.token_id = token.token_id AND NOT token.generic
) AS held
LEFT JOIN profile ON held.profiles = 1 AND NOT token.generic AND profile.profile_id = held.profile_id
LEFT JOIN record AS given ON given.record_id = profile.name_record
WHERE token.token = ANY(%(tokens)s);

-- name: counts
-- How much the ledger holds.
SELECT
    (SELECT count(*) FROM inbox), (SELECT count(*) FROM dead_letter), (SELECT count(*) FROM record),
    (SELECT count(*) FROM profile WHERE live), (SELECT count(*) FROM review WHERE closed_at IS NULL), (SELECT count(*) FROM review),
    (SELECT count(*) FROM profile WHERE NOT live), (SELECT count(*) FROM dirty_mark), (SELECT count(*) FROM outbox),
    (SELECT count(*) FROM dead_letter WHERE published_at IS NULL);

-- name: partition
-- Every record's address and profile.
SELECT address, profile_id FROM record ORDER BY address;

-- name: resolve_id
-- The profile that now holds the record with this birth id.
SELECT profile_id FROM record WHERE birth_id = %(birth_id)s;

-- name: ping
-- Answers.
SELECT 1;

-- name: event_profiles
-- Which profile each event is credited to now.
SELECT inbox.source, inbox.event_id, record.profile_id FROM inbox JOIN record USING (record_id);
