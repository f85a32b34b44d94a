/* lock.c: fencing tokens. */
#include "store/sqlite/driver.h"

static const char GRANT[] =
    "INSERT INTO lock (key, fencing_token, proof, expires_us) VALUES (?1, 1, ?2, ?3) "
    "ON CONFLICT (key) DO UPDATE SET fencing_token = fencing_token + 1, proof = excluded.proof, "
    "expires_us = excluded.expires_us WHERE expires_us <= ?4 RETURNING fencing_token";
static const char FIND[] = "SELECT fencing_token, proof, expires_us FROM lock WHERE key = ?1";
static const char RENEW[] = "UPDATE lock SET proof = ?3, expires_us = ?4 "
                            "WHERE key = ?1 AND fencing_token = ?2 AND expires_us > ?5";
static const char RELEASE[] = "UPDATE lock SET proof = 0, expires_us = 0 "
                              "WHERE key = ?1 AND fencing_token = ?2 AND expires_us > ?3";

static int64_t wall_us(void) {
    struct now now = now_system();
    return now_wall_us(&now);
}

static bool run_grant(struct sqlite_store *self, struct text key, int64_t ttl_us,
                      struct store_lock *lock, struct fault *fault) {
    int64_t now_us = wall_us();
    sqlite3_stmt *statement = sql_use(&self->sql, GRANT, fault);
    if (statement == NULL) {
        return false;
    }
    sql_put_text(statement, 1, key);
    sql_put_integer(statement, 2, (int64_t)lock->proof);
    sql_put_integer(statement, 3, now_us + ttl_us);
    sql_put_integer(statement, 4, now_us);
    if (!sql_ask(&self->sql, statement, 0, &lock->fencing_token, fault)) {
        return false;
    }
    lock->held = lock->fencing_token > 0;
    lock->expires_us = now_us + ttl_us;
    return true;
}

/* In a transaction, since what a lone statement says before its last step is not committed yet. */
static bool grant(struct store *store, struct text key, int64_t ttl_us, struct store_lock *lock,
                  struct fault *fault) {
    struct sqlite_store *self = sqlite_of(store);
    bool own;
    return sqlite_enter(self, &own, fault) &&
           sqlite_leave(self, own, run_grant(self, key, ttl_us, lock, fault), fault);
}

static bool find(struct store *store, struct text key, struct store_lock *lock,
                 struct fault *fault) {
    struct sqlite_store *self = sqlite_of(store);
    bool row;
    sqlite3_stmt *statement = sql_use(&self->sql, FIND, fault);
    if (statement == NULL) {
        return false;
    }
    sql_put_text(statement, 1, key);
    if (!sql_next(&self->sql, statement, &row, fault)) {
        return false;
    }
    if (row) {
        lock->fencing_token = sql_integer(statement, 0);
        lock->proof = (uint64_t)sql_integer(statement, 1);
        lock->expires_us = sql_integer(statement, 2);
        lock->held = lock->expires_us > wall_us();
        sql_stop(statement);
    }
    return true;
}

static bool renew(struct store *store, struct text key, int64_t ttl_us, struct store_lock *lock,
                  struct fault *fault) {
    struct sqlite_store *self = sqlite_of(store);
    int64_t now_us = wall_us();
    sqlite3_stmt *statement = sql_use(&self->sql, RENEW, fault);
    if (statement == NULL) {
        return false;
    }
    lock->expires_us = now_us + ttl_us;
    sql_put_text(statement, 1, key);
    sql_put_integer(statement, 2, lock->fencing_token);
    sql_put_integer(statement, 3, (int64_t)lock->proof);
    sql_put_integer(statement, 4, lock->expires_us);
    sql_put_integer(statement, 5, now_us);
    bool fine = sql_run(&self->sql, statement, fault);
    lock->held = fine && sqlite3_changes(self->sql.database) > 0;
    return fine;
}

static bool release(struct store *store, struct text key, struct store_lock *lock,
                    struct fault *fault) {
    struct sqlite_store *self = sqlite_of(store);
    sqlite3_stmt *statement = sql_use(&self->sql, RELEASE, fault);
    if (statement == NULL) {
        return false;
    }
    sql_put_text(statement, 1, key);
    sql_put_integer(statement, 2, lock->fencing_token);
    sql_put_integer(statement, 3, wall_us());
    bool fine = sql_run(&self->sql, statement, fault);
    lock->held = fine && sqlite3_changes(self->sql.database) > 0;
    return fine;
}

const struct store_lock_driver sqlite_locks = {grant, find, renew, release};
