-- name: dead_letters_before
-- Dead letters below an id, latest first, and whether an event of that source and id is in the inbox by now.
SELECT dead_letter_id, topic, partition, message_offset, reason, violations, source, event_id, payload_sha256, payload_size, sealed_payload,
    key_version, rejected_at,
    EXISTS (SELECT FROM inbox WHERE inbox.source = dead_letter.source AND inbox.event_id = dead_letter.event_id) AS taken
FROM dead_letter
WHERE dead_letter_id < %(before)s AND reason = ANY(%(reasons)s)
ORDER BY dead_letter_id DESC LIMIT %(limit)s;

-- name: dead_letters_named
-- The same of those with these ids, in their order.
SELECT dead_letter_id, topic, partition, message_offset, reason, violations, source, event_id, payload_sha256, payload_size, sealed_payload,
    key_version, rejected_at,
    EXISTS (SELECT FROM inbox WHERE inbox.source = dead_letter.source AND inbox.event_id = dead_letter.event_id) AS taken
FROM dead_letter
WHERE dead_letter_id = ANY(%(dead_letter_ids)s)
ORDER BY dead_letter_id;
