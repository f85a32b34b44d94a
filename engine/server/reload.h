/* reload.h: the thread that builds generations: on SIGHUP, on a change in the policy directory
 * (inotify, settled for 200 ms), and on request. A generation that has a problem is never
 * published. */
#ifndef STATUTE_RELOAD_H
#define STATUTE_RELOAD_H

#include "http/http.h"
#include "policy/policy.h"

struct reload;
struct service;

bool reload_open(struct service *service, struct reload **out, struct fault *fault) MUST_CHECK;
bool reload_start(struct reload *reload, struct fault *fault) MUST_CHECK;
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
