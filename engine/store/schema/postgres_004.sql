-- Version 4: the statements of every batch, as functions. A session keeps the plan of what stands in
-- a function by itself, and planning them costs more than running them. So no statement has to be
-- prepared by name, which a pool of connections would not bear.
--
-- One plan for any number of rows: arrays of ten are assumed, and rows of entity are found by index,
-- whatever the statistics of a table that has just been filled say. (A plan for each call would be
-- made again at each call, since it looks cheaper.)
--
-- A function is never changed once it is released: nodes of two versions may be running. A new one
-- gets a new name.

CREATE OR REPLACE FUNCTION statute_read_and_lock(machines text[], ids text[])
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
    JOIN entity e ON e.machine = k.machine AND e.id = k.id ORDER BY e.machine, e.id FOR UPDATE OF e;
END $$;

-- The functions that write answer how many rows they wrote.

CREATE OR REPLACE FUNCTION statute_insert_entities(machines text[], ids text[], states text[],
    versions bigint[], fences bigint[], sequences bigint[], hashes bytea[], created bigint[],
    updated bigint[], datas text[])
RETURNS bigint LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan AS $$
DECLARE changed bigint;
BEGIN
    INSERT INTO entity (machine, id, state, version, fence, audit_sequence, audit_hash, created_us,
        updated_us, data)
    SELECT * FROM unnest(machines, ids, states, versions, fences, sequences, hashes, created,
        updated, datas);
    GET DIAGNOSTICS changed = ROW_COUNT;
    RETURN changed;
END $$;

-- A row without an entity has version 0, and gets its time of creation.
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
        updated_us = u.updated_us, data = u.data
    FROM unnest(numbers, versions_read, states, versions, fences, sequences, hashes, created,
        updated, datas) u(number, version_read, state, version, fence, audit_sequence, audit_hash,
        created_us, updated_us, data)
    WHERE e.number = u.number AND e.version = u.version_read;
    GET DIAGNOSTICS changed = ROW_COUNT;
    RETURN changed;
END $$;

CREATE OR REPLACE FUNCTION statute_move_heads(numbers bigint[], versions_read bigint[], sequences bigint[],
    hashes bytea[])
RETURNS bigint LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off
SET enable_mergejoin = off AS $$
#variable_conflict use_column
DECLARE changed bigint;
BEGIN
    UPDATE entity e SET audit_sequence = u.audit_sequence, audit_hash = u.audit_hash
    FROM unnest(numbers, versions_read, sequences, hashes)
        u(number, version_read, audit_sequence, audit_hash)
    WHERE e.number = u.number AND e.version = u.version_read;
    GET DIAGNOSTICS changed = ROW_COUNT;
    RETURN changed;
END $$;

-- The number of an entity that the same batch inserts is null here, and looked up by its key.
CREATE OR REPLACE FUNCTION statute_add_records(entities bigint[], machines text[], ids text[],
    sequences bigint[], times bigint[], successes boolean[], uuids text[], from_states text[],
    to_states text[], actors text[], reasons text[], previous_hashes bytea[], hashes bytea[],
    jsons text[])
RETURNS bigint LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off
SET enable_mergejoin = off AS $$
#variable_conflict use_column
DECLARE changed bigint;
BEGIN
    INSERT INTO audit (entity, sequence, timestamp_us, success, uuid, from_state, to_state, actor,
        reason, previous_hash, hash, json)
    SELECT coalesce(u.entity, (SELECT number FROM entity e WHERE e.machine = u.machine
            AND e.id = u.id)),
        u.sequence, u.timestamp_us, u.success, u.uuid::uuid, u.from_state, u.to_state, u.actor,
        u.reason, u.previous_hash, u.hash, u.json
    FROM unnest(entities, machines, ids, sequences, times, successes, uuids, from_states, to_states,
        actors, reasons, previous_hashes, hashes, jsons) u(entity, machine, id, sequence,
        timestamp_us, success, uuid, from_state, to_state, actor, reason, previous_hash, hash, json);
    GET DIAGNOSTICS changed = ROW_COUNT;
    RETURN changed;
END $$;

CREATE OR REPLACE FUNCTION statute_add_events(ids text[], types text[], machines text[], entities text[],
    times bigint[], jsons text[])
RETURNS bigint LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan AS $$
DECLARE changed bigint;
BEGIN
    INSERT INTO outbox (id, type, machine, entity_id, timestamp_us, json)
    SELECT * FROM unnest(ids, types, machines, entities, times, jsons);
    GET DIAGNOSTICS changed = ROW_COUNT;
    RETURN changed;
END $$;

-- An answer that is there already has expired; or another transaction has just given it, after this
-- one looked for it, and then it stays, and is not counted.
CREATE OR REPLACE FUNCTION statute_keep_answers(scopes text[], keys text[], body_hashes bytea[],
    statuses bigint[], created bigint[], header_texts text[], bodies text[], expired_us bigint)
RETURNS bigint LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE changed bigint;
BEGIN
    INSERT INTO answer (scope, key, body_hash, status, created_us, headers, body)
    SELECT * FROM unnest(scopes, keys, body_hashes, statuses, created, header_texts, bodies)
        u(scope, key, body_hash, status, created_us, headers, body)
    ORDER BY u.scope, u.key
    ON CONFLICT (scope, key) DO UPDATE SET body_hash = excluded.body_hash,
        status = excluded.status, created_us = excluded.created_us, headers = excluded.headers,
        body = excluded.body WHERE answer.created_us < expired_us;
    GET DIAGNOSTICS changed = ROW_COUNT;
    RETURN changed;
END $$;
