-- 0001 (pre): the first schema.
-- Why: everything Goldthread knows. Every column's comment starts with "personal:" or "not personal:"; a test refuses any other.
-- Locks: none that matter, all tables are new. Re-run: refused by the migration table, not by the statements.

CREATE SEQUENCE ledger_version AS bigint;
COMMENT ON SEQUENCE ledger_version IS 'Versions of profiles and of identifiers; drawn after the locks are held.';

CREATE TABLE match_model (
    model_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    version text NOT NULL CONSTRAINT match_model_version_key UNIQUE,
    sha256 bytea NOT NULL,
    body text NOT NULL,
    first_used_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE match_model IS 'Match models that decided something; text kept so that any decision can be explained.';
COMMENT ON COLUMN match_model.model_id IS 'not personal: Surrogate.';
COMMENT ON COLUMN match_model.version IS 'not personal: Version as the file names it.';
COMMENT ON COLUMN match_model.sha256 IS 'not personal: Digest of the file.';
COMMENT ON COLUMN match_model.body IS 'not personal: The file.';
COMMENT ON COLUMN match_model.first_used_at IS 'not personal: When it was first used here.';

CREATE TABLE model_in_use (
    singleton boolean PRIMARY KEY DEFAULT true CONSTRAINT model_in_use_singleton CHECK (singleton),
    model_id integer NOT NULL CONSTRAINT model_in_use_model_fkey REFERENCES match_model,
    next_record bigint,
    next_token bigint
);
COMMENT ON TABLE model_in_use IS 'The match model that keys and pairs are made with: one row. Workers with another one stop.';
COMMENT ON COLUMN model_in_use.singleton IS 'not personal: Always true.';
COMMENT ON COLUMN model_in_use.model_id IS 'not personal: Model.';
COMMENT ON COLUMN model_in_use.next_record IS 'not personal: While a switch is under way: records from this one on still need their keys.';
COMMENT ON COLUMN model_in_use.next_token IS 'not personal: While a switch is under way: identifiers from this one on still need their states.';

CREATE TABLE profile (
    profile_id uuid PRIMARY KEY,
    version bigint NOT NULL CONSTRAINT profile_version_key UNIQUE,
    live boolean NOT NULL,
    ambiguous boolean NOT NULL DEFAULT false,
    name_record bigint,
    address_record bigint,
    birth_date_record bigint,
    purchase_count bigint NOT NULL DEFAULT 0,
    purchase_total_minor bigint NOT NULL DEFAULT 0,
    last_purchase_at timestamptz,
    last_purchase_store text COLLATE "C" NOT NULL DEFAULT '',
    changed_at timestamptz NOT NULL DEFAULT now(),
    looks bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 80);
COMMENT ON TABLE profile IS 'Golden profiles. The id is the smallest birth id of the members; a row outlives its profile so that versions never restart.';
COMMENT ON COLUMN profile.profile_id IS 'personal: Smallest birth id of its records; public as GP-….';
COMMENT ON COLUMN profile.version IS 'not personal: Ledger-wide version of the last change.';
COMMENT ON COLUMN profile.live IS 'not personal: False: its records moved to other profiles.';
COMMENT ON COLUMN profile.ambiguous IS 'not personal: Fits contradicting profiles; credited to nobody.';
COMMENT ON COLUMN profile.name_record IS 'personal: Record whose names survive.';
COMMENT ON COLUMN profile.address_record IS 'personal: Record whose street, city and postcode survive.';
COMMENT ON COLUMN profile.birth_date_record IS 'personal: Record whose birth date survives.';
COMMENT ON COLUMN profile.purchase_count IS 'personal: Purchases of its records.';
COMMENT ON COLUMN profile.purchase_total_minor IS 'personal: Their sum in minor units.';
COMMENT ON COLUMN profile.last_purchase_at IS 'personal: Time of the last one.';
COMMENT ON COLUMN profile.last_purchase_store IS 'personal: Store of the last one.';
COMMENT ON COLUMN profile.changed_at IS 'not personal: Commit time of the version.';
COMMENT ON COLUMN profile.looks IS 'not personal: Looks that found it as it was.';

CREATE TABLE record (
    record_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    address bytea NOT NULL CONSTRAINT record_address_key UNIQUE CONSTRAINT record_address_length CHECK (octet_length(address) = 32),
    birth_id uuid NOT NULL CONSTRAINT record_birth_id_key UNIQUE,
    source text NOT NULL,
    opener bytea CONSTRAINT record_opener_length CHECK (octet_length(opener) = 32),
    base_address bytea CONSTRAINT record_base_address_of_later_epoch CHECK ((opener IS NULL) = (base_address IS NULL)),
    given_name text,
    middle_name text,
    family_name text,
    name_suffix text,
    birth_date text,
    street text,
    city text,
    postcode text,
    name_key text,
    first_seen timestamptz NOT NULL,
    last_seen timestamptz NOT NULL,
    sightings bigint NOT NULL CONSTRAINT record_sightings_not_negative CHECK (sightings >= 0),
    purchase_count bigint NOT NULL DEFAULT 0,
    purchase_total_minor bigint NOT NULL DEFAULT 0,
    last_purchase_at timestamptz,
    last_purchase_store text COLLATE "C" NOT NULL DEFAULT ''
);
COMMENT ON TABLE record IS 'Distinct claims. One row per address; seeing a claim again adds to its counts.';
COMMENT ON COLUMN record.record_id IS 'personal: Surrogate.';
COMMENT ON COLUMN record.address IS 'personal: Keyed digest of source and claim, and of who opened its epoch if that is not the first.';
COMMENT ON COLUMN record.birth_id IS 'personal: UUIDv7 given at first insertion.';
COMMENT ON COLUMN record.source IS 'not personal: Sending system.';
COMMENT ON COLUMN record.opener IS 'personal: Address of whoever was the last to come to a phone of its claim when its events occurred; null: nobody, or the claim has a name.';
COMMENT ON COLUMN record.base_address IS 'personal: Address of the same claim at epoch 0; null: it is that one.';
COMMENT ON COLUMN record.given_name IS 'personal: Clean form.';
COMMENT ON COLUMN record.middle_name IS 'personal: Clean form.';
COMMENT ON COLUMN record.family_name IS 'personal: Clean form.';
COMMENT ON COLUMN record.name_suffix IS 'personal: Clean form.';
COMMENT ON COLUMN record.birth_date IS 'personal: Clean form, YYYY-MM-DD.';
COMMENT ON COLUMN record.street IS 'personal: Clean form.';
COMMENT ON COLUMN record.city IS 'personal: Clean form.';
COMMENT ON COLUMN record.postcode IS 'personal: Clean form.';
COMMENT ON COLUMN record.name_key IS 'personal: Coarse phonetic key of the name, for telling generic tokens.';
COMMENT ON COLUMN record.first_seen IS 'personal: Earliest event time.';
COMMENT ON COLUMN record.last_seen IS 'personal: Latest event time.';
COMMENT ON COLUMN record.sightings IS 'personal: Events that made this claim; 0: withdrawn, all of them hang elsewhere now.';
COMMENT ON COLUMN record.purchase_count IS 'personal: Purchases on this record.';
COMMENT ON COLUMN record.purchase_total_minor IS 'personal: Their sum in minor units.';
COMMENT ON COLUMN record.last_purchase_at IS 'personal: Time of the last one.';
COMMENT ON COLUMN record.last_purchase_store IS 'personal: Store of the last one; ties in time go to the greater code.';

CREATE TABLE membership (
    record_id bigint PRIMARY KEY CONSTRAINT membership_record_fkey REFERENCES record,
    profile_id uuid CONSTRAINT membership_profile_fkey REFERENCES profile DEFERRABLE INITIALLY DEFERRED,
    looks bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 80);
COMMENT ON TABLE membership IS 'Which profile holds a record: what looks decide, and the rows that they lock, apart from the records that events change.';
COMMENT ON COLUMN membership.record_id IS 'personal: Record.';
COMMENT ON COLUMN membership.profile_id IS 'personal: Profile that holds it now; null until it is looked at for the first time.';
COMMENT ON COLUMN membership.looks IS 'not personal: Looks that changed its evidence or its place.';

CREATE TABLE token (
    token_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    token bytea NOT NULL CONSTRAINT token_token_key UNIQUE CONSTRAINT token_length CHECK (octet_length(token) = 32),
    type smallint NOT NULL CONSTRAINT token_type_known CHECK (type BETWEEN 1 AND 8),
    namespace text NOT NULL,
    form smallint NOT NULL CONSTRAINT token_form_known CHECK (form BETWEEN 1 AND 3),
    key_version smallint NOT NULL,
    normalizer_version text NOT NULL,
    name_keys integer NOT NULL DEFAULT 0,
    records integer NOT NULL DEFAULT 0,
    generic boolean NOT NULL DEFAULT false,
    overused boolean NOT NULL DEFAULT false,
    epochs smallint NOT NULL DEFAULT 0
);
COMMENT ON TABLE token IS 'Identifiers by token: one row per identifier, whoever carries it.';
COMMENT ON COLUMN token.token_id IS 'personal: Surrogate.';
COMMENT ON COLUMN token.token IS 'personal: HMAC-SHA-256 of the typed canonical digest.';
COMMENT ON COLUMN token.type IS 'not personal: Identifier type, as in identity.proto.';
COMMENT ON COLUMN token.namespace IS 'not personal: Namespace inside the type.';
COMMENT ON COLUMN token.form IS 'not personal: Canonical form, as in identity.proto.';
COMMENT ON COLUMN token.key_version IS 'not personal: Version of the token key.';
COMMENT ON COLUMN token.normalizer_version IS 'not personal: Normaliser that made the canonical form.';
COMMENT ON COLUMN token.name_keys IS 'personal: Distinct name keys among its carriers.';
COMMENT ON COLUMN token.records IS 'personal: Claims that carry it, each once whatever its epochs.';
COMMENT ON COLUMN token.generic IS 'not personal: Too many contradicting names or records, or overused: no evidence.';
COMMENT ON COLUMN token.overused IS 'not personal: Used by too many purchases or stores on one day; then generic as well.';
COMMENT ON COLUMN token.epochs IS 'personal: How often it changed hands: the epoch of its latest owner. 0 for all but phones.';

CREATE TABLE token_epoch (
    token_id bigint NOT NULL CONSTRAINT token_epoch_token_fkey REFERENCES token,
    epoch smallint NOT NULL CONSTRAINT token_epoch_positive CHECK (epoch >= 1),
    began_at timestamptz NOT NULL,
    opener bytea NOT NULL CONSTRAINT token_epoch_opener_length CHECK (octet_length(opener) = 32),
    PRIMARY KEY (token_id, epoch)
);
COMMENT ON TABLE token_epoch IS 'When phones changed hands, by the names and times of the records that carry them. Written under own_evidence only.';
COMMENT ON COLUMN token_epoch.token_id IS 'personal: Phone.';
COMMENT ON COLUMN token_epoch.epoch IS 'not personal: Epoch that began, from 1; counted anew whenever one is found or taken back.';
COMMENT ON COLUMN token_epoch.began_at IS 'personal: Time of the first event of its first carrier with a name.';
COMMENT ON COLUMN token_epoch.opener IS 'personal: Address of that carrier, the lowest of several: names the epoch.';

CREATE TABLE record_token (
    record_id bigint NOT NULL CONSTRAINT record_token_record_fkey REFERENCES record,
    token_id bigint NOT NULL CONSTRAINT record_token_token_fkey REFERENCES token,
    epoch smallint NOT NULL DEFAULT 0,
    PRIMARY KEY (record_id, token_id)
);
COMMENT ON TABLE record_token IS 'Which record carries which identifier; since when and how often is what the record says.';
COMMENT ON COLUMN record_token.record_id IS 'personal: Record.';
COMMENT ON COLUMN record_token.token_id IS 'personal: Identifier.';
COMMENT ON COLUMN record_token.epoch IS 'personal: Epoch of the identifier at the first event of the record; only phones have others than 0.';

CREATE TABLE token_name (
    token_id bigint NOT NULL CONSTRAINT token_name_token_fkey REFERENCES token,
    name_key text NOT NULL,
    PRIMARY KEY (token_id, name_key)
);
COMMENT ON TABLE token_name IS 'Distinct name keys among the records that carry a token.';
COMMENT ON COLUMN token_name.token_id IS 'personal: Identifier.';
COMMENT ON COLUMN token_name.name_key IS 'personal: Name key.';

CREATE TABLE block (
    key bigint PRIMARY KEY,
    rule smallint NOT NULL,
    depth smallint NOT NULL,
    records integer NOT NULL,
    crowded boolean NOT NULL
);
COMMENT ON TABLE block IS 'State of a blocking key: a function of how many records carry it.';
COMMENT ON COLUMN block.key IS 'personal: Keyed digest of the parts.';
COMMENT ON COLUMN block.rule IS 'not personal: Rule number in the model.';
COMMENT ON COLUMN block.depth IS 'not personal: Number of refinements.';
COMMENT ON COLUMN block.records IS 'not personal: Records that carry it.';
COMMENT ON COLUMN block.crowded IS 'not personal: More records than the model''s limit: its refinements count instead.';

CREATE TABLE record_block (
    key bigint NOT NULL CONSTRAINT record_block_block_fkey REFERENCES block DEFERRABLE INITIALLY DEFERRED,
    record_id bigint NOT NULL CONSTRAINT record_block_record_fkey REFERENCES record,
    PRIMARY KEY (key, record_id)
);
COMMENT ON TABLE record_block IS 'Which record carries which blocking key; refinements only below crowded keys.';
COMMENT ON COLUMN record_block.key IS 'personal: Blocking key.';
COMMENT ON COLUMN record_block.record_id IS 'personal: Record.';

CREATE TABLE pair (
    low bigint NOT NULL CONSTRAINT pair_low_fkey REFERENCES record,
    high bigint NOT NULL CONSTRAINT pair_high_fkey REFERENCES record,
    score integer NOT NULL,
    levels bytea NOT NULL,
    weights integer[] NOT NULL,
    model_id integer NOT NULL CONSTRAINT pair_model_fkey REFERENCES match_model,
    PRIMARY KEY (low, high),
    CONSTRAINT pair_ordered CHECK (low < high)
);
COMMENT ON TABLE pair IS 'Scored pairs at or above the model''s floor.';
COMMENT ON COLUMN pair.low IS 'personal: Record with the lower surrogate.';
COMMENT ON COLUMN pair.high IS 'personal: The other.';
COMMENT ON COLUMN pair.score IS 'personal: Millibits, prior included.';
COMMENT ON COLUMN pair.levels IS 'personal: Level per comparison, one byte each.';
COMMENT ON COLUMN pair.weights IS 'personal: Millibits per comparison.';
COMMENT ON COLUMN pair.model_id IS 'not personal: Model that scored it.';

CREATE TABLE operation (
    operation_id uuid PRIMARY KEY,
    request_id text NOT NULL CONSTRAINT operation_request_key UNIQUE,
    request_sha256 bytea NOT NULL,
    kind text NOT NULL,
    actor text NOT NULL,
    actor_rank smallint NOT NULL,
    reason text NOT NULL,
    reverts_version bigint,
    done_at timestamptz NOT NULL DEFAULT now(),
    answer bytea
);
COMMENT ON TABLE operation IS 'What stewards did, once per request id.';
COMMENT ON COLUMN operation.operation_id IS 'not personal: UUIDv7.';
COMMENT ON COLUMN operation.request_id IS 'not personal: Idempotency key of the caller.';
COMMENT ON COLUMN operation.request_sha256 IS 'personal: Digest of the request; another one under the same id is refused.';
COMMENT ON COLUMN operation.kind IS 'not personal: assert_same, assert_different, merge, split, revert, review.';
COMMENT ON COLUMN operation.actor IS 'personal: Who.';
COMMENT ON COLUMN operation.actor_rank IS 'not personal: Higher wins a conflict.';
COMMENT ON COLUMN operation.reason IS 'personal: Why.';
COMMENT ON COLUMN operation.reverts_version IS 'not personal: Journal entry that it reverted.';
COMMENT ON COLUMN operation.done_at IS 'not personal: When.';
COMMENT ON COLUMN operation.answer IS 'personal: What was answered, for a repeat.';

CREATE TABLE assertion (
    assertion_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    operation_id uuid NOT NULL CONSTRAINT assertion_operation_fkey REFERENCES operation,
    low bigint NOT NULL CONSTRAINT assertion_low_fkey REFERENCES record,
    high bigint NOT NULL CONSTRAINT assertion_high_fkey REFERENCES record,
    same boolean NOT NULL,
    actor_rank smallint NOT NULL,
    asserted_at timestamptz NOT NULL DEFAULT now(),
    basis bytea,
    retracted_by uuid CONSTRAINT assertion_retracted_fkey REFERENCES operation (operation_id),
    CONSTRAINT assertion_ordered CHECK (low < high)
);
COMMENT ON TABLE assertion IS 'What a steward or customer said of two records.';
COMMENT ON COLUMN assertion.assertion_id IS 'not personal: Surrogate.';
COMMENT ON COLUMN assertion.operation_id IS 'not personal: Operation that said it, with actor and reason.';
COMMENT ON COLUMN assertion.low IS 'personal: Record with the lower surrogate.';
COMMENT ON COLUMN assertion.high IS 'personal: The other.';
COMMENT ON COLUMN assertion.same IS 'personal: True: one person; false: different people.';
COMMENT ON COLUMN assertion.actor_rank IS 'not personal: Higher wins a conflict.';
COMMENT ON COLUMN assertion.asserted_at IS 'not personal: When.';
COMMENT ON COLUMN assertion.basis IS 'personal: Digest of the evidence it rests on; it is void while that differs. Null: holds whatever comes.';
COMMENT ON COLUMN assertion.retracted_by IS 'not personal: Operation that took it back.';

CREATE TABLE review (
    review_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    low_profile uuid NOT NULL CONSTRAINT review_low_fkey REFERENCES profile DEFERRABLE INITIALLY DEFERRED,
    high_profile uuid NOT NULL CONSTRAINT review_high_fkey REFERENCES profile DEFERRABLE INITIALLY DEFERRED,
    low_record bigint NOT NULL,
    high_record bigint NOT NULL,
    strength integer NOT NULL,
    model_id integer NOT NULL CONSTRAINT review_model_fkey REFERENCES match_model,
    opened_at timestamptz NOT NULL DEFAULT now(),
    closed_at timestamptz,
    CONSTRAINT review_ordered CHECK (low_profile < high_profile)
);
COMMENT ON TABLE review IS 'Pairs of profiles whose best strength lies in the review band.';
COMMENT ON COLUMN review.review_id IS 'not personal: Surrogate.';
COMMENT ON COLUMN review.low_profile IS 'personal: Profile with the lower id.';
COMMENT ON COLUMN review.high_profile IS 'personal: The other.';
COMMENT ON COLUMN review.low_record IS 'personal: One record of the best pair.';
COMMENT ON COLUMN review.high_record IS 'personal: The other.';
COMMENT ON COLUMN review.strength IS 'personal: Millibits.';
COMMENT ON COLUMN review.model_id IS 'not personal: Model that decided.';
COMMENT ON COLUMN review.opened_at IS 'not personal: When it was opened.';
COMMENT ON COLUMN review.closed_at IS 'not personal: When it ended; null: open.';

CREATE TABLE contender (
    profile_id uuid NOT NULL CONSTRAINT contender_profile_fkey REFERENCES profile DEFERRABLE INITIALLY DEFERRED,
    contender_id uuid NOT NULL CONSTRAINT contender_contender_fkey REFERENCES profile DEFERRABLE INITIALLY DEFERRED,
    PRIMARY KEY (profile_id, contender_id)
);
COMMENT ON TABLE contender IS 'Profiles that an ambiguous profile fits about equally well.';
COMMENT ON COLUMN contender.profile_id IS 'personal: Ambiguous profile.';
COMMENT ON COLUMN contender.contender_id IS 'personal: One it fits.';

CREATE TABLE household (
    low_profile uuid NOT NULL CONSTRAINT household_low_fkey REFERENCES profile DEFERRABLE INITIALLY DEFERRED,
    high_profile uuid NOT NULL CONSTRAINT household_high_fkey REFERENCES profile DEFERRABLE INITIALLY DEFERRED,
    low_record bigint NOT NULL,
    high_record bigint NOT NULL,
    strength integer NOT NULL,
    PRIMARY KEY (low_profile, high_profile),
    CONSTRAINT household_ordered CHECK (low_profile < high_profile)
);
COMMENT ON TABLE household IS 'Profiles that share what would link one person, and contradict each other: people of one household. Never a merge.';
COMMENT ON COLUMN household.low_profile IS 'personal: Profile with the lower id.';
COMMENT ON COLUMN household.high_profile IS 'personal: The other.';
COMMENT ON COLUMN household.low_record IS 'personal: One record of the best pair.';
COMMENT ON COLUMN household.high_record IS 'personal: The other.';
COMMENT ON COLUMN household.strength IS 'personal: Millibits of the best pair.';

CREATE TABLE inbox (
    source text NOT NULL,
    event_id text NOT NULL,
    payload_digest bytea NOT NULL,
    record_id bigint NOT NULL CONSTRAINT inbox_record_fkey REFERENCES record,
    kind text NOT NULL,
    occurred_at timestamptz NOT NULL,
    taken_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (source, event_id)
);
COMMENT ON TABLE inbox IS 'Every event taken, once: the idempotency key.';
COMMENT ON COLUMN inbox.source IS 'not personal: Sending system.';
COMMENT ON COLUMN inbox.event_id IS 'personal: Id within the source.';
COMMENT ON COLUMN inbox.payload_digest IS 'personal: Digest of its clean claim (by keyed address), time and payload.';
COMMENT ON COLUMN inbox.record_id IS 'personal: Record it hangs on.';
COMMENT ON COLUMN inbox.kind IS 'not personal: What happened.';
COMMENT ON COLUMN inbox.occurred_at IS 'personal: When, at the source.';
COMMENT ON COLUMN inbox.taken_at IS 'not personal: When, here.';

CREATE TABLE event_conflict (
    source text NOT NULL,
    event_id text NOT NULL,
    payload_digest bytea NOT NULL,
    record_id bigint,
    kind text NOT NULL,
    occurred_at timestamptz NOT NULL,
    quarantined_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (source, event_id, payload_digest)
);
COMMENT ON TABLE event_conflict IS 'Contents that lost: of several under one event id the lowest digest counts, whichever came first.';
COMMENT ON COLUMN event_conflict.source IS 'not personal: Sending system.';
COMMENT ON COLUMN event_conflict.event_id IS 'personal: Id within the source.';
COMMENT ON COLUMN event_conflict.payload_digest IS 'personal: Digest as in inbox.';
COMMENT ON COLUMN event_conflict.record_id IS 'personal: Record it hung on, if it had counted before.';
COMMENT ON COLUMN event_conflict.kind IS 'not personal: What happened, as it said.';
COMMENT ON COLUMN event_conflict.occurred_at IS 'personal: When, as it said.';
COMMENT ON COLUMN event_conflict.quarantined_at IS 'not personal: When it lost, here.';

CREATE TABLE purchase (
    source text NOT NULL,
    event_id text NOT NULL,
    record_id bigint NOT NULL CONSTRAINT purchase_record_fkey REFERENCES record,
    occurred_at timestamptz NOT NULL,
    amount_minor bigint NOT NULL CONSTRAINT purchase_amount_not_negative CHECK (amount_minor >= 0),
    currency text NOT NULL,
    store text NOT NULL,
    PRIMARY KEY (source, event_id)
);
COMMENT ON TABLE purchase IS 'Sales.';
COMMENT ON COLUMN purchase.source IS 'not personal: Sending system.';
COMMENT ON COLUMN purchase.event_id IS 'personal: Id within the source.';
COMMENT ON COLUMN purchase.record_id IS 'personal: Record it hangs on.';
COMMENT ON COLUMN purchase.occurred_at IS 'personal: When.';
COMMENT ON COLUMN purchase.amount_minor IS 'personal: Total in minor units.';
COMMENT ON COLUMN purchase.currency IS 'not personal: ISO 4217.';
COMMENT ON COLUMN purchase.store IS 'personal: Store code; empty for the web shop.';

CREATE TABLE consent_event (
    source text NOT NULL,
    event_id text NOT NULL,
    record_id bigint NOT NULL CONSTRAINT consent_event_record_fkey REFERENCES record,
    occurred_at timestamptz NOT NULL,
    purpose text NOT NULL,
    granted boolean NOT NULL,
    PRIMARY KEY (source, event_id)
);
COMMENT ON TABLE consent_event IS 'Consents as sent; the privacy service reads them.';
COMMENT ON COLUMN consent_event.source IS 'not personal: Sending system.';
COMMENT ON COLUMN consent_event.event_id IS 'personal: Id within the source.';
COMMENT ON COLUMN consent_event.record_id IS 'personal: Record it hangs on.';
COMMENT ON COLUMN consent_event.occurred_at IS 'personal: When.';
COMMENT ON COLUMN consent_event.purpose IS 'not personal: Purpose code.';
COMMENT ON COLUMN consent_event.granted IS 'personal: Given or withdrawn.';

CREATE TABLE consumer_offset (
    group_name text NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL,
    next_offset bigint NOT NULL,
    moved_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (group_name, topic, partition)
);
COMMENT ON TABLE consumer_offset IS 'Next message to read of each partition, moved in the transaction of the effect.';
COMMENT ON COLUMN consumer_offset.group_name IS 'not personal: Consumer group.';
COMMENT ON COLUMN consumer_offset.topic IS 'not personal: Topic.';
COMMENT ON COLUMN consumer_offset.partition IS 'not personal: Partition.';
COMMENT ON COLUMN consumer_offset.next_offset IS 'not personal: Next offset to read; only grows.';
COMMENT ON COLUMN consumer_offset.moved_at IS 'not personal: When it moved.';

CREATE TABLE dirty_mark (
    mark_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    record_id bigint NOT NULL,
    step smallint NOT NULL CONSTRAINT dirty_mark_step_known CHECK (step BETWEEN 1 AND 3),
    used_on date,
    cause text NOT NULL,
    actor text NOT NULL,
    source text NOT NULL DEFAULT '',
    event_id text NOT NULL DEFAULT '',
    operation_id uuid CONSTRAINT dirty_mark_operation_fkey REFERENCES operation,
    marked_at timestamptz NOT NULL DEFAULT now(),
    due_at timestamptz NOT NULL DEFAULT now(),
    attempts integer NOT NULL DEFAULT 0
);
COMMENT ON TABLE dirty_mark IS 'Records that must be looked at: written with the evidence, deleted with the look. Only ever added to, so that writers never wait for looks.';
COMMENT ON COLUMN dirty_mark.mark_id IS 'not personal: Surrogate.';
COMMENT ON COLUMN dirty_mark.record_id IS 'personal: Record.';
COMMENT ON COLUMN dirty_mark.step IS 'not personal: 1: its profile is summed up anew; 2: its component is partitioned too; 3: its pairs are scored too.';
COMMENT ON COLUMN dirty_mark.used_on IS 'personal: UTC day of a purchase that its identifiers made; null: none.';
COMMENT ON COLUMN dirty_mark.cause IS 'not personal: What made it necessary, for the journal.';
COMMENT ON COLUMN dirty_mark.actor IS 'personal: Who, for the journal.';
COMMENT ON COLUMN dirty_mark.source IS 'not personal: Source of the event, if one did it.';
COMMENT ON COLUMN dirty_mark.event_id IS 'personal: Its id.';
COMMENT ON COLUMN dirty_mark.operation_id IS 'not personal: Operation, if one did it.';
COMMENT ON COLUMN dirty_mark.marked_at IS 'not personal: When.';
COMMENT ON COLUMN dirty_mark.due_at IS 'not personal: Not before this; looks that fail push it back.';
COMMENT ON COLUMN dirty_mark.attempts IS 'not personal: Looks at it that failed.';

CREATE TABLE journal (
    entry_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    version bigint NOT NULL CONSTRAINT journal_version_key UNIQUE,
    profile_id uuid NOT NULL,
    live boolean NOT NULL,
    before_records uuid[] NOT NULL,
    after_records uuid[] NOT NULL,
    successors uuid[] NOT NULL,
    before_survivors bigint[] NOT NULL,
    after_survivors bigint[] NOT NULL,
    cause text NOT NULL,
    actor text NOT NULL,
    source text NOT NULL DEFAULT '',
    event_id text NOT NULL DEFAULT '',
    operation_id uuid CONSTRAINT journal_operation_fkey REFERENCES operation,
    model_id integer NOT NULL CONSTRAINT journal_model_fkey REFERENCES match_model,
    written_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE journal IS 'Every change of a profile: before, after, cause, actor, model.';
COMMENT ON COLUMN journal.entry_id IS 'not personal: Surrogate.';
COMMENT ON COLUMN journal.version IS 'not personal: Version that the change made.';
COMMENT ON COLUMN journal.profile_id IS 'personal: Profile that changed.';
COMMENT ON COLUMN journal.live IS 'not personal: Whether it lives on.';
COMMENT ON COLUMN journal.before_records IS 'personal: Birth ids of its records before, ascending.';
COMMENT ON COLUMN journal.after_records IS 'personal: Birth ids after, ascending.';
COMMENT ON COLUMN journal.successors IS 'personal: Profiles that hold its former records, if it ended.';
COMMENT ON COLUMN journal.before_survivors IS 'personal: Records whose name, address and birth date survived before (null: none).';
COMMENT ON COLUMN journal.after_survivors IS 'personal: The same after.';
COMMENT ON COLUMN journal.cause IS 'not personal: What made it change.';
COMMENT ON COLUMN journal.actor IS 'not personal: Who: a worker, a caller, a steward.';
COMMENT ON COLUMN journal.source IS 'not personal: Source of the event that caused it, if one did.';
COMMENT ON COLUMN journal.event_id IS 'personal: Its id.';
COMMENT ON COLUMN journal.operation_id IS 'not personal: Operation that caused it, if one did.';
COMMENT ON COLUMN journal.model_id IS 'not personal: Model that decided.';
COMMENT ON COLUMN journal.written_at IS 'not personal: When.';

CREATE TABLE journal_link (
    entry_version bigint NOT NULL CONSTRAINT journal_link_entry_fkey REFERENCES journal (version),
    low bigint NOT NULL,
    high bigint NOT NULL,
    score integer NOT NULL,
    levels bytea NOT NULL,
    weights integer[] NOT NULL,
    PRIMARY KEY (entry_version, low, high)
);
COMMENT ON TABLE journal_link IS 'The pairs that brought records together in a journal entry, best first.';
COMMENT ON COLUMN journal_link.entry_version IS 'not personal: Version of the entry.';
COMMENT ON COLUMN journal_link.low IS 'personal: Record with the lower surrogate.';
COMMENT ON COLUMN journal_link.high IS 'personal: The other.';
COMMENT ON COLUMN journal_link.score IS 'personal: Millibits at that time.';
COMMENT ON COLUMN journal_link.levels IS 'personal: Level per comparison.';
COMMENT ON COLUMN journal_link.weights IS 'personal: Millibits per comparison.';

CREATE TABLE outbox (
    outbox_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    profile_id uuid,
    version bigint NOT NULL,
    live boolean NOT NULL,
    change bytea NOT NULL,
    token_ids bigint[] NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE outbox IS 'Changes to publish, written with the change, deleted once published.';
COMMENT ON COLUMN outbox.outbox_id IS 'not personal: Surrogate; not the order of publication.';
COMMENT ON COLUMN outbox.profile_id IS 'personal: Profile that changed; null: only the answers of the identifiers did.';
COMMENT ON COLUMN outbox.version IS 'not personal: Its version.';
COMMENT ON COLUMN outbox.live IS 'not personal: Whether it lives on.';
COMMENT ON COLUMN outbox.change IS 'personal: Encoded ProfileChange.';
COMMENT ON COLUMN outbox.token_ids IS 'personal: Identifiers whose answer may have changed.';
COMMENT ON COLUMN outbox.created_at IS 'not personal: When.';

CREATE TABLE dead_letter (
    dead_letter_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic text NOT NULL,
    partition integer NOT NULL,
    message_offset bigint NOT NULL,
    reason smallint NOT NULL,
    violations jsonb NOT NULL,
    source text NOT NULL,
    event_id text NOT NULL,
    payload_sha256 bytea NOT NULL,
    payload_size bigint NOT NULL,
    sealed_payload bytea NOT NULL,
    key_version smallint NOT NULL,
    rejected_at timestamptz NOT NULL DEFAULT now(),
    published_at timestamptz,
    CONSTRAINT dead_letter_position_key UNIQUE (topic, partition, message_offset)
);
COMMENT ON TABLE dead_letter IS 'Events that could not be taken.';
COMMENT ON COLUMN dead_letter.dead_letter_id IS 'not personal: Surrogate.';
COMMENT ON COLUMN dead_letter.topic IS 'not personal: Topic it came from.';
COMMENT ON COLUMN dead_letter.partition IS 'not personal: Partition.';
COMMENT ON COLUMN dead_letter.message_offset IS 'not personal: Offset.';
COMMENT ON COLUMN dead_letter.reason IS 'not personal: RejectionReason, as in event.proto.';
COMMENT ON COLUMN dead_letter.violations IS 'not personal: Broken fields and rules, never values.';
COMMENT ON COLUMN dead_letter.source IS 'not personal: Source, where readable.';
COMMENT ON COLUMN dead_letter.event_id IS 'personal: Event id, where readable.';
COMMENT ON COLUMN dead_letter.payload_sha256 IS 'personal: SHA-256 of the payload.';
COMMENT ON COLUMN dead_letter.payload_size IS 'not personal: Bytes.';
COMMENT ON COLUMN dead_letter.sealed_payload IS 'personal: Payload sealed under the dead-letter key; empty above 1 MiB.';
COMMENT ON COLUMN dead_letter.key_version IS 'not personal: Version of the key that sealed the payload.';
COMMENT ON COLUMN dead_letter.rejected_at IS 'not personal: When.';
COMMENT ON COLUMN dead_letter.published_at IS 'not personal: When it reached the dead-letter topic.';

CREATE TABLE key_check (
    singleton boolean PRIMARY KEY DEFAULT true CONSTRAINT key_check_singleton CHECK (singleton),
    key_version integer NOT NULL,
    fingerprint bytea NOT NULL
);
COMMENT ON TABLE key_check IS 'Which keys this ledger was filled with: one row. Other keys would find nothing and make every person anew.';
COMMENT ON COLUMN key_check.singleton IS 'not personal: Always true.';
COMMENT ON COLUMN key_check.key_version IS 'not personal: Version of the token key.';
COMMENT ON COLUMN key_check.fingerprint IS 'not personal: Keyed digest of the keys themselves.';

CREATE TABLE tiering (
    singleton boolean PRIMARY KEY DEFAULT true CONSTRAINT tiering_singleton CHECK (singleton),
    as_of date NOT NULL
);
COMMENT ON TABLE tiering IS 'The published date for which tiers are computed: one row.';
COMMENT ON COLUMN tiering.singleton IS 'not personal: Always true.';
COMMENT ON COLUMN tiering.as_of IS 'not personal: The date.';

CREATE TABLE life (
    singleton boolean PRIMARY KEY DEFAULT true CONSTRAINT life_singleton CHECK (singleton),
    number bigint NOT NULL CONSTRAINT life_number_range CHECK (number BETWEEN 0 AND 524287)
);
COMMENT ON TABLE life IS 'How often this database has come back from a crash or a standby: the upper part of every stamp. One row.';
COMMENT ON COLUMN life.singleton IS 'not personal: Always true.';
COMMENT ON COLUMN life.number IS 'not personal: Counts up when life_mark is found empty; 19 bits.';

CREATE UNLOGGED TABLE life_mark (
    singleton boolean PRIMARY KEY DEFAULT true CONSTRAINT life_mark_singleton CHECK (singleton)
);
COMMENT ON TABLE life_mark IS 'One row; PostgreSQL empties it in every recovery, after which transaction numbers may have gone back.';
COMMENT ON COLUMN life_mark.singleton IS 'not personal: Always true.';

CREATE INDEX membership_profile_idx ON membership (profile_id);
CREATE INDEX record_base_address_idx ON record (base_address) WHERE base_address IS NOT NULL;
CREATE INDEX record_token_token_idx ON record_token (token_id, record_id);
CREATE INDEX record_block_record_idx ON record_block (record_id);
CREATE INDEX pair_high_idx ON pair (high);
CREATE INDEX assertion_low_idx ON assertion (low) WHERE retracted_by IS NULL;
CREATE INDEX assertion_high_idx ON assertion (high) WHERE retracted_by IS NULL;
CREATE UNIQUE INDEX review_open_key ON review (low_profile, high_profile) WHERE closed_at IS NULL;
CREATE INDEX review_open_high_idx ON review (high_profile) WHERE closed_at IS NULL;
CREATE INDEX review_open_strength_idx ON review ((-strength), review_id) WHERE closed_at IS NULL;
CREATE INDEX journal_profile_idx ON journal (profile_id, version);
CREATE INDEX purchase_record_idx ON purchase (record_id, occurred_at);
CREATE INDEX inbox_record_idx ON inbox (record_id);
CREATE INDEX outbox_version_idx ON outbox (version);
CREATE INDEX dirty_mark_record_idx ON dirty_mark (record_id);
CREATE INDEX dirty_mark_operation_idx ON dirty_mark (operation_id) WHERE operation_id IS NOT NULL;
CREATE INDEX assertion_retracted_idx ON assertion (retracted_by) WHERE retracted_by IS NOT NULL;
CREATE INDEX dirty_mark_due_idx ON dirty_mark (due_at, mark_id);
CREATE INDEX household_high_idx ON household (high_profile);
CREATE INDEX assertion_operation_idx ON assertion (operation_id);
CREATE INDEX journal_operation_idx ON journal (operation_id) WHERE operation_id IS NOT NULL;
CREATE INDEX dead_letter_unpublished_idx ON dead_letter (dead_letter_id) WHERE published_at IS NULL;
INSERT INTO tiering (as_of) VALUES ('2026-01-01');
INSERT INTO life (number) VALUES (0);
INSERT INTO life_mark DEFAULT VALUES;
