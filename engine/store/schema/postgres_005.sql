-- Version 5. As postgres_001.sql is.

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
