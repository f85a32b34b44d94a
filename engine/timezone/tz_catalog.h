/* tz_catalog.h: the names of a tz database, as they are on disk. Used by tz_cache.c only. */
#ifndef STATUTE_TZ_CATALOG_H
#define STATUTE_TZ_CATALOG_H

#include "base/arena.h"
#include "base/map.h"
#include "timezone/tz.h"

#include <stdatomic.h>
#include <sys/stat.h>

/* What tells one file at a path from another. */
struct tz_identity {
    dev_t device;
    ino_t inode;
    off_t size_bytes;
    struct timespec modified, changed;
};
bool tz_identity_of(const char *path, struct tz_identity *out); /* false: there is no such file */
bool tz_identity_equal(const struct tz_identity *a, const struct tz_identity *b);

/* A name, and what was read of it. */
struct tz_entry {
    struct text name;
    _Atomic(const struct tz *) zone; /* NULL: not read yet */
    _Atomic int64_t checked_us;
    struct tz_identity identity; /* of the file read; guarded by the cache's mutex */
};

/* A directory, or tzdata.zi: when it changes, names may have come or gone. */
struct tz_watched {
    const char *path;
    struct tz_identity identity;
};

#define TZ_WATCHED_MOST 64
#define TZ_NAMES_MOST   4096
#define TZ_NAME_MOST    64 /* bytes */
#define TZ_TABLE_MOST   ((size_t)4 << 20)

/* Immutable once made, but for the zones of its entries. */
struct tz_catalog {
    struct arena arena;
    struct map entries; /* struct tz_entry, by name */
    struct text *names; /* in byte order */
    size_t count;
    struct text version;
    struct tz_watched watched[TZ_WATCHED_MOST];
    size_t watched_count;
    struct tz_catalog *older; /* the one it took the place of */
};

struct tz_catalog *tz_catalog_new(const char *directory);
void tz_catalog_free(struct tz_catalog *catalog);
bool tz_catalog_is_current(const struct tz_catalog *catalog);

/* The name that was probably meant; TEXT_NONE when none is near. */
struct text tz_catalog_nearest(const struct tz_catalog *catalog, struct text name);

/* Reads a regular file of at most that many bytes into the arena. FAULT_ENVIRONMENT. */
bool tz_file_read(struct arena *arena, const char *path, size_t most_bytes, struct text *out,
                  struct fault *fault) MUST_CHECK;

#endif
