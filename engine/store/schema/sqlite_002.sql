-- The schema of a SQLite store, version 2: how old a program may be and still use it.
--
-- oldest_program: whoever knows this version of the schema, or a later one, may go on with the store
-- when the row's version is applied, though it is newer than what the program knows. NULL: only who
-- knows the row's version itself. What counts is the largest number of all rows.

ALTER TABLE schema_version ADD COLUMN oldest_program INTEGER;
UPDATE schema_version SET oldest_program = version;
