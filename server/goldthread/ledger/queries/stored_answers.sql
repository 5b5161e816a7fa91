-- name: stored_answers
-- Answers that were given under these request ids and still stand.
SELECT request_id, event_digest, answer
FROM stored_answer
WHERE request_id = ANY(%(request_ids)s::text[]) AND answered_at > now() - interval '1 day';

-- name: store_answers
-- Keeps answers under their request ids, in place of those that no longer stand; one that does stays. Ids are distinct and ascending.
INSERT INTO stored_answer AS held (request_id, event_digest, answer)
SELECT * FROM unnest(%(request_ids)s::text[], %(digests)s::bytea[], %(answers)s::bytea[])
ON CONFLICT (request_id) DO UPDATE
SET event_digest = excluded.event_digest, answer = excluded.answer, answered_at = excluded.answered_at
WHERE held.answered_at <= now() - interval '1 day';

-- name: forget_answers
-- Deletes answers that no longer stand, the oldest first; somebody else's are left to him.
DELETE FROM stored_answer
WHERE request_id IN (
    SELECT request_id
    FROM stored_answer
    WHERE answered_at <= now() - interval '1 day'
    ORDER BY answered_at
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
)
RETURNING request_id;
