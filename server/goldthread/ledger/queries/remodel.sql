-- name: begin_remodel
-- Takes another match model into use and starts a switch from the first record and identifier.
UPDATE model_in_use SET model_id = %(model_id)s, next_record = 0, next_token = 0;

-- name: survivorship
-- The survivorship policy in force; no row before a match model is in use.
SELECT survivorship FROM model_in_use;

-- name: set_survivorship
-- Puts another survivorship policy in force.
UPDATE model_in_use SET survivorship = %(text)s;

-- name: no_statement_limit
-- Lets this transaction take its time.
SELECT set_config('statement_timeout', '0', true);

-- name: forget_record_blocks
-- Takes every blocking key off every record.
DELETE FROM record_block;

-- name: forget_blocks
-- Forgets the states of all blocking keys.
DELETE FROM block;

-- name: remodel_progress
-- How far the switch to the model in use has come; nulls once it is done.
SELECT next_record, next_token FROM model_in_use;

-- name: lock_remodel
-- The same, held for one page.
SELECT next_record, next_token FROM model_in_use FOR NO KEY UPDATE;

-- name: page_records
-- Records from one on; withdrawn ones too, for their pairs are judged as well.
SELECT record_id FROM record WHERE record_id >= %(start)s ORDER BY record_id LIMIT %(limit)s;

-- name: page_tokens
-- Identifiers from one on.
SELECT token_id FROM token WHERE token_id >= %(start)s ORDER BY token_id LIMIT %(limit)s;

-- name: move_remodel
-- Writes down how far the switch has come.
UPDATE model_in_use SET next_record = %(next_record)s, next_token = %(next_token)s;
