/* settle.c: whether a commit happened whose answer was lost.
 *
 * The server that is asked may still be about to read that COMMIT, or be waiting for a replica: as
 * long as it says that the transaction is in progress, nothing is decided, and it is asked again. A
 * connection that is cut off ends in bounded time (IDLE_TIMEOUT, TCP_TIMEOUT), which SETTLE_US is
 * well over. Once it is over, the record tells: after a fail-over to a server that never had the
 * transaction, its id may be another's there, or may not have been given yet. */
#include "store/postgres/driver.h"

#include <poll.h>

#define SETTLE_US (30 * NOW_SECOND)
#define PAUSE_MS  50

static const char READ_STATUS[] = "SELECT pg_xact_status($1::text::xid8)::text";
static const char NEVER_GIVEN[] = "22023"; /* invalid_parameter_value: the id is in the future */
static const char FIND_RECORD[] = "SELECT EXISTS (SELECT 1 FROM audit WHERE uuid = $1::text::uuid)";

/* Asks a statement with one text in a transaction of its own, or in the one that is open. */
static bool ask(struct postgres_store *self, const char *sql, struct text value,
                const PGresult **out, struct fault *fault) {
    struct values values;
    values_init(&values, &self->scratch);
    values_add_text(&values, value);
    if (!postgres_run(self, sql, &values, fault)) {
        return false;
    }
    *out = wire_result(&self->wire, 0);
    return true;
}

static bool is_never_given(const PGresult *result) {
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    return state != NULL && strcmp(state, NEVER_GIVEN) == 0;
}

static bool read_status(struct postgres_store *self, bool *over, struct fault *fault) {
    const PGresult *result = NULL;
    if (!ask(self, READ_STATUS, text_of(self->xid), &result, fault)) {
        *over = is_never_given(wire_result(&self->wire, 0));
        return *over;
    }
    *over = !text_equal(cell_lent(result, 0, 0), TEXT("in progress"));
    return true;
}

static bool find_record(struct postgres_store *self, struct text uuid, bool *found,
                        struct fault *fault) {
    const PGresult *result = NULL;
    if (!ask(self, FIND_RECORD, uuid, &result, fault)) {
        return false;
    }
    *found = cell_bool(result, 0, 0);
    return true;
}

/* A transaction of its own: it must see what was committed while the one before ran. */
static bool is_over(struct postgres_store *self, bool *over, struct fault *fault) {
    bool own;
    *over = self->xid[0] == '\0';
    return *over || (postgres_enter(self, STORE_READ, &own, fault) &&
                     postgres_leave(self, own, read_status(self, over, fault), fault));
}

static bool wait_until_over(struct postgres_store *self, struct fault *fault) {
    int64_t until_us = now_monotonic_us(&self->wire.now) + SETTLE_US;
    for (;;) {
        bool over = false;
        bool asked = is_over(self, &over, fault);
        if (over) {
            return true;
        }
        if (now_monotonic_us(&self->wire.now) >= until_us) {
            return !asked ? false
                          : fault_set(fault, FAULT_STORE_UNAVAILABLE,
                                      "%s: transaction %s is still in progress", self->wire.name,
                                      self->xid);
        }
        poll(NULL, 0, PAUSE_MS);
    }
}

bool postgres_settle(struct store *store, struct text audit_uuid, bool *committed,
                     struct fault *fault) {
    struct postgres_store *self = postgres_of(store);
    bool own;
    return wait_until_over(self, fault) && postgres_enter(self, STORE_READ, &own, fault) &&
           postgres_leave(self, own, find_record(self, audit_uuid, committed, fault), fault);
}
