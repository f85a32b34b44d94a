/* answer.c: first answers, kept by idempotency key. */
#include "store/sqlite/driver.h"

/* An answer that is there already has expired, or the batch would have found it. */
static const char KEEP_ANSWER[] =
    "INSERT INTO answer (scope, key, body_hash, status, created_us, headers, body) "
    "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (scope, key) DO UPDATE SET "
    "body_hash = excluded.body_hash, status = excluded.status, created_us = excluded.created_us, "
    "headers = excluded.headers, body = excluded.body";
static const char FIND_ANSWER[] = "SELECT body_hash, status, created_us, headers, body FROM answer "
                                  "WHERE scope = ?1 AND key = ?2 AND created_us >= ?3";
static const char EXPIRE_ANSWERS[] =
    "DELETE FROM answer WHERE number IN "
    "(SELECT number FROM answer WHERE created_us < ?1 ORDER BY created_us LIMIT ?2)";

bool sqlite_write_answer(struct sqlite_store *self, const struct store_answer *answer,
                         struct fault *fault) {
    sqlite3_stmt *statement = sql_use(&self->sql, KEEP_ANSWER, fault);
    if (statement == NULL) {
        return false;
    }
    sql_put_text(statement, 1, answer->scope);
    sql_put_text(statement, 2, answer->key);
    sql_put_bytes(statement, 3, answer->body_hash, DIGEST_BYTES);
    sql_put_integer(statement, 4, answer->status);
    sql_put_integer(statement, 5, answer->created_us);
    sql_put_given(statement, 6, answer->headers);
    sql_put_given(statement, 7, answer->body);
    return sql_run(&self->sql, statement, fault);
}

static const struct store_answer *answer_of_row(struct arena *arena, sqlite3_stmt *statement,
                                                struct text scope, struct text key) {
    struct store_answer *answer = ARENA_NEW(arena, struct store_answer);
    answer->scope = text_copy(arena, scope);
    answer->key = text_copy(arena, key);
    sql_bytes(statement, 0, answer->body_hash, DIGEST_BYTES);
    answer->status = (int)sql_integer(statement, 1);
    answer->created_us = sql_integer(statement, 2);
    answer->headers = sql_text(arena, statement, 3);
    answer->body = sql_text(arena, statement, 4);
    return answer;
}

static bool find_answer(struct sqlite_store *self, struct arena *arena,
                        const struct store_answer_key *key, int64_t oldest_us,
                        const struct store_answer **out, struct fault *fault) {
    bool row;
    sqlite3_stmt *statement = sql_use(&self->sql, FIND_ANSWER, fault);
    if (statement == NULL) {
        return false;
    }
    sql_put_text(statement, 1, key->scope);
    sql_put_text(statement, 2, key->key);
    sql_put_integer(statement, 3, oldest_us);
    if (!sql_next(&self->sql, statement, &row, fault)) {
        return false;
    }
    *out = row ? answer_of_row(arena, statement, key->scope, key->key) : NULL;
    sql_stop(statement);
    return true;
}

bool sqlite_find_answers(struct store *store, struct arena *arena,
                         const struct store_answer_key *keys, size_t count, int64_t oldest_us,
                         const struct store_answer **out, struct fault *fault) {
    for (size_t i = 0; i < count; i++) {
        if (!find_answer(sqlite_of(store), arena, &keys[i], oldest_us, &out[i], fault)) {
            return false;
        }
    }
    return true;
}

bool sqlite_expire_answers(struct store *store, int64_t oldest_us, int64_t most,
                           struct fault *fault) {
    struct sqlite_store *self = sqlite_of(store);
    sqlite3_stmt *statement = sql_use(&self->sql, EXPIRE_ANSWERS, fault);
    if (statement == NULL) {
        return false;
    }
    sql_put_integer(statement, 1, oldest_us);
    sql_put_integer(statement, 2, most);
    return sql_run(&self->sql, statement, fault);
}
