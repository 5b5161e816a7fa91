-- 0005 (pre): a lane of the outbox for what may wait.
-- Why: a fill tells of every profile at once. Behind one another those rows would keep whatever happens next from being published for minutes, since the outbox
-- is read by version. So they stand in a table of their own, which the relay works at beside the outbox, a little at a time.
-- Locks: none that anybody waits for. Re-run: refused by the migration table.

CREATE TABLE outbox_later (
    outbox_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    profile_id uuid NOT NULL CONSTRAINT outbox_later_profile_key UNIQUE,
    version bigint NOT NULL,
    live boolean NOT NULL,
    change bytea NOT NULL,
    token_ids bigint[] NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE outbox_later IS 'How profiles of a fill began, to publish while nothing else is, deleted once published or once the outbox told of the profile.';
COMMENT ON COLUMN outbox_later.outbox_id IS 'not personal: Surrogate, in the order of publication.';
COMMENT ON COLUMN outbox_later.profile_id IS 'personal: Profile that began.';
COMMENT ON COLUMN outbox_later.version IS 'not personal: Its version.';
COMMENT ON COLUMN outbox_later.live IS 'not personal: Always true.';
COMMENT ON COLUMN outbox_later.change IS 'personal: Encoded ProfileChange.';
COMMENT ON COLUMN outbox_later.token_ids IS 'personal: Identifiers whose answer may have changed.';
COMMENT ON COLUMN outbox_later.created_at IS 'not personal: When.';
