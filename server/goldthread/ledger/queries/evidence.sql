-- name: insert_token_names
-- Adds name keys to tokens that are not generic yet; returns the tokens that gained one. Input in (token, name key) order.
INSERT INTO token_name (token_id, name_key)
SELECT asked.token_id, asked.name_key
FROM unnest(%(token_ids)s::bigint[], %(name_keys)s::text[]) AS asked (token_id, name_key)
ON CONFLICT DO NOTHING
RETURNING token_id;

-- name: count_token_carriers
-- Adds the gained records and name keys and closes tokens that crossed a limit; gives those that closed now. A generic token never reopens by growth.
UPDATE token SET
    records = token.records + gained.records,
    name_keys = token.name_keys + gained.names,
    generic = true,
    version = nextval('ledger_version')
FROM unnest(%(token_ids)s::bigint[], %(records)s::integer[], %(names)s::integer[]) AS gained (token_id, records, names)
WHERE token.token_id = gained.token_id AND NOT token.generic
    AND (token.records + gained.records > %(max_records)s OR token.name_keys + gained.names > (%(limits)s::integer[])[token.type])
RETURNING token.token_id, token.type;

-- name: grow_tokens
-- Adds the gained records and name keys to the tokens that stay as they are.
UPDATE token SET records = token.records + gained.records, name_keys = token.name_keys + gained.names
FROM unnest(%(token_ids)s::bigint[], %(records)s::integer[], %(names)s::integer[]) AS gained (token_id, records, names)
WHERE token.token_id = gained.token_id;

-- name: token_carriers
-- Records that carry any of these tokens.
SELECT DISTINCT record_id FROM record_token WHERE token_id = ANY(%(token_ids)s);

-- name: crowded_keys
-- Which of these blocking keys are crowded.
SELECT key FROM block WHERE key = ANY(%(keys)s) AND crowded;

-- name: count_blocks
-- Adds carriers to blocking keys and closes those that crossed the limit. Input in key order.
INSERT INTO block AS kept (key, rule, depth, records, crowded)
SELECT key, rule, depth, records, records > %(limit)s
FROM unnest(%(keys)s::bigint[], %(rules)s::smallint[], %(depths)s::smallint[], %(records)s::integer[]) AS asked (key, rule, depth, records)
ON CONFLICT (key) DO UPDATE SET
    records = kept.records + excluded.records,
    crowded = kept.crowded OR kept.records + excluded.records > %(limit)s
RETURNING kept.key, kept.records, kept.crowded;

-- name: insert_record_blocks
-- Hangs blocking keys on records that do not carry them yet.
INSERT INTO record_block (key, record_id)
SELECT * FROM unnest(%(keys)s::bigint[], %(record_ids)s::bigint[])
ON CONFLICT DO NOTHING
RETURNING key, record_id;

-- name: block_carriers
-- Records that carry any of these blocking keys.
SELECT DISTINCT record_id FROM record_block WHERE key = ANY(%(keys)s);

-- name: candidates
-- Every pair of one of these records and another that shares a token that means something or an uncrowded blocking key.
SELECT mine.record_id, other.record_id
FROM record_token AS mine
JOIN token ON token.token_id = mine.token_id AND NOT token.generic
JOIN record_token AS other ON other.token_id = mine.token_id AND other.record_id <> mine.record_id
WHERE mine.record_id = ANY(%(record_ids)s)
UNION
SELECT mine.record_id, other.record_id
FROM record_block AS mine
JOIN block ON block.key = mine.key AND NOT block.crowded
JOIN record_block AS other ON other.key = mine.key AND other.record_id <> mine.record_id
WHERE mine.record_id = ANY(%(record_ids)s);

-- name: load_records
-- What the core compares, in record order.
SELECT record_id, address, birth_id, profile_id,
    given_name, middle_name, family_name, name_suffix, birth_date, street, city, postcode
FROM record WHERE record_id = ANY(%(record_ids)s) ORDER BY record_id;

-- name: load_tokens
-- Tokens that mean something, in record order.
SELECT record_token.record_id, token.type, token.namespace, token.form, token.token
FROM record_token JOIN token USING (token_id)
WHERE record_token.record_id = ANY(%(record_ids)s) AND NOT token.generic
ORDER BY record_token.record_id, token.token_id;

-- name: pairs_of
-- Kept pairs that touch these records.
SELECT low, high FROM pair WHERE low = ANY(%(record_ids)s)
UNION
SELECT low, high FROM pair WHERE high = ANY(%(record_ids)s);

-- name: delete_pairs
-- Takes back pairs that are no candidates any more or fell below the floor.
DELETE FROM pair USING unnest(%(lows)s::bigint[], %(highs)s::bigint[]) AS gone (low, high)
WHERE pair.low = gone.low AND pair.high = gone.high;

-- name: upsert_pairs
-- Keeps scored pairs; `weights` is flat, %(width)s per pair. Input in (low, high) order.
INSERT INTO pair (low, high, score, levels, weights, model_id)
SELECT low, high, score, levels, (%(weights)s::integer[])[(place - 1) * %(width)s + 1:place * %(width)s], %(model_id)s
FROM unnest(%(lows)s::bigint[], %(highs)s::bigint[], %(scores)s::integer[], %(levels)s::bytea[])
    WITH ORDINALITY AS asked (low, high, score, levels, place)
ON CONFLICT (low, high) DO UPDATE SET
    score = excluded.score, levels = excluded.levels, weights = excluded.weights, model_id = excluded.model_id;

-- name: component
-- Every record connected to these by kept pairs or standing assertions, these included.
WITH RECURSIVE reached (record_id) AS (
    SELECT unnest(%(record_ids)s::bigint[])
    UNION
    SELECT next.record_id
    FROM reached
    CROSS JOIN LATERAL (
        SELECT high AS record_id FROM pair WHERE low = reached.record_id
        UNION ALL
        SELECT low FROM pair WHERE high = reached.record_id
        UNION ALL
        SELECT high FROM assertion WHERE low = reached.record_id AND retracted_at IS NULL
        UNION ALL
        SELECT low FROM assertion WHERE high = reached.record_id AND retracted_at IS NULL
    ) AS next
)
SELECT record_id FROM reached ORDER BY record_id;

-- name: load_pairs
-- Kept pairs inside a set of records, in order.
SELECT low, high, score, levels, weights FROM pair WHERE low = ANY(%(record_ids)s) AND high = ANY(%(record_ids)s) ORDER BY low, high;

-- name: load_assertions
-- Standing assertions inside a set of records; of two about one pair the higher rank, then the later, then the larger id counts.
SELECT DISTINCT ON (low, high) low, high, same FROM assertion
WHERE low = ANY(%(record_ids)s) AND high = ANY(%(record_ids)s) AND retracted_at IS NULL AND (expires_at IS NULL OR expires_at > now())
ORDER BY low, high, actor_rank DESC, asserted_at DESC, assertion_id DESC;

-- name: fellow_members
-- Records that stand in a profile with one of these records, and are none of them.
SELECT record_id FROM record
WHERE profile_id IN (SELECT profile_id FROM record WHERE record_id = ANY(%(record_ids)s))
EXCEPT
SELECT unnest(%(record_ids)s::bigint[]);

-- name: insert_dirty_marks
-- Leaves a durable mark on records whose component must be looked at again.
INSERT INTO dirty_mark (record_id, reason) SELECT unnest(%(record_ids)s::bigint[]), %(reason)s ON CONFLICT (record_id) DO NOTHING;

-- name: take_dirty_marks
-- Takes the oldest marks for this transaction.
DELETE FROM dirty_mark WHERE record_id IN (
    SELECT record_id FROM dirty_mark ORDER BY marked_at, record_id LIMIT %(limit)s FOR UPDATE SKIP LOCKED
) RETURNING record_id;

-- name: drop_dirty_marks
-- Forgets marks of records whose components were just settled.
DELETE FROM dirty_mark WHERE record_id = ANY(%(record_ids)s);

-- name: marks_among
-- Which of these records carry a mark.
SELECT record_id FROM dirty_mark WHERE record_id = ANY(%(record_ids)s);

-- name: count_dirty_marks
-- Marks pending.
SELECT count(*) FROM dirty_mark;
