/* tz_cache.h: the zones of the system's tz database, by name. Any thread may ask; one that asks for
 * a zone that was read before never waits for another.
 *
 * The database is a directory of TZif files. A name is that of a file there whose parts each begin
 * with a capital, as all IANA names do, and which `tzdata.zi` names too, where there is one: so
 * `localtime`, `posix/` and `right/` are none. Names are exact, letter case included.
 *
 * At most once a second, whoever asks looks whether files have changed, and reads those anew. A
 * zone or name that was lent stays valid as long as the cache; a database that is being replaced,
 * or damaged, leaves in force what was read before. */
#ifndef STATUTE_TZ_CACHE_H
#define STATUTE_TZ_CACHE_H

#include "base/now.h"
#include "timezone/tz.h"

struct tz_cache;

struct tz_cache *tz_cache_new(const char *directory, struct now now);
void tz_cache_free(struct tz_cache *cache);

/* That of the process: $TZDIR, or /usr/share/zoneinfo. Made by the first who asks; never freed. */
struct tz_cache *tz_cache_system(void);

/* FAULT_VALIDATION_FAILED: there is no such zone, with the nearest name; FAULT_ENVIRONMENT: there
 * is no database, or the zone's file is malformed. */
bool tz_cache_find(struct tz_cache *cache, struct text name, const struct tz **out,
                   struct fault *fault) MUST_CHECK;

/* All names, in byte order. Lent. */
const struct text *tz_cache_names(struct tz_cache *cache, size_t *count);

/* "2025b", from the first line of tzdata.zi; "unknown" without one. Lent. */
struct text tz_cache_version(struct tz_cache *cache);

#endif
