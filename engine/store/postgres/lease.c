/* lease.c: a table of leases; a row is a hold.
 *
 * What is queued before a round trip ends is one transaction, which the server opens and ends by
 * itself: it needs no BEGIN, and an error leaves nothing open. The time-outs are local to it, and
 * so is synchronous_commit: a server that crashes may forget the last leases, as Redis would, and
 * nobody waits for a disk.
 *
 * No deadlock: rows are locked in the order of keys by all three. ON CONFLICT locks the row it
 * meets even when it is not to be changed, so a drop or renewal may wait for a take; it locks what
 * is its own in order (FOR UPDATE) before it changes anything. The clean-up waits for no row.
 *
 * A key that is held is passed over by what the statement sees when it starts: to ask again and
 * again for it writes nothing. */
#include <stdlib.h>

#include "store/driver.h"
#include "store/lease.h"
#include "store/postgres/wire.h"

#define NOW "(extract(epoch FROM now()) * 1000000)::bigint"

static const char SET_UP[] = "SELECT set_config('lock_timeout', '500ms', true), "
                             "set_config('statement_timeout', '1s', true), "
                             "set_config('tcp_user_timeout', '2s', true), "
                             "set_config('synchronous_commit', 'off', true)";
static const char TAKE[] =
    "INSERT INTO lease AS l (key, token, expires_us) "
    "SELECT u.key, u.token, " NOW " + u.ttl_us "
    "FROM unnest($1::bytea[], $2::bigint[], $3::bigint[]) WITH ORDINALITY "
    "AS u (key, token, ttl_us, place) "
    "WHERE NOT EXISTS (SELECT FROM lease h WHERE h.key = u.key AND h.expires_us > " NOW ") "
    "ORDER BY u.place "
    "ON CONFLICT (key) DO UPDATE SET token = excluded.token, expires_us = excluded.expires_us "
    "WHERE l.expires_us <= " NOW " RETURNING token";
#define MINE                                                                                       \
    "WITH mine AS MATERIALIZED (SELECT l.key, l.token, u.ttl_us "                                  \
    "FROM unnest($1::bytea[], $2::bigint[], $3::bigint[]) WITH ORDINALITY "                        \
    "AS u (key, token, ttl_us, place) JOIN lease l ON l.key = u.key AND l.token = u.token "        \
    "ORDER BY u.place FOR UPDATE OF l) "
static const char RENEW[] =
    MINE "UPDATE lease SET expires_us = " NOW " + mine.ttl_us FROM mine "
         "WHERE lease.key = mine.key AND lease.token = mine.token AND lease.expires_us > " NOW;
static const char DROP[] = MINE "DELETE FROM lease USING mine "
                                "WHERE lease.key = mine.key AND lease.token = mine.token";
static const char PING[] = "SELECT count(*) FROM (SELECT FROM lease LIMIT 1) one";
/* A minute after its end nobody is in doubt about a lease. */
static const char CLEAN[] =
    "DELETE FROM lease WHERE key = ANY(ARRAY(SELECT key FROM lease WHERE expires_us < " NOW
    " - 60000000 LIMIT 1000 FOR UPDATE SKIP LOCKED))";

struct lease_table {
    struct wire wire;
    struct arena scratch; /* of one call */
};

bool lease_possible(struct text url) {
    struct text place;
    struct fault ignored;
    return store_driver_of(url, &place, &ignored) == &store_postgres;
}

bool lease_open(struct text url, struct lease_table **out, struct fault *fault) {
    struct text place;
    if (!lease_possible(url)) {
        return fault_set(fault, FAULT_USAGE, "this kind of store has no leases");
    }
    (void)!store_driver_of(url, &place, fault);
    struct lease_table *table = calloc(1, sizeof *table);
    if (table == NULL) {
        return fault_set(fault, FAULT_INTERNAL, "no memory for a lock");
    }
    arena_init(&table->scratch, 0);
    struct text whole = text_print(&table->scratch, "postgresql:%.*s", TEXT_ARGS(place));
    if (!wire_init(&table->wire, whole, fault)) {
        lease_close(table);
        return false;
    }
    *out = table;
    return true;
}

void lease_close(struct lease_table *table) {
    wire_deinit(&table->wire);
    arena_deinit(&table->scratch);
    free(table);
}

void lease_patience(struct lease_table *table, int64_t silence_us) {
    table->wire.silence_us = silence_us;
}

/* --- one call --- */

static bool begin(struct lease_table *table, struct fault *fault) {
    arena_reset(&table->scratch);
    if (!wire_ready(&table->wire, fault)) {
        return false;
    }
    wire_queue(&table->wire, SET_UP, NULL);
    wire_lead(&table->wire);
    return true;
}

/* Keys, tokens and times of those that `all` or `granted` says. */
static void add_claims(struct lease_table *table, struct values *values,
                       const struct lease_claim *claims, size_t count, bool all) {
    struct array keys, tokens, ttls;
    array_init_bytes(&keys, &table->scratch);
    array_init_integers(&tokens, &table->scratch);
    array_init_integers(&ttls, &table->scratch);
    for (size_t i = 0; i < count; i++) {
        if (all || claims[i].granted) {
            array_add_bytes(&keys, claims[i].key.bytes, claims[i].key.length);
            array_add_integer(&tokens, (int64_t)claims[i].token);
            array_add_integer(&ttls, claims[i].ttl_us);
        }
    }
    values_init(values, &table->scratch);
    values_add_array(values, &keys);
    values_add_array(values, &tokens);
    values_add_array(values, &ttls);
}

static size_t granted_count(const struct lease_claim *claims, size_t count) {
    size_t granted = 0;
    for (size_t i = 0; i < count; i++) {
        granted += claims[i].granted;
    }
    return granted;
}

/* Rows come in the order of the claims, as they were inserted. */
static void read_granted(const PGresult *rows, struct lease_claim *claims, size_t count) {
    int row = 0;
    for (size_t i = 0; i < count; i++) {
        claims[i].granted =
            row < PQntuples(rows) && (uint64_t)cell_integer(rows, row, 0) == claims[i].token;
        row += claims[i].granted;
    }
}

bool lease_take(struct lease_table *table, struct lease_claim *claims, size_t count, bool again,
                struct fault *fault) {
    struct values values;
    for (size_t i = 0; i < count; i++) {
        claims[i].granted = false;
    }
    if (!begin(table, fault)) {
        return false;
    }
    add_claims(table, &values, claims, count, true);
    if (again) {
        wire_queue(&table->wire, DROP, &values);
        wire_lead(&table->wire);
    }
    wire_queue(&table->wire, TAKE, &values);
    if (!wire_run(&table->wire, fault)) {
        return false;
    }
    read_granted(wire_result(&table->wire, 0), claims, count);
    return true;
}

bool lease_renew(struct lease_table *table, const struct lease_claim *claims, size_t count,
                 bool *kept, struct fault *fault) {
    struct values values;
    if (!begin(table, fault)) {
        return false;
    }
    add_claims(table, &values, claims, count, false);
    wire_queue(&table->wire, RENEW, &values);
    if (!wire_run(&table->wire, fault)) {
        return false;
    }
    *kept = wire_changed(&table->wire, 0) == granted_count(claims, count);
    return true;
}

bool lease_drop(struct lease_table *table, const struct lease_claim *claims, size_t count,
                struct fault *fault) {
    struct values values;
    if (!begin(table, fault)) {
        return false;
    }
    add_claims(table, &values, claims, count, false);
    wire_queue(&table->wire, DROP, &values);
    return wire_run(&table->wire, fault);
}

bool lease_ping(struct lease_table *table, struct fault *fault) {
    if (!begin(table, fault)) {
        return false;
    }
    wire_queue(&table->wire, PING, NULL);
    return wire_run(&table->wire, fault);
}

bool lease_is_connected(struct lease_table *table) {
    return wire_is_alive(&table->wire);
}

void lease_clean(struct lease_table *table) {
    if (wire_is_alive(&table->wire)) {
        wire_queue(&table->wire, SET_UP, NULL);
        wire_queue(&table->wire, CLEAN, NULL);
        wire_send(&table->wire);
    }
}
