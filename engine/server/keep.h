/* keep.h: puts the files of published generations into the store, so that old audit records can be
 * explained for ever, and has the indexes of their fields made. Both are jobs of the first writer;
 * what the store refused, or the writer had no room for, is offered again until it is done. Owned
 * by the reload thread. */
#ifndef STATUTE_KEEP_H
#define STATUTE_KEEP_H

#include "policy/policy.h"

struct keep;
struct worker;

struct keep *keep_new(struct worker *writer);
void keep_free(struct keep *keep); /* after the writers have stopped */

/* Its files: before it is published, so that no record names what is not kept. Takes over the
 * reference. */
void keep_generation(struct keep *keep, struct generation *generation);

/* Makes the indexes of its fields, a slice at a time, while it is in force: after it is published.
 * Takes over the reference. */
void keep_indexes(struct keep *keep, struct generation *generation);

/* The machines whose entities the rules in force strand, with the operator's consent. */
void keep_gone(struct keep *keep, const struct text *machines, size_t count);

/* Readable when a writer gave a job back: call keep_collect. */
int keep_descriptor(struct keep *keep);
void keep_collect(struct keep *keep);

/* Something waits to be offered again; the caller decides when. */
bool keep_is_behind(const struct keep *keep);
void keep_offer_again(struct keep *keep);

#endif
