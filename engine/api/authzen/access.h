/* access.h: what the calls of the OpenID AuthZEN Authorization API 1.0 share: reading its terms,
 * and finding out. Room api/authzen/: evaluations, searches and the metadata document. It uses
 * api/, whose route table names its calls; no other room includes it. */
#ifndef STATUTE_API_ACCESS_H
#define STATUTE_API_ACCESS_H

#include "api/route.h"
#include "policy/access.h"

/* What a search is for, so that nothing is read there, whatever it says (sections 8.4 to 8.6). */
enum access_part {
    ACCESS_SUBJECT_ID = 1,
    ACCESS_RESOURCE_ID = 2,
    ACCESS_ACTION = 4,
};

/* Reads subject, action, resource and context of an object; unknown members are ignored, as section
 * 10.1.1 wants it. `sought`: of enum access_part. FAULT_BAD_REQUEST names the place. */
bool access_read_question(struct arena *arena, const struct js *object, unsigned sought,
                          struct access_question *out, struct fault *fault) MUST_CHECK;

/* The entity that the party is, inside the read transaction that is open; `exists` is false where
 * its type is no machine or its id could be none. False: a read failed. */
bool access_read_entity(struct worker *worker, struct arena *arena, const struct party *party,
                        struct entity *out, struct fault *fault) MUST_CHECK;

/* Decides on a decider, inside the read transaction that is open. False: a read failed. */
bool access_evaluate(struct worker *worker, struct arena *arena,
                     const struct access_question *question, struct access_answer *out,
                     struct fault *fault) MUST_CHECK;

#endif
