-- The schema of a SQLite store, version 4: rules that hold. As sqlite_001.sql is. It only adds.

-- --- timers ---

-- entered_us: when the entity entered its state; what a timer's duration counts from. NULL: not known, and then
-- updated_us counts.
ALTER TABLE entity ADD COLUMN entered_us INTEGER;

-- attempts: how often the timer was tried, and neither fired nor was done. next_us: when to try it again; NULL: when it
-- is due. chain: how many timers of the entity fired before it without a pause. rules: the number of the rules that armed
-- it (policy/rules/machine.h); NULL: not known.
ALTER TABLE deadline ADD COLUMN attempts INTEGER NOT NULL DEFAULT 0;
ALTER TABLE deadline ADD COLUMN next_us INTEGER;
ALTER TABLE deadline ADD COLUMN chain INTEGER NOT NULL DEFAULT 0;
ALTER TABLE deadline ADD COLUMN rules INTEGER;
CREATE INDEX deadline_next ON deadline (coalesce(next_us, due_us));

-- Timers that a rule refused, and that are not tried again while the entity stays in its state. A row that is older than
-- entity.entered_us means nothing any more.
CREATE TABLE deadline_done (
    entity INTEGER NOT NULL,
    due_us INTEGER NOT NULL,
    to_state TEXT NOT NULL,
    done_us INTEGER NOT NULL,
    PRIMARY KEY (entity, due_us, to_state)
) STRICT, WITHOUT ROWID;

-- How far the timers of a machine's entities have been matched with its rules (core/match.h). position: the number of the
-- last entity that was looked at. since_us: only entities that changed since; 0: all. again: 1 when a node took the same
-- rules into force meanwhile, so that another pass is needed. finished_us 0: it goes on.
CREATE TABLE timer_match (
    machine TEXT PRIMARY KEY,
    rules INTEGER NOT NULL,
    position INTEGER NOT NULL,
    since_us INTEGER NOT NULL,
    again INTEGER NOT NULL,
    started_us INTEGER NOT NULL,
    finished_us INTEGER NOT NULL,
    seen INTEGER NOT NULL,
    changed INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- --- change of rules ---

-- Machines that have entities and no rules any more, which the operator agreed to (`force`,
-- `--allow-missing`): a machine that is not here and loses its rules is refused.
CREATE TABLE machine_gone (
    machine TEXT PRIMARY KEY,
    since_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- --- the audit ---

-- What searches compare of 250 records besides the facts of audit_block, 16 bytes each, at the same
-- places: hashes of the request's id, the batch, the transition and the error code
-- (store/sqlite/tags.c). A block is written when it is full: the last one is missing until then, and
-- so are those of records that are older than this table.
CREATE TABLE audit_tag (
    block INTEGER PRIMARY KEY,
    tags BLOB NOT NULL
) STRICT;

-- Fields that lists are filtered by (index = true). built_to: entities up to this number are in
-- index_value; -1: all are. wanted 0: it is being removed.
CREATE TABLE index_field (
    id INTEGER PRIMARY KEY,
    machine TEXT NOT NULL,
    field TEXT NOT NULL,
    built_to INTEGER NOT NULL DEFAULT 0,
    wanted INTEGER NOT NULL DEFAULT 1,
    UNIQUE (machine, field)
) STRICT;

-- value: canonical JSON, or the hash of what is long (store/index.h). An entry may be out of date: who
-- finds an entity by it compares the data.
CREATE TABLE index_value (
    field INTEGER NOT NULL,
    value TEXT NOT NULL,
    number INTEGER NOT NULL, -- entity.number
    PRIMARY KEY (field, value, number)
) STRICT, WITHOUT ROWID;

-- --- batches ---

-- Members of a batch that had left its `where` when their turn came.
ALTER TABLE bulk ADD COLUMN skipped INTEGER NOT NULL DEFAULT 0;
