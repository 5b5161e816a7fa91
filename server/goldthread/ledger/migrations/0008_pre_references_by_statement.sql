-- 0008 (pre): references from evidence are checked once a statement.
-- Why: a foreign key looks its parent up and locks it row by row, nearly eight times for an event. Here a trigger asks once for all rows of a statement, by
-- the same name and with the same SQLSTATE, and every other reference stays a foreign key (ADR 0023); that of record_block to block too, which is deferred:
-- the version before writes the key after its carriers.
-- Nobody is kept from deleting a parent by a lock on it. Instead whoever deletes one locks the tables that refer to it against writers and asks once
-- the last of them has ended: what is written before is seen, and what is written after sees that the parent is gone. That holds where each statement has a
-- snapshot of its own, as evidence is written (ADR 0010). A writer with one snapshot for all (a preview) locks its parents as a foreign key does, and a
-- deletion with one is refused.
-- Locks: that of evidence first, so that no writer holds some of the tables; then inbox, purchase, record_token, token_name, record_block, record and token,
-- exclusively, for the moment in which keys go and triggers come (no rewrite, no scan). Re-run: refused by the migration table.

SELECT pg_advisory_xact_lock(7426381002);

ALTER TABLE inbox DROP CONSTRAINT inbox_record_fkey;
ALTER TABLE purchase DROP CONSTRAINT purchase_record_fkey;
ALTER TABLE record_token DROP CONSTRAINT record_token_record_fkey, DROP CONSTRAINT record_token_token_fkey;
ALTER TABLE token_name DROP CONSTRAINT token_name_token_fkey;
ALTER TABLE record_block DROP CONSTRAINT record_block_record_fkey;

CREATE FUNCTION record_is_there() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT SET enable_seqscan = off AS $$
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        PERFORM FROM record WHERE record_id IN (SELECT record_id FROM written) FOR KEY SHARE;
    END IF;
    IF EXISTS (
        SELECT FROM (SELECT DISTINCT record_id FROM written) AS named
        WHERE NOT EXISTS (SELECT FROM record WHERE record.record_id = named.record_id OFFSET 0)
    ) THEN
        RAISE foreign_key_violation USING MESSAGE = 'no such record', CONSTRAINT = TG_ARGV[0], TABLE = TG_TABLE_NAME;
    END IF;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION record_is_there IS 'Refuses rows of a statement that name a record that is not there; by its key, whatever the planner knows of the table.';

CREATE FUNCTION token_is_there() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT SET enable_seqscan = off AS $$
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        PERFORM FROM token WHERE token_id IN (SELECT token_id FROM written) FOR KEY SHARE;
    END IF;
    IF EXISTS (
        SELECT FROM (SELECT DISTINCT token_id FROM written) AS named
        WHERE NOT EXISTS (SELECT FROM token WHERE token.token_id = named.token_id OFFSET 0)
    ) THEN
        RAISE foreign_key_violation USING MESSAGE = 'no such identifier', CONSTRAINT = TG_ARGV[0], TABLE = TG_TABLE_NAME;
    END IF;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION token_is_there IS 'Likewise for identifiers.';

CREATE TRIGGER inbox_record_written AFTER INSERT ON inbox REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION record_is_there('inbox_record_fkey');
CREATE TRIGGER inbox_record_changed AFTER UPDATE ON inbox REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION record_is_there('inbox_record_fkey');
CREATE TRIGGER purchase_record_written AFTER INSERT ON purchase REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION record_is_there('purchase_record_fkey');
CREATE TRIGGER purchase_record_changed AFTER UPDATE ON purchase REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION record_is_there('purchase_record_fkey');
CREATE TRIGGER record_token_record_written AFTER INSERT ON record_token REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION record_is_there('record_token_record_fkey');
CREATE TRIGGER record_token_record_changed AFTER UPDATE ON record_token REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION record_is_there('record_token_record_fkey');
CREATE TRIGGER record_token_token_written AFTER INSERT ON record_token REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION token_is_there('record_token_token_fkey');
CREATE TRIGGER record_token_token_changed AFTER UPDATE ON record_token REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION token_is_there('record_token_token_fkey');
CREATE TRIGGER token_name_token_written AFTER INSERT ON token_name REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION token_is_there('token_name_token_fkey');
CREATE TRIGGER token_name_token_changed AFTER UPDATE ON token_name REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION token_is_there('token_name_token_fkey');
CREATE TRIGGER record_block_record_written AFTER INSERT ON record_block REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION record_is_there('record_block_record_fkey');
CREATE TRIGGER record_block_record_changed AFTER UPDATE ON record_block REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION record_is_there('record_block_record_fkey');

CREATE FUNCTION check_references() RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
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
    ) AS found LIMIT 1;
    IF FOUND THEN
        RAISE foreign_key_violation USING MESSAGE = 'a row refers to nothing', CONSTRAINT = broken;
    END IF;
END $$;
COMMENT ON FUNCTION check_references IS 'Refuses a ledger in which a row of evidence refers to nothing. Reads all of it, and counts, so that the planner does not go row by row.';

CREATE FUNCTION parent_is_free() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    missed boolean;
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE feature_not_supported USING MESSAGE = 'rows that others refer to are deleted under READ COMMITTED only', TABLE = TG_TABLE_NAME;
    END IF;
    IF TG_TABLE_NAME = 'record' THEN
        LOCK TABLE inbox, purchase, record_token, record_block IN SHARE ROW EXCLUSIVE MODE;
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
    ELSE
        SELECT EXISTS (SELECT FROM gone JOIN record_token USING (token_id)) OR EXISTS (SELECT FROM gone JOIN token_name USING (token_id)) INTO missed;
    END IF;
    IF missed THEN
        RAISE foreign_key_violation USING MESSAGE = 'rows refer to this one', TABLE = TG_TABLE_NAME;
    END IF;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION parent_is_free IS 'Refuses to delete rows that rows of evidence refer to, once everybody who may be writing such rows has ended.';

CREATE FUNCTION key_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE foreign_key_violation USING MESSAGE = 'keys that others refer to never change', TABLE = TG_TABLE_NAME;
END $$;
COMMENT ON FUNCTION key_stays IS 'Refuses every change of a key that rows of evidence refer to.';

CREATE TRIGGER record_is_free AFTER DELETE ON record REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION parent_is_free();
CREATE TRIGGER record_is_empty AFTER TRUNCATE ON record FOR EACH STATEMENT EXECUTE FUNCTION parent_is_free();
CREATE TRIGGER record_key_stays AFTER UPDATE OF record_id ON record FOR EACH STATEMENT EXECUTE FUNCTION key_stays();
CREATE TRIGGER token_is_free AFTER DELETE ON token REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION parent_is_free();
CREATE TRIGGER token_is_empty AFTER TRUNCATE ON token FOR EACH STATEMENT EXECUTE FUNCTION parent_is_free();
CREATE TRIGGER token_key_stays AFTER UPDATE OF token_id ON token FOR EACH STATEMENT EXECUTE FUNCTION key_stays();
