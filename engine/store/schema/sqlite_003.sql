-- The schema of a SQLite store, version 3: locks. As sqlite_001.sql is.

-- What applications hold (store/lock.h). Rows are never deleted: the tokens of a key only grow.
-- proof 0: released. There is no table of leases: one process writes, and its locks are in memory.
CREATE TABLE lock (
    key TEXT PRIMARY KEY,
    fencing_token INTEGER NOT NULL,
    proof INTEGER NOT NULL,
    expires_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
