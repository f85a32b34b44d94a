/* reload.h: the thread that builds generations: on SIGHUP, on a change in the policy directory
 * (inotify, settled for 200 ms), and on request. A generation that has a problem is never
 * published. */
#ifndef STATUTE_RELOAD_H
#define STATUTE_RELOAD_H

#include "http/http.h"
#include "policy/policy.h"

struct metrics;
struct published;
struct reload;
struct worker;

struct reload_options {
    struct generation_options generation; /* how to load; its directory is watched */
    struct text store;                    /* URL, asked for the tables that machines name */
    struct published *published;          /* these two are lent */
    struct metrics *metrics;
};

/* Watches from here on. */
bool reload_open(const struct reload_options *options, struct reload **out,
                 struct fault *fault) MUST_CHECK;
/* Loads from here on; the writer keeps the files of what is published. */
bool reload_start(struct reload *reload, struct worker *writer, struct fault *fault) MUST_CHECK;
void reload_stop(struct reload *reload);
void reload_close(struct reload *reload);

/* Any thread; safe in a signal-waiting thread. Builds and publishes soon. */
void reload_request(struct reload *reload);

/* POST /v1/policies/reload: the exchange is answered by the reload thread: 200 {generation,
 * changed, machines, loaded_at} or 422 with every problem {file, line, message} under `problems`.
 */
void reload_answer(struct reload *reload, struct http_exchange *exchange);

/* Generations published by this process, newest last, at most 20: [{generation, loaded_at,
 * machines, current}]. */
const struct js *reload_history(struct reload *reload, struct arena *arena);

#endif
