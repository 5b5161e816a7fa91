-- 0006 (pre): answers of Resolve that were given under a request id.
-- Why: a caller who repeats a request gets the first answer, not what has become of it since. Kept for a day, then deleted by whoever writes or
-- redoes next, the oldest first.
-- Locks: none that anybody holds. Re-run: refused by the migration table.

CREATE TABLE stored_answer (
    request_id text COLLATE "C" CONSTRAINT stored_answer_pkey PRIMARY KEY,
    event_digest bytea NOT NULL CONSTRAINT stored_answer_digest_length CHECK (octet_length(event_digest) = 32),
    answer bytea NOT NULL,
    answered_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX stored_answer_answered_at ON stored_answer (answered_at);
COMMENT ON TABLE stored_answer IS 'First answers of Resolve by request id, for a day.';
COMMENT ON COLUMN stored_answer.request_id IS 'not personal: Idempotency key of the caller.';
COMMENT ON COLUMN stored_answer.event_digest IS 'personal: Keyed digest of the event; another one under the same id is refused.';
COMMENT ON COLUMN stored_answer.answer IS 'personal: What was answered, encoded.';
COMMENT ON COLUMN stored_answer.answered_at IS 'not personal: When.';
