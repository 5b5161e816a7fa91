-- name: hand_overs_of
-- When each of these identifiers changed hands, and to whom; nothing for those that never did.
SELECT token.token, token_epoch.began_at, token_epoch.opener FROM token JOIN token_epoch USING (token_id)
WHERE token.token = ANY(%(tokens)s) AND token.epochs > 0 ORDER BY token_epoch.began_at;

-- name: hung_claims
-- Which of these claims, by base address, identifiers hang on already, in any epoch.
SELECT DISTINCT claim.base FROM (
    SELECT record_id, address AS base FROM record WHERE address = ANY(%(bases)s)
    UNION ALL
    SELECT record_id, base_address FROM record WHERE base_address = ANY(%(bases)s)
) AS claim WHERE EXISTS (SELECT FROM record_token WHERE record_token.record_id = claim.record_id);

-- name: phones
-- Phones, among these and those of these records, that changed hands or may have: with what is stored of it, and the named records that carry them unless they
-- are generic. Written so that every step can only go by its key, as overused_tokens is, and that carriers are read of the phones alone that are asked for.
SELECT asked.token_id, asked.generic, stored.began, stored.openers, named.name_keys, named.first_seen, named.last_seen, named.addresses
FROM (
    SELECT mine.token_id FROM unnest(%(record_ids)s::bigint[]) AS given (record_id)
    CROSS JOIN LATERAL (SELECT token_id FROM record_token WHERE record_token.record_id = given.record_id) AS mine
    UNION
    SELECT unnest(%(token_ids)s::bigint[])
) AS touched
CROSS JOIN LATERAL (
    SELECT token_id, generic FROM token
    WHERE token.token_id = touched.token_id AND type = 2 AND (epochs > 0 OR (name_keys > 1 AND NOT generic))
    OFFSET 0
) AS asked
CROSS JOIN LATERAL (
    SELECT array_agg(began_at ORDER BY epoch) AS began, array_agg(opener ORDER BY epoch) AS openers FROM token_epoch
    WHERE token_epoch.token_id = asked.token_id
) AS stored
CROSS JOIN LATERAL (
    SELECT array_agg(name_key) AS name_keys, array_agg(first_seen) AS first_seen, array_agg(last_seen) AS last_seen, array_agg(address) AS addresses
    FROM record
    WHERE record_id = ANY(ARRAY(SELECT record_token.record_id FROM record_token WHERE record_token.token_id = asked.token_id AND NOT asked.generic))
        AND name_key IS NOT NULL
) AS named
ORDER BY asked.token_id;

-- name: witnesses
-- One carrier of each of these identifiers that is a phone that changed hands or may have.
SELECT DISTINCT witness.record_id FROM token
CROSS JOIN LATERAL (
    SELECT record_token.record_id FROM record_token WHERE record_token.token_id = token.token_id ORDER BY record_token.record_id LIMIT 1
) AS witness
WHERE token.token_id = ANY(%(token_ids)s) AND token.type = 2 AND (token.epochs > 0 OR (token.name_keys > 1 AND NOT token.generic));

-- name: forget_hand_overs
-- Forgets when phones changed hands, to be written anew.
DELETE FROM token_epoch WHERE token_id = ANY(%(token_ids)s);

-- name: insert_hand_overs
-- Writes down when phones changed hands, and to whom.
INSERT INTO token_epoch (token_id, epoch, began_at, opener)
SELECT * FROM unnest(%(token_ids)s::bigint[], %(epochs)s::smallint[], %(moments)s::timestamptz[], %(openers)s::bytea[]);

-- name: count_hand_overs
-- Writes down how often phones changed hands.
UPDATE token SET epochs = (SELECT count(*) FROM token_epoch WHERE token_epoch.token_id = token.token_id) WHERE token_id = ANY(%(token_ids)s);

-- name: misplaced_events
-- Events of the records without a name that carry these phones, that occurred in another epoch than their record is for, with the opener of theirs; in key order.
SELECT inbox.source, inbox.event_id, record.record_id, coalesce(record.base_address, record.address), due.opener
FROM record JOIN inbox ON inbox.record_id = record.record_id
LEFT JOIN LATERAL (
    SELECT token_epoch.opener FROM record_token JOIN token_epoch USING (token_id)
    WHERE record_token.record_id = record.record_id AND token_epoch.began_at <= inbox.occurred_at
    ORDER BY token_epoch.began_at DESC, token_epoch.opener LIMIT 1
) AS due ON true
WHERE record.record_id IN (SELECT record_token.record_id FROM record_token WHERE record_token.token_id = ANY(%(token_ids)s))
    AND record.name_key IS NULL AND due.opener IS DISTINCT FROM record.opener
ORDER BY inbox.source, inbox.event_id;

-- name: records_at
-- Records with these addresses, withdrawn ones too.
SELECT address, record_id FROM record WHERE address = ANY(%(addresses)s);

-- name: clone_records
-- Makes records that claims need for other epochs out of ones that they have; no event hangs on them yet. In address order.
INSERT INTO record (
    address, birth_id, source, opener, base_address, given_name, middle_name, family_name, name_suffix, birth_date, street, city, postcode,
    first_seen, last_seen, sightings
)
SELECT
    asked.address, asked.birth_id, record.source, asked.opener, asked.base_address, record.given_name, record.middle_name, record.family_name,
    record.name_suffix, record.birth_date, record.street, record.city, record.postcode, record.first_seen, record.last_seen, 0
FROM unnest(%(addresses)s::bytea[], %(birth_ids)s::uuid[], %(openers)s::bytea[], %(base_addresses)s::bytea[], %(origins)s::bigint[])
    AS asked (address, birth_id, opener, base_address, origin)
JOIN record ON record.record_id = asked.origin
ORDER BY asked.address
RETURNING address, record_id;

-- name: copy_record_tokens
-- Hangs on records what their claim carries in another epoch.
INSERT INTO record_token (record_id, token_id)
SELECT asked.record_id, record_token.token_id
FROM unnest(%(origins)s::bigint[], %(record_ids)s::bigint[]) AS asked (origin, record_id)
JOIN record_token ON record_token.record_id = asked.origin
ON CONFLICT DO NOTHING;

-- name: move_events
-- Hangs events on other records of their claims.
UPDATE inbox SET record_id = asked.record_id
FROM unnest(%(sources)s::text[], %(event_ids)s::text[], %(record_ids)s::bigint[]) AS asked (source, event_id, record_id)
WHERE inbox.source = asked.source AND inbox.event_id = asked.event_id;

-- name: move_purchases
-- The same for the sales of events.
UPDATE purchase SET record_id = asked.record_id
FROM unnest(%(sources)s::text[], %(event_ids)s::text[], %(record_ids)s::bigint[]) AS asked (source, event_id, record_id)
WHERE purchase.source = asked.source AND purchase.event_id = asked.event_id;

-- name: move_consents
-- The same for the consents of events.
UPDATE consent_event SET record_id = asked.record_id
FROM unnest(%(sources)s::text[], %(event_ids)s::text[], %(record_ids)s::bigint[]) AS asked (source, event_id, record_id)
WHERE consent_event.source = asked.source AND consent_event.event_id = asked.event_id;

-- name: renew_epochs
-- Writes the epochs at which these records, and all carriers of these identifiers, carry identifiers; gives what changed.
UPDATE record_token SET epoch = due.epoch
FROM (
    SELECT carried.record_id, carried.token_id, (
        SELECT count(*) FROM token_epoch WHERE token_epoch.token_id = carried.token_id AND token_epoch.began_at <= record.first_seen
    ) AS epoch
    FROM (
        SELECT record_id, token_id FROM record_token WHERE record_id = ANY(%(record_ids)s)
        UNION
        SELECT record_id, token_id FROM record_token WHERE token_id = ANY(%(token_ids)s)
    ) AS carried JOIN record ON record.record_id = carried.record_id
) AS due
WHERE record_token.record_id = due.record_id AND record_token.token_id = due.token_id AND record_token.epoch <> due.epoch
RETURNING record_token.record_id, record_token.token_id;
