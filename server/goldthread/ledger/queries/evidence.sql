-- name: insert_token_names
-- Adds name keys to identifiers; gives the identifiers that gained one. Input in (token, name key) order.
INSERT INTO token_name (token_id, name_key)
SELECT asked.token_id, asked.name_key
FROM unnest(%(token_ids)s::bigint[], %(name_keys)s::text[]) AS asked (token_id, name_key)
ON CONFLICT DO NOTHING
RETURNING token_id;

-- name: grow_tokens
-- Writes counts and states of identifiers that the caller has locked.
UPDATE token SET records = grown.records, name_keys = grown.names, generic = grown.generic
FROM unnest(%(token_ids)s::bigint[], %(records)s::integer[], %(names)s::integer[], %(generic)s::boolean[]) AS grown (token_id, records, names, generic)
WHERE token.token_id = grown.token_id;

-- name: overused_tokens
-- Identifiers of these records, not generic yet, whose carriers made too many purchases, or in too many stores, on one of these UTC days. Written so that every
-- step can only go by its key: without statistics the planner would else read all purchases for each identifier. Neither the carriers nor the purchases of a day
-- are looked at where one record is the only carrier and never bought often enough, nor the stores of a day where its purchases are too few to be of too many.
-- An identifier counts the records of one claim, which are several only where the claim has no name, once.
SELECT DISTINCT touched.token_id
FROM (
    SELECT DISTINCT mine.token_id, asked.used_on
    FROM unnest(%(record_ids)s::bigint[], %(days)s::date[]) AS asked (record_id, used_on)
    CROSS JOIN LATERAL (
        SELECT purchase_count > least(%(purchases_per_day)s::bigint, %(stores_per_day)s::bigint) OR name_key IS NULL AS often
        FROM record WHERE record.record_id = asked.record_id OFFSET 0
    ) AS bought
    CROSS JOIN LATERAL (
        SELECT carried.token_id FROM record_token AS carried
        CROSS JOIN LATERAL (
            SELECT FROM token WHERE token.token_id = carried.token_id AND NOT generic AND (bought.often OR records > 1) OFFSET 0
        ) AS meaning
        WHERE carried.record_id = asked.record_id
    ) AS mine
) AS touched
CROSS JOIN LATERAL (
    SELECT ARRAY(SELECT record_id FROM record_token WHERE record_token.token_id = touched.token_id) AS carriers OFFSET 0
) AS carried
CROSS JOIN LATERAL (
    SELECT count(*) AS purchases
    FROM purchase
    WHERE purchase.record_id = ANY(carried.carriers)
        AND purchase.occurred_at >= touched.used_on::timestamp AT TIME ZONE 'UTC'
        AND purchase.occurred_at < (touched.used_on + 1)::timestamp AT TIME ZONE 'UTC'
    HAVING count(*) > least(%(purchases_per_day)s::bigint, %(stores_per_day)s::bigint)
    OFFSET 0
) AS day
WHERE day.purchases > %(purchases_per_day)s OR %(stores_per_day)s < (
    SELECT count(DISTINCT store)
    FROM purchase
    WHERE purchase.record_id = ANY(carried.carriers) AND store <> ''
        AND purchase.occurred_at >= touched.used_on::timestamp AT TIME ZONE 'UTC'
        AND purchase.occurred_at < (touched.used_on + 1)::timestamp AT TIME ZONE 'UTC'
);

-- name: token_carriers
-- Records that carry any of these tokens.
SELECT DISTINCT record_id FROM record_token WHERE token_id = ANY(%(token_ids)s);

-- name: crowded_keys
-- Which of these blocking keys are crowded.
SELECT key FROM block WHERE key = ANY(%(keys)s) AND crowded;

-- name: hang_blocks
-- Hangs blocking keys on records that do not carry them yet, adds these to the keys' carriers, and closes the keys that crossed the limit: gives those. `told` are
-- the keys, each once, with rule and depth. Input in (key, record) order; keys are counted, and so locked, in theirs.
WITH hung AS (
    INSERT INTO record_block (key, record_id)
    SELECT key, record_id FROM unnest(%(keys)s::bigint[], %(record_ids)s::bigint[]) AS asked (key, record_id)
    ON CONFLICT DO NOTHING
    RETURNING key
), gained AS MATERIALIZED (
    SELECT key, count(*)::integer AS records FROM hung GROUP BY key
), counted AS (
    INSERT INTO block AS kept (key, rule, depth, records, crowded)
    SELECT key, rule, depth, gained.records, gained.records > %(limit)s
    FROM gained JOIN unnest(%(told)s::bigint[], %(rules)s::smallint[], %(depths)s::smallint[]) AS asked (key, rule, depth) USING (key)
    ORDER BY key
    ON CONFLICT (key) DO UPDATE SET
        records = kept.records + excluded.records,
        crowded = kept.crowded OR kept.records + excluded.records > %(limit)s
    RETURNING kept.key, kept.records, kept.crowded
)
SELECT counted.key FROM counted JOIN gained USING (key) WHERE counted.crowded AND counted.records - gained.records <= %(limit)s;

-- name: block_carriers
-- Records that carry any of these blocking keys.
SELECT DISTINCT record_id FROM record_block WHERE key = ANY(%(keys)s);

-- name: candidates
-- Every pair of one of these records and another that shares a token that means something, in one epoch of it, or an uncrowded blocking key. By keys alone, as
-- overused_tokens is.
SELECT asked.record_id, other.record_id
FROM unnest(%(record_ids)s::bigint[]) AS asked (record_id)
CROSS JOIN LATERAL (SELECT token_id, epoch FROM record_token WHERE record_token.record_id = asked.record_id OFFSET 0) AS mine
CROSS JOIN LATERAL (SELECT token_id FROM token WHERE token.token_id = mine.token_id AND NOT generic OFFSET 0) AS meaning
CROSS JOIN LATERAL (SELECT record_id FROM record_token WHERE token_id = meaning.token_id AND epoch = mine.epoch OFFSET 0) AS other
WHERE other.record_id <> asked.record_id
UNION
SELECT asked.record_id, other.record_id
FROM unnest(%(record_ids)s::bigint[]) AS asked (record_id)
CROSS JOIN LATERAL (SELECT key FROM record_block WHERE record_block.record_id = asked.record_id OFFSET 0) AS mine
CROSS JOIN LATERAL (SELECT key FROM block WHERE block.key = mine.key AND NOT crowded OFFSET 0) AS meaning
CROSS JOIN LATERAL (SELECT record_id FROM record_block WHERE key = meaning.key OFFSET 0) AS other
WHERE other.record_id <> asked.record_id;

-- name: load_records
-- What the core compares, in record order.
SELECT asked.record_id, address, birth_id, profile_id, sightings > 0,
    given_name, middle_name, family_name, name_suffix, birth_date, street, city, postcode
FROM unnest(%(record_ids)s::bigint[]) AS asked (record_id)
CROSS JOIN LATERAL (SELECT * FROM record WHERE record.record_id = asked.record_id OFFSET 0) AS said
CROSS JOIN LATERAL (SELECT profile_id FROM membership WHERE membership.record_id = asked.record_id OFFSET 0) AS place
ORDER BY asked.record_id;

-- name: load_tokens
-- Tokens that mean something, in record order. By keys alone, as overused_tokens is.
SELECT asked.record_id, meaning.type, meaning.namespace, meaning.form, meaning.token, carried.epoch
FROM unnest(%(record_ids)s::bigint[]) AS asked (record_id)
CROSS JOIN LATERAL (SELECT token_id, epoch FROM record_token WHERE record_token.record_id = asked.record_id OFFSET 0) AS carried
CROSS JOIN LATERAL (SELECT * FROM token WHERE token.token_id = carried.token_id AND NOT generic OFFSET 0) AS meaning
ORDER BY asked.record_id, carried.token_id;

-- name: pairs_of
-- Kept pairs that touch these records, with what they were scored.
SELECT low, high, score, levels, model_id FROM pair WHERE low = ANY(%(record_ids)s)
UNION
SELECT low, high, score, levels, model_id FROM pair WHERE high = ANY(%(record_ids)s);

-- name: delete_pairs
-- Takes back pairs that are no candidates any more or fell below the floor.
DELETE FROM pair USING unnest(%(lows)s::bigint[], %(highs)s::bigint[]) AS gone (low, high)
WHERE pair.low = gone.low AND pair.high = gone.high;

-- name: upsert_pairs
-- Keeps scored pairs; `weights` is flat, %(width)s per pair, and made of integers once: not again for each pair, as without SELECT. Input in (low, high) order.
INSERT INTO pair (low, high, score, levels, weights, model_id)
SELECT low, high, score, levels, (SELECT %(weights)s::integer[])[(place - 1) * %(width)s + 1:place * %(width)s], %(model_id)s
FROM unnest(%(lows)s::bigint[], %(highs)s::bigint[], %(scores)s::integer[], %(levels)s::bytea[])
    WITH ORDINALITY AS asked (low, high, score, levels, place)
ON CONFLICT (low, high) DO UPDATE SET
    score = excluded.score, levels = excluded.levels, weights = excluded.weights, model_id = excluded.model_id;

-- name: component
-- Every record connected to these by kept pairs or standing assertions, these included; it stops at the limit. Then, told apart, the records outside of what was
-- found that share a profile with one of it. These by keys alone, over arrays that are worked out first: the planner takes what recursion gives for far more than it is.
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
        SELECT high FROM assertion WHERE low = reached.record_id AND retracted_by IS NULL
        UNION ALL
        SELECT low FROM assertion WHERE high = reached.record_id AND retracted_by IS NULL
    ) AS next
), found AS MATERIALIZED (
    SELECT record_id FROM reached LIMIT %(limit)s
)
SELECT record_id, true AS connected FROM found
UNION ALL
(
    SELECT record_id, false FROM membership
    WHERE profile_id = ANY(ARRAY(SELECT profile_id FROM membership WHERE record_id = ANY(ARRAY(SELECT record_id FROM found))))
    EXCEPT
    SELECT record_id, false FROM found
);

-- name: marked_around
-- Which of these records stand in a closure in which a mark is pending: all that pairs, standing assertions and shared profiles connect. The closure of all of them
-- is searched first, and only if there is a mark in it, and more than one was asked about, each one's own. By keys alone, row by row: the planner takes what
-- recursion gives for far more than it is. Limits that it cannot know to be none have it expect little: as much memory as it expects rows to be told apart is
-- taken, and cleared, before anything runs, which was five sixths of the time where statistics were missing.
WITH RECURSIVE together (record_id) AS (
    (SELECT record_id FROM unnest(%(record_ids)s::bigint[]) AS seed (record_id) LIMIT (SELECT NULL::bigint))
    UNION
    SELECT next.record_id
    FROM together
    CROSS JOIN LATERAL (
        SELECT high AS record_id FROM pair WHERE low = together.record_id
        UNION ALL
        SELECT low FROM pair WHERE high = together.record_id
        UNION ALL
        SELECT high FROM assertion WHERE low = together.record_id AND retracted_by IS NULL
        UNION ALL
        SELECT low FROM assertion WHERE high = together.record_id AND retracted_by IS NULL
        UNION ALL
        SELECT fellow.record_id FROM membership AS mine JOIN membership AS fellow USING (profile_id) WHERE mine.record_id = together.record_id
        LIMIT (SELECT NULL::bigint)
    ) AS next
), pending AS MATERIALIZED (
    SELECT EXISTS (
        SELECT FROM together CROSS JOIN LATERAL (SELECT FROM dirty_mark WHERE dirty_mark.record_id = together.record_id LIMIT 1) AS marked
    ) AS somewhere
), reached (asked, record_id) AS (
    SELECT record_id, record_id FROM unnest(%(record_ids)s::bigint[]) AS seed (record_id) WHERE cardinality(%(record_ids)s::bigint[]) > 1 AND (SELECT somewhere FROM pending)
    UNION
    SELECT reached.asked, next.record_id
    FROM reached
    CROSS JOIN LATERAL (
        SELECT high AS record_id FROM pair WHERE low = reached.record_id
        UNION ALL
        SELECT low FROM pair WHERE high = reached.record_id
        UNION ALL
        SELECT high FROM assertion WHERE low = reached.record_id AND retracted_by IS NULL
        UNION ALL
        SELECT low FROM assertion WHERE high = reached.record_id AND retracted_by IS NULL
        UNION ALL
        SELECT fellow.record_id FROM membership AS mine JOIN membership AS fellow USING (profile_id) WHERE mine.record_id = reached.record_id
        LIMIT (SELECT NULL::bigint)
    ) AS next
)
SELECT DISTINCT reached.asked
FROM reached
CROSS JOIN LATERAL (SELECT FROM dirty_mark WHERE dirty_mark.record_id = reached.record_id LIMIT 1) AS marked
UNION ALL
SELECT (%(record_ids)s::bigint[])[1] WHERE cardinality(%(record_ids)s::bigint[]) = 1 AND (SELECT somewhere FROM pending);

-- name: load_pairs
-- Kept pairs inside a set of records, in order.
SELECT low, high, score, levels, weights FROM pair WHERE low = ANY(%(record_ids)s) AND high = ANY(%(record_ids)s) ORDER BY low, high;

-- name: load_assertions
-- Standing assertions inside a set of records.
SELECT assertion_id, low, high, same, actor_rank, asserted_at, basis FROM assertion
WHERE low = ANY(%(record_ids)s) AND high = ANY(%(record_ids)s) AND retracted_by IS NULL
ORDER BY assertion_id;

-- name: lock_members
-- Locks records' places in record order; under one snapshot this fails where a look has changed one since.
SELECT record_id, profile_id FROM membership WHERE record_id = ANY(%(record_ids)s) ORDER BY record_id FOR NO KEY UPDATE;

-- name: count_looks
-- Writes down that a look changed the evidence of records that stay where they are: what makes a look with an older snapshot fail.
UPDATE membership SET looks = looks + 1 WHERE record_id = ANY(%(record_ids)s);

-- name: insert_marks
-- Leaves durable marks on records that must be looked at, for anybody after the time of grace.
INSERT INTO dirty_mark (record_id, step, used_on, cause, actor, source, event_id, operation_id, due_at)
SELECT record_id, step, used_on, %(cause)s, %(actor)s, source, event_id, %(operation_id)s, now() + %(grace)s * interval '1 second'
FROM unnest(%(record_ids)s::bigint[], %(steps)s::smallint[], %(days)s::date[], %(sources)s::text[], %(event_ids)s::text[])
    AS asked (record_id, step, used_on, source, event_id)
RETURNING mark_id;

-- name: take_marks
-- Holds these marks for one look; those that somebody else holds are left to them. A record that has been withdrawn since is judged, whatever its mark was left for.
-- A subquery, which goes by its key whatever the statistics say of a table that fills and empties all the time.
SELECT mark_id, record_id, CASE WHEN (SELECT sightings FROM record WHERE record.record_id = dirty_mark.record_id) = 0 THEN 3 ELSE step END,
    used_on, cause, actor, source, event_id, operation_id
FROM dirty_mark WHERE mark_id = ANY(%(mark_ids)s) ORDER BY mark_id FOR UPDATE SKIP LOCKED;

-- name: operation_marks_on
-- Marks that operations left on these records and that no look has taken yet.
SELECT mark_id, record_id, step, used_on, cause, actor, source, event_id, operation_id
FROM dirty_mark WHERE operation_id IS NOT NULL AND record_id = ANY(%(record_ids)s) ORDER BY mark_id;

-- name: due_marks
-- The marks that have been due for longest, but for those that somebody looks at.
SELECT mark_id FROM dirty_mark WHERE due_at <= now() ORDER BY due_at, mark_id LIMIT %(limit)s FOR UPDATE SKIP LOCKED;

-- name: record_of_mark
-- The record that a mark is on.
SELECT record_id FROM dirty_mark WHERE mark_id = %(mark_id)s;

-- name: marks_on
-- Marks on these records.
SELECT mark_id FROM dirty_mark WHERE record_id = ANY(%(record_ids)s) ORDER BY mark_id;

-- name: drop_marks
-- Forgets marks that were looked at.
DELETE FROM dirty_mark WHERE mark_id = ANY(%(mark_ids)s);

-- name: push_marks_back
-- Puts marks whose look failed behind the others, ever longer.
UPDATE dirty_mark SET attempts = attempts + 1, due_at = now() + least(%(most)s, %(base)s * 2 ^ least(attempts, 20)) * %(jitter)s * interval '1 second'
WHERE mark_id = ANY(%(mark_ids)s);

-- name: pending_marks
-- Marks pending, counted up to a bound, and the age of the oldest in seconds.
SELECT (SELECT count(*) FROM (SELECT FROM dirty_mark LIMIT %(most)s) AS counted),
    coalesce((SELECT extract(epoch FROM now() - marked_at) FROM dirty_mark ORDER BY mark_id LIMIT 1), 0)::float8;
