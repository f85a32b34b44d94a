-- The schema of a PostgreSQL store, version 3: locks. As postgres_001.sql is.

-- What applications hold (store/lock.h). Rows are never deleted: the tokens of a key only grow.
-- proof 0: released.
CREATE TABLE IF NOT EXISTS lock (
    key text COLLATE "C" PRIMARY KEY,
    fencing_token bigint NOT NULL,
    proof bigint NOT NULL,
    expires_us bigint NOT NULL -- by the clock of this server
) WITH (fillfactor = 70);

-- What `--lock store` holds (lease.h): a row is a hold, and goes with it. A row comes and goes with
-- every transition, so it is vacuumed by their number, not by a share of a table that is small.
CREATE TABLE IF NOT EXISTS lease (
    key bytea PRIMARY KEY,
    token bigint NOT NULL,
    expires_us bigint NOT NULL -- by the clock of this server
) WITH (autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_scale_factor = 0);
