/* lock.c: fencing tokens. */
#include "store/postgres/driver.h"

/* Of the moment, not of the transaction's begin: it may have waited for the row. */
#define NOW "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"

static const char GRANT[] =
    "INSERT INTO lock AS l (key, fencing_token, proof, expires_us) "
    "VALUES ($1, 1, $2::bigint, " NOW " + $3::bigint) "
    "ON CONFLICT (key) DO UPDATE SET fencing_token = l.fencing_token + 1, proof = excluded.proof, "
    "expires_us = excluded.expires_us WHERE l.expires_us <= " NOW " "
    "RETURNING fencing_token, proof, expires_us, true";
static const char FIND[] =
    "SELECT fencing_token, proof, expires_us, expires_us > " NOW " FROM lock WHERE key = $1";
static const char RENEW[] =
    "UPDATE lock SET proof = $3::bigint, expires_us = " NOW " + $4::bigint WHERE key = $1 "
    "AND fencing_token = $2::bigint AND expires_us > " NOW " "
    "RETURNING fencing_token, proof, expires_us, true";
static const char RELEASE[] =
    "UPDATE lock SET proof = 0, expires_us = 0 WHERE key = $1 AND fencing_token = $2::bigint "
    "AND expires_us > " NOW " RETURNING fencing_token, proof, expires_us, true";

/* Runs a statement that answers a lock, or no row: then *lock stays as it is. */
static bool run(struct postgres_store *self, const char *sql, const struct values *values,
                struct store_lock *lock, struct fault *fault) {
    if (!postgres_run(self, sql, values, fault)) {
        return false;
    }
    const PGresult *rows = wire_result(&self->wire, 0);
    if (PQntuples(rows) > 0) {
        *lock = (struct store_lock){.fencing_token = cell_integer(rows, 0, 0),
                                    .proof = (uint64_t)cell_integer(rows, 0, 1),
                                    .expires_us = cell_integer(rows, 0, 2),
                                    .held = cell_bool(rows, 0, 3)};
    }
    return true;
}

static bool grant(struct store *store, struct text key, int64_t ttl_us, struct store_lock *lock,
                  struct fault *fault) {
    struct postgres_store *self = postgres_of(store);
    struct values values;
    bool own;
    if (!postgres_enter(self, STORE_WRITE, &own, fault)) {
        return false;
    }
    values_init(&values, &self->scratch);
    values_add_text(&values, key);
    values_add_integer(&values, (int64_t)lock->proof);
    values_add_integer(&values, ttl_us);
    return postgres_leave(self, own, run(self, GRANT, &values, lock, fault), fault);
}

static bool find(struct store *store, struct text key, struct store_lock *lock,
                 struct fault *fault) {
    struct postgres_store *self = postgres_of(store);
    struct values values;
    bool own;
    if (!postgres_enter(self, STORE_READ, &own, fault)) {
        return false;
    }
    values_init(&values, &self->scratch);
    values_add_text(&values, key);
    return postgres_leave(self, own, run(self, FIND, &values, lock, fault), fault);
}

static bool renew(struct store *store, struct text key, int64_t ttl_us, struct store_lock *lock,
                  struct fault *fault) {
    struct postgres_store *self = postgres_of(store);
    struct values values;
    bool own;
    if (!postgres_enter(self, STORE_WRITE, &own, fault)) {
        return false;
    }
    values_init(&values, &self->scratch);
    values_add_text(&values, key);
    values_add_integer(&values, lock->fencing_token);
    values_add_integer(&values, (int64_t)lock->proof);
    values_add_integer(&values, ttl_us);
    return postgres_leave(self, own, run(self, RENEW, &values, lock, fault), fault);
}

static bool release(struct store *store, struct text key, struct store_lock *lock,
                    struct fault *fault) {
    struct postgres_store *self = postgres_of(store);
    struct values values;
    bool own;
    if (!postgres_enter(self, STORE_WRITE, &own, fault)) {
        return false;
    }
    values_init(&values, &self->scratch);
    values_add_text(&values, key);
    values_add_integer(&values, lock->fencing_token);
    return postgres_leave(self, own, run(self, RELEASE, &values, lock, fault), fault);
}

const struct store_lock_driver postgres_locks = {grant, find, renew, release};
