/* reload.h: the thread that builds generations: on SIGHUP, on a change in the policy directory
 * (inotify, once it has settled), and on request. A generation that has a problem is never
 * published; nor is one that has lost a machine with entities, unless the request says `force`. */
#ifndef STATUTE_RELOAD_H
#define STATUTE_RELOAD_H

#include "http/http.h"
#include "policy/policy.h"
#include "server/renames.h"

struct bulletin;
struct metrics;
struct published;
struct reload;
struct worker;

struct reload_options {
    struct generation_options generation; /* how to load; its directory is watched */
    struct text store;                    /* URL, asked for the tables that machines name */
    bool watch;                           /* load by itself when a file changes */
    int64_t settle_us;                    /* so long must nothing have changed */
    renames_page *rename;
    struct published *published; /* these three are lent */
    struct metrics *metrics;
    struct bulletin *bulletin;
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

/* POST /v1/policies/reload: the exchange is answered by the reload thread (loaded.h). `by`: who
 * asks; lives as long as the exchange. */
void reload_answer(struct reload *reload, struct http_exchange *exchange, bool force,
                   struct text by);

#endif
