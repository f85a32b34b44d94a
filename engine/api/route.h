/* route.h: which call is which.
 * Room api/: the route table and one file a family of calls. It uses everything above it. One table
 * (route.c) says of every call its method, its path, the scope it needs and the function that
 * answers it; the OpenAPI description is checked against it. To add a call: a row, a function, its
 * description in openapi.json and README.md. */
#ifndef STATUTE_ROUTE_H
#define STATUTE_ROUTE_H

#include "server/service.h"

#define ROUTE_PARAMETERS 2

/* A call on its way: made on the HTTP thread in the exchange's arena. */
struct call {
    struct service *service;
    struct http_exchange *exchange;
    struct caller caller;
    const struct route *route;
    struct text parameters[ROUTE_PARAMETERS]; /* percent-decoded, valid UTF-8 */
    struct limiter_verdict rate;
    const struct js *body; /* parsed; NULL when there is none */
};

/* Answers now (call_ok, call_fail), or posts a job. May not block. */
typedef void route_handler(struct call *call);

struct route {
    enum http_method method;
    const char *path; /* "/v1/entities/{machine}/{id}" */
    route_handler *handler;
    unsigned scope;  /* enum scope, 0: none needed, but a caller must be known; see `open` */
    bool open;       /* no authentication at all (livez, readyz, version...) */
    bool has_body;   /* a JSON object, parsed before the handler runs */
    bool is_authzen; /* the body has to say that it is JSON; 400 when it does not, never 415 */
};

extern const struct route route_table[];
extern const size_t route_count;

/* What service_open is given. */
extern const struct service_calls route_calls;

/* --- for handlers --- */
/* Answers with JSON (in the exchange's arena). */
void call_ok(struct http_exchange *exchange, int status, struct text json);
/* Answers with problem details; `extra` as in http_problem. */
void call_fail(struct http_exchange *exchange, const struct fault *fault, struct text extra);
/* The value of a query parameter, percent-decoded; TEXT_NONE when absent. FAULT_BAD_REQUEST:
 * malformed escape or given twice. */
bool call_query(struct call *call, const char *name, struct text *out,
                struct fault *fault) MUST_CHECK;
/* FAULT_BAD_REQUEST when the query has a parameter that is not in the NULL-terminated list. */
bool call_query_known(struct call *call, const char *const *names, struct fault *fault) MUST_CHECK;
/* Cuts the next parameter's name off `query`; false at the end, or with a fault. */
bool call_query_name(struct call *call, struct text *query, struct text *name,
                     struct fault *fault) MUST_CHECK;
/* An integer parameter within bounds, or `fallback` when absent. */
bool call_query_integer(struct call *call, const char *name, int64_t least, int64_t most,
                        int64_t fallback, int64_t *out, struct fault *fault) MUST_CHECK;
/* Runs `run` on a decider; the job's context is the call. */
void call_decide(struct call *call, job_run *run);

/* --- the handlers, by file --- */
route_handler api_entity_create, api_entity_read, api_entity_list,
    api_entity_update;                             /* entities.c */
route_handler api_transition, api_transition_list; /* transitions.c */
route_handler api_history, api_audit_search;       /* audit.c */
route_handler api_batch_create, api_batch_list, api_batch_read, api_batch_pause, api_batch_resume,
    api_batch_cancel;                                                  /* batches.c */
route_handler api_stats_states;                                        /* stats.c */
route_handler api_machine_list, api_machine_read, api_machine_diagram; /* machines.c */
route_handler api_policy_list, api_policy_reload;                      /* policies.c */
route_handler api_lock_acquire, api_lock_renew, api_lock_release;      /* locks.c */
route_handler api_token_create, api_token_list, api_token_revoke;      /* tokens.c */
route_handler api_access_evaluation, api_access_evaluations;           /* access.c */
route_handler api_access_search_subject, api_access_search_resource,
    api_access_search_action;      /* api/authzen/search.c */
route_handler api_access_metadata; /* api/authzen/metadata.c */
route_handler api_sanitize;        /* sanitize.c */
route_handler api_time_normalize, api_time_denormalize, api_time_offset, api_time_parse,
    api_time_zones;                                                         /* time.c */
route_handler api_livez, api_readyz, api_version, api_metrics, api_openapi; /* system.c */

#endif
