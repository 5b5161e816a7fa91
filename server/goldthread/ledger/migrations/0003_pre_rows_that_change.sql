-- 0003 (pre): rows that change often stay on their page.
-- Why: a changed row that finds room on its page, and none of whose indexed columns changes, needs no new entry in any index. Every change of a profile
-- drew a new version, and that was indexed although no statement asks by it: versions come from one sequence, under the locks of their profiles, and the
-- journal keeps the unique key of those that it tells of.
-- Locks: profile, exclusively, for the moment in which the constraint goes; share update exclusive on the others. Re-run: refused by the migration table.

ALTER TABLE profile DROP CONSTRAINT profile_version_key;
ALTER TABLE record SET (fillfactor = 85);
ALTER TABLE token SET (fillfactor = 85);
ALTER TABLE block SET (fillfactor = 85);
