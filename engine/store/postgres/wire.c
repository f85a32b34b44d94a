/* wire.c: in pipeline mode the connection never blocks in libpq, so that a server
 * that has fallen silent costs silence_us and no more: statement_timeout ends what the server does,
 * and this what the network does. While statements are sent, answers are read, so that both sides'
 * buffers can be full without either waiting for the other. Connecting is bounded by
 * connect_timeout, and what runs before the pipeline (the schema) by keepalives.
 *
 *   (none) ─wire_connect─> plain ─wire_pipeline─> ready <─wire_run, wire_send─> ready
 *     ^                                            │ lost, silent
 *     └──────────────────── broken <───────────────┘    wire_ready, wire_drop: (none) */
#include "store/postgres/wire.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

/* Longer than a statement may run (driver.c); counted anew whenever something arrives. */
#define SILENCE_US  (30 * NOW_SECOND)
#define NULLS_MOST  3 /* libpq puts a NULL between answers; more mean that none will come */
#define ANSWER_MODE 1 /* binary */

/* What stands in the URL wins over all of these but the encoding. */
static const char *const keywords[] = {
    "fallback_application_name",
    "connect_timeout",  /* seconds, per host */
    "tcp_user_timeout", /* milliseconds unacknowledged */
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_count",     /* seconds, seconds */
    "target_session_attrs", /* of several hosts, the one that takes writes */
    "dbname",               /* the URL */
    "client_encoding",
    NULL};
#define AT_URL 7

/* --- faults --- */

static const struct {
    char state[6];
    enum fault_code code;
} codes[] = {
    {"40001", FAULT_STORE_CONFLICT}, /* serialization_failure */
    {"40P01", FAULT_STORE_CONFLICT}, /* deadlock_detected */
    {"23505", FAULT_STORE_CONFLICT}, /* unique_violation */
    {"22021", FAULT_BAD_REQUEST},    /* character_not_in_repertoire */
};

static enum fault_code code_of(const char *state) {
    for (size_t i = 0; state != NULL && i < sizeof codes / sizeof codes[0]; i++) {
        if (strcmp(codes[i].state, state) == 0) {
            return codes[i].code;
        }
    }
    return FAULT_STORE_UNAVAILABLE;
}

/* The length of the first line. */
static int line_of(const char *message) {
    return (int)strcspn(message, "\n");
}

static bool fail_lost(const struct wire *wire, struct fault *fault) {
    const char *message = wire->connection != NULL ? PQerrorMessage(wire->connection) : "";
    message = message[0] != '\0' ? message : "the connection is lost";
    return fault_set(fault, FAULT_STORE_UNAVAILABLE, "%s: %.*s", wire->name, line_of(message),
                     message);
}

static bool fail_result(const struct wire *wire, const PGresult *result, struct fault *fault) {
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    if (message == NULL) {
        return fail_lost(wire, fault);
    }
    return fault_set(fault, code_of(state), "%s: %s (%s)", wire->name, message,
                     state != NULL ? state : "?");
}

/* --- connecting --- */

/* A password with a bare slash would be taken for a port, which libpq quotes when it is none. */
static bool has_ports(const PQconninfoOption *options) {
    while (options->keyword != NULL && strcmp(options->keyword, "port") != 0) {
        options++;
    }
    return options->keyword == NULL || options->val == NULL ||
           options->val[strspn(options->val, "0123456789,")] == '\0';
}

bool wire_init(struct wire *wire, struct text url, struct fault *fault) {
    *wire = (struct wire){.name = "PostgreSQL", .now = now_system(), .silence_us = SILENCE_US};
    wire->url = strndup(url.bytes, url.length);
    PQconninfoOption *options = wire->url != NULL ? PQconninfoParse(wire->url, NULL) : NULL;
    bool fine = options != NULL && has_ports(options);
    PQconninfoFree(options);
    return fine ||
           fault_set(
               fault, FAULT_USAGE,
               "the store's URL is none of PostgreSQL's: "
               "postgresql://USER@HOST:PORT/DATABASE is one; in a password / is %%2F, @ is %%40");
}

static void forget_results(struct wire *wire) {
    for (size_t i = 0; i < wire->result_count; i++) {
        PQclear(wire->results[i]);
    }
    wire->result_count = 0;
}

void wire_drop(struct wire *wire) {
    forget_results(wire);
    PQfinish(wire->connection);
    wire->connection = NULL;
    wire->queued = wire->first = 0;
    wire->unread = 0;
    wire->broken = false;
}

void wire_deinit(struct wire *wire) {
    wire_drop(wire);
    free(wire->url);
}

static void name_server(struct wire *wire) {
    snprintf(wire->name, sizeof wire->name, "PostgreSQL at %s:%s/%s", PQhost(wire->connection),
             PQport(wire->connection), PQdb(wire->connection));
}

/* What the server only warns of would go to standard error, past the log. */
static void ignore_notice(void *context, const PGresult *notice) {
    (void)context;
    (void)notice;
}

bool wire_connect(struct wire *wire, struct fault *fault) {
    const char *values[] = {"statute", "3",          "10000",   "5",    "2",
                            "3",       "read-write", wire->url, "UTF8", NULL};
    wire_drop(wire);
    wire->connection = PQconnectdbParams(keywords, values, 1);
    if (PQstatus(wire->connection) != CONNECTION_OK) {
        fail_lost(wire, fault);
        wire_drop(wire);
        return false;
    }
    PQsetNoticeReceiver(wire->connection, ignore_notice, NULL);
    name_server(wire);
    return true;
}

bool wire_pipeline(struct wire *wire, struct fault *fault) {
    return (PQsetnonblocking(wire->connection, 1) == 0 &&
            PQenterPipelineMode(wire->connection) == 1) ||
           fail_lost(wire, fault);
}

bool wire_execute(struct wire *wire, const char *sql, PGresult **out, struct fault *fault) {
    PGresult *result = PQexec(wire->connection, sql);
    ExecStatusType status = PQresultStatus(result);
    bool fine =
        status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || fail_result(wire, result, fault);
    if (fine && out != NULL) {
        *out = result;
    } else {
        PQclear(result);
    }
    return fine;
}

/* --- waiting --- */

/* Until the socket is ready for one of the events; false when it stays silent for too long. */
static bool await(struct wire *wire, short events) {
    struct pollfd socket = {.fd = PQsocket(wire->connection), .events = events};
    int64_t until_us = now_monotonic_us(&wire->now) + wire->silence_us;
    for (;;) {
        int64_t left_us = until_us - now_monotonic_us(&wire->now);
        if (socket.fd < 0 || left_us <= 0) {
            return false;
        }
        if (poll(&socket, 1, (int)(left_us / NOW_MILLISECOND) + 1) > 0) {
            return true;
        }
    }
}

static bool lose(struct wire *wire, struct fault *fault) {
    wire->broken = true;
    return fail_lost(wire, fault);
}

static bool flush(struct wire *wire, struct fault *fault) {
    int left;
    while ((left = PQflush(wire->connection)) > 0) {
        if (!await(wire, POLLIN | POLLOUT) || PQconsumeInput(wire->connection) == 0) {
            return lose(wire, fault);
        }
    }
    return left == 0 || lose(wire, fault);
}

/* *out is NULL between the answers to two statements. */
static bool next_result(struct wire *wire, PGresult **out, struct fault *fault) {
    while (PQisBusy(wire->connection)) {
        if (!await(wire, POLLIN) || PQconsumeInput(wire->connection) == 0) {
            return lose(wire, fault);
        }
    }
    *out = PQgetResult(wire->connection);
    return true;
}

/* The next answer that is one. */
static bool next_answer(struct wire *wire, PGresult **out, struct fault *fault) {
    *out = NULL;
    for (int nulls = 0; *out == NULL; nulls++) {
        if (nulls > NULLS_MOST) {
            return lose(wire, fault);
        }
        if (!next_result(wire, out, fault)) {
            return false;
        }
    }
    return true;
}

/* --- round trips --- */

bool wire_is_alive(struct wire *wire) {
    if (wire->connection == NULL || wire->broken || PQstatus(wire->connection) != CONNECTION_OK) {
        return false;
    }
    struct pollfd socket = {.fd = PQsocket(wire->connection), .events = POLLIN};
    if (poll(&socket, 1, 0) <= 0) {
        return true;
    }
    /* The first read takes what has arrived, the second sees that nothing will follow. */
    for (int reads = 0; reads < 2; reads++) {
        if (PQconsumeInput(wire->connection) == 0) {
            return false;
        }
    }
    return true;
}

bool wire_ready(struct wire *wire, struct fault *fault) {
    return wire_is_alive(wire) || (wire_connect(wire, fault) && wire_pipeline(wire, fault));
}

void wire_queue(struct wire *wire, const char *sql, const struct values *values) {
    static const int formats[VALUES_MOST] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
                                             1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    if (wire->queued == 0) {
        forget_results(wire);
        wire->first = 0;
    }
    int count = values != NULL ? values->count : 0;
    if (wire->connection == NULL || wire->queued == WIRE_QUEUE_MOST ||
        PQsendQueryParams(wire->connection, sql, count, NULL, values != NULL ? values->bytes : NULL,
                          values != NULL ? values->lengths : NULL, formats, ANSWER_MODE) == 0) {
        wire->broken = true;
    }
    wire->queued++;
}

void wire_lead(struct wire *wire) {
    wire->first = wire->queued;
}

/* Reads answers up to the end of a round trip; keeps them, or throws them away. */
static bool read_trip(struct wire *wire, bool keep, struct fault *fault) {
    for (;;) {
        PGresult *result;
        if (!next_answer(wire, &result, fault)) {
            return false;
        }
        if (PQresultStatus(result) == PGRES_PIPELINE_SYNC) {
            PQclear(result);
            return true;
        }
        if (keep && wire->result_count < WIRE_QUEUE_MOST) {
            wire->results[wire->result_count++] = result;
        } else {
            PQclear(result);
        }
    }
}

static bool read_unread(struct wire *wire, struct fault *fault) {
    while (wire->unread > 0) {
        if (!read_trip(wire, false, fault)) {
            return false;
        }
        wire->unread--;
    }
    return true;
}

/* The first statement that failed tells why; those behind it were skipped. */
static bool check_results(const struct wire *wire, struct fault *fault) {
    for (size_t i = 0; i < wire->result_count; i++) {
        ExecStatusType status = PQresultStatus(wire->results[i]);
        if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
            return fail_result(wire, wire->results[i], fault);
        }
    }
    return true;
}

static bool send_queue(struct wire *wire, struct fault *fault) {
    wire->queued = 0;
    if (wire->broken || PQpipelineSync(wire->connection) != 1) {
        return lose(wire, fault);
    }
    return flush(wire, fault);
}

/* `sent`: the trip has been, and `lost` says why if not. */
static bool receive(struct wire *wire, bool sent, struct fault lost, struct fault *fault) {
    bool whole = sent && read_unread(wire, &lost) && read_trip(wire, true, &lost);
    if (!check_results(wire, fault)) {
        return false; /* says more than that the connection went */
    }
    if (!whole) {
        *fault = lost;
    }
    return whole;
}

bool wire_run(struct wire *wire, struct fault *fault) {
    struct fault lost = FAULT_INIT;
    bool sent = send_queue(wire, &lost);
    return receive(wire, sent, lost, fault);
}

bool wire_finish(struct wire *wire, struct fault *fault) {
    struct fault lost = FAULT_INIT;
    if (wire->broken || wire->unread == 0) {
        return lose(wire, fault);
    }
    wire->unread--;
    return receive(wire, true, lost, fault);
}

void wire_send(struct wire *wire) {
    struct fault ignored = FAULT_INIT;
    if (send_queue(wire, &ignored)) {
        wire->unread++;
    }
}

/* --- answers --- */

const PGresult *wire_result(const struct wire *wire, size_t index) {
    size_t at = wire->first + index;
    return at < wire->result_count ? wire->results[at] : NULL;
}

PGresult *wire_take(struct wire *wire, size_t index) {
    size_t at = wire->first + index;
    PGresult *taken = at < wire->result_count ? wire->results[at] : NULL;
    if (taken != NULL) {
        wire->results[at] = NULL;
    }
    return taken;
}

size_t wire_changed(const struct wire *wire, size_t index) {
    const PGresult *result = wire_result(wire, index);
    /* libpq forgot the const: it only reads */
    return result != NULL ? strtoul(PQcmdTuples((PGresult *)(uintptr_t)result), NULL, 10) : 0;
}
