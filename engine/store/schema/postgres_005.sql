-- The schema of a PostgreSQL store, version 5: rules that hold. As postgres_001.sql is. It only adds.

-- --- timers ---

-- entered_us: when the entity entered its state; what a timer's duration counts from. NULL: not known, and then
-- updated_us counts.
ALTER TABLE entity ADD COLUMN IF NOT EXISTS entered_us bigint;

-- attempts: how often the timer was tried, and neither fired nor was done. next_us: when to try it again; NULL: when it
-- is due. chain: how many timers of the entity fired before it without a pause. rules: the number of the rules that armed
-- it (policy/rules/machine.h); NULL: not known.
ALTER TABLE deadline ADD COLUMN IF NOT EXISTS attempts bigint NOT NULL DEFAULT 0;
ALTER TABLE deadline ADD COLUMN IF NOT EXISTS next_us bigint;
ALTER TABLE deadline ADD COLUMN IF NOT EXISTS chain bigint NOT NULL DEFAULT 0;
ALTER TABLE deadline ADD COLUMN IF NOT EXISTS rules bigint;
CREATE INDEX IF NOT EXISTS deadline_next ON deadline (coalesce(next_us, due_us));

-- Timers that a rule refused, and that are not tried again while the entity stays in its state. A row that is older than
-- entity.entered_us means nothing any more.
CREATE TABLE IF NOT EXISTS deadline_done (
    entity bigint NOT NULL, -- entity.number
    due_us bigint NOT NULL,
    to_state text COLLATE "C" NOT NULL,
    done_us bigint NOT NULL,
    PRIMARY KEY (entity, due_us, to_state)
);

-- How far the timers of a machine's entities have been matched with its rules (core/match.h). position: the number of the
-- last entity that was looked at. since_us: only entities that changed since; 0: all. again: true when a node took the
-- same rules into force meanwhile, so that another pass is needed. finished_us 0: it goes on.
CREATE TABLE IF NOT EXISTS timer_match (
    machine text COLLATE "C" PRIMARY KEY,
    rules bigint NOT NULL,
    position bigint NOT NULL,
    since_us bigint NOT NULL,
    again boolean NOT NULL,
    started_us bigint NOT NULL,
    finished_us bigint NOT NULL,
    seen bigint NOT NULL,
    changed bigint NOT NULL
);

-- The functions of version 4 that read and write entities, with entered_us. Those of version 4 stay, for nodes that know
-- no other.
CREATE OR REPLACE FUNCTION statute_read_and_lock_5(machines text[], ids text[])
RETURNS TABLE (number bigint, machine text, id text, state text, version bigint, fence bigint,
    audit_sequence bigint, audit_hash bytea, created_us bigint, updated_us bigint, data text,
    entered_us bigint)
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off
SET enable_mergejoin = off AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY SELECT e.number, e.machine, e.id, e.state, e.version, e.fence, e.audit_sequence,
        e.audit_hash, e.created_us, e.updated_us, e.data, e.entered_us
    FROM unnest(machines, ids) k(machine, id)
    JOIN entity e ON e.machine = k.machine AND e.id = k.id ORDER BY e.machine, e.id FOR UPDATE OF e;
END $$;

CREATE OR REPLACE FUNCTION statute_insert_entities_5(machines text[], ids text[], states text[],
    versions bigint[], fences bigint[], sequences bigint[], hashes bytea[], created bigint[],
    updated bigint[], datas text[], entered bigint[])
RETURNS bigint LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan AS $$
DECLARE changed bigint;
BEGIN
    INSERT INTO entity (machine, id, state, version, fence, audit_sequence, audit_hash, created_us,
        updated_us, data, entered_us)
    SELECT * FROM unnest(machines, ids, states, versions, fences, sequences, hashes, created,
        updated, datas, entered);
    GET DIAGNOSTICS changed = ROW_COUNT;
    RETURN changed;
END $$;

CREATE OR REPLACE FUNCTION statute_update_entities_5(numbers bigint[], versions_read bigint[], states text[],
    versions bigint[], fences bigint[], sequences bigint[], hashes bytea[], created bigint[],
    updated bigint[], datas text[], entered bigint[])
RETURNS bigint LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off
SET enable_mergejoin = off AS $$
#variable_conflict use_column
DECLARE changed bigint;
BEGIN
    UPDATE entity e SET state = u.state, version = u.version, fence = u.fence,
        audit_sequence = u.audit_sequence, audit_hash = u.audit_hash,
        created_us = CASE WHEN e.version = 0 THEN u.created_us ELSE e.created_us END,
        updated_us = u.updated_us, data = u.data, entered_us = nullif(u.entered_us, 0)
    FROM unnest(numbers, versions_read, states, versions, fences, sequences, hashes, created,
        updated, datas, entered) u(number, version_read, state, version, fence, audit_sequence,
        audit_hash, created_us, updated_us, data, entered_us)
    WHERE e.number = u.number AND e.version = u.version_read;
    GET DIAGNOSTICS changed = ROW_COUNT;
    RETURN changed;
END $$;

-- An older node that moves an entity does not say when: then it is the time of the change. Nothing else differs from
-- version 4, so that nodes of both may run. (A transition from a state to itself is not seen here.)
CREATE OR REPLACE FUNCTION statute_update_entities(numbers bigint[], versions_read bigint[], states text[],
    versions bigint[], fences bigint[], sequences bigint[], hashes bytea[], created bigint[],
    updated bigint[], datas text[])
RETURNS bigint LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off
SET enable_mergejoin = off AS $$
#variable_conflict use_column
DECLARE changed bigint;
BEGIN
    UPDATE entity e SET state = u.state, version = u.version, fence = u.fence,
        audit_sequence = u.audit_sequence, audit_hash = u.audit_hash,
        created_us = CASE WHEN e.version = 0 THEN u.created_us ELSE e.created_us END,
        updated_us = u.updated_us, data = u.data,
        entered_us = CASE WHEN e.state IS DISTINCT FROM u.state THEN u.updated_us ELSE e.entered_us END
    FROM unnest(numbers, versions_read, states, versions, fences, sequences, hashes, created,
        updated, datas) u(number, version_read, state, version, fence, audit_sequence, audit_hash,
        created_us, updated_us, data)
    WHERE e.number = u.number AND e.version = u.version_read;
    GET DIAGNOSTICS changed = ROW_COUNT;
    RETURN changed;
END $$;

-- --- change of rules ---

-- Machines that have entities and no rules any more, which the operator agreed to (`force`,
-- `--allow-missing`): a machine that is not here and loses its rules is refused.
CREATE TABLE IF NOT EXISTS machine_gone (
    machine text COLLATE "C" PRIMARY KEY,
    since_us bigint NOT NULL
);

-- --- the audit ---

-- What searches compare besides; NULL in records that are older than these columns.
ALTER TABLE audit ADD COLUMN IF NOT EXISTS transition text COLLATE "C";
ALTER TABLE audit ADD COLUMN IF NOT EXISTS request_id text COLLATE "C";
ALTER TABLE audit ADD COLUMN IF NOT EXISTS batch text COLLATE "C";
ALTER TABLE audit ADD COLUMN IF NOT EXISTS error_code text COLLATE "C";
CREATE INDEX IF NOT EXISTS audit_request ON audit (request_id);
CREATE INDEX IF NOT EXISTS audit_batch ON audit (batch) WHERE batch IS NOT NULL;

-- As statute_add_records, with those columns.
CREATE OR REPLACE FUNCTION statute_add_records_2(entities bigint[], machines text[], ids text[],
    sequences bigint[], times bigint[], successes boolean[], uuids text[], from_states text[],
    to_states text[], actors text[], reasons text[], previous_hashes bytea[], hashes bytea[],
    jsons text[], transitions text[], request_ids text[], batches text[], error_codes text[])
RETURNS bigint LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off
SET enable_mergejoin = off AS $$
#variable_conflict use_column
DECLARE changed bigint;
BEGIN
    INSERT INTO audit (entity, sequence, timestamp_us, success, uuid, from_state, to_state, actor,
        reason, previous_hash, hash, json, transition, request_id, batch, error_code)
    SELECT coalesce(u.entity, (SELECT number FROM entity e WHERE e.machine = u.machine
            AND e.id = u.id)),
        u.sequence, u.timestamp_us, u.success, u.uuid::uuid, u.from_state, u.to_state, u.actor,
        u.reason, u.previous_hash, u.hash, u.json, u.transition, u.request_id, u.batch, u.error_code
    FROM unnest(entities, machines, ids, sequences, times, successes, uuids, from_states, to_states,
        actors, reasons, previous_hashes, hashes, jsons, transitions, request_ids, batches,
        error_codes) u(entity, machine, id, sequence, timestamp_us, success, uuid, from_state,
        to_state, actor, reason, previous_hash, hash, json, transition, request_id, batch,
        error_code);
    GET DIAGNOSTICS changed = ROW_COUNT;
    RETURN changed;
END $$;

-- Fields that lists are filtered by (index = true). built_to: entities up to this number are in
-- index_value; -1: all are. It is built when every transaction that may not know of the row has
-- ended (made_by). wanted false: it is being removed.
CREATE TABLE IF NOT EXISTS index_field (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    machine text COLLATE "C" NOT NULL,
    field text COLLATE "C" NOT NULL,
    built_to bigint NOT NULL DEFAULT 0,
    wanted boolean NOT NULL DEFAULT true,
    made_by xid8 NOT NULL DEFAULT pg_current_xact_id(),
    UNIQUE (machine, field)
);

-- value: canonical JSON, or the hash of what is long (store/index.h). An entry may be out of date: who
-- finds an entity by it compares the data.
CREATE TABLE IF NOT EXISTS index_value (
    field bigint NOT NULL,
    value text COLLATE "C" NOT NULL,
    number bigint NOT NULL, -- entity.number
    PRIMARY KEY (field, value, number)
);

CREATE OR REPLACE FUNCTION statute_index_value(data text, field text) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN v IS NULL OR v = 'null' OR left(v, 1) IN ('{', '[') THEN NULL
        WHEN octet_length(v) > 200 THEN '#' || encode(sha256(convert_to(v, 'UTF8')), 'hex')
        ELSE v END
    FROM (SELECT (data::json -> field)::text AS v) x
$$;

CREATE OR REPLACE FUNCTION statute_index_entities(numbers bigint[]) RETURNS void LANGUAGE sql AS $$
    INSERT INTO index_value (field, value, number)
    SELECT f.id, statute_index_value(e.data, f.field), e.number
    FROM unnest(numbers) u(number) JOIN entity e ON e.number = u.number
    JOIN index_field f ON f.machine = e.machine AND f.wanted
    WHERE e.state IS NOT NULL AND statute_index_value(e.data, f.field) IS NOT NULL
    ON CONFLICT DO NOTHING
$$;

-- As those above, and they keep the index.
CREATE OR REPLACE FUNCTION statute_insert_entities_6(machines text[], ids text[], states text[],
    versions bigint[], fences bigint[], sequences bigint[], hashes bytea[], created bigint[],
    updated bigint[], datas text[], entered bigint[])
RETURNS bigint LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE changed bigint;
BEGIN
    changed := statute_insert_entities_5(machines, ids, states, versions, fences, sequences, hashes,
        created, updated, datas, entered);
    IF EXISTS (SELECT 1 FROM index_field f WHERE f.machine = ANY(machines)) THEN
        PERFORM statute_index_entities(ARRAY(SELECT e.number FROM unnest(machines, ids) k(machine, id)
            JOIN entity e ON e.machine = k.machine AND e.id = k.id));
    END IF;
    RETURN changed;
END $$;

CREATE OR REPLACE FUNCTION statute_update_entities_6(numbers bigint[], versions_read bigint[], states text[],
    versions bigint[], fences bigint[], sequences bigint[], hashes bytea[], created bigint[],
    updated bigint[], datas text[], entered bigint[])
RETURNS bigint LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE changed bigint; indexed boolean;
BEGIN
    indexed := EXISTS (SELECT 1 FROM index_field);
    IF indexed THEN
        DELETE FROM index_value i USING unnest(numbers, datas) u(number, data), entity e, index_field f
        WHERE e.number = u.number AND f.machine = e.machine AND i.field = f.id
            AND i.number = e.number AND i.value = statute_index_value(e.data, f.field)
            AND statute_index_value(e.data, f.field)
                IS DISTINCT FROM statute_index_value(u.data, f.field);
    END IF;
    changed := statute_update_entities_5(numbers, versions_read, states, versions, fences, sequences,
        hashes, created, updated, datas, entered);
    IF indexed THEN
        PERFORM statute_index_entities(numbers);
    END IF;
    RETURN changed;
END $$;

-- One slice of a field's index. Answers whether something is left to do.
CREATE OR REPLACE FUNCTION statute_index_slice(wanted_machine text, wanted_field text, most bigint)
RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE f index_field; up_to bigint;
BEGIN
    SELECT * INTO f FROM index_field WHERE machine = wanted_machine AND field = wanted_field FOR UPDATE;
    IF NOT FOUND THEN
        INSERT INTO index_field (machine, field) VALUES (wanted_machine, wanted_field)
            ON CONFLICT DO NOTHING;
        RETURN true;
    END IF;
    IF NOT f.wanted THEN -- it comes back before it was gone
        UPDATE index_field SET wanted = true, built_to = 0, made_by = pg_current_xact_id() WHERE id = f.id;
        RETURN true;
    END IF;
    IF f.built_to < 0 THEN RETURN false; END IF;
    IF f.made_by >= pg_snapshot_xmin(pg_current_snapshot()) THEN RETURN true; END IF;
    up_to := f.built_to + most;
    INSERT INTO index_value (field, value, number)
    SELECT f.id, statute_index_value(e.data, f.field), e.number FROM entity e
    WHERE e.number > f.built_to AND e.number <= up_to AND e.machine = f.machine
        AND e.state IS NOT NULL AND statute_index_value(e.data, f.field) IS NOT NULL
    ON CONFLICT DO NOTHING;
    IF NOT EXISTS (SELECT 1 FROM entity WHERE number > up_to) THEN up_to := -1; END IF;
    UPDATE index_field SET built_to = up_to WHERE id = f.id;
    RETURN up_to >= 0;
END $$;

-- Removes what the machine does not declare any more, a piece at a time.
CREATE OR REPLACE FUNCTION statute_index_drop(wanted_machine text, fields text[], most bigint)
RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE f index_field; gone bigint;
BEGIN
    SELECT * INTO f FROM index_field WHERE machine = wanted_machine AND NOT field = ANY(fields)
        LIMIT 1 FOR UPDATE;
    IF NOT FOUND THEN RETURN false; END IF;
    UPDATE index_field SET wanted = false WHERE id = f.id AND wanted;
    DELETE FROM index_value i USING (SELECT v.value, v.number FROM index_value v
        WHERE v.field = f.id LIMIT most) x
    WHERE i.field = f.id AND i.value = x.value AND i.number = x.number;
    GET DIAGNOSTICS gone = ROW_COUNT;
    IF gone = 0 THEN DELETE FROM index_field WHERE id = f.id; END IF;
    RETURN true;
END $$;

-- --- what a decision counted or found still holds when it commits ---

-- Reads entities without locking them: what a policy looks at (ctx:find). statute_confirm tells
-- later whether it still holds.
CREATE OR REPLACE FUNCTION statute_look(machines text[], ids text[])
RETURNS TABLE (number bigint, machine text, id text, state text, version bigint, fence bigint,
    audit_sequence bigint, audit_hash bytea, created_us bigint, updated_us bigint, data text,
    entered_us bigint)
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off
SET enable_mergejoin = off AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY SELECT e.number, e.machine, e.id, e.state, e.version, e.fence, e.audit_sequence,
        e.audit_hash, e.created_us, e.updated_us, e.data, e.entered_us
    FROM unnest(machines, ids) k(machine, id)
    JOIN entity e ON e.machine = k.machine AND e.id = k.id;
END $$;

-- statute_read_and_lock_5 for a batch that is run again and knows what it will only read: shared[i].
-- Row by row, because one statement locks all its rows alike.
CREATE OR REPLACE FUNCTION statute_read_and_hold(machines text[], ids text[], shared boolean[])
RETURNS TABLE (number bigint, machine text, id text, state text, version bigint, fence bigint,
    audit_sequence bigint, audit_hash bytea, created_us bigint, updated_us bigint, data text,
    entered_us bigint)
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE k record;
BEGIN
    FOR k IN SELECT u.machine, u.id, u.shared FROM unnest(machines, ids, shared)
        u(machine, id, shared) ORDER BY u.machine COLLATE "C", u.id COLLATE "C" LOOP
        IF k.shared THEN
            RETURN QUERY SELECT e.number, e.machine, e.id, e.state, e.version, e.fence,
                e.audit_sequence, e.audit_hash, e.created_us, e.updated_us, e.data, e.entered_us
            FROM entity e WHERE e.machine = k.machine AND e.id = k.id FOR SHARE OF e;
        ELSE
            RETURN QUERY SELECT e.number, e.machine, e.id, e.state, e.version, e.fence,
                e.audit_sequence, e.audit_hash, e.created_us, e.updated_us, e.data, e.entered_us
            FROM entity e WHERE e.machine = k.machine AND e.id = k.id FOR UPDATE OF e;
        END IF;
    END LOOP;
END $$;

-- Takes advisory locks of machines (store/postgres/guard.c), in the order given; false when one that
-- must not be waited for is not free.
CREATE OR REPLACE FUNCTION statute_guard(guards integer[], exclusive boolean[], waits boolean[])
RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    taken boolean := true;
BEGIN
    FOR i IN 1 .. cardinality(guards) LOOP
        IF exclusive[i] AND waits[i] THEN
            PERFORM pg_advisory_xact_lock(1398031189, guards[i]);
        ELSIF exclusive[i] THEN
            taken := taken AND pg_try_advisory_xact_lock(1398031189, guards[i]);
        ELSIF waits[i] THEN
            PERFORM pg_advisory_xact_lock_shared(1398031189, guards[i]);
        ELSE
            taken := taken AND pg_try_advisory_xact_lock_shared(1398031189, guards[i]);
        END IF;
    END LOOP;
    RETURN taken;
END $$;

-- The first statement of a batch's write. Takes the advisory locks of the machines that are written
-- (store/postgres/guard.c), then confirms what was read without a lock: these rows are as they were
-- and now locked, and those names still have no entity. Waits for no row. Serialization failure
-- when anything differs; otherwise answers the transaction's id.
CREATE OR REPLACE FUNCTION statute_confirm(guards integer[], exclusive boolean[], waits boolean[],
    numbers bigint[], versions bigint[], sequences bigint[], written boolean[],
    absent_machines text[], absent_ids text[])
RETURNS text LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off
SET enable_mergejoin = off AS $$
#variable_conflict use_column
DECLARE
    taken boolean := statute_guard(guards, exclusive, waits);
    kept bigint := 0;
    shared bigint := 0;
BEGIN
    IF cardinality(numbers) > 0 THEN
        SELECT count(*) INTO kept FROM (SELECT FROM unnest(numbers, versions, sequences, written)
            u(number, version, sequence, written) JOIN entity e ON e.number = u.number
            WHERE u.written AND e.version = u.version AND e.audit_sequence = u.sequence
            FOR UPDATE OF e SKIP LOCKED) t;
        SELECT count(*) INTO shared FROM (SELECT FROM unnest(numbers, versions, written)
            u(number, version, written) JOIN entity e ON e.number = u.number
            WHERE NOT u.written AND e.version = u.version FOR SHARE OF e SKIP LOCKED) t;
    END IF;
    IF NOT taken OR kept + shared <> cardinality(numbers) OR (cardinality(absent_ids) > 0 AND EXISTS
        (SELECT FROM unnest(absent_machines, absent_ids) u(machine, id) JOIN entity e
            ON e.machine = u.machine AND e.id = u.id WHERE e.state IS NOT NULL)) THEN
        RAISE EXCEPTION 'what this transaction read has changed since' USING ERRCODE = '40001';
    END IF;
    RETURN pg_current_xact_id()::text;
END $$;

-- --- batches ---

-- Members of a batch that had left its `where` when their turn came.
ALTER TABLE bulk ADD COLUMN IF NOT EXISTS skipped bigint NOT NULL DEFAULT 0;
