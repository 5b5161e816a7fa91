-- 0007 (pre): who is looking at a review, and whose word survives.
-- Why: a review can be claimed for a while. All workers of a ledger must let the same records survive, so the ledger holds the policy.
-- Locks: review and model_in_use, exclusively, for the moment in which the columns are added (no rewrite). Re-run: refused by the migration table.

ALTER TABLE review
    ADD COLUMN claimed_by text,
    ADD COLUMN claimed_until timestamptz,
    ADD CONSTRAINT review_claim_whole CHECK ((claimed_by IS NULL) = (claimed_until IS NULL));
COMMENT ON COLUMN review.claimed_by IS 'personal: Who is looking at it; null: nobody.';
COMMENT ON COLUMN review.claimed_until IS 'not personal: Until when; later it is free, whoever is named.';

ALTER TABLE model_in_use ADD COLUMN survivorship text NOT NULL DEFAULT '';
COMMENT ON COLUMN model_in_use.survivorship IS 'not personal: Survivorship policy in force, as the file has it; empty: the default one.';
