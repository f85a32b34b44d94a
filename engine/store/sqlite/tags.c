/* tags.c: blocks of 250 tags, little-endian, at the places of the facts of the same records. A tag
 * that was written is odd, so that a slot not used yet, which is zero, matches nothing. */
#include "store/sqlite/tags.h"

#include <endian.h>

static const char ADD_BLOCK[] = "INSERT OR REPLACE INTO audit_tag (block, tags) VALUES (?1, ?2)";
static const char READ_BLOCK[] = "SELECT tags FROM audit_tag WHERE block = ?1";
static const char READ_RECORDS[] =
    "SELECT position, json FROM audit WHERE position >= ?1 AND position < ?2";
static const char LAST_POSITION[] = "SELECT max(position) FROM audit";

/* FNV-1a, 64 bits folded to 32. What is on disk depends on it: never change it. */
static uint64_t hash_of(struct text text) {
    uint64_t hash = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < text.length; i++) {
        hash = (hash ^ (unsigned char)text.bytes[i]) * UINT64_C(1099511628211);
    }
    return (hash ^ hash >> 32) & UINT32_MAX;
}

static struct tags pack(struct text request, struct text batch, struct text transition,
                        struct text code) {
    return (struct tags){.low = hash_of(request) | hash_of(batch) << 32,
                         .high = hash_of(transition) << 32 | (hash_of(code) << 1 & UINT32_MAX) | 1};
}

struct tags tags_of(const struct store_record *record) {
    return pack(record->request_id, record->batch, record->transition, record->error_code);
}

/* --- writing --- */

static int64_t block_of(int64_t position) {
    return (position - 1) / TAGS_PER_BLOCK;
}

static struct tags *slot_of(struct tags_tail *tail, int64_t position) {
    return &tail->slots[(position - 1) % TAGS_PER_BLOCK];
}

/* No tags, which match nothing, of a record that cannot be read: tags_fit would not take it either.
 */
static struct tags tags_of_json(struct arena *scratch, struct text json) {
    const struct js *record;
    struct fault unreadable = FAULT_INIT;
    arena_reset(scratch);
    if (!js_parse(scratch, json, &record, &unreadable)) {
        return (struct tags){0};
    }
    return pack(
        js_text(js_find(record, TEXT("request_id"))), js_text(js_find(record, TEXT("batch"))),
        js_text(js_find(record, TEXT("transition"))), js_text(js_find(record, TEXT("error_code"))));
}

/* The tags of records from `first` up to what the tail remembers. */
static bool remember(struct sql *sql, struct arena *scratch, struct tags_tail *tail, int64_t first,
                     struct fault *fault) {
    bool row = true, fine = true;
    sqlite3_stmt *statement = sql_use(sql, READ_RECORDS, fault);
    if (statement == NULL) {
        return false;
    }
    sql_put_integer(statement, 1, first);
    sql_put_integer(statement, 2, tail->from);
    memset(slot_of(tail, first), 0, (size_t)(tail->from - first) * sizeof *tail->slots);
    while (row && fine) {
        fine = sql_next(sql, statement, &row, fault);
        if (fine && row) {
            *slot_of(tail, sql_integer(statement, 0)) =
                tags_of_json(scratch, sql_lent(statement, 1));
        }
    }
    sql_stop(statement);
    tail->from = first;
    return fine;
}

static bool write_block(struct sql *sql, struct tags_tail *tail, int64_t block,
                        struct fault *fault) {
    struct tags bytes[TAGS_PER_BLOCK];
    sqlite3_stmt *statement = sql_use(sql, ADD_BLOCK, fault);
    if (statement == NULL) {
        return false;
    }
    for (size_t i = 0; i < TAGS_PER_BLOCK; i++) {
        bytes[i] = (struct tags){htole64(tail->slots[i].low), htole64(tail->slots[i].high)};
    }
    sql_put_integer(statement, 1, block);
    sql_put_bytes(statement, 2, bytes, sizeof bytes);
    return sql_run(sql, statement, fault);
}

static void note(struct tags_tail *tail, int64_t position, struct tags tags) {
    bool is_new = block_of(position) != block_of(tail->next - 1);
    if (is_new || position < tail->from || position > tail->next) {
        tail->from = position;
    }
    tail->next = position + 1;
    *slot_of(tail, position) = tags;
}

bool tags_write(struct sql *sql, struct arena *scratch, struct tags_tail *tail, int64_t position,
                const struct tags *tags, size_t count, struct fault *fault) {
    for (size_t i = 0; i < count; i++, position++) {
        int64_t block = block_of(position), first = block * TAGS_PER_BLOCK + 1;
        note(tail, position, tags[i]);
        if (position % TAGS_PER_BLOCK == 0 &&
            ((tail->from > first && !remember(sql, scratch, tail, first, fault)) ||
             !write_block(sql, tail, block, fault))) {
            return false;
        }
    }
    return true;
}

/* --- searching --- */

static uint64_t mask_of(struct text wanted, uint64_t mask) {
    return text_given(wanted) ? mask : 0;
}

bool tags_want(struct tags_scan *scan, const struct store_search *search) {
    struct tags all =
        pack(search->request_id, search->batch, search->transition, search->error_code);
    scan->mask.low = mask_of(search->request_id, UINT32_MAX) |
                     mask_of(search->batch, (uint64_t)UINT32_MAX << 32);
    scan->mask.high = mask_of(search->transition, (uint64_t)UINT32_MAX << 32) |
                      mask_of(search->error_code, UINT32_MAX - 1) | 1;
    scan->value.low = all.low & scan->mask.low;
    scan->value.high = all.high & scan->mask.high;
    return scan->mask.low != 0 || scan->mask.high != 1;
}

static bool find_tail(struct tags_scan *scan, int64_t block, struct fault *fault) {
    int64_t last = 0;
    sqlite3_stmt *statement = sql_use(scan->sql, LAST_POSITION, fault);
    bool fine = statement != NULL && sql_ask(scan->sql, statement, 0, &last, fault);
    scan->is_tail = fine && last > 0 && block_of(last) == block;
    return fine;
}

static bool read_block(struct tags_scan *scan, int64_t block, struct fault *fault) {
    sqlite3_stmt *statement = sql_use(scan->sql, READ_BLOCK, fault);
    if (statement == NULL) {
        return false;
    }
    sql_put_integer(statement, 1, block);
    if (!sql_next(scan->sql, statement, &scan->is_there, fault)) {
        return false;
    }
    if (scan->is_there) {
        sql_bytes(statement, 0, scan->bytes, sizeof scan->bytes);
        sql_stop(statement);
    }
    scan->block = block + 1;
    return scan->is_there || find_tail(scan, block, fault);
}

bool tags_match(struct tags_scan *scan, int64_t position, bool *matches, struct fault *fault) {
    int64_t block = block_of(position);
    struct tags tags;
    if (scan->block != block + 1 && !read_block(scan, block, fault)) {
        return false;
    }
    if (!scan->is_there) {
        *matches = scan->is_tail;
        return true;
    }
    memcpy(&tags, scan->bytes + (size_t)((position - 1) % TAGS_PER_BLOCK) * sizeof tags,
           sizeof tags);
    *matches = (le64toh(tags.low) & scan->mask.low) == scan->value.low &&
               (le64toh(tags.high) & scan->mask.high) == scan->value.high;
    return true;
}

static bool has(const struct js *record, const char *key, struct text wanted) {
    struct text found = js_text(js_find(record, text_of(key)));
    return !text_given(wanted) || (text_given(found) && text_equal(found, wanted));
}

bool tags_fit(struct arena *scratch, const struct store_search *search, struct text json) {
    const struct js *record;
    struct fault fault = FAULT_INIT;
    return js_parse(scratch, json, &record, &fault) &&
           has(record, "transition", search->transition) &&
           has(record, "request_id", search->request_id) && has(record, "batch", search->batch) &&
           has(record, "error_code", search->error_code);
}
