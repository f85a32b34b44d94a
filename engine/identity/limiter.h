/* limiter.h: how many requests a second each caller may make (the generic cell rate algorithm: a
 * bucket of `burst` that fills at `rate`). Memory is fixed when it is made. Thread-safe.
 * Who is known by a key and who only by an address have a table each, so no flood of strangers
 * touches who is known. An entry is forgotten only once its bucket is full again, when forgetting
 * changes nothing; who finds no place shares one bucket with the others that find none there. */
#ifndef STATUTE_LIMITER_H
#define STATUTE_LIMITER_H

#include "base/now.h"
#include "base/text.h"

enum limiter_kind { LIMITER_KEY, LIMITER_ADDRESS };

struct limiter;

/* A verdict on one request, and what its headers say. */
struct limiter_verdict {
    bool counted; /* false: there was no verdict */
    bool allowed;
    unsigned left;   /* requests that may follow at once */
    unsigned next_s; /* seconds until there may be one more; 0: the bucket is full */
};

/* `rate` is at least 1; `burst` 0 means twice the rate. Ends the process on no memory. */
struct limiter *limiter_new(unsigned rate, unsigned burst, struct now now);
void limiter_free(struct limiter *limiter); /* NULL is fine */

unsigned limiter_burst(const struct limiter *limiter);
unsigned limiter_window_s(const struct limiter *limiter); /* for an empty bucket to fill */

/* Counts one request. `who` is a name, or an address as text; of IPv6 the first 64 bits count. */
struct limiter_verdict limiter_ask(struct limiter *limiter, enum limiter_kind kind,
                                   struct text who);

uint64_t limiter_refused(const struct limiter *limiter, enum limiter_kind kind);
size_t limiter_capacity(void); /* callers of a kind that each have a bucket of their own */
size_t limiter_bytes(void);    /* of all its memory */

#endif
