-- name: lock_writers
-- Serialises writers for the length of one transaction (ADR 0005); readers and the relay do not take it.
SELECT pg_advisory_xact_lock(%(lock)s);

-- name: insert_offset
-- Opens a partition's offset row at the first offset ever read from it.
INSERT INTO consumer_offset (group_name, topic, partition, next_offset)
VALUES (%(group)s, %(topic)s, %(partition)s, %(start)s)
ON CONFLICT DO NOTHING;

-- name: advance_offset
-- Moves a partition's offset only from the value that the batch was read at; no row means that another worker was faster.
UPDATE consumer_offset SET next_offset = %(end)s, moved_at = now()
WHERE group_name = %(group)s AND topic = %(topic)s AND partition = %(partition)s AND next_offset = %(start)s
RETURNING next_offset;

-- name: offsets
-- Next offset to read of each partition of a topic.
SELECT partition, next_offset FROM consumer_offset WHERE group_name = %(group)s AND topic = %(topic)s;

-- name: seen_events
-- Which of these events were taken before, with what content and on which record.
SELECT inbox.source, inbox.event_id, inbox.payload_digest, inbox.record_id
FROM unnest(%(sources)s::text[], %(event_ids)s::text[]) AS asked (source, event_id)
JOIN inbox USING (source, event_id);

-- name: insert_inbox
-- Takes events; a second taking of one event id breaks inbox_pkey.
INSERT INTO inbox (source, event_id, payload_digest, record_id, kind, occurred_at)
SELECT * FROM unnest(
    %(sources)s::text[], %(event_ids)s::text[], %(digests)s::bytea[], %(record_ids)s::bigint[], %(kinds)s::text[],
    %(occurred)s::timestamptz[]
);

-- name: insert_dead_letters
-- Keeps events that could not be taken; a position is kept once, however often the batch is tried.
INSERT INTO dead_letter (
    topic, partition, message_offset, reason, violations, source, event_id, payload_sha256, payload_size, sealed_payload,
    key_version
)
SELECT *, %(key_version)s FROM unnest(
    %(topics)s::text[], %(partitions)s::integer[], %(offsets)s::bigint[], %(reasons)s::smallint[], %(violations)s::jsonb[],
    %(sources)s::text[], %(event_ids)s::text[], %(digests)s::bytea[], %(sizes)s::bigint[], %(sealed)s::bytea[]
)
ON CONFLICT ON CONSTRAINT dead_letter_position_key DO NOTHING;

-- name: upsert_records
-- Inserts new claims and counts repeated ones; a row is new if it comes back with the birth id that was proposed. Input in address order.
INSERT INTO record AS kept (
    address, birth_id, source, profile_id, given_name, middle_name, family_name, name_suffix, birth_date, street, city, postcode,
    name_key, first_seen, last_seen, sightings, purchase_count, purchase_total_minor, last_purchase_at, last_purchase_store
)
SELECT
    address, birth_id, source, birth_id, given_name, middle_name, family_name, name_suffix, birth_date, street, city, postcode,
    name_key, first_seen, last_seen, sightings, purchase_count, purchase_total_minor, last_purchase_at, last_purchase_store
FROM unnest(
    %(addresses)s::bytea[], %(birth_ids)s::uuid[], %(sources)s::text[], %(given_names)s::text[], %(middle_names)s::text[],
    %(family_names)s::text[], %(name_suffixes)s::text[], %(birth_dates)s::text[], %(streets)s::text[], %(cities)s::text[],
    %(postcodes)s::text[], %(name_keys)s::text[], %(first_seen)s::timestamptz[], %(last_seen)s::timestamptz[], %(sightings)s::bigint[],
    %(purchase_counts)s::bigint[], %(purchase_totals)s::bigint[], %(last_purchases)s::timestamptz[], %(last_stores)s::text[]
) AS new (
    address, birth_id, source, given_name, middle_name, family_name, name_suffix, birth_date, street, city, postcode, name_key,
    first_seen, last_seen, sightings, purchase_count, purchase_total_minor, last_purchase_at, last_purchase_store
)
ON CONFLICT ON CONSTRAINT record_address_key DO UPDATE SET
    first_seen = least(kept.first_seen, excluded.first_seen),
    last_seen = greatest(kept.last_seen, excluded.last_seen),
    sightings = kept.sightings + excluded.sightings,
    purchase_count = kept.purchase_count + excluded.purchase_count,
    purchase_total_minor = kept.purchase_total_minor + excluded.purchase_total_minor,
    last_purchase_store = CASE
        WHEN excluded.last_purchase_at IS NULL THEN kept.last_purchase_store
        WHEN kept.last_purchase_at IS NULL OR excluded.last_purchase_at > kept.last_purchase_at THEN excluded.last_purchase_store
        WHEN excluded.last_purchase_at = kept.last_purchase_at THEN greatest(kept.last_purchase_store, excluded.last_purchase_store)
        ELSE kept.last_purchase_store
    END,
    last_purchase_at = greatest(kept.last_purchase_at, excluded.last_purchase_at)
RETURNING kept.address, kept.record_id, kept.profile_id, kept.birth_id;

-- name: insert_tokens
-- One row per identifier, whoever carries it; waits for a writer who inserts the same one. Input in token order.
INSERT INTO token (token, type, namespace, form, key_version, normalizer_version)
SELECT token, type, namespace, form, %(key_version)s, %(normalizer_version)s
FROM unnest(%(tokens)s::bytea[], %(types)s::smallint[], %(namespaces)s::text[], %(forms)s::smallint[])
    AS asked (token, type, namespace, form)
ON CONFLICT ON CONSTRAINT token_token_key DO NOTHING;

-- name: find_tokens
-- Surrogates and states of identifiers; a statement of its own, so that it sees rows which insert_tokens waited for.
SELECT token, token_id, generic FROM token WHERE token = ANY(%(tokens)s);

-- name: upsert_record_tokens
-- Hangs identifiers on records and widens the time in which each was seen there.
INSERT INTO record_token AS kept (record_id, token_id, first_seen, last_seen, sightings)
SELECT * FROM unnest(
    %(record_ids)s::bigint[], %(token_ids)s::bigint[], %(first_seen)s::timestamptz[], %(last_seen)s::timestamptz[], %(sightings)s::bigint[]
)
ON CONFLICT (record_id, token_id) DO UPDATE SET
    first_seen = least(kept.first_seen, excluded.first_seen),
    last_seen = greatest(kept.last_seen, excluded.last_seen),
    sightings = kept.sightings + excluded.sightings;

-- name: insert_purchases
-- Keeps sales beside the events that carried them.
INSERT INTO purchase (source, event_id, record_id, occurred_at, amount_minor, currency, store)
SELECT * FROM unnest(
    %(sources)s::text[], %(event_ids)s::text[], %(record_ids)s::bigint[], %(occurred)s::timestamptz[], %(amounts)s::bigint[],
    %(currencies)s::text[], %(stores)s::text[]
);

-- name: insert_consents
-- Keeps consents as sent.
INSERT INTO consent_event (source, event_id, record_id, occurred_at, purpose, granted)
SELECT * FROM unnest(
    %(sources)s::text[], %(event_ids)s::text[], %(record_ids)s::bigint[], %(occurred)s::timestamptz[], %(purposes)s::text[],
    %(granted)s::boolean[]
);

-- name: register_model
-- Surrogate of a match model; the same version with other content breaks match_model_version_key at the caller's check.
INSERT INTO match_model (version, sha256, body) VALUES (%(version)s, %(sha256)s, %(body)s)
ON CONFLICT ON CONSTRAINT match_model_version_key DO NOTHING;

-- name: find_model
-- Surrogate and digest of a match model by version.
SELECT model_id, sha256 FROM match_model WHERE version = %(version)s;

-- name: claim_keys
-- Writes down the keys of an empty ledger; a ledger that knows its keys keeps them.
INSERT INTO key_check (key_version, fingerprint) VALUES (%(key_version)s, %(fingerprint)s) ON CONFLICT DO NOTHING;

-- name: known_keys
-- The keys this ledger was filled with.
SELECT key_version, fingerprint FROM key_check;

-- name: limit_statements
-- Shrinks the statement timeout of this transaction to what its caller still waits.
SELECT set_config('statement_timeout', %(milliseconds)s, true);

-- name: any_model
-- Whether some match model has been used here.
SELECT model_id FROM match_model LIMIT 1;
