-- name: create_migration_table
-- Remembers what was applied.
CREATE TABLE IF NOT EXISTS schema_migration (
    number integer PRIMARY KEY,
    name text NOT NULL,
    sha256 bytea NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON COLUMN schema_migration.number IS 'not personal: Number of the file.';
COMMENT ON COLUMN schema_migration.name IS 'not personal: Name of the file.';
COMMENT ON COLUMN schema_migration.sha256 IS 'not personal: Digest of the file as applied.';
COMMENT ON COLUMN schema_migration.applied_at IS 'not personal: When.';

-- name: migration_lock
-- One migration run at a time.
SELECT pg_advisory_lock(%(lock)s);

-- name: migration_unlock
-- Gives the lock back.
SELECT pg_advisory_unlock(%(lock)s);

-- name: applied_migrations
-- What was applied.
SELECT number, sha256 FROM schema_migration;

-- name: record_migration
-- Remembers one.
INSERT INTO schema_migration (number, name, sha256) VALUES (%(number)s, %(name)s, %(sha256)s);
