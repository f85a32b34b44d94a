/* metrics.h: counters for Prometheus (text format 0.0.4). Counting is lock-free (relaxed atomics);
 * any thread. */
#ifndef STATUTE_METRICS_H
#define STATUTE_METRICS_H

#include "base/buffer.h"
#include "base/fault.h"

struct metrics;
struct service;

struct metrics *metrics_new(void);
void metrics_free(struct metrics *metrics);

/* `route` is the pattern ("/v1/entities/{machine}"), one of a fixed table, never what a client
 * sent. */
void metrics_request(struct metrics *metrics, unsigned route_index, int status,
                     int64_t duration_us);
/* One attempt: its outcome by code. */
void metrics_attempt(struct metrics *metrics, enum fault_code code);
void metrics_batch(struct metrics *metrics, size_t members, int64_t duration_us);
void metrics_reload(struct metrics *metrics, bool success);

/* The whole page, gauges of the service (mailboxes, connections, generation, resident memory)
 * included. */
void metrics_write(struct metrics *metrics, struct service *service, struct buffer *out);

#endif
