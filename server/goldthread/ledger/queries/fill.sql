-- name: is_empty
-- Whether nothing was ever taken; dead letters and offsets may stand there.
SELECT NOT EXISTS (SELECT FROM record) AND NOT EXISTS (SELECT FROM inbox) AND NOT EXISTS (SELECT FROM token)
    AND NOT EXISTS (SELECT FROM event_conflict) AND NOT EXISTS (SELECT FROM operation) AND NOT EXISTS (SELECT FROM journal)
    AND NOT EXISTS (SELECT FROM profile) AND NOT EXISTS (SELECT FROM outbox) AND NOT EXISTS (SELECT FROM outbox_later)
    AND NOT EXISTS (SELECT FROM dirty_mark);

-- name: fill_limits
-- Lets this transaction take its time, and its indexes some memory.
SELECT set_config('statement_timeout', '0', true), set_config('idle_in_transaction_session_timeout', '0', true),
    set_config('maintenance_work_mem', '512MB', true), set_config('work_mem', '256MB', true);

-- name: fill_lock
-- The statement that locks the tables to fill, those that refer to them and those that they refer to.
SELECT format('LOCK TABLE %%s IN ACCESS EXCLUSIVE MODE', string_agg(name::text, ', ' ORDER BY name::text))
FROM (
    SELECT unnest(%(tables)s::text[]::regclass[]) AS name
    UNION
    SELECT unnest(ARRAY[conrelid, confrelid])::regclass
    FROM pg_constraint
    WHERE contype = 'f' AND (conrelid = ANY(%(tables)s::text[]::regclass[]) OR confrelid = ANY(%(tables)s::text[]::regclass[]))
) AS locked;

-- name: fill_drops
-- Statements that take every index and key off the tables to fill, and every reference to them: those first. Checks and NOT NULL stay.
SELECT statement FROM (
    SELECT 1 AS place, format('ALTER TABLE %%s DISABLE TRIGGER %%I', tgrelid::regclass, tgname) AS statement
    FROM pg_trigger WHERE NOT tgisinternal AND tgenabled = 'O' AND tgrelid = ANY(%(tables)s::text[]::regclass[])
    UNION ALL
    SELECT CASE contype WHEN 'f' THEN 1 ELSE 2 END AS place,
        format('ALTER TABLE %%s DROP CONSTRAINT %%I', conrelid::regclass, conname) AS statement
    FROM pg_constraint
    WHERE contype IN ('f', 'p', 'u') AND (conrelid = ANY(%(tables)s::text[]::regclass[]) OR confrelid = ANY(%(tables)s::text[]::regclass[]))
    UNION ALL
    SELECT 3, format('DROP INDEX %%s', indexrelid::regclass)
    FROM pg_index
    WHERE indrelid = ANY(%(tables)s::text[]::regclass[]) AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid AND contype IN ('p', 'u'))
) AS drops ORDER BY place, statement;

-- name: fill_restores
-- Statements that make all of that again as it is now: keys, indexes, references, and what hangs on them. What triggers would have asked is asked at the end.
SELECT statement FROM (
    SELECT 3 AS place, format('ALTER TABLE %%s ENABLE TRIGGER %%I', tgrelid::regclass, tgname) AS statement
    FROM pg_trigger WHERE NOT tgisinternal AND tgenabled = 'O' AND tgrelid = ANY(%(tables)s::text[]::regclass[])
    UNION ALL
    SELECT 5, 'SELECT check_references()'
    UNION ALL
    SELECT CASE contype WHEN 'f' THEN 3 ELSE 1 END AS place,
        format('ALTER TABLE %%s ADD CONSTRAINT %%I %%s', conrelid::regclass, conname, pg_get_constraintdef(oid)) AS statement
    FROM pg_constraint
    WHERE contype IN ('f', 'p', 'u') AND (conrelid = ANY(%(tables)s::text[]::regclass[]) OR confrelid = ANY(%(tables)s::text[]::regclass[]))
    UNION ALL
    SELECT 2, pg_get_indexdef(indexrelid)
    FROM pg_index
    WHERE indrelid = ANY(%(tables)s::text[]::regclass[]) AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid AND contype IN ('p', 'u'))
    UNION ALL
    SELECT 4, format('COMMENT ON CONSTRAINT %%I ON %%s IS %%L', conname, conrelid::regclass, obj_description(oid, 'pg_constraint'))
    FROM pg_constraint
    WHERE contype IN ('f', 'p', 'u') AND (conrelid = ANY(%(tables)s::text[]::regclass[]) OR confrelid = ANY(%(tables)s::text[]::regclass[]))
        AND obj_description(oid, 'pg_constraint') IS NOT NULL
    UNION ALL
    SELECT 4, format('COMMENT ON INDEX %%s IS %%L', indexrelid::regclass, obj_description(indexrelid, 'pg_class'))
    FROM pg_index
    WHERE indrelid = ANY(%(tables)s::text[]::regclass[]) AND obj_description(indexrelid, 'pg_class') IS NOT NULL
    UNION ALL
    SELECT 4, format('ALTER TABLE %%s CLUSTER ON %%I', indrelid::regclass, relname)
    FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
    WHERE indrelid = ANY(%(tables)s::text[]::regclass[]) AND indisclustered
    UNION ALL
    SELECT 4, format('ALTER TABLE %%s REPLICA IDENTITY USING INDEX %%I', indrelid::regclass, relname)
    FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
    WHERE indrelid = ANY(%(tables)s::text[]::regclass[]) AND indisreplident
) AS restores ORDER BY place, statement;

-- name: fill_truncate
-- Begins the tables to fill anew, identities included: only rows of a table that is new in its transaction can be copied frozen.
TRUNCATE record, membership, token, record_token, token_name, block, record_block, owed_block, inbox, event_conflict, purchase, consent_event, pair, profile,
    review, household, contender, journal, journal_link, outbox_later RESTART IDENTITY;

-- name: copy_inbox
-- Events.
COPY inbox (source, event_id, payload_digest, record_id, kind, occurred_at) FROM STDIN (FORMAT binary, FREEZE);

-- name: copy_event_conflict
-- Contents that lost.
COPY event_conflict (source, event_id, payload_digest, kind, occurred_at) FROM STDIN (FORMAT binary, FREEZE);

-- name: copy_purchase
-- Sales.
COPY purchase (source, event_id, record_id, occurred_at, amount_minor, currency, store) FROM STDIN (FORMAT binary, FREEZE);

-- name: copy_consent_event
-- Consents.
COPY consent_event (source, event_id, record_id, occurred_at, purpose, granted) FROM STDIN (FORMAT binary, FREEZE);

-- name: copy_record
-- Claims with what their events add up to.
COPY record (
    record_id, address, birth_id, source, given_name, middle_name, family_name, name_suffix, birth_date, street, city, postcode,
    name_key, first_seen, last_seen, sightings, purchase_count, purchase_total_minor, last_purchase_at, last_purchase_store
) FROM STDIN (FORMAT binary, FREEZE);

-- name: copy_token
-- Identifiers with their states.
COPY token (token_id, token, type, namespace, form, key_version, normalizer_version, name_keys, records, generic, overused)
FROM STDIN (FORMAT binary, FREEZE);

-- name: copy_record_token
-- Who carries what.
COPY record_token (record_id, token_id) FROM STDIN (FORMAT binary, FREEZE);

-- name: copy_token_name
-- Name keys of identifiers.
COPY token_name (token_id, name_key) FROM STDIN (FORMAT binary, FREEZE);

-- name: copy_block
-- States of blocking keys.
COPY block (key, rule, depth, records, crowded) FROM STDIN (FORMAT binary, FREEZE);

-- name: copy_record_block
-- Who carries which blocking key.
COPY record_block (key, record_id) FROM STDIN (FORMAT binary, FREEZE);

-- name: copy_membership
-- Which profile holds a record; none those that wait for a look.
COPY membership (record_id, profile_id) FROM STDIN (FORMAT binary, FREEZE);

-- name: copy_pair
-- Kept pairs.
COPY pair (low, high, score, levels, weights, model_id) FROM STDIN (FORMAT binary, FREEZE);

-- name: copy_profile
-- Profiles.
COPY profile (
    profile_id, version, live, ambiguous, name_record, address_record, birth_date_record, purchase_count, purchase_total_minor,
    last_purchase_at, last_purchase_store
) FROM STDIN (FORMAT binary, FREEZE);

-- name: copy_review
-- Open reviews.
COPY review (low_profile, high_profile, low_record, high_record, strength, model_id) FROM STDIN (FORMAT binary, FREEZE);

-- name: copy_household
-- Households.
COPY household (low_profile, high_profile, low_record, high_record, strength) FROM STDIN (FORMAT binary, FREEZE);

-- name: copy_contender
-- What ambiguous profiles fit.
COPY contender (profile_id, contender_id) FROM STDIN (FORMAT binary, FREEZE);

-- name: copy_journal
-- How every profile began.
COPY journal (
    version, profile_id, live, before_records, after_records, successors, before_survivors, after_survivors, cause, actor, source, event_id,
    model_id
) FROM STDIN (FORMAT binary, FREEZE);

-- name: copy_journal_link
-- And what brought its records together.
COPY journal_link (entry_version, low, high, score, levels, weights) FROM STDIN (FORMAT binary, FREEZE);

-- name: copy_outbox_later
-- Changes for the relay, when it has nothing else to do.
COPY outbox_later (profile_id, version, live, change, token_ids) FROM STDIN (FORMAT binary, FREEZE);

-- name: fill_sequences
-- Moves identities and versions behind what was copied.
SELECT setval(pg_get_serial_sequence('record', 'record_id'), greatest(1, %(records)s), %(records)s > 0),
    setval(pg_get_serial_sequence('token', 'token_id'), greatest(1, %(tokens)s), %(tokens)s > 0),
    setval('ledger_version', %(version)s);

-- name: fill_analyze
-- Tells the planner what there is now.
ANALYZE record, membership, token, record_token, token_name, block, record_block, inbox, event_conflict, purchase, consent_event, pair, profile,
    review, household, contender, journal, journal_link, outbox_later;
