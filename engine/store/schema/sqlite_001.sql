-- The schema of a SQLite store, version 1. Applied once, in one transaction (store/sqlite/open.c).
--
-- It is made so that a transition dirties as few pages as can be: with a full sync the pages written
-- are the price of a commit. So there are no indexes on what changes or grows with every transition.
-- In their place stand columns of fixed width, packed by row number into blobs of one page:
--   entity_block  the kind (machine and state) of 2000 entities, 2 bytes each
--   audit_block   what searches compare of 250 records, 16 bytes each
-- A scan of 10 million entities reads 20 MB, and no transition ever moves an index entry.
-- An entity's history is a list linked backwards, with an index entry every 64 records.

PRAGMA application_id = 0x53544154; -- "STAT"

CREATE TABLE schema_version (
    version INTEGER PRIMARY KEY,
    applied_us INTEGER NOT NULL
) STRICT;

CREATE TABLE machine (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;

-- A state of a machine. 1..65535, so that it fits the 2 bytes of an entity_block.
CREATE TABLE kind (
    id INTEGER PRIMARY KEY CHECK (id BETWEEN 1 AND 65535),
    machine INTEGER NOT NULL,
    state TEXT NOT NULL,
    UNIQUE (machine, state)
) STRICT;

-- Rows are never deleted. kind 0: there is no such entity, only the audit of attempts on it.
CREATE TABLE entity (
    number INTEGER PRIMARY KEY,
    machine INTEGER NOT NULL,
    id TEXT NOT NULL,
    kind INTEGER NOT NULL,
    version INTEGER NOT NULL,
    fence INTEGER NOT NULL,
    audit_sequence INTEGER NOT NULL,
    audit_position INTEGER NOT NULL, -- of its newest record; 0: none
    audit_hash BLOB NOT NULL,
    created_us INTEGER NOT NULL,
    updated_us INTEGER NOT NULL,
    data TEXT NOT NULL,
    UNIQUE (machine, id)
) STRICT;

-- kinds: 2000 little-endian 16-bit numbers; entity n is number n % 2000 of block n / 2000.
CREATE TABLE entity_block (
    block INTEGER PRIMARY KEY,
    kinds BLOB NOT NULL
) STRICT;
INSERT INTO entity_block (block, kinds) VALUES (0, zeroblob(4000));

-- position: 1, 2, 3... in the order of commits.
CREATE TABLE audit (
    position INTEGER PRIMARY KEY,
    entity INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    previous INTEGER NOT NULL, -- position of the entity's record before this one; 0: none
    timestamp_us INTEGER NOT NULL,
    success INTEGER NOT NULL,
    uuid TEXT NOT NULL,
    from_state TEXT,
    to_state TEXT,
    actor TEXT,
    reason TEXT,
    previous_hash BLOB NOT NULL,
    hash BLOB NOT NULL,
    json TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX audit_milestone ON audit (entity, sequence) WHERE sequence % 64 = 0;

-- facts: two times, then 250 facts; the record at position p is number (p - 1) % 250 of block
-- (p - 1) / 250. store/sqlite/facts.c says what is in them.
CREATE TABLE audit_block (
    block INTEGER PRIMARY KEY,
    facts BLOB NOT NULL
) STRICT;

CREATE TABLE deadline (
    entity INTEGER NOT NULL,
    due_us INTEGER NOT NULL,
    to_state TEXT NOT NULL,
    reason TEXT,
    comments TEXT,
    entity_version INTEGER NOT NULL,
    PRIMARY KEY (entity, due_us, to_state)
) STRICT, WITHOUT ROWID;
CREATE INDEX deadline_due ON deadline (due_us);

-- position: the event's time in microseconds, or one more than the last if that is later; so it
-- grows even when all rows have been delivered and deleted.
CREATE TABLE outbox (
    position INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    type TEXT NOT NULL,
    machine TEXT NOT NULL,
    entity_id TEXT NOT NULL,
    timestamp_us INTEGER NOT NULL,
    json TEXT NOT NULL
) STRICT;

CREATE TABLE answer (
    number INTEGER PRIMARY KEY,
    scope TEXT NOT NULL,
    key TEXT NOT NULL,
    body_hash BLOB NOT NULL,
    status INTEGER NOT NULL,
    created_us INTEGER NOT NULL,
    headers TEXT NOT NULL,
    body TEXT NOT NULL,
    UNIQUE (scope, key)
) STRICT;
CREATE INDEX answer_created ON answer (created_us);

CREATE TABLE policy_source (
    generation TEXT PRIMARY KEY,
    first_seen_us INTEGER NOT NULL,
    files TEXT NOT NULL
) STRICT;

CREATE TABLE api_key (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    hash BLOB NOT NULL,
    scopes TEXT NOT NULL,
    roles TEXT NOT NULL,
    permissions TEXT NOT NULL,
    created_us INTEGER NOT NULL,
    expires_us INTEGER NOT NULL,
    revoked_us INTEGER NOT NULL
) STRICT;

CREATE TABLE bulk (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    status INTEGER NOT NULL,
    total INTEGER NOT NULL,
    position INTEGER NOT NULL,
    succeeded INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    created_us INTEGER NOT NULL,
    updated_us INTEGER NOT NULL,
    execution_us INTEGER NOT NULL,
    request TEXT NOT NULL
) STRICT;

CREATE TABLE bulk_member (
    bulk INTEGER NOT NULL,
    position INTEGER NOT NULL,
    entity_id TEXT NOT NULL,
    PRIMARY KEY (bulk, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE bulk_error (
    number INTEGER PRIMARY KEY,
    bulk INTEGER NOT NULL,
    entity_id TEXT NOT NULL,
    code TEXT NOT NULL,
    message TEXT NOT NULL
) STRICT;
CREATE INDEX bulk_error_bulk ON bulk_error (bulk);
