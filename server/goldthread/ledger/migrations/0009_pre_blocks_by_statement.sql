-- 0009 (pre): the reference from record_block to block is checked once a statement too.
-- Why: it was looked up row by row at COMMIT, which cost a third of what hanging blocking keys costs. As in 0008 a trigger asks once for all rows of a statement
-- (ADR 0023). It was deferred because processes of a version before write a key after its carriers; until they are started anew they may still: keys that a
-- statement names before they are there are owed, and whoever owes them is refused at COMMIT by the foreign key of that table, under the name that it always had.
-- This version owes none.
-- Locks: that of evidence first; then record_block and block, exclusively, for the moment in which the key goes and triggers come (no rewrite, no scan).
-- Re-run: refused by the migration table.

SELECT pg_advisory_xact_lock(7426381002);

ALTER TABLE record_block DROP CONSTRAINT record_block_block_fkey;

CREATE TABLE owed_block (
    key bigint NOT NULL CONSTRAINT record_block_block_fkey REFERENCES block DEFERRABLE INITIALLY DEFERRED
);
CREATE INDEX owed_block_key_idx ON owed_block (key);
COMMENT ON TABLE owed_block IS 'Blocking keys that were named by record_block before they were written: there at COMMIT. Only processes of versions before write such.';
COMMENT ON COLUMN owed_block.key IS 'personal: Blocking key.';

CREATE FUNCTION block_is_there() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT SET enable_seqscan = off AS $$
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        PERFORM FROM block WHERE key IN (SELECT key FROM written) FOR KEY SHARE;
    END IF;
    INSERT INTO owed_block (key)
    SELECT key FROM (SELECT DISTINCT key FROM written) AS named
    WHERE NOT EXISTS (SELECT FROM block WHERE block.key = named.key OFFSET 0);
    RETURN NULL;
END $$;
COMMENT ON FUNCTION block_is_there IS 'Writes down the blocking keys of a statement that are not there yet, and must be at COMMIT.';

CREATE TRIGGER record_block_block_written AFTER INSERT ON record_block REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION block_is_there('record_block_block_fkey');
CREATE TRIGGER record_block_block_changed AFTER UPDATE ON record_block REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION block_is_there('record_block_block_fkey');

CREATE OR REPLACE FUNCTION check_references() RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    broken text;
BEGIN
    SELECT name INTO broken FROM (
        SELECT 'inbox_record_fkey' AS name WHERE 0 < (SELECT count(*) FROM inbox WHERE NOT EXISTS (SELECT FROM record WHERE record.record_id = inbox.record_id))
        UNION ALL
        SELECT 'purchase_record_fkey' WHERE 0 < (SELECT count(*) FROM purchase WHERE NOT EXISTS (SELECT FROM record WHERE record.record_id = purchase.record_id))
        UNION ALL
        SELECT 'record_token_record_fkey' WHERE 0 < (SELECT count(*) FROM record_token WHERE NOT EXISTS (SELECT FROM record WHERE record.record_id = record_token.record_id))
        UNION ALL
        SELECT 'record_token_token_fkey' WHERE 0 < (SELECT count(*) FROM record_token WHERE NOT EXISTS (SELECT FROM token WHERE token.token_id = record_token.token_id))
        UNION ALL
        SELECT 'token_name_token_fkey' WHERE 0 < (SELECT count(*) FROM token_name WHERE NOT EXISTS (SELECT FROM token WHERE token.token_id = token_name.token_id))
        UNION ALL
        SELECT 'record_block_record_fkey' WHERE 0 < (SELECT count(*) FROM record_block WHERE NOT EXISTS (SELECT FROM record WHERE record.record_id = record_block.record_id))
        UNION ALL
        SELECT 'record_block_block_fkey' WHERE 0 < (SELECT count(*) FROM record_block WHERE NOT EXISTS (SELECT FROM block WHERE block.key = record_block.key))
    ) AS found LIMIT 1;
    IF FOUND THEN
        RAISE foreign_key_violation USING MESSAGE = 'a row refers to nothing', CONSTRAINT = broken;
    END IF;
END $$;

CREATE OR REPLACE FUNCTION parent_is_free() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    missed boolean;
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE feature_not_supported USING MESSAGE = 'rows that others refer to are deleted under READ COMMITTED only', TABLE = TG_TABLE_NAME;
    END IF;
    IF TG_TABLE_NAME = 'record' THEN
        LOCK TABLE inbox, purchase, record_token, record_block IN SHARE ROW EXCLUSIVE MODE;
    ELSIF TG_TABLE_NAME = 'block' THEN
        LOCK TABLE record_block IN SHARE ROW EXCLUSIVE MODE;
    ELSE
        LOCK TABLE record_token, token_name IN SHARE ROW EXCLUSIVE MODE;
    END IF;
    IF TG_OP = 'TRUNCATE' THEN
        PERFORM check_references();
        RETURN NULL;
    END IF;
    IF TG_TABLE_NAME = 'record' THEN
        SELECT EXISTS (SELECT FROM gone JOIN inbox USING (record_id)) OR EXISTS (SELECT FROM gone JOIN purchase USING (record_id))
            OR EXISTS (SELECT FROM gone JOIN record_token USING (record_id)) OR EXISTS (SELECT FROM gone JOIN record_block USING (record_id))
        INTO missed;
    ELSIF TG_TABLE_NAME = 'block' THEN
        DELETE FROM owed_block USING gone WHERE owed_block.key = gone.key;
        SELECT EXISTS (SELECT FROM gone JOIN record_block USING (key)) INTO missed;
    ELSE
        SELECT EXISTS (SELECT FROM gone JOIN record_token USING (token_id)) OR EXISTS (SELECT FROM gone JOIN token_name USING (token_id)) INTO missed;
    END IF;
    IF missed THEN
        RAISE foreign_key_violation USING MESSAGE = 'rows refer to this one', TABLE = TG_TABLE_NAME;
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER block_is_free AFTER DELETE ON block REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION parent_is_free();
CREATE TRIGGER block_is_empty AFTER TRUNCATE ON block FOR EACH STATEMENT EXECUTE FUNCTION parent_is_free();
CREATE TRIGGER block_key_stays AFTER UPDATE OF key ON block FOR EACH STATEMENT EXECUTE FUNCTION key_stays();
