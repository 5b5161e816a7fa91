-- 0002 (pre): gaps that somebody accepted, and which topic an offset counts in.
-- Why: going on without messages must leave a trace beside the offsets; and a topic that was deleted and made anew has offsets of its own, which
-- only its id tells apart. An empty id is not known yet: the next move of the partition writes it.
-- Locks: consumer_offset, exclusively, for the moment in which the column is added (no rewrite). Re-run: refused by the migration table.

ALTER TABLE consumer_offset ADD COLUMN topic_id text NOT NULL DEFAULT '';
COMMENT ON COLUMN consumer_offset.topic_id IS 'not personal: Id that Kafka gave the topic when it was made; empty: not known yet.';
COMMENT ON COLUMN consumer_offset.next_offset IS 'not personal: Next offset to read; only grows within one topic id.';

CREATE TABLE offset_gap (
    gap_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    group_name text NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL,
    from_offset bigint NOT NULL,
    to_offset bigint NOT NULL,
    former_topic_id text NOT NULL,
    topic_id text NOT NULL,
    accepted_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT offset_gap_forward CHECK (former_topic_id <> topic_id OR from_offset < to_offset)
);
COMMENT ON TABLE offset_gap IS 'Messages lost unread that somebody said to go on without, written with the first offset beyond them.';
COMMENT ON COLUMN offset_gap.gap_id IS 'not personal: Surrogate.';
COMMENT ON COLUMN offset_gap.group_name IS 'not personal: Consumer group.';
COMMENT ON COLUMN offset_gap.topic IS 'not personal: Topic.';
COMMENT ON COLUMN offset_gap.partition IS 'not personal: Partition.';
COMMENT ON COLUMN offset_gap.from_offset IS 'not personal: First message that was lost, in the former topic.';
COMMENT ON COLUMN offset_gap.to_offset IS 'not personal: First message that was there, in the topic.';
COMMENT ON COLUMN offset_gap.former_topic_id IS 'not personal: Id of the topic that the ledger had read; the same as topic_id if only its head was lost.';
COMMENT ON COLUMN offset_gap.topic_id IS 'not personal: Id of the topic that is read now.';
COMMENT ON COLUMN offset_gap.accepted_at IS 'not personal: When, here.';
