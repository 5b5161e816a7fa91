-- name: share_evidence
-- Lets any number of writers add evidence side by side, and waits for one that rewrites it (ADR 0010).
SELECT pg_advisory_xact_lock_shared(%(lock)s);

-- name: own_evidence
-- Waits until no other writer is in its evidence transaction, and keeps others out until this one ends.
SELECT pg_advisory_xact_lock(%(lock)s);

-- name: lock_timeout
-- How long a statement waits for a lock, as the setting has it.
SELECT current_setting('lock_timeout');

-- name: set_lock_timeout
-- Sets how long later statements of this transaction wait for a lock.
SELECT set_config('lock_timeout', %(setting)s, true);

-- name: insert_offset
-- Opens a partition's offset row at the first offset ever read from it.
INSERT INTO consumer_offset (group_name, topic, partition, next_offset, topic_id)
VALUES (%(group)s, %(topic)s, %(partition)s, %(start)s, %(topic_id)s)
ON CONFLICT DO NOTHING;

-- name: advance_offset
-- Moves a partition's offset only from the value, and in the topic, that the batch was read at; no row means that another worker was faster.
UPDATE consumer_offset SET next_offset = %(end)s, topic_id = coalesce(nullif(%(topic_id)s, ''), topic_id), moved_at = now()
WHERE group_name = %(group)s AND topic = %(topic)s AND partition = %(partition)s AND next_offset = %(start)s
    AND topic_id IN ('', %(held)s)
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
-- Takes events; a second taking of one event id breaks inbox_pkey. Input in key order.
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
-- Inserts new claims and counts repeated ones; one that comes back with no more sightings than proposed is new, or had been withdrawn. In address order.
INSERT INTO record AS kept (
    address, birth_id, source, opener, base_address, given_name, middle_name, family_name, name_suffix, birth_date, street, city, postcode,
    name_key, first_seen, last_seen, sightings, purchase_count, purchase_total_minor, last_purchase_at, last_purchase_store
)
SELECT
    address, birth_id, source, opener, base_address, given_name, middle_name, family_name, name_suffix, birth_date, street, city, postcode,
    name_key, first_seen, last_seen, sightings, purchase_count, purchase_total_minor, last_purchase_at, last_purchase_store
FROM unnest(
    %(addresses)s::bytea[], %(birth_ids)s::uuid[], %(sources)s::text[], %(openers)s::bytea[], %(base_addresses)s::bytea[], %(given_names)s::text[], %(middle_names)s::text[],
    %(family_names)s::text[], %(name_suffixes)s::text[], %(birth_dates)s::text[], %(streets)s::text[], %(cities)s::text[],
    %(postcodes)s::text[], %(name_keys)s::text[], %(first_seen)s::timestamptz[], %(last_seen)s::timestamptz[], %(sightings)s::bigint[],
    %(purchase_counts)s::bigint[], %(purchase_totals)s::bigint[], %(last_purchases)s::timestamptz[], %(last_stores)s::text[]
) AS new (
    address, birth_id, source, opener, base_address, given_name, middle_name, family_name, name_suffix, birth_date, street, city, postcode, name_key,
    first_seen, last_seen, sightings, purchase_count, purchase_total_minor, last_purchase_at, last_purchase_store
)
ON CONFLICT ON CONSTRAINT record_address_key DO UPDATE SET
    first_seen = CASE WHEN kept.sightings = 0 THEN excluded.first_seen ELSE least(kept.first_seen, excluded.first_seen) END,
    last_seen = CASE WHEN kept.sightings = 0 THEN excluded.last_seen ELSE greatest(kept.last_seen, excluded.last_seen) END,
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
RETURNING kept.address, kept.record_id, kept.sightings;

-- name: insert_members
-- Gives new records their row for looks; no profile holds them yet. One that has been withdrawn has its row, which a look may hold: it is not waited for.
INSERT INTO membership (record_id)
SELECT record_id FROM unnest(%(record_ids)s::bigint[]) AS asked (record_id)
WHERE NOT EXISTS (SELECT FROM membership WHERE membership.record_id = asked.record_id);

-- name: insert_tokens
-- One row per identifier, whoever carries it, a new one with the carriers that it is brought by; waits for a writer who inserts the same one. Gives
-- those that are new: nobody else can lock or change them before this transaction ends. Input in token order.
INSERT INTO token (token, type, namespace, form, key_version, normalizer_version, records, name_keys, generic)
SELECT token, type, namespace, form, %(key_version)s, %(normalizer_version)s, records, name_keys, generic
FROM unnest(
    %(tokens)s::bytea[], %(types)s::smallint[], %(namespaces)s::text[], %(forms)s::smallint[], %(records)s::integer[], %(name_keys)s::integer[],
    %(generic)s::boolean[]
) AS asked (token, type, namespace, form, records, name_keys, generic)
ON CONFLICT ON CONSTRAINT token_token_key DO NOTHING
RETURNING token, token_id;

-- name: lock_tokens
-- Locks identifiers in token order and gives their states; a statement of its own, so that it sees what insert_tokens waited for.
SELECT token, token_id, type, records, name_keys, generic, epochs FROM token WHERE token = ANY(%(tokens)s) ORDER BY token FOR NO KEY UPDATE;

-- name: insert_record_tokens
-- Hangs identifiers on new records.
INSERT INTO record_token (record_id, token_id) SELECT * FROM unnest(%(record_ids)s::bigint[], %(token_ids)s::bigint[]) ON CONFLICT DO NOTHING;

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
-- Surrogate and digest of a match model by version, whether it is the one in use, and the survivorship policy in force.
SELECT match_model.model_id, match_model.sha256, model_in_use.model_id IS NOT DISTINCT FROM match_model.model_id,
    coalesce(model_in_use.survivorship, '')
FROM match_model LEFT JOIN model_in_use ON true WHERE match_model.version = %(version)s;

-- name: claim_model
-- Takes a match model into use where none is.
INSERT INTO model_in_use (model_id) SELECT model_id FROM match_model WHERE version = %(version)s ON CONFLICT DO NOTHING;

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
-- Whether some match model is in use.
SELECT model_id FROM model_in_use;

-- name: insert_conflicts
-- Keeps which contents lost under an event id; once each.
INSERT INTO event_conflict (source, event_id, payload_digest, kind, occurred_at)
SELECT * FROM unnest(%(sources)s::text[], %(event_ids)s::text[], %(digests)s::bytea[], %(kinds)s::text[], %(occurred)s::timestamptz[])
ON CONFLICT DO NOTHING;

-- name: quarantine_events
-- Keeps contents that counted until now as losers.
INSERT INTO event_conflict (source, event_id, payload_digest, record_id, kind, occurred_at)
SELECT source, event_id, payload_digest, record_id, kind, occurred_at
FROM inbox JOIN unnest(%(sources)s::text[], %(event_ids)s::text[]) AS asked (source, event_id) USING (source, event_id)
ON CONFLICT DO NOTHING;

-- name: unhang_purchases
-- Takes back the sales of events.
DELETE FROM purchase USING unnest(%(sources)s::text[], %(event_ids)s::text[]) AS asked (source, event_id)
WHERE purchase.source = asked.source AND purchase.event_id = asked.event_id;

-- name: unhang_consents
-- Takes back the consents of events.
DELETE FROM consent_event USING unnest(%(sources)s::text[], %(event_ids)s::text[]) AS asked (source, event_id)
WHERE consent_event.source = asked.source AND consent_event.event_id = asked.event_id;

-- name: unhang_events
-- Forgets that events were taken.
DELETE FROM inbox USING unnest(%(sources)s::text[], %(event_ids)s::text[]) AS asked (source, event_id)
WHERE inbox.source = asked.source AND inbox.event_id = asked.event_id;

-- name: recount_records
-- Makes what records say of their events anew from the events that hang on them; without any they are withdrawn.
UPDATE record SET
    sightings = coalesce(seen.sightings, 0),
    first_seen = coalesce(seen.first_seen, record.first_seen),
    last_seen = coalesce(seen.last_seen, record.last_seen),
    purchase_count = coalesce(bought.purchases, 0),
    purchase_total_minor = coalesce(bought.total, 0),
    last_purchase_at = bought.last_at,
    last_purchase_store = coalesce(bought.last_store, '')
FROM unnest(%(record_ids)s::bigint[]) AS asked (record_id)
LEFT JOIN LATERAL (
    SELECT count(*) AS sightings, min(occurred_at) AS first_seen, max(occurred_at) AS last_seen FROM inbox WHERE inbox.record_id = asked.record_id
) AS seen ON true
LEFT JOIN LATERAL (
    SELECT count(*) AS purchases, sum(amount_minor)::bigint AS total, max(occurred_at) AS last_at,
        (array_agg(store ORDER BY occurred_at DESC, store COLLATE "C" DESC))[1] AS last_store
    FROM purchase WHERE purchase.record_id = asked.record_id
) AS bought ON true
WHERE record.record_id = asked.record_id
RETURNING record.record_id, record.sightings;

-- name: tokens_of_records
-- Identifiers that these records carry.
SELECT DISTINCT token_id FROM record_token WHERE record_id = ANY(%(record_ids)s) ORDER BY token_id;

-- name: unhang_tokens
-- Takes the identifiers off withdrawn records.
DELETE FROM record_token WHERE record_id = ANY(%(record_ids)s);

-- name: unhang_blocks
-- Takes the blocking keys off withdrawn records.
DELETE FROM record_block WHERE record_id = ANY(%(record_ids)s) RETURNING key;

-- name: shrink_blocks
-- Counts carriers off and opens the keys that fit again; gives those.
UPDATE block SET records = block.records - lost.records, crowded = block.records - lost.records > %(limit)s
FROM unnest(%(keys)s::bigint[], %(records)s::integer[]) AS lost (key, records)
WHERE block.key = lost.key
RETURNING block.key, block.crowded, block.records + lost.records > %(limit)s;

-- name: recount_tokens
-- Makes the states of identifiers anew from their carriers, of which those of one claim count once; gives those whose state is another now.
WITH counted AS (
    SELECT token.token_id, token.generic AS was, count(DISTINCT coalesce(record.base_address, record.address)) AS records,
        count(DISTINCT record.name_key) AS names,
        coalesce((
            SELECT bool_or(day.purchases > %(purchases_per_day)s OR day.stores > %(stores_per_day)s)
            FROM (
                SELECT count(*) AS purchases, count(DISTINCT store) FILTER (WHERE store <> '') AS stores
                FROM record_token AS mine JOIN purchase USING (record_id)
                WHERE mine.token_id = token.token_id GROUP BY (occurred_at AT TIME ZONE 'UTC')::date
            ) AS day
        ), false) AS overused
    FROM token LEFT JOIN record_token USING (token_id) LEFT JOIN record USING (record_id)
    WHERE token.token_id = ANY(%(token_ids)s)
    GROUP BY token.token_id
)
UPDATE token SET
    records = counted.records, name_keys = counted.names, overused = counted.overused,
    generic = counted.overused OR counted.records > %(max_records)s OR counted.names > (%(limits)s::integer[])[token.type]
FROM counted WHERE token.token_id = counted.token_id
RETURNING token.token_id, token.type, counted.was, token.generic;

-- name: forget_token_names
-- Drops the name keys of identifiers, to be written anew.
DELETE FROM token_name WHERE token_id = ANY(%(token_ids)s);

-- name: renew_token_names
-- Writes the name keys of identifiers from their carriers.
INSERT INTO token_name (token_id, name_key)
SELECT DISTINCT token_id, name_key FROM record_token JOIN record USING (record_id) WHERE token_id = ANY(%(token_ids)s) AND name_key IS NOT NULL;

-- name: close_overused
-- Closes identifiers that were used too much on one day; gives those that closed now. In id order, since the caller locked them so.
UPDATE token SET overused = true, generic = true WHERE token_id = ANY(%(token_ids)s) AND NOT generic RETURNING token_id, type;

-- name: lock_token_ids
-- Locks identifiers in token order.
SELECT token_id FROM token WHERE token_id = ANY(%(token_ids)s) ORDER BY token FOR NO KEY UPDATE;
