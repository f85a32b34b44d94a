/* tags.c: blocks of 250 tags, little-endian, at the places of the facts of the same records. A tag
 * that was written is odd, so that a slot not used yet, which is zero, matches nothing. */
#include "store/sqlite/tags.h"

#include <endian.h>

#define PER_BLOCK 250

static const char ADD_BLOCK[] =
    "INSERT OR IGNORE INTO audit_tag (block, tags) VALUES (?1, zeroblob(4000))";
static const char READ_BLOCK[] = "SELECT tags FROM audit_tag WHERE block = ?1";

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

static bool open_block(struct sql *sql, int64_t block, sqlite3_blob **blob, struct fault *fault) {
    sqlite3_stmt *statement = sql_use(sql, ADD_BLOCK, fault);
    if (statement == NULL) {
        return false;
    }
    sql_put_integer(statement, 1, block);
    return sql_run(sql, statement, fault) &&
           sql_blob_open(sql, "audit_tag", "tags", block, blob, fault);
}

static bool write_block(struct sql *sql, int64_t position, const struct tags *tags, size_t count,
                        struct fault *fault) {
    struct tags bytes[PER_BLOCK];
    sqlite3_blob *blob = NULL;
    size_t slot = (size_t)((position - 1) % PER_BLOCK);
    for (size_t i = 0; i < count; i++) {
        bytes[i] = (struct tags){htole64(tags[i].low), htole64(tags[i].high)};
    }
    bool fine = open_block(sql, (position - 1) / PER_BLOCK, &blob, fault) &&
                sql_blob_write(sql, blob, slot * sizeof *tags, bytes, count * sizeof *tags, fault);
    sqlite3_blob_close(blob);
    return fine;
}

bool tags_write(struct sql *sql, int64_t position, const struct tags *tags, size_t count,
                struct fault *fault) {
    for (size_t done = 0; done < count;) {
        size_t room = PER_BLOCK - (size_t)((position - 1) % PER_BLOCK);
        size_t now = count - done < room ? count - done : room;
        if (!write_block(sql, position, tags + done, now, fault)) {
            return false;
        }
        done += now;
        position += (int64_t)now;
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
    return true;
}

bool tags_match(struct tags_scan *scan, int64_t position, bool *matches, struct fault *fault) {
    int64_t block = (position - 1) / PER_BLOCK;
    struct tags tags;
    if (scan->block != block + 1 && !read_block(scan, block, fault)) {
        return false;
    }
    memcpy(&tags, scan->bytes + (size_t)((position - 1) % PER_BLOCK) * sizeof tags, sizeof tags);
    *matches = scan->is_there && (le64toh(tags.low) & scan->mask.low) == scan->value.low &&
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
