/* loaded.h: what came of one load of the policies, and how it is told: in the log, and to who asked
 * for it. */
#ifndef STATUTE_SERVER_LOADED_H
#define STATUTE_SERVER_LOADED_H

#include "http/http.h"
#include "server/stranded.h"

struct loaded {
    bool fine;
    bool changed;                         /* and published */
    struct generation *generation;        /* in force after the load; NULL: none yet */
    struct generation *before;            /* that it took the place of; NULL: it did not */
    const struct stranded_list *stranded; /* by the rules in force */
    struct problem_list problems;
    struct fault fault;
};

void loaded_log(const struct loaded *loaded);
void loaded_log_stranded(const struct stranded_list *list);

/* 200 {generation, changed, machines, loaded_at, warnings}, or 422 with every problem. */
void loaded_answer(struct http_exchange *exchange, const struct loaded *loaded);

#endif
