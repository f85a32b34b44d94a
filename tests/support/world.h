/* world.h: everything that a test of the core needs: a store on disk in a directory of its own,
 * policies from strings, a clock that stands still, identifiers that count. */
#ifndef STATUTE_TEST_WORLD_H
#define STATUTE_TEST_WORLD_H

#include "core/batch.h"

struct world {
    char directory[64];
    struct core core;
    struct lock_registry *locks;
    struct generation *generation;
    int64_t wall_us;      /* the clock; tests move it */
    uint64_t next_random; /* what id_source counts with */
};

/* One policy file named "test.lua" with this source. */
void world_open(struct world *world, const char *policy);
void world_close(struct world *world); /* removes the directory */

/* Closes and opens the store again, as after a restart. */
void world_reopen_store(struct world *world);

/* A TRANSITION attempt by somebody who may do everything. */
struct attempt world_move(const char *machine, const char *id, const char *to);
struct attempt world_create(const char *machine, const char *id, const struct js *data);

/* Runs one attempt as a batch of its own; the outcome lives until the next arena reset. */
const struct outcome *world_run(struct world *world, const struct attempt *attempt);

/* Reads an entity outside a batch. */
struct entity world_read(struct world *world, const char *machine, const char *id);

/* Recomputes the chain of an entity: sequences without gap, links, hashes, and the head that the
 * entity holds. Fails the test on a difference; returns the number of records. */
int64_t world_verify(struct world *world, const char *machine, const char *id);

const struct js *world_json(struct world *world, const char *json);

#endif
