-- name: known_offsets
-- Next offset to read of each partition of a topic, and the id of the topic in which it counts.
SELECT partition, next_offset, topic_id FROM consumer_offset WHERE group_name = %(group)s AND topic = %(topic)s;

-- name: insert_gap
-- Writes down that a gap was accepted, in the transaction that moves the offset past it.
INSERT INTO offset_gap (group_name, topic, partition, from_offset, to_offset, former_topic_id, topic_id)
VALUES (%(group)s, %(topic)s, %(partition)s, %(start)s, %(first)s, %(held)s, %(topic_id)s);
