/* facts.c: the packed columns of the audit.
 *
 * A block is one row of audit_block, a page long: 16 bytes of times, then the facts of 250 records,
 * all little-endian. `earliest` is the oldest time in the block; `latest` the newest in it or in
 * any block before, so it never falls from block to block, even if the clock was set back, and the
 * first block that may hold a record since some time is found by halving. Slots not used yet are
 * zero; the outcome of a record is 1 or 2, never 0. */
#include "store/sqlite/facts.h"

#include <endian.h>

#define PER_BLOCK     250
#define FACTS_FROM    16 /* offset of the first facts */

#define OUTCOME_SHIFT 56
#define REASON_SHIFT  48
#define TO_SHIFT      32
#define FROM_SHIFT    16

static const char ADD_BLOCK[] =
    "INSERT INTO audit_block (block, facts) VALUES (?1, zeroblob(4016))";
static const char LAST_BLOCK[] = "SELECT max(block) FROM audit_block";
static const char READ_TIMES[] = "SELECT substr(facts, 1, 16) FROM audit_block WHERE block = ?1";
static const char READ_BLOCKS[] =
    "SELECT block, facts FROM audit_block WHERE block >= ?1 ORDER BY block";
static const char READ_BLOCKS_DOWN[] =
    "SELECT block, facts FROM audit_block WHERE block <= ?1 ORDER BY block DESC";

struct times {
    int64_t earliest;
    int64_t latest;
};

static uint64_t read_word(const unsigned char *bytes) {
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    return le64toh(word);
}

static void put_word(unsigned char *bytes, uint64_t word) {
    word = htole64(word);
    memcpy(bytes, &word, sizeof word);
}

static struct times read_times(const unsigned char *block) {
    return (struct times){(int64_t)read_word(block), (int64_t)read_word(block + 8)};
}

/* --- facts --- */

/* FNV-1a. What is on disk depends on it: never change it. Nothing rests on its strength, as matches
 * are compared in full. */
static uint32_t hash_of(struct text text) {
    uint32_t hash = UINT32_C(2166136261);
    for (size_t i = 0; i < text.length; i++) {
        hash = (hash ^ (unsigned char)text.bytes[i]) * UINT32_C(16777619);
    }
    return hash ^ hash >> 16;
}

static uint64_t outcome_of(bool success) {
    return success ? 1 : 2;
}

static uint64_t name_bits(struct text name, int shift, uint64_t mask) {
    return (hash_of(name) & mask) << shift;
}

struct facts facts_of(const struct store_record *record, int64_t entity, int64_t machine) {
    return (struct facts){
        .low = (uint32_t)entity | (uint64_t)hash_of(record->actor_id) << 32,
        .high = (uint16_t)machine | name_bits(record->from_state, FROM_SHIFT, 0xFFFF) |
                name_bits(record->to_state, TO_SHIFT, 0xFFFF) |
                name_bits(record->reason, REASON_SHIFT, 0xFF) |
                outcome_of(record->success) << OUTCOME_SHIFT,
    };
}

static void want_name(struct facts_pattern *pattern, struct text name, int shift, uint64_t mask) {
    if (text_given(name)) {
        pattern->mask.high |= mask << shift;
        pattern->value.high |= name_bits(name, shift, mask);
    }
}

void facts_want_entity(struct facts_pattern *pattern, int64_t entity) {
    pattern->mask.low |= UINT32_MAX;
    pattern->value.low |= (uint32_t)entity;
}

void facts_want_machine(struct facts_pattern *pattern, int64_t machine) {
    pattern->mask.high |= UINT16_MAX;
    pattern->value.high |= (uint16_t)machine;
}

void facts_want_search(struct facts_pattern *pattern, const struct store_search *search) {
    want_name(pattern, search->from_state, FROM_SHIFT, 0xFFFF);
    want_name(pattern, search->to_state, TO_SHIFT, 0xFFFF);
    want_name(pattern, search->reason, REASON_SHIFT, 0xFF);
    if (text_given(search->actor_id)) {
        pattern->mask.low |= (uint64_t)UINT32_MAX << 32;
        pattern->value.low |= (uint64_t)hash_of(search->actor_id) << 32;
    }
    if (search->success >= 0) {
        pattern->mask.high |= UINT64_C(0xFF) << OUTCOME_SHIFT;
        pattern->value.high |= outcome_of(search->success != 0) << OUTCOME_SHIFT;
    }
}

/* --- writing --- */

static bool read_block_times(struct sql *sql, int64_t block, struct times *out,
                             struct fault *fault) {
    bool row;
    sqlite3_stmt *statement = sql_use(sql, READ_TIMES, fault);
    if (statement == NULL) {
        return false;
    }
    sql_put_integer(statement, 1, block);
    if (!sql_next(sql, statement, &row, fault)) {
        return false;
    }
    *out = (struct times){INT64_MAX, INT64_MIN};
    if (row) {
        unsigned char bytes[16];
        sql_bytes(statement, 0, bytes, sizeof bytes);
        *out = read_times(bytes);
        sql_stop(statement);
    }
    return true;
}

/* Makes the block and gives it the latest time so far. */
static bool add_block(struct sql *sql, int64_t block, struct times *times, struct fault *fault) {
    if (!read_block_times(sql, block - 1, times, fault)) {
        return false;
    }
    times->earliest = INT64_MAX;
    sqlite3_stmt *statement = sql_use(sql, ADD_BLOCK, fault);
    if (statement == NULL) {
        return false;
    }
    sql_put_integer(statement, 1, block);
    return sql_run(sql, statement, fault);
}

static void widen(struct times *times, const struct store_record *records, size_t count) {
    for (size_t i = 0; i < count; i++) {
        int64_t time = records[i].timestamp_us;
        times->earliest = time < times->earliest ? time : times->earliest;
        times->latest = time > times->latest ? time : times->latest;
    }
}

static bool put_block(struct sql *sql, int64_t block, size_t slot, const struct times *times,
                      const struct facts *facts, size_t count, struct fault *fault) {
    unsigned char bytes[PER_BLOCK * sizeof *facts], head[FACTS_FROM];
    for (size_t i = 0; i < count; i++) {
        put_word(bytes + i * sizeof *facts, facts[i].low);
        put_word(bytes + i * sizeof *facts + 8, facts[i].high);
    }
    put_word(head, (uint64_t)times->earliest);
    put_word(head + 8, (uint64_t)times->latest);
    sqlite3_blob *blob = NULL;
    bool fine = sql_blob_open(sql, "audit_block", "facts", block, &blob, fault) &&
                sql_blob_write(sql, blob, 0, head, sizeof head, fault) &&
                sql_blob_write(sql, blob, FACTS_FROM + slot * sizeof *facts, bytes,
                               count * sizeof *facts, fault);
    sqlite3_blob_close(blob);
    return fine;
}

static bool write_block(struct sql *sql, int64_t position, const struct facts *facts,
                        const struct store_record *records, size_t count, struct fault *fault) {
    struct times times;
    int64_t block = (position - 1) / PER_BLOCK;
    size_t slot = (size_t)((position - 1) % PER_BLOCK);
    bool ready = slot == 0 ? add_block(sql, block, &times, fault)
                           : read_block_times(sql, block, &times, fault);
    if (!ready) {
        return false;
    }
    widen(&times, records, count);
    return put_block(sql, block, slot, &times, facts, count, fault);
}

bool facts_write(struct sql *sql, int64_t position, const struct facts *facts,
                 const struct store_record *records, size_t count, struct fault *fault) {
    for (size_t done = 0; done < count;) {
        size_t room = PER_BLOCK - (size_t)((position - 1) % PER_BLOCK);
        size_t now = count - done < room ? count - done : room;
        if (!write_block(sql, position, facts + done, records + done, now, fault)) {
            return false;
        }
        done += now;
        position += (int64_t)now;
    }
    return true;
}

/* --- where a scan begins --- */

static bool last_block(struct sql *sql, int64_t *block, struct fault *fault) {
    sqlite3_stmt *statement = sql_use(sql, LAST_BLOCK, fault);
    return statement != NULL && sql_ask(sql, statement, 0, block, fault);
}

bool facts_before(struct sql *sql, int64_t since_us, int64_t *position, struct fault *fault) {
    int64_t low = 0, high;
    if (!last_block(sql, &high, fault)) {
        return false;
    }
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        struct times times;
        if (!read_block_times(sql, middle, &times, fault)) {
            return false;
        }
        if (times.latest < since_us) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    *position = low * PER_BLOCK;
    return true;
}

/* --- the scan, in either direction --- */

static bool start_from(struct facts_scan *scan, int64_t after, struct fault *fault) {
    int64_t before = 0;
    if (scan->since_us != 0 && !facts_before(scan->sql, scan->since_us, &before, fault)) {
        return false;
    }
    scan->position = before > after ? before : after;
    return true;
}

static bool start_down(struct facts_scan *scan, int64_t before, struct fault *fault) {
    int64_t block = 0;
    if (before == 0 && !last_block(scan->sql, &block, fault)) {
        return false;
    }
    scan->position = before != 0 ? before : (block + 1) * PER_BLOCK + 1;
    return true;
}

bool facts_start(struct facts_scan *scan, int64_t after, struct fault *fault) {
    scan->bytes = NULL;
    if (!(scan->newest ? start_down(scan, after, fault) : start_from(scan, after, fault))) {
        return false;
    }
    scan->blocks = sql_use(scan->sql, scan->newest ? READ_BLOCKS_DOWN : READ_BLOCKS, fault);
    if (scan->blocks == NULL) {
        return false;
    }
    int64_t next = scan->newest ? scan->position - 2 : scan->position; /* its place, from 0 */
    sql_put_integer(scan->blocks, 1, next < 0 ? -1 : next / PER_BLOCK);
    return true;
}

void facts_stop(struct facts_scan *scan) {
    sql_stop(scan->blocks);
}

static bool may_match(const struct facts_scan *scan) {
    struct times times = read_times(scan->bytes);
    return scan->until_us == 0 || times.earliest < scan->until_us;
}

/* All before the block at hand are older too: `latest` never falls. */
static bool is_too_old(const struct facts_scan *scan) {
    return scan->newest && scan->since_us != 0 && read_times(scan->bytes).latest < scan->since_us;
}

/* Puts the position beside the block, so that the next one is in it. */
static void enter_block(struct facts_scan *scan, int64_t first) {
    int64_t last = first + PER_BLOCK;
    if (scan->newest) {
        scan->position = scan->position > last + 1 ? last + 1 : scan->position;
    } else {
        scan->position = first > scan->position ? first : scan->position;
    }
}

/* Steps to the next block that may match; *more is false after the last one. */
static bool next_block(struct facts_scan *scan, bool *more, struct fault *fault) {
    for (;;) {
        if (!sql_next(scan->sql, scan->blocks, more, fault)) {
            return false;
        }
        if (!*more) {
            return true;
        }
        scan->bytes = sqlite3_column_blob(scan->blocks, 1);
        size_t length = (size_t)sqlite3_column_bytes(scan->blocks, 1);
        bool whole = length == FACTS_FROM + PER_BLOCK * sizeof(struct facts);
        enter_block(scan, sql_integer(scan->blocks, 0) * PER_BLOCK);
        if (whole && is_too_old(scan)) {
            *more = false;
            return true;
        }
        if (whole && may_match(scan)) {
            return true;
        }
    }
}

static bool matches(const struct facts_scan *scan, const unsigned char *bytes) {
    uint64_t low = read_word(bytes), high = read_word(bytes + 8);
    bool used = high >> OUTCOME_SHIFT != 0;
    for (size_t i = 0; used && i < scan->pattern_count; i++) {
        const struct facts_pattern *pattern = &scan->patterns[i];
        if ((low & pattern->mask.low) == pattern->value.low &&
            (high & pattern->mask.high) == pattern->value.high) {
            return true;
        }
    }
    return false;
}

/* The next match in the block at hand; 0 when there is none. */
static int64_t match_in_block(struct facts_scan *scan) {
    int64_t step = scan->newest ? -1 : 1;
    int64_t slot = (scan->newest ? scan->position - 2 : scan->position) % PER_BLOCK;
    for (; slot >= 0 && slot < PER_BLOCK; slot += step) {
        scan->position += step;
        if (matches(scan, scan->bytes + FACTS_FROM + (size_t)slot * sizeof(struct facts))) {
            scan->bytes = slot + step < 0 || slot + step == PER_BLOCK ? NULL : scan->bytes;
            return scan->position;
        }
    }
    scan->bytes = NULL;
    return 0;
}

bool facts_next(struct facts_scan *scan, int64_t *position, struct fault *fault) {
    *position = 0;
    while (*position == 0) {
        bool more = true;
        if (scan->bytes == NULL && !next_block(scan, &more, fault)) {
            return false;
        }
        if (!more) {
            return true;
        }
        *position = match_in_block(scan);
    }
    return true;
}
