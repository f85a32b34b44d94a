-- The schema of a SQLite store, version 4. As sqlite_001.sql is.

-- What searches compare of 250 records besides the facts of audit_block, 16 bytes each, at the same
-- places: hashes of the request's id, the batch, the transition and the error code
-- (store/sqlite/tags.c). Blocks of records that are older than this table are missing.
CREATE TABLE audit_tag (
    block INTEGER PRIMARY KEY,
    tags BLOB NOT NULL
) STRICT;
