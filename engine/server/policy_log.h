/* policy_log.h: tells whoever runs the server that a policy failed: which machine and entity, where
 * in which file, and in which request. At most 10 lines a second; what was left out is counted. */
#ifndef STATUTE_POLICY_LOG_H
#define STATUTE_POLICY_LOG_H

#include "core/batch.h"

/* Of every outcome of the member that is a policy_error. */
void policy_log_member(const struct generation *generation, const struct member *member);

/* Of a question that is no attempt; the message is free of personal data. */
void policy_log(struct text about, struct text request_id, struct text message);

#endif
