/* answer.h: outcomes as HTTP answers. Everything is made in the exchange's arena. */
#ifndef STATUTE_ANSWER_H
#define STATUTE_ANSWER_H

#include "api/route.h"

/* The job of one attempt; `call` made it. */
struct attempt_job {
    struct job job;
    struct call *call;
    struct attempt attempt;
};

/* member_render of such a job: fills member.answer from the outcome, before the commit. */
void answer_render(struct member *member, struct core *core);

/* job_run `done` of such a job: answers, after the commit. */
void answer_done(struct job *job, struct worker *worker);

/* {machine, id, state, version, data, created_at, updated_at} */
void answer_entity(struct js_writer *writer, const struct entity *entity);
void answer_members(struct js_writer *writer, const struct entity *entity); /* without the braces */

/* The value of ETag for a version: "\"3\"". */
struct text answer_etag(struct arena *arena, int64_t version);

/* The inside of the problem's object for a refused outcome ("current_state", "allowed",
 * "messages"...). */
/* Of these, what a policy said. */
struct text answer_details(struct arena *arena, const struct decision *decision);
struct text answer_extra(struct arena *arena, const struct outcome *outcome);

#endif
