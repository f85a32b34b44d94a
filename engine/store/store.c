/* store.c: finds the driver of a URL, checks what all drivers would have to check, and passes on.
 */
#include "store/driver.h"

#define PAGE_MOST 1000

static const struct {
    const char *scheme;
    const struct store_driver *driver;
} drivers[] = {
    {"sqlite", &store_sqlite},
    {"postgresql", &store_postgres},
    {"postgres", &store_postgres},
};

/* `place` is what stands after the colon. */
static const struct store_driver *find_driver(struct text url, struct text *place) {
    for (size_t i = 0; i < sizeof drivers / sizeof drivers[0]; i++) {
        struct text scheme = text_of(drivers[i].scheme);
        if (text_starts(url, scheme) && url.length > scheme.length &&
            url.bytes[scheme.length] == ':') {
            size_t skipped = scheme.length + 1;
            *place = (struct text){url.bytes + skipped, url.length - skipped};
            return drivers[i].driver;
        }
    }
    return NULL;
}

static void fail_unknown(struct text url, struct fault *fault) {
    struct arena arena;
    arena_init(&arena, 0);
    struct text shown = store_url_show(&arena, url);
    fault_set(fault, FAULT_USAGE,
              "\"%.*s\" names no store; \"sqlite:PATH\" and "
              "\"postgresql://USER@HOST:PORT/DATABASE\" do",
              TEXT_ARGS(shown));
    arena_deinit(&arena);
}

const struct store_driver *store_driver_of(struct text url, struct text *place,
                                           struct fault *fault) {
    const struct store_driver *driver = find_driver(url, place);
    if (driver == NULL) {
        fail_unknown(url, fault);
    }
    return driver;
}

/* --- showing a URL --- */

/* From the first colon to the last @ after "//", or of all: a password may hold any of both. */
static struct text without_password(struct arena *arena, struct text url) {
    struct text slashes = TEXT("://");
    const char *start = url.bytes, *end = url.bytes + url.length;
    const char *colon = memchr(start, ':', url.length);
    if (colon != NULL && text_starts((struct text){colon, (size_t)(end - colon)}, slashes)) {
        start = colon + slashes.length;
    }
    const char *at = memrchr(start, '@', (size_t)(end - start));
    colon = at != NULL ? memchr(start, ':', (size_t)(at - start)) : NULL;
    if (colon == NULL) {
        return url;
    }
    return text_print(arena, "%.*s%.*s", (int)(colon - url.bytes), url.bytes, (int)(end - at), at);
}

struct text store_url_show(struct arena *arena, struct text url) {
    if (url.length == 0 || text_starts(url, TEXT("sqlite:"))) {
        return url;
    }
    struct text shown = without_password(arena, url);
    for (size_t i = 0; i < shown.length; i++) {
        if (shown.bytes[i] == '?' || shown.bytes[i] == '=') {
            return text_print(arena, "%.*s...", (int)i + 1, shown.bytes);
        }
    }
    return shown;
}

/* --- opening --- */

bool store_open(struct text url, enum store_role role, struct store **out, struct fault *fault) {
    struct text place;
    const struct store_driver *driver = store_driver_of(url, &place, fault);
    return driver != NULL && driver->open(place, role, out, fault);
}

void store_close(struct store *store) {
    if (store != NULL) {
        store->driver->close(store);
    }
}

const char *store_kind(const struct store *store) {
    return store->driver->kind;
}

unsigned store_writers_most(struct text url) {
    struct text place;
    const struct store_driver *driver = find_driver(url, &place);
    return driver != NULL ? driver->writers_most : 1;
}

static bool check_limit(int64_t limit, struct fault *fault) {
    if (limit < 1 || limit > PAGE_MOST) {
        return fault_set(fault, FAULT_BAD_REQUEST, "limit is %lld; it must be 1 to %d",
                         (long long)limit, PAGE_MOST);
    }
    return true;
}

/* --- transactions --- */

bool store_begin(struct store *store, enum store_access access, enum isolation isolation,
                 struct fault *fault) {
    return store->driver->begin(store, access, isolation, fault);
}

bool store_commit(struct store *store, struct fault *fault) {
    return store->driver->commit(store, fault);
}

void store_rollback(struct store *store) {
    store->driver->rollback(store);
}

bool store_ping(struct store *store, struct fault *fault) {
    return store->driver->ping(store, fault);
}

/* --- the batch --- */

bool store_read(struct store *store, struct arena *arena, const struct store_key *keys,
                size_t count, struct entity *out, struct fault *fault) {
    return store->driver->read(store, arena, keys, count, out, fault);
}

bool store_read_as(struct store *store, struct arena *arena, const struct store_reading *readings,
                   size_t count, struct entity *out, struct fault *fault) {
    return store->driver->read_as(store, arena, readings, count, out, fault);
}

bool store_guard(struct store *store, const struct text *machines, size_t count,
                 struct fault *fault) {
    return count == 0 || store->driver->guard(store, machines, count, fault);
}

bool store_write(struct store *store, const struct store_batch *batch, struct fault *fault) {
    return store->driver->write(store, batch, fault);
}

bool store_settle(struct store *store, struct text audit_uuid, bool *committed,
                  struct fault *fault) {
    return store->driver->settle(store, audit_uuid, committed, fault);
}

/* --- queries --- */

bool store_list(struct store *store, struct arena *arena, struct text machine,
                const struct store_where *where, const struct store_page *page,
                struct entity **items, size_t *count, struct text *next, struct fault *fault) {
    return check_limit(page->limit, fault) &&
           store->driver->list(store, arena, machine, where, page, items, count, next, fault);
}

bool store_count(struct store *store, struct text machine, const struct store_where *where,
                 int64_t *count, struct fault *fault) {
    return store->driver->count(store, machine, where, count, fault);
}

bool store_list_ids(struct store *store, struct arena *arena, struct text machine,
                    const struct store_where *where, struct text after, int64_t limit,
                    struct text **ids, size_t *count, struct fault *fault) {
    return store->driver->list_ids(store, arena, machine, where, after, limit, ids, count, fault);
}

bool store_search_records(struct store *store, struct arena *arena,
                          const struct store_search *search, const struct store_page *page,
                          struct store_record **items, size_t *count, struct text *next,
                          struct fault *fault) {
    return check_limit(page->limit, fault) &&
           store->driver->search_records(store, arena, search, page, items, count, next, fault);
}

bool store_walk_chains(struct store *store, const struct store_walk *walk, int64_t *settled,
                       struct fault *fault) {
    return store->driver->walk_chains(store, walk, settled, fault);
}

/* --- answers, policies --- */

bool store_find_answers(struct store *store, struct arena *arena,
                        const struct store_answer_key *keys, size_t count, int64_t oldest_us,
                        const struct store_answer **out, struct fault *fault) {
    return count == 0 ||
           store->driver->find_answers(store, arena, keys, count, oldest_us, out, fault);
}

bool store_expire_answers(struct store *store, int64_t oldest_us, int64_t most,
                          struct fault *fault) {
    return store->driver->expire_answers(store, oldest_us, most, fault);
}

bool store_keep_policy(struct store *store, struct text generation, struct text files_json,
                       int64_t now_us, struct fault *fault) {
    return store->driver->keep_policy(store, generation, files_json, now_us, fault);
}

/* --- API keys --- */

bool store_add_api_key(struct store *store, const struct store_api_key *key, struct fault *fault) {
    return store->driver->add_api_key(store, key, fault);
}

bool store_list_api_keys(struct store *store, struct arena *arena, struct store_api_key **items,
                         size_t *count, struct fault *fault) {
    return store->driver->list_api_keys(store, arena, items, count, fault);
}

bool store_revoke_api_key(struct store *store, struct text id_or_name, int64_t now_us,
                          struct fault *fault) {
    return store->driver->revoke_api_key(store, id_or_name, now_us, fault);
}

/* --- bulk --- */

bool store_add_bulk(struct store *store, const struct store_bulk *bulk, const struct text *ids,
                    size_t count, struct fault *fault) {
    return store->driver->bulks->add(store, bulk, ids, count, fault);
}

bool store_find_bulk(struct store *store, struct arena *arena, struct text id,
                     struct store_bulk **out, struct fault *fault) {
    return store->driver->bulks->find(store, arena, id, out, fault);
}

bool store_bulk_members(struct store *store, struct arena *arena, struct text id, int64_t position,
                        int64_t limit, struct text **ids, size_t *count, struct fault *fault) {
    return store->driver->bulks->members(store, arena, id, position, limit, ids, count, fault);
}

bool store_save_bulk(struct store *store, const struct store_bulk *bulk,
                     const struct store_bulk_error *errors, size_t error_count,
                     struct fault *fault) {
    return store->driver->bulks->save(store, bulk, errors, error_count, fault);
}

bool store_bulk_errors(struct store *store, struct arena *arena, struct text id, int64_t limit,
                       struct store_bulk_error **items, size_t *count, struct fault *fault) {
    return store->driver->bulks->errors(store, arena, id, limit, items, count, fault);
}

bool store_list_bulks(struct store *store, struct arena *arena, enum bulk_status status,
                      struct store_bulk **items, size_t *count, struct fault *fault) {
    return store->driver->bulks->list(store, arena, status, items, count, fault);
}

bool store_page_bulks(struct store *store, struct arena *arena,
                      const struct store_bulk_search *search, const struct store_page *page,
                      struct store_bulk **items, size_t *count, struct text *next,
                      struct fault *fault) {
    return check_limit(page->limit, fault) &&
           store->driver->bulks->page(store, arena, search, page, items, count, next, fault);
}

/* --- who is there --- */

bool store_machines(struct store *store, struct arena *arena, struct text **names, size_t *count,
                    struct fault *fault) {
    return store->driver->machines(store, arena, names, count, fault);
}

bool store_list_gone(struct store *store, struct arena *arena, struct text **names, size_t *count,
                     struct fault *fault) {
    return store->driver->list_gone(store, arena, names, count, fault);
}

bool store_keep_gone(struct store *store, const struct text *names, size_t count, int64_t now_us,
                     struct fault *fault) {
    return store->driver->keep_gone(store, names, count, now_us, fault);
}

bool store_rename(struct store *store, struct text from, struct text to, const struct text *ids,
                  size_t count, bool *moved, struct fault *fault) {
    return store->driver->rename(store, from, to, ids, count, moved, fault);
}

bool store_entered(struct store *store, const struct store_key *keys, size_t count, int64_t *out,
                   struct fault *fault) {
    return store->driver->entered(store, keys, count, out, fault);
}

bool store_index_fields(struct store *store, struct text machine, const struct text *fields,
                        size_t count, int64_t most, bool *more, struct fault *fault) {
    return store->driver->index_fields(store, machine, fields, count, most, more, fault);
}
