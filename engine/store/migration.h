/* migration.h: what a kind of store says of the versions of its schema. Used by engine/store only.
 */
#ifndef STATUTE_MIGRATION_H
#define STATUTE_MIGRATION_H

#include "store/migrate.h"

/* A version of the schema that this program knows; a driver has an array of them, in order. */
struct migration {
    int64_t version;
    int64_t oldest_program; /* migrate.h; never less than that of the version before */
    const struct text *sql; /* embedded, so it ends with a NUL */
    const char *summary;    /* for `statute migrate status` */
};

/* The first version that has schema_version.oldest_program. */
#define MIGRATION_OLDEST 2

/* FAULT_ENVIRONMENT unless a program that knows `known` may use a store called `name`. */
bool migration_may_use(const char *name, int64_t version, int64_t oldest_program, int64_t known,
                       struct fault *fault) MUST_CHECK;
/* The same of a reader, of a schema that is older than the program: what readers use is there from
 * version `readable` on. */
bool migration_may_read(const char *name, int64_t version, int64_t readable, int64_t known,
                        struct fault *fault) MUST_CHECK;

#endif
