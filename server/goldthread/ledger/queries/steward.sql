-- name: begin_operation
-- Takes a request id; gives nothing if it is taken, once whoever takes it has come to an end.
INSERT INTO operation (operation_id, request_id, request_sha256, kind, actor, actor_rank, reason, reverts_version)
VALUES (%(operation_id)s, %(request_id)s, %(request_sha256)s, %(kind)s, %(actor)s, %(actor_rank)s, %(reason)s, %(reverts_version)s)
ON CONFLICT (request_id) DO NOTHING
RETURNING operation_id;

-- name: operation_of_request
-- The operation done under a request id.
SELECT operation_id, request_sha256, actor_rank, answer FROM operation WHERE request_id = %(request_id)s;

-- name: operation_rank
-- Rank of an operation.
SELECT actor_rank FROM operation WHERE operation_id = %(operation_id)s;

-- name: keep_answer
-- Keeps what was answered, unless an answer is kept already; gives the one that is kept.
UPDATE operation SET answer = coalesce(answer, %(answer)s) WHERE operation_id = %(operation_id)s RETURNING answer;

-- name: insert_assertions
-- Says things of pairs of records. The time is that of the statement, which runs once the records' places are locked: what is said later is later.
INSERT INTO assertion (operation_id, low, high, same, actor_rank, basis, asserted_at)
SELECT %(operation_id)s, low, high, same, actor_rank, basis, (SELECT clock_timestamp())
FROM unnest(%(lows)s::bigint[], %(highs)s::bigint[], %(sames)s::boolean[], %(ranks)s::smallint[], %(bases)s::bytea[])
    AS asked (low, high, same, actor_rank, basis);

-- name: retract_assertions
-- Takes assertions back.
UPDATE assertion SET retracted_by = %(operation_id)s WHERE assertion_id = ANY(%(assertion_ids)s) AND retracted_by IS NULL;

-- name: assertions_of_operation
-- What an operation said that has not been taken back, and what it took back unless that is said again, as firmly.
SELECT assertion_id, low, high, same, actor_rank, basis, operation_id = %(operation_id)s FROM assertion AS said
WHERE (operation_id = %(operation_id)s AND retracted_by IS NULL)
    OR (retracted_by = %(operation_id)s AND NOT EXISTS (
        SELECT FROM assertion AS other
        WHERE other.low = said.low AND other.high = said.high AND other.same = said.same AND other.actor_rank >= said.actor_rank
            AND other.basis IS NOT DISTINCT FROM said.basis AND other.retracted_by IS NULL
    ))
ORDER BY assertion_id;

-- name: operation_said
-- Whether an operation said anything or took anything back.
SELECT EXISTS (SELECT FROM assertion WHERE operation_id = %(operation_id)s OR retracted_by = %(operation_id)s);

-- name: different_among
-- Pairs among these records that are said to be different people, whatever else is said of them.
SELECT DISTINCT low, high FROM assertion
WHERE low = ANY(%(record_ids)s) AND high = ANY(%(record_ids)s) AND NOT same AND retracted_by IS NULL;

-- name: outranking
-- Pairs of which a higher rank says the opposite of what an operation said, and what that rests on.
SELECT said.low, said.high, other.basis FROM assertion AS said
JOIN assertion AS other ON other.low = said.low AND other.high = said.high AND other.same <> said.same
WHERE said.operation_id = %(operation_id)s AND other.actor_rank > said.actor_rank AND other.retracted_by IS NULL;

-- name: places_of_births
-- Where the records with these birth ids stand.
SELECT birth_id, record_id, sightings > 0, profile_id FROM record JOIN membership USING (record_id) WHERE birth_id = ANY(%(birth_ids)s);

-- name: members_of_profiles
-- Records of these profiles in the order of their birth ids; withdrawn ones stand in none.
SELECT profile_id, birth_id, record_id FROM membership JOIN record USING (record_id)
WHERE profile_id = ANY(%(profile_ids)s) AND sightings > 0 ORDER BY birth_id;

-- name: versions_of_profiles
-- Versions of profiles as they are.
SELECT profile_id, version FROM profile WHERE profile_id = ANY(%(profile_ids)s);

-- name: addresses_of_records
-- Addresses of records.
SELECT record_id, address FROM record WHERE record_id = ANY(%(record_ids)s);

-- name: review_profiles
-- Profiles of a review, and whether it is open.
SELECT low_profile, high_profile, closed_at IS NULL FROM review WHERE review_id = %(review_id)s;

-- name: review_records
-- The best pair of records of a review.
SELECT low_record, high_record FROM review WHERE review_id = %(review_id)s;

-- name: operation_marks
-- Marks of an operation that no look has worked off.
SELECT mark_id FROM dirty_mark WHERE operation_id = %(operation_id)s ORDER BY mark_id;

-- name: operations_pending
-- Whether a mark that an operation left lies on one of these records.
SELECT EXISTS (SELECT FROM dirty_mark WHERE record_id = ANY(%(record_ids)s) AND operation_id IS NOT NULL);

-- name: changed_by_operation
-- The last entry of each profile that an operation changed.
SELECT DISTINCT ON (profile_id) profile_id, version, live, after_records, successors FROM journal
WHERE operation_id = %(operation_id)s ORDER BY profile_id, version DESC;

-- name: journal_entry
-- One journal entry.
SELECT journal.version, profile_id, live, before_records, after_records, successors, cause, journal.actor, source, event_id, journal.operation_id,
    coalesce(operation.reason, ''), match_model.version, written_at
FROM journal JOIN match_model USING (model_id) LEFT JOIN operation ON operation.operation_id = journal.operation_id
WHERE journal.version = %(version)s;

-- name: journal_of_operation
-- Entries of one operation, in order.
SELECT journal.version, profile_id, live, before_records, after_records, successors, cause, journal.actor, source, event_id, journal.operation_id,
    coalesce(operation.reason, ''), match_model.version, written_at
FROM journal JOIN match_model USING (model_id) LEFT JOIN operation ON operation.operation_id = journal.operation_id
WHERE journal.operation_id = %(operation_id)s AND before_records <> after_records ORDER BY journal.version;

-- name: journal_of_profiles
-- Entries of these profiles before a version, latest first.
SELECT journal.version, profile_id, live, before_records, after_records, successors, cause, journal.actor, source, event_id, journal.operation_id,
    coalesce(operation.reason, ''), match_model.version, written_at
FROM journal JOIN match_model USING (model_id) LEFT JOIN operation ON operation.operation_id = journal.operation_id
WHERE profile_id = ANY(%(profile_ids)s) AND journal.version < %(before)s ORDER BY journal.version DESC LIMIT %(limit)s;

-- name: members_written
-- Members that these profiles had after the last entry that transactions of these times wrote of them.
SELECT DISTINCT ON (profile_id) profile_id, after_records FROM journal
WHERE profile_id = ANY(%(profile_ids)s) AND written_at = ANY(%(times)s) AND before_records <> after_records
ORDER BY profile_id, version DESC;

-- name: last_moving_entry
-- The last entry of these profiles, after a version, by which members came or went.
SELECT max(version) FROM journal
WHERE profile_id = ANY(%(profile_ids)s) AND version > %(version)s AND before_records <> after_records;

-- name: review_page
-- Open reviews, strongest first, after a place; without those that others than a claimant have claimed, if one is named.
SELECT review_id, low_profile, low.version, high_profile, high.version, strength, opened_at, low_record, high_record,
    pair.score, pair.levels, pair.weights, least(low.purchase_total_minor, high.purchase_total_minor),
    CASE WHEN claimed_until > now() THEN claimed_by END, CASE WHEN claimed_until > now() THEN claimed_until END
FROM review
JOIN profile AS low ON low.profile_id = low_profile
JOIN profile AS high ON high.profile_id = high_profile
LEFT JOIN pair ON pair.low = low_record AND pair.high = high_record
WHERE closed_at IS NULL AND (-strength, review_id) > (-%(strength)s::integer, %(review_id)s)
    AND (%(claimant)s::text IS NULL OR claimed_by IS NULL OR claimed_by = %(claimant)s OR claimed_until <= now())
ORDER BY -strength, review_id LIMIT %(limit)s;

-- name: review_page_by_value
-- The same by what hangs on the decision: the smaller of the two sums of purchases.
SELECT review_id, low_profile, low.version, high_profile, high.version, strength, opened_at, low_record, high_record,
    pair.score, pair.levels, pair.weights, least(low.purchase_total_minor, high.purchase_total_minor),
    CASE WHEN claimed_until > now() THEN claimed_by END, CASE WHEN claimed_until > now() THEN claimed_until END
FROM review
JOIN profile AS low ON low.profile_id = low_profile
JOIN profile AS high ON high.profile_id = high_profile
LEFT JOIN pair ON pair.low = low_record AND pair.high = high_record
WHERE closed_at IS NULL
    AND (-least(low.purchase_total_minor, high.purchase_total_minor), -strength, review_id) > (-%(value)s::bigint, -%(strength)s::integer, %(review_id)s)
    AND (%(claimant)s::text IS NULL OR claimed_by IS NULL OR claimed_by = %(claimant)s OR claimed_until <= now())
ORDER BY -least(low.purchase_total_minor, high.purchase_total_minor), -strength, review_id LIMIT %(limit)s;

-- name: claim_review
-- Claims an open review that nobody else has.
UPDATE review SET claimed_by = %(actor)s, claimed_until = clock_timestamp() + %(seconds)s * interval '1 second'
WHERE review_id = %(review_id)s AND closed_at IS NULL
    AND (claimed_by IS NULL OR claimed_by = %(actor)s OR claimed_until <= clock_timestamp())
RETURNING claimed_until;

-- name: release_review
-- Gives a review back.
UPDATE review SET claimed_by = NULL, claimed_until = NULL WHERE review_id = %(review_id)s AND claimed_by = %(actor)s;

-- name: claim_of_review
-- Who has a review, and until when.
SELECT claimed_by, claimed_until FROM review WHERE review_id = %(review_id)s AND claimed_until > clock_timestamp();
