/* inspect.c: finds the driver, which does the looking. */
#include "store/inspect.h"

#include "store/driver.h"

bool inspect_file(struct text url, inspect_report *report, void *context, struct fault *fault) {
    struct text place;
    const struct store_driver *driver = store_driver_of(url, &place, fault);
    return driver != NULL && driver->inspect_file(place, report, context, fault);
}

bool inspect_schema(struct text url, int64_t *version, struct fault *fault) {
    struct text place;
    const struct store_driver *driver = store_driver_of(url, &place, fault);
    return driver != NULL && driver->inspect_schema(place, version, fault);
}

bool inspect_machines(struct text url, struct arena *arena, struct text **names, size_t *count,
                      struct fault *fault) {
    struct text place;
    const struct store_driver *driver = store_driver_of(url, &place, fault);
    return driver != NULL && driver->inspect_machines(place, arena, names, count, fault);
}

struct text inspect_libraries(struct arena *arena) {
    struct text sqlite = store_sqlite.library(arena), postgres = store_postgres.library(arena);
    return text_print(arena, "%.*s, %.*s", TEXT_ARGS(sqlite), TEXT_ARGS(postgres));
}

bool inspect_is_current(struct text url, bool *current, struct fault *fault) {
    struct text place;
    int64_t version;
    size_t count;
    const struct store_driver *driver = store_driver_of(url, &place, fault);
    if (driver == NULL || !driver->inspect_schema(place, &version, fault)) {
        return false;
    }
    const struct migration *migrations = driver->migrations(&count);
    *current = version >= migrations[count - 1].version;
    return true;
}
