/* migrate.c: what the program knows, beside what the driver finds in the store. A driver reports a
 * version that is applied as one line: "version applied_us oldest_program". */
#include "store/migrate.h"

#include <stdio.h>
#include <stdlib.h>

#include "store/driver.h"

/* More versions than this are shown without those that are left over: there will never be. */
#define STEPS_MOST 1000

static struct migrate_step *step_of(struct migrate_status *status, int64_t version) {
    for (size_t i = 0; i < status->count; i++) {
        if (status->steps[i].version == version) {
            return &status->steps[i];
        }
    }
    if (status->count == STEPS_MOST) {
        return NULL;
    }
    status->steps[status->count] = (struct migrate_step){.version = version};
    return &status->steps[status->count++];
}

static void keep_applied(void *context, struct text line) {
    struct migrate_status *status = context;
    long long version, applied_us, oldest;
    char digits[96];
    snprintf(digits, sizeof digits, "%.*s", TEXT_ARGS(line));
    if (sscanf(digits, "%lld %lld %lld", &version, &applied_us, &oldest) != 3) {
        return;
    }
    struct migrate_step *step = step_of(status, version);
    if (step != NULL) {
        step->applied = true;
        step->applied_us = applied_us;
        step->oldest_program = oldest;
    }
    status->version = version > status->version ? version : status->version;
    status->oldest_program = oldest > status->oldest_program ? oldest : status->oldest_program;
}

static void add_known(struct migrate_status *status, const struct store_driver *driver) {
    size_t count;
    const struct migration *known = driver->migrations(&count);
    for (size_t i = 0; i < count; i++) {
        status->steps[i] = (struct migrate_step){
            .version = known[i].version,
            .oldest_program = known[i].oldest_program,
            .summary = known[i].summary,
        };
    }
    status->count = count;
    status->known = known[count - 1].version;
}

static int by_version(const void *a, const void *b) {
    const struct migrate_step *left = a, *right = b;
    return (left->version > right->version) - (left->version < right->version);
}

/* Versions are applied in order, so whatever is not above the newest is there. */
static void count_pending(struct migrate_status *status) {
    for (size_t i = 0; i < status->count; i++) {
        status->steps[i].applied = status->steps[i].version <= status->version;
        status->pending += !status->steps[i].applied;
    }
}

bool migrate_look(struct text url, struct arena *arena, struct migrate_status *out,
                  struct fault *fault) {
    struct text place;
    const struct store_driver *driver = store_driver_of(url, &place, fault);
    *out = (struct migrate_status){.steps = ARENA_ARRAY(arena, struct migrate_step, STEPS_MOST)};
    if (driver == NULL) {
        return false;
    }
    add_known(out, driver);
    if (!driver->inspect_versions(place, keep_applied, out, fault)) {
        return false;
    }
    qsort(out->steps, out->count, sizeof *out->steps, by_version);
    count_pending(out);
    return true;
}

bool migrate_check(const struct migrate_status *status, const char *name, struct fault *fault) {
    return migration_may_use(name, status->version, status->oldest_program, status->known, fault);
}

bool migrate_up(struct text url, migrate_report *report, void *context, struct fault *fault) {
    struct text place;
    const struct store_driver *driver = store_driver_of(url, &place, fault);
    return driver != NULL && driver->migrate(place, report, context, fault);
}

/* --- for drivers --- */

bool migration_may_use(const char *name, int64_t version, int64_t oldest_program, int64_t known,
                       struct fault *fault) {
    return known >= version || known >= oldest_program ||
           fault_set(fault, FAULT_ENVIRONMENT,
                     "the store %s has schema %lld, newer than the %lld that this program knows, "
                     "and too new for it: it wants a program that knows schema %lld; install that "
                     "program here too, or go back to a backup from before the migration",
                     name, (long long)version, (long long)known, (long long)oldest_program);
}

bool migration_may_read(const char *name, int64_t version, int64_t readable, int64_t known,
                        struct fault *fault) {
    return version >= readable ||
           fault_set(fault, FAULT_ENVIRONMENT,
                     "the store %s has schema %lld, and this program needs %lld: migrate it with "
                     "'statute migrate up'",
                     name, (long long)version, (long long)known);
}
