/* service.h: a running statute: threads, sockets, policies and store, put together.
 * How to use: service_open, service_start, wait for a signal, service_drain, service_stop,
 * service_close. */
#ifndef STATUTE_SERVICE_H
#define STATUTE_SERVICE_H

#include "http/cors.h"
#include "http/http.h"
#include "identity/auth.h"
#include "identity/limiter.h"
#include "server/metrics.h"
#include "server/published.h"
#include "server/reload.h"
#include "server/worker.h"

struct scheduler;
struct bulk_runner;

/* What becomes of who wants the lock while it is unavailable. */
enum lock_failure {
    LOCK_FAILURE_REFUSE,   /* 503 lock_unavailable */
    LOCK_FAILURE_ROW_LOCK, /* goes on, with the store's own lock */
};

struct service_options {
    struct text listen;     /* "127.0.0.1:8080" */
    struct text policies;   /* directory */
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
    struct text auth; /* "keys" (API keys in the store), "none" (loopback only), or the path of
                         a JWK Set: API keys and JWTs */
    struct text jwt_issuer, jwt_audience; /* what a JWT has to name; empty: anything */
    int64_t jwt_leeway_us;                /* between its issuer's clock and ours: 60 s */
    unsigned workers;                     /* writers wanted; the store may allow fewer */
    unsigned deciders;
    unsigned http_threads;
    unsigned batch_most;    /* members of one batch: 256 */
    size_t queue_most;      /* letters in a mailbox before 503 overloaded: 10,000 */
    int64_t drain_delay_us; /* how long service_drain goes on taking requests: 0 */
    int64_t drain_us;       /* how long requests in flight may take after that: 10 s */
    struct http_limits http;
    struct vm_limits policy;
    struct text pii_key;  /* secret of pii `hash` */
    struct text pii_keys; /* or a file of them; empty: none */
};
struct service_options service_options_default(void);

/* Fields are set by service_open and then only read, but for what guards itself. */
struct service {
    struct service_options options;
    struct now now;
    struct id_source ids;
    struct http *http;
    struct tls *tls;         /* NULL: plain HTTP */
    struct cors *cors;       /* NULL: no other site's pages */
    struct limiter *limiter; /* NULL: no limit */
    struct published *published;
    struct lock_registry *locks;
    struct worker *writers;
    unsigned writer_count;
    struct worker *deciders;
    unsigned decider_count;
    struct auth *auth;
    struct metrics *metrics;
    struct reload *reload;
    struct scheduler *scheduler;
    struct bulk_runner *bulk;
    int64_t started_us;    /* wall clock */
    _Atomic bool stopping; /* readyz says no from here on */
};

bool service_open(const struct service_options *options, struct service **out,
                  struct problem_list *problems, struct fault *fault) MUST_CHECK;
bool service_start(struct service *service, struct fault *fault) MUST_CHECK;
/* From here on /readyz says no. Returns after drain_delay_us, while all else went on, so that a
 * load balancer has seen it and sends nothing more when service_stop closes the door. */
void service_drain(struct service *service);
void service_stop(struct service *service);
void service_close(struct service *service);

/* The writer at home for an entity. */
struct worker *service_home(struct service *service, struct text machine, struct text id);

/* Posts a job that has an exchange to a writer or, round robin, to a decider; when the mailbox is
 * full the exchange is answered 503 overloaded and the job is gone. */
void service_post(struct service *service, struct worker *worker, struct job *job);
void service_post_decider(struct service *service, struct job *job);

#endif
