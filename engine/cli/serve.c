/* serve.c: `statute serve`. All signals that matter are blocked before the first thread starts, so
 * that every thread inherits the mask, and this thread alone waits for them. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>

#include "api/route.h"
#include "base/log.h"
#include "cli/cli.h"
#include "cli/policies.h"

#define MILLISECOND   NOW_MILLISECOND
#define HOUR          (3600 * NOW_SECOND)
#define KIB           INT64_C(1024)
#define MIB           (KIB * KIB)
#define GIB           (KIB * MIB)
#define AT(field)     offsetof(struct serve_values, field)
#define SERVICE(name) AT(service.name)

struct serve_values {
    struct service_options service;
    unsigned log_format; /* enum log_format */
    unsigned log_level;  /* enum log_level */
};

/* clang-format off */
static const struct option rows[] = {
    {"listen", OPTION_TEXT, SERVICE(listen), "ADDRESS:PORT", 0, 0, "where to listen; port 0 picks any free port"},
    {"policies", OPTION_TEXT, SERVICE(policies), "DIR", 0, 0, "the policy files; changes are loaded automatically, and on SIGHUP"},
    {"watch", OPTION_CHOICE, SERVICE(watch), "off|on", 0, 0, "off: changed policy files are loaded only on SIGHUP and POST /v1/policies/reload"},
    {"reload-settle", OPTION_DURATION, SERVICE(settle_us), "TIME", 0, 5 * NOW_SECOND, "how long the policy files must stay unchanged before a change is loaded; it is loaded 5 s after the first change at the latest"},
    {"allow-empty", OPTION_FLAG, SERVICE(allow_empty), NULL, 0, 0, "accept policy files that declare no machine; without it, a directory that was emptied is refused"},
    {"allow-missing", OPTION_FLAG, SERVICE(allow_missing), NULL, 0, 0, "start although no file declares the machine of some entities; the store remembers this, so it is needed once"},
    {"store", OPTION_TEXT, SERVICE(store), "URL", 0, 0, "where entities live: sqlite:PATH or postgresql://..."},
    {"lock", OPTION_TEXT, SERVICE(lock), "URL", 0, 0, "the distributed lock. local: in this process. store: in the PostgreSQL store, for several servers without Redis (on SQLite the same as local, since one process has all writers). redis://:PASSWORD@HOST:PORT/DATABASE: in Redis; set a URL with a password as STATUTE_LOCK"},
    {"lock-failure", OPTION_CHOICE, SERVICE(lock_failure), "refuse|row-lock", 0, 0, "while the lock's server is unavailable: refuse requests that need the lock (503 lock_unavailable), or continue with the store's row lock alone"},
    {"auth", OPTION_TEXT, SERVICE(auth), "keys|none|FILE", 0, 0, "keys: API keys, see 'statute token create'. FILE: API keys, and JWTs signed by a key of this JWK Set; it is read again when it changes and on SIGHUP. none: every caller may do everything; on loopback addresses only"},
    {"jwt-issuer", OPTION_TEXT, SERVICE(jwt_issuer), "NAME", 0, 0, "the iss that a JWT must have; set it with --auth FILE"},
    {"jwt-audience", OPTION_TEXT, SERVICE(jwt_audience), "NAME", 0, 0, "the aud that a JWT must have or contain; set it with --auth FILE, or tokens made for other programs are accepted here too"},
    {"jwt-type", OPTION_TEXT, SERVICE(jwt_type), "TYPE", 0, 0, "a typ that a token may have besides JWT: at+jwt (RFC 9068)"},
    {"jwt-roles", OPTION_TEXT, SERVICE(jwt_roles), "CLAIMS", 0, 0, "the claims that hold a JWT's roles, instead of roles: realm_access.roles; separate several with commas"},
    {"jwt-permissions", OPTION_TEXT, SERVICE(jwt_permissions), "CLAIMS", 0, 0, "the claims that hold a JWT's permissions, instead of permissions"},
    {"jwt-leeway", OPTION_DURATION, SERVICE(jwt_leeway_us), "TIME", 0, HOUR, "how far the clock of the token issuer may differ from this server's"},
    {"public-url", OPTION_TEXT, SERVICE(public_url), "URL", 0, 0, "the URL by which callers reach this server through a proxy; the AuthZEN metadata document names it"},
    {"tls-cert", OPTION_TEXT, SERVICE(tls_cert), "FILE", 0, 0, "serve HTTPS with this certificate, in PEM, followed by its chain; a new one is loaded automatically, and on SIGHUP"},
    {"tls-key", OPTION_TEXT, SERVICE(tls_key), "FILE", 0, 0, "the certificate's private key, in PEM, without a passphrase"},
    {"cors-origin", OPTION_TEXT, SERVICE(cors_origin), "ORIGIN[,ORIGIN...]", 0, 0, "other sites whose pages may call this server, scheme://host[:port]; without it, none may"},
    {"workers", OPTION_UNSIGNED, SERVICE(workers), "N", 1, 64, "threads that write, each with its own connection to the store; SQLite uses one"},
    {"deciders", OPTION_UNSIGNED, SERVICE(deciders), "N", 1, 64, "threads that only read, each with its own connection to the store: look-ups, lists, dry runs"},
    {"http-threads", OPTION_UNSIGNED, SERVICE(http_threads), "N", 1, 64, "threads that handle HTTP"},
    {"pii-key", OPTION_SECRET, SERVICE(pii_key), "SECRET", 0, 0, "the key for hashes of personal data, 16 bytes or more; set it as STATUTE_PII_KEY, since others can see a command line"},
    {"pii-keys", OPTION_TEXT, SERVICE(pii_keys), "FILE", 0, 0, "a file of several such keys, instead of --pii-key: one 'id secret' per line, the current key first, then old ones; read again on SIGHUP and with the policies"},
    {"log-format", OPTION_CHOICE, AT(log_format), "text|json", 0, 0, "the log: one line per event, on standard error"},
    {"access-log", OPTION_FLAG, SERVICE(access_log), NULL, 0, 0, "also log each request: address, method, path without its query, status, bytes, time, caller, request id"},
    {"log-level", OPTION_CHOICE, AT(log_level), "debug|info|warning|error", 0, 0, "the lowest level that is logged"},
    {NULL, OPTION_HEADING, 0, NULL, 0, 0, "Request limits"},
    {"body-limit", OPTION_BYTES, SERVICE(http.body_bytes), "SIZE", KIB, GIB, "a larger body gets 413 payload_too_large"},
    {"uri-limit", OPTION_BYTES, SERVICE(http.uri_bytes), "SIZE", 256, MIB, "a longer request target gets 414 uri_too_long"},
    {"header-limit", OPTION_BYTES, SERVICE(http.header_bytes), "SIZE", KIB, MIB, "headers larger in total get 431 headers_too_large"},
    {"header-count", OPTION_UNSIGNED, SERVICE(http.header_count), "N", 8, 1000, "more headers get 431 headers_too_large"},
    {"connections", OPTION_UNSIGNED, SERVICE(http.connections), "N", 1, 1000000, "connections open at once; further ones wait to be accepted"},
    {"rate-limit", OPTION_UNSIGNED, SERVICE(rate_limit), "N", 0, 1000000, "requests per second of one caller (its key, or its address if it has no key); more get 429 rate_limited; 0: no limit"},
    {"rate-burst", OPTION_UNSIGNED, SERVICE(rate_burst), "N", 0, 10000000, "how many of these may come at once; 0: twice the rate"},
    {"header-timeout", OPTION_DURATION, SERVICE(http.header_timeout_us), "TIME", 10 * MILLISECOND, HOUR, "how long a request's headers may take; then 408 request_timeout"},
    {"body-timeout", OPTION_DURATION, SERVICE(http.body_timeout_us), "TIME", 10 * MILLISECOND, HOUR, "how long a whole request may take to arrive; then 408 request_timeout"},
    {"idle-timeout", OPTION_DURATION, SERVICE(http.idle_timeout_us), "TIME", 10 * MILLISECOND, 24 * HOUR, "how long a connection may be idle between requests; then it is closed"},
    {"write-timeout", OPTION_DURATION, SERVICE(http.write_timeout_us), "TIME", 10 * MILLISECOND, HOUR, "how long the client may take to receive an answer; then the connection is closed"},
    {"queue-limit", OPTION_COUNT, SERVICE(queue_most), "N", 1, 10000000, "requests that may wait for one worker; more get 503 overloaded"},
    {"batch-limit", OPTION_UNSIGNED, SERVICE(batch_most), "N", 1, 10000, "the most requests in one transaction"},
    {"drain-delay", OPTION_DURATION, SERVICE(drain_delay_us), "TIME", 0, HOUR, "how long to keep serving after SIGTERM while /readyz answers 503, so that a load balancer notices"},
    {"drain-timeout", OPTION_DURATION, SERVICE(drain_us), "TIME", 0, HOUR, "after that, how long requests in flight may take"},
    {NULL, OPTION_HEADING, 0, NULL, 0, 0, "Limits of one policy call; beyond them: 500 policy_error"},
    {"policy-instructions", OPTION_INTEGER, SERVICE(policy.instructions), "N", 1000, 1000000000, "Lua instructions"},
    {"policy-time", OPTION_DURATION, SERVICE(policy.wall_us), "TIME", MILLISECOND, HOUR, "wall-clock time"},
    {"policy-memory", OPTION_BYTES, SERVICE(policy.memory_bytes), "SIZE", 64 * KIB, GIB, "memory that it allocates"},
};
/* clang-format on */

static void defaults(void *values) {
    struct serve_values *serve = values;
    serve->service = service_options_default();
    serve->log_format = LOG_TEXT;
    serve->log_level = LOG_INFO;
}

/* --- signals --- */

static void block_signals(sigset_t *signals) {
    sigemptyset(signals);
    sigaddset(signals, SIGHUP);
    sigaddset(signals, SIGINT);
    sigaddset(signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, signals, NULL);
    signal(SIGPIPE, SIG_IGN);
}

/* From here on a second SIGTERM or SIGINT ends the process at once, as it would without us. */
static void unblock_signals(void) {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_UNBLOCK, &signals, NULL);
}

static void wait_for_end(struct service *service, const sigset_t *signals) {
    int number;
    while (sigwait(signals, &number) == 0 && number == SIGHUP) {
        log_line(LOG_INFO, "hangup", "SIGHUP: reloading the policies and the keys");
        auth_reload(service->auth);
        reload_request(service->reload);
        if (service->tls != NULL) {
            tls_reload(service->tls);
        }
    }
    log_line(LOG_INFO, "stopping",
             "not ready from now on; new requests are accepted for another %lld ms; those in "
             "flight may then take up to %lld ms",
             (long long)(service->options.drain_delay_us / NOW_MILLISECOND),
             (long long)(service->options.drain_us / NOW_MILLISECOND));
}

/* --- what the log says --- */

/* The address as it was asked for, with the port that it came to. */
static struct text host_of(struct text listen) {
    while (listen.length > 0 && listen.bytes[listen.length - 1] != ':') {
        listen.length--;
    }
    listen.length -= listen.length > 0;
    return listen;
}

static void announce(struct service *service, struct arena *arena) {
    const struct service_options *options = &service->options;
    struct text host = host_of(options->listen);
    struct text store = store_url_show(arena, options->store);
    log_line(LOG_INFO, "listening",
             "listening on %s://%.*s:%d (statute %s, store %.*s, policies %.*s, auth %.*s)",
             service->tls != NULL ? "https" : "http", TEXT_ARGS(host), http_port(service->http),
             STATUTE_VERSION, TEXT_ARGS(store), TEXT_ARGS(options->policies),
             TEXT_ARGS(options->auth));
}

/* Only where one process writes must the server make way for the first key. */
static void warn_of_keys(const struct service *service, struct arena *arena) {
    struct text url = service->options.store, store = store_url_show(arena, url);
    bool alone = store_writers_most(url) == 1;
    log_line(LOG_WARNING, "no_keys",
             "there is no API key, so every call is refused; %smake one with: "
             "statute token create --store %.*s --name admin --scopes "
             "read,transition,act_as,audit,admin%s; more can then be made with POST /v1/tokens",
             alone ? "stop the server, " : "", TEXT_ARGS(store), alone ? ", and start again" : "");
}

static void warn_of_tokens(const struct service_options *options) {
    if (options->jwt_issuer.length == 0) {
        log_line(LOG_WARNING, "jwt_issuer",
                 "--jwt-issuer is not set: the server accepts every iss, as long as the signature "
                 "is valid");
    }
    if (options->jwt_audience.length == 0) {
        log_line(
            LOG_WARNING, "jwt_audience",
            "--jwt-audience is not set: the server also accepts tokens made for other programs");
    }
}

static void warn(struct service *service, struct arena *arena) {
    bool tokens = auth_has_file(service->auth);
    if (tokens) {
        warn_of_tokens(&service->options);
    }
    if (!tokens && !auth_is_open(service->auth) && auth_key_count(service->auth) == 0) {
        warn_of_keys(service, arena);
    }
    if (service->options.pii_key.length == 0 && service->options.pii_keys.length == 0) {
        log_line(LOG_WARNING, "pii_key",
                 "STATUTE_PII_KEY is not set: hashes of personal data use a publicly known key");
    }
}

/* Problems are for whoever reads the log: text, or JSON in one line. */
static bool tell_problems(const struct serve_values *serve, const struct problem_list *problems,
                          struct fault *fault) {
    if (serve->log_format == LOG_JSON) {
        struct text json = policies_json(problems, problems->arena);
        fprintf(stderr, "%.*s\n", TEXT_ARGS(json));
    } else {
        policies_tell(problems, stderr);
    }
    return policies_fault(problems, fault);
}

/* --- the command --- */

static bool open_service(const struct serve_values *serve, struct arena *arena,
                         struct service **out, struct fault *fault) {
    struct problem_list problems = {.arena = arena};
    if (service_open(&serve->service, &route_calls, out, &problems, fault)) {
        return true;
    }
    return fault->code == FAULT_POLICY_INVALID && tell_problems(serve, &problems, fault);
}

static bool run(struct invocation *invocation, struct fault *fault) {
    const struct serve_values *serve = invocation->values;
    struct service *service;
    sigset_t signals;
    log_setup((enum log_format)serve->log_format, (enum log_level)serve->log_level);
    block_signals(&signals);
    if (!open_service(serve, invocation->arena, &service, fault)) {
        return false;
    }
    bool started = service_start(service, fault);
    if (started) {
        announce(service, invocation->arena);
        warn(service, invocation->arena);
        wait_for_end(service, &signals);
        unblock_signals();
        service_drain(service);
    }
    service_stop(service);
    service_close(service);
    if (started) {
        log_line(LOG_INFO, "stopped", "everything that was answered is on disk");
    }
    return started;
}

const struct command command_serve = {
    .name = "serve",
    .arguments = "",
    .summary = "run the HTTP API",
    .details = "SIGHUP reloads the policies and keys. On SIGTERM or SIGINT the server finishes "
               "requests in flight, then\n"
               "stops; a second signal stops it at once. GET /openapi.json describes the API.",
    .options = {rows, sizeof rows / sizeof rows[0]},
    .values_size = sizeof(struct serve_values),
    .defaults = defaults,
    .run = run,
};
