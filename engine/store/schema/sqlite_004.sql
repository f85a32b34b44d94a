-- The schema of a SQLite store, version 4. As sqlite_001.sql is.

-- Members of a batch that had left its `where` when their turn came.
ALTER TABLE bulk ADD COLUMN skipped INTEGER NOT NULL DEFAULT 0;
