-- The schema of a PostgreSQL store, version 5. As postgres_001.sql is; functions as in postgres_004.sql.

-- Reads entities without locking them: what a policy looks at (ctx:find). statute_confirm tells
-- later whether it still holds.
CREATE OR REPLACE FUNCTION statute_look(machines text[], ids text[])
RETURNS TABLE (number bigint, machine text, id text, state text, version bigint, fence bigint,
    audit_sequence bigint, audit_hash bytea, created_us bigint, updated_us bigint, data text)
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off
SET enable_mergejoin = off AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY SELECT e.number, e.machine, e.id, e.state, e.version, e.fence, e.audit_sequence,
        e.audit_hash, e.created_us, e.updated_us, e.data
    FROM unnest(machines, ids) k(machine, id)
    JOIN entity e ON e.machine = k.machine AND e.id = k.id;
END $$;

-- statute_read_and_lock for a batch that is run again and knows what it will only read: shared[i].
-- Row by row, because one statement locks all its rows alike.
CREATE OR REPLACE FUNCTION statute_read_and_hold(machines text[], ids text[], shared boolean[])
RETURNS TABLE (number bigint, machine text, id text, state text, version bigint, fence bigint,
    audit_sequence bigint, audit_hash bytea, created_us bigint, updated_us bigint, data text)
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE k record;
BEGIN
    FOR k IN SELECT u.machine, u.id, u.shared FROM unnest(machines, ids, shared)
        u(machine, id, shared) ORDER BY u.machine COLLATE "C", u.id COLLATE "C" LOOP
        IF k.shared THEN
            RETURN QUERY SELECT e.number, e.machine, e.id, e.state, e.version, e.fence,
                e.audit_sequence, e.audit_hash, e.created_us, e.updated_us, e.data
            FROM entity e WHERE e.machine = k.machine AND e.id = k.id FOR SHARE OF e;
        ELSE
            RETURN QUERY SELECT e.number, e.machine, e.id, e.state, e.version, e.fence,
                e.audit_sequence, e.audit_hash, e.created_us, e.updated_us, e.data
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

-- Members of a batch that had left its `where` when their turn came.
ALTER TABLE bulk ADD COLUMN IF NOT EXISTS skipped bigint NOT NULL DEFAULT 0;
