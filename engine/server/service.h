/* service.h: a running statute: threads, sockets, policies and store, put together.
 * Room server/: workers, scheduler, bulk runner, reload, watch, metrics. It uses core/, identity/
 * and http/. What is asked of it is not known here: it is given the functions to call.
 * How to use: service_open, service_start, wait for a signal, service_drain, service_stop,
 * service_close. */
#ifndef STATUTE_SERVICE_H
#define STATUTE_SERVICE_H

#include "http/cors.h"
#include "http/http.h"
#include "identity/auth.h"
#include "identity/limiter.h"
#include "server/bulk_runner.h"
#include "server/bulletin.h"
#include "server/metrics.h"
#include "server/published.h"
#include "server/reload.h"
#include "server/scheduler.h"
#include "server/workers.h"

/* What becomes of who wants the lock while it is unavailable. */
enum lock_failure {
    LOCK_FAILURE_REFUSE,   /* 503 lock_unavailable */
    LOCK_FAILURE_ROW_LOCK, /* goes on, with the store's own lock */
};

struct service_options {
    struct text listen;     /* "127.0.0.1:8080" */
    struct text policies;   /* directory */
    unsigned watch;         /* 1: a change in it is loaded by itself */
    int64_t settle_us;      /* once nothing has changed for so long */
    bool allow_empty;       /* no machine at all is fine, too */
    bool allow_missing;     /* start though machines with entities have no rules */
    struct text store;      /* "sqlite:statute.db" */
    struct text lock;       /* "local", "store", "redis://..." */
    unsigned lock_failure;  /* enum lock_failure */
    struct text public_url; /* how callers reach this server: scheme, host, maybe a path; empty: as
                                 they come */
    struct text tls_cert;   /* PEM files; both or neither */
    struct text tls_key;
    struct text cors_origin; /* origins, with commas between; empty: none */
    unsigned rate_limit;     /* requests a second of one caller; 0: any number */
    unsigned rate_burst;     /* 0: twice that */
    unsigned guess_limit; /* wrong keys and tokens a second from one address: 10; 0: any number */
    struct text auth;     /* "keys" (API keys in the store), "none" (loopback only), or the path of
                             a JWK Set: API keys and JWTs */
    struct text jwt_issuer, jwt_audience;             /* what a JWT has to name; empty: anything */
    struct text jwt_type, jwt_roles, jwt_permissions; /* web_token_rules of identity/jwt.h */
    int64_t jwt_leeway_us; /* between its issuer's clock and ours: 60 s */
    unsigned workers;      /* writers wanted; the store may allow fewer */
    unsigned deciders;
    unsigned http_threads;
    unsigned batch_most;    /* members of one batch: 256 */
    size_t queue_most;      /* letters in a mailbox before 503 overloaded: 10,000 */
    int64_t drain_delay_us; /* how long service_drain goes on taking requests: 0 */
    int64_t drain_us;       /* how long requests in flight may take after that: 10 s */
    struct http_limits http;
    struct vm_limits policy;
    bool access_log;      /* a line of the log for each request */
    struct text pii_key;  /* secret of pii `hash` */
    struct text pii_keys; /* or a file of them; empty: none */
};
struct service_options service_options_default(void);

/* What is called: by HTTP threads, with the service as context, and when a bulk has stopped. */
struct service_calls {
    http_handler *handler;
    http_admission *admission;
    http_finisher *finisher;
    http_observer *observer;
    bulk_runner_answer *bulk_answer;
    metrics_label *label;
};

/* Fields are set by service_open and then only read, but for what guards itself. */
struct service {
    struct service_options options;
    const struct service_calls *calls;
    struct now now;
    struct id_source ids;
    struct http *http;
    struct tls *tls;         /* NULL: plain HTTP */
    struct cors *cors;       /* NULL: no other site's pages */
    struct limiter *limiter; /* NULL: no limit */
    struct limiter *guesses; /* the same */
    struct published *published;
    struct lock_registry *locks;
    struct workers workers;
    struct auth *auth;
    struct metrics *metrics;
    struct reload *reload;
    struct bulletin *bulletin;
    struct scheduler *scheduler;
    struct bulk_runner *bulk;
    int64_t started_us;    /* wall clock */
    _Atomic bool stopping; /* readyz says no from here on */
};

/* `calls` outlive the service. */
bool service_open(const struct service_options *options, const struct service_calls *calls,
                  struct service **out, struct problem_list *problems,
                  struct fault *fault) MUST_CHECK;
bool service_start(struct service *service, struct fault *fault) MUST_CHECK;
/* From here on /readyz says no. Returns after drain_delay_us, while all else went on, so that a
 * load balancer has seen it and sends nothing more when service_stop closes the door. */
void service_drain(struct service *service);
void service_stop(struct service *service);
void service_close(struct service *service);

/* The page of GET /metrics. */
void service_metrics(struct service *service, struct buffer *out);

#endif
