-- 0004 (pre): where a record was in the past.
-- Why: the journal says what became of a profile, by profile. Where a record was before it came to one is asked by time: of all the entries that
-- one transaction wrote, the one that the record left. Entries with which profiles began are left out of the index: nobody left them.
-- Locks: journal, against writes, while its index is built: a scan of the table, about a second for each million entries. Re-run: refused by the
-- migration table.

CREATE INDEX journal_moves_idx ON journal (written_at) WHERE before_records <> after_records AND before_records <> '{}';
