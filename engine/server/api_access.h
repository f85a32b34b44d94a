/* api_access.h: what the calls of the OpenID AuthZEN Authorization API 1.0 share: reading its
 * terms, and finding out. */
#ifndef STATUTE_API_ACCESS_H
#define STATUTE_API_ACCESS_H

#include "policy/access.h"
#include "server/route.h"

/* What a request may leave out: of a search, what it is looking for. */
enum access_part {
    ACCESS_SUBJECT_ID = 1,
    ACCESS_RESOURCE_ID = 2,
    ACCESS_ACTION = 4,
};

/* Reads subject, action, resource and context of an object; unknown members are ignored, as section
 * 12.1.1 wants it. `optional`: of enum access_part. FAULT_BAD_REQUEST names the place. */
bool access_read_question(struct arena *arena, const struct js *object, unsigned optional,
                          struct access_question *out, struct fault *fault) MUST_CHECK;

/* Decides on a decider, inside the read transaction that is open. False: a read failed. */
bool access_evaluate(struct worker *worker, struct arena *arena,
                     const struct access_question *question, struct access_answer *out,
                     struct fault *fault) MUST_CHECK;

#endif
