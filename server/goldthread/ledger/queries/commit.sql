-- name: commit_witness
-- Number of this transaction, null if it wrote nothing, and the life of the server: it changes with every start, and after a crash too. And whether the life of the
-- ledger that it belongs to has begun.
SELECT pg_current_xact_id_if_assigned()::text, concat(pg_postmaster_start_time(), ' ', (SELECT stats_reset FROM pg_stat_wal)), EXISTS (SELECT FROM life_mark);

-- name: commit_status
-- What became of a transaction (null: too long ago to tell), and the life of the server that says so.
SELECT pg_xact_status(%(xid)s::xid8), concat(pg_postmaster_start_time(), ' ', (SELECT stats_reset FROM pg_stat_wal));

-- name: end_orphan
-- Ends the session of a transaction whose client is gone; a COMMIT that the server has begun to carry out is carried out all the same.
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_xid = %(xid)s::xid8::xid AND datname = current_database();
