/* kept.c: answers, sources of generations, and API keys. */
#include "store/postgres/driver.h"

static const char FIND_ANSWERS[] =
    "SELECT k.n, a.body_hash, a.status, a.created_us, a.headers, a.body FROM unnest($1::text[], "
    "$2::text[]) WITH ORDINALITY k(scope, key, n) JOIN answer a ON a.scope = k.scope AND "
    "a.key = k.key WHERE a.created_us >= $3::bigint";
/* Several nodes may expire at once: each takes what no other has in hand. */
static const char EXPIRE_ANSWERS[] =
    "DELETE FROM answer WHERE ctid = ANY(ARRAY(SELECT ctid FROM answer WHERE created_us < "
    "$1::bigint ORDER BY created_us LIMIT $2::bigint FOR UPDATE SKIP LOCKED))";
static const char KEEP_POLICY[] = "INSERT INTO policy_source (generation, first_seen_us, files) "
                                  "VALUES ($1, $2::bigint, $3) ON CONFLICT DO NOTHING";
static const char ADD_KEY[] =
    "INSERT INTO api_key (id, name, hash, scopes, roles, permissions, created_us, expires_us, "
    "revoked_us) VALUES ($1, $2, $3::bytea, $4, $5, $6, $7::bigint, $8::bigint, $9::bigint)";
static const char LIST_KEYS[] = "SELECT id, name, hash, scopes, roles, permissions, created_us, "
                                "expires_us, revoked_us FROM api_key ORDER BY created_us, id";
static const char REVOKE_KEY[] =
    "UPDATE api_key SET revoked_us = CASE WHEN revoked_us = 0 THEN $2::bigint ELSE revoked_us END "
    "WHERE id = $1 OR name = $1";

/* One statement that changes something. */
static bool change(struct postgres_store *self, const char *sql, const struct values *values,
                   bool own, struct fault *fault) {
    return postgres_leave(self, own, postgres_run(self, sql, values, fault), fault);
}

/* --- answers --- */

static const struct store_answer *answer_of_row(struct arena *arena, const PGresult *rows, int row,
                                                const struct store_answer_key *key) {
    struct store_answer *answer = ARENA_NEW(arena, struct store_answer);
    answer->scope = text_copy(arena, key->scope);
    answer->key = text_copy(arena, key->key);
    cell_bytes(rows, row, 1, answer->body_hash, DIGEST_BYTES);
    answer->status = (int)cell_integer(rows, row, 2);
    answer->created_us = cell_integer(rows, row, 3);
    answer->headers = cell_text(arena, rows, row, 4);
    answer->body = cell_text(arena, rows, row, 5);
    return answer;
}

static bool find_answers(struct postgres_store *self, struct arena *arena,
                         const struct store_answer_key *keys, size_t count, int64_t oldest_us,
                         const struct store_answer **out, struct fault *fault) {
    struct values values;
    struct array scopes, names;
    array_init_texts(&scopes, &self->scratch);
    array_init_texts(&names, &self->scratch);
    for (size_t i = 0; i < count; i++) {
        array_add_text(&scopes, keys[i].scope);
        array_add_text(&names, keys[i].key);
        out[i] = NULL;
    }
    values_init(&values, &self->scratch);
    values_add_array(&values, &scopes);
    values_add_array(&values, &names);
    values_add_integer(&values, oldest_us);
    if (!postgres_run(self, FIND_ANSWERS, &values, fault)) {
        return false;
    }
    const PGresult *rows = wire_result(&self->wire, 0);
    for (int row = 0; row < PQntuples(rows); row++) {
        int64_t number = cell_integer(rows, row, 0) - 1;
        out[number] = answer_of_row(arena, rows, row, &keys[number]);
    }
    return true;
}

bool postgres_find_answers(struct store *store, struct arena *arena,
                           const struct store_answer_key *keys, size_t count, int64_t oldest_us,
                           const struct store_answer **out, struct fault *fault) {
    struct postgres_store *self = postgres_of(store);
    bool own;
    if (!postgres_enter(self, STORE_READ, &own, fault)) {
        return false;
    }
    if (oldest_us < self->answers_from_us) {
        self->answers_from_us = oldest_us;
    }
    return postgres_leave(self, own, find_answers(self, arena, keys, count, oldest_us, out, fault),
                          fault);
}

bool postgres_expire_answers(struct store *store, int64_t oldest_us, int64_t most,
                             struct fault *fault) {
    struct postgres_store *self = postgres_of(store);
    struct values values;
    bool own;
    if (!postgres_enter(self, STORE_WRITE, &own, fault)) {
        return false;
    }
    values_init(&values, &self->scratch);
    values_add_integer(&values, oldest_us);
    values_add_integer(&values, most);
    return change(self, EXPIRE_ANSWERS, &values, own, fault);
}

/* --- policies --- */

bool postgres_keep_policy(struct store *store, struct text generation, struct text files_json,
                          int64_t now_us, struct fault *fault) {
    struct postgres_store *self = postgres_of(store);
    struct values values;
    bool own;
    if (!postgres_enter(self, STORE_WRITE, &own, fault)) {
        return false;
    }
    values_init(&values, &self->scratch);
    values_add_text(&values, generation);
    values_add_integer(&values, now_us);
    values_add_text(&values, files_json);
    return change(self, KEEP_POLICY, &values, own, fault);
}

/* --- API keys --- */

bool postgres_add_api_key(struct store *store, const struct store_api_key *key,
                          struct fault *fault) {
    struct postgres_store *self = postgres_of(store);
    struct values values;
    bool own;
    if (!postgres_enter(self, STORE_WRITE, &own, fault)) {
        return false;
    }
    values_init(&values, &self->scratch);
    values_add_text(&values, key->id);
    values_add_text(&values, key->name);
    values_add_bytes(&values, key->hash, DIGEST_BYTES);
    values_add_given(&values, key->scopes);
    values_add_given(&values, key->roles);
    values_add_given(&values, key->permissions);
    values_add_integer(&values, key->created_us);
    values_add_integer(&values, key->expires_us);
    values_add_integer(&values, key->revoked_us);
    if (change(self, ADD_KEY, &values, own, fault)) {
        return true;
    }
    if (fault->code == FAULT_STORE_CONFLICT) {
        fault_set(fault, FAULT_ALREADY_EXISTS, "there is an API key \"%.*s\" already",
                  TEXT_ARGS(key->name));
    }
    return false;
}

static struct store_api_key key_of_row(struct arena *arena, const PGresult *rows, int row) {
    struct store_api_key key = {.id = cell_text(arena, rows, row, 0),
                                .name = cell_text(arena, rows, row, 1),
                                .scopes = cell_text(arena, rows, row, 3),
                                .roles = cell_text(arena, rows, row, 4),
                                .permissions = cell_text(arena, rows, row, 5),
                                .created_us = cell_integer(rows, row, 6),
                                .expires_us = cell_integer(rows, row, 7),
                                .revoked_us = cell_integer(rows, row, 8)};
    cell_bytes(rows, row, 2, key.hash, DIGEST_BYTES);
    return key;
}

bool postgres_list_api_keys(struct store *store, struct arena *arena, struct store_api_key **items,
                            size_t *count, struct fault *fault) {
    struct postgres_store *self = postgres_of(store);
    bool own;
    if (!postgres_enter(self, STORE_READ, &own, fault)) {
        return false;
    }
    bool found = postgres_run(self, LIST_KEYS, NULL, fault);
    const PGresult *rows = found ? wire_result(&self->wire, 0) : NULL;
    *count = (size_t)PQntuples(rows);
    *items = ARENA_ARRAY(arena, struct store_api_key, *count);
    for (size_t i = 0; i < *count; i++) {
        (*items)[i] = key_of_row(arena, rows, (int)i);
    }
    return postgres_leave(self, own, found, fault);
}

bool postgres_revoke_api_key(struct store *store, struct text id_or_name, int64_t now_us,
                             struct fault *fault) {
    struct postgres_store *self = postgres_of(store);
    struct values values;
    bool own;
    if (!postgres_enter(self, STORE_WRITE, &own, fault)) {
        return false;
    }
    values_init(&values, &self->scratch);
    values_add_text(&values, id_or_name);
    values_add_integer(&values, now_us);
    bool fine =
        postgres_run(self, REVOKE_KEY, &values, fault) &&
        (wire_changed(&self->wire, 0) > 0 ||
         fault_set(fault, FAULT_NOT_FOUND, "there is no API key \"%.*s\"", TEXT_ARGS(id_or_name)));
    return postgres_leave(self, own, fine, fault);
}
