-- The schema of a PostgreSQL store, version 1. Applied once, in one transaction
-- (store/postgres/open.c), in the schema that search_path names first.
--
-- Names compare byte by byte (COLLATE "C"): the order of keys is then the same on every node and
-- in every database, which is what row locks are taken in.

CREATE TABLE IF NOT EXISTS schema_version (
    version bigint PRIMARY KEY,
    applied_us bigint NOT NULL
);

-- Rows are never deleted. state NULL: there is no such entity, only the audit of attempts on it;
-- its version is 0. No index holds what a transition changes, and pages keep room for the next
-- version of a row, so that updates are heap-only.
CREATE TABLE IF NOT EXISTS entity (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    machine text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    state text COLLATE "C",
    version bigint NOT NULL,
    fence bigint NOT NULL,
    audit_sequence bigint NOT NULL,
    audit_hash bytea NOT NULL,
    created_us bigint NOT NULL,
    updated_us bigint NOT NULL,
    data text COLLATE "C" -- canonical JSON, byte for byte: it is hashed
) WITH (fillfactor = 70);
-- id first, so that an id is found without its machine too.
CREATE UNIQUE INDEX IF NOT EXISTS entity_key ON entity (id, machine);
CREATE INDEX IF NOT EXISTS entity_list ON entity (machine, number);

-- position: grows in the order of writing. A transaction with lower positions may commit after one
-- with higher positions.
CREATE TABLE IF NOT EXISTS audit (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    entity bigint NOT NULL, -- entity.number
    sequence bigint NOT NULL,
    timestamp_us bigint NOT NULL,
    success boolean NOT NULL,
    uuid uuid NOT NULL,
    from_state text COLLATE "C",
    to_state text COLLATE "C",
    actor text COLLATE "C",
    reason text COLLATE "C",
    previous_hash bytea NOT NULL,
    hash bytea NOT NULL,
    json text COLLATE "C" NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS audit_chain ON audit (entity, sequence);
CREATE INDEX IF NOT EXISTS audit_uuid ON audit (uuid);
CREATE INDEX IF NOT EXISTS audit_to_state ON audit (to_state, timestamp_us);
CREATE INDEX IF NOT EXISTS audit_actor ON audit (actor, timestamp_us);
CREATE INDEX IF NOT EXISTS audit_failure ON audit (timestamp_us) WHERE NOT success;
CREATE INDEX IF NOT EXISTS audit_time ON audit USING brin (timestamp_us);

CREATE TABLE IF NOT EXISTS deadline (
    entity bigint NOT NULL, -- entity.number
    due_us bigint NOT NULL,
    to_state text COLLATE "C" NOT NULL,
    reason text,
    comments text,
    entity_version bigint NOT NULL,
    PRIMARY KEY (entity, due_us, to_state)
);
CREATE INDEX IF NOT EXISTS deadline_due ON deadline (due_us);

-- position: as of audit.
CREATE TABLE IF NOT EXISTS outbox (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text COLLATE "C" NOT NULL,
    type text COLLATE "C" NOT NULL,
    machine text COLLATE "C" NOT NULL,
    entity_id text COLLATE "C" NOT NULL,
    timestamp_us bigint NOT NULL,
    json text COLLATE "C" NOT NULL
);

CREATE TABLE IF NOT EXISTS answer (
    scope text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    body_hash bytea NOT NULL,
    status bigint NOT NULL,
    created_us bigint NOT NULL,
    headers text COLLATE "C" NOT NULL,
    body text COLLATE "C" NOT NULL,
    PRIMARY KEY (scope, key)
);
CREATE INDEX IF NOT EXISTS answer_created ON answer (created_us);

CREATE TABLE IF NOT EXISTS policy_source (
    generation text COLLATE "C" PRIMARY KEY,
    first_seen_us bigint NOT NULL,
    files text COLLATE "C" NOT NULL
);

CREATE TABLE IF NOT EXISTS api_key (
    id text COLLATE "C" PRIMARY KEY,
    name text COLLATE "C" NOT NULL UNIQUE,
    hash bytea NOT NULL,
    scopes text NOT NULL,
    roles text NOT NULL,
    permissions text NOT NULL,
    created_us bigint NOT NULL,
    expires_us bigint NOT NULL,
    revoked_us bigint NOT NULL
);

CREATE TABLE IF NOT EXISTS bulk (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text COLLATE "C" NOT NULL UNIQUE,
    status bigint NOT NULL,
    total bigint NOT NULL,
    position bigint NOT NULL,
    succeeded bigint NOT NULL,
    failed bigint NOT NULL,
    created_us bigint NOT NULL,
    updated_us bigint NOT NULL,
    execution_us bigint NOT NULL,
    request text COLLATE "C" NOT NULL
);

CREATE TABLE IF NOT EXISTS bulk_member (
    bulk bigint NOT NULL, -- bulk.number
    position bigint NOT NULL,
    entity_id text COLLATE "C" NOT NULL,
    PRIMARY KEY (bulk, position)
);

CREATE TABLE IF NOT EXISTS bulk_error (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    bulk bigint NOT NULL, -- bulk.number
    entity_id text COLLATE "C" NOT NULL,
    code text COLLATE "C" NOT NULL,
    message text COLLATE "C" NOT NULL
);
CREATE INDEX IF NOT EXISTS bulk_error_bulk ON bulk_error (bulk, number);
