/* key.c: API keys, and the sources of generations. */
#include "store/sqlite/driver.h"

static const char KEEP_POLICY[] =
    "INSERT OR IGNORE INTO policy_source (generation, first_seen_us, files) VALUES (?1, ?2, ?3)";
static const char ADD_KEY[] = "INSERT INTO api_key (id, name, hash, scopes, roles, permissions, "
                              "created_us, expires_us, revoked_us) "
                              "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
static const char LIST_KEYS[] = "SELECT id, name, hash, scopes, roles, permissions, created_us, "
                                "expires_us, revoked_us FROM api_key ORDER BY created_us, id";
static const char REVOKE_KEY[] =
    "UPDATE api_key SET revoked_us = CASE WHEN revoked_us = 0 THEN ?2 ELSE revoked_us END "
    "WHERE id = ?1 OR name = ?1";

bool sqlite_keep_policy(struct store *store, struct text generation, struct text files_json,
                        int64_t now_us, struct fault *fault) {
    struct sqlite_store *self = sqlite_of(store);
    sqlite3_stmt *statement = sql_use(&self->sql, KEEP_POLICY, fault);
    if (statement == NULL) {
        return false;
    }
    sql_put_text(statement, 1, generation);
    sql_put_integer(statement, 2, now_us);
    sql_put_text(statement, 3, files_json);
    return sql_run(&self->sql, statement, fault);
}

bool sqlite_add_api_key(struct store *store, const struct store_api_key *key, struct fault *fault) {
    struct sqlite_store *self = sqlite_of(store);
    sqlite3_stmt *statement = sql_use(&self->sql, ADD_KEY, fault);
    if (statement == NULL) {
        return false;
    }
    sql_put_text(statement, 1, key->id);
    sql_put_text(statement, 2, key->name);
    sql_put_bytes(statement, 3, key->hash, DIGEST_BYTES);
    sql_put_given(statement, 4, key->scopes);
    sql_put_given(statement, 5, key->roles);
    sql_put_given(statement, 6, key->permissions);
    sql_put_integer(statement, 7, key->created_us);
    sql_put_integer(statement, 8, key->expires_us);
    sql_put_integer(statement, 9, key->revoked_us);
    if (sql_run(&self->sql, statement, fault)) {
        return true;
    }
    if (fault->code == FAULT_STORE_CONFLICT) {
        fault_set(fault, FAULT_ALREADY_EXISTS, "there is an API key \"%.*s\" already",
                  TEXT_ARGS(key->name));
    }
    return false;
}

static void read_key(struct arena *arena, sqlite3_stmt *statement, void *item) {
    struct store_api_key *key = item;
    key->id = sql_text(arena, statement, 0);
    key->name = sql_text(arena, statement, 1);
    sql_bytes(statement, 2, key->hash, DIGEST_BYTES);
    key->scopes = sql_text(arena, statement, 3);
    key->roles = sql_text(arena, statement, 4);
    key->permissions = sql_text(arena, statement, 5);
    key->created_us = sql_integer(statement, 6);
    key->expires_us = sql_integer(statement, 7);
    key->revoked_us = sql_integer(statement, 8);
}

bool sqlite_list_api_keys(struct store *store, struct arena *arena, struct store_api_key **items,
                          size_t *count, struct fault *fault) {
    struct sqlite_store *self = sqlite_of(store);
    void *rows;
    sqlite3_stmt *statement = sql_use(&self->sql, LIST_KEYS, fault);
    if (statement == NULL ||
        !sql_collect(&self->sql, statement, arena, read_key, sizeof **items, &rows, count, fault)) {
        return false;
    }
    *items = rows;
    return true;
}

bool sqlite_revoke_api_key(struct store *store, struct text id_or_name, int64_t now_us,
                           struct fault *fault) {
    struct sqlite_store *self = sqlite_of(store);
    sqlite3_stmt *statement = sql_use(&self->sql, REVOKE_KEY, fault);
    if (statement == NULL) {
        return false;
    }
    sql_put_text(statement, 1, id_or_name);
    sql_put_integer(statement, 2, now_us);
    if (!sql_run(&self->sql, statement, fault)) {
        return false;
    }
    return sqlite3_changes(self->sql.database) > 0 ||
           fault_set(fault, FAULT_NOT_FOUND, "there is no API key \"%.*s\"", TEXT_ARGS(id_or_name));
}
