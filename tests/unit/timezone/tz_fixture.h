/* tz_fixture.h: TZif files, real ones and made ones, for the tests of time zones. */
#ifndef STATUTE_TZ_FIXTURE_H
#define STATUTE_TZ_FIXTURE_H

#include "unit/base/check.h"

#include "timezone/tz_cache.h"

#define FIXTURE_MOST 65536

struct fixture_file {
    char bytes[FIXTURE_MOST];
    size_t length;
};

static inline void fixture_read(struct fixture_file *file, const char *path) {
    FILE *stream = fopen(path, "rb");
    assert_non_null(stream);
    file->length = fread(file->bytes, 1, sizeof file->bytes, stream);
    fclose(stream);
    assert_true(file->length > 44 && file->length < sizeof file->bytes);
}

static inline void fixture_write(const struct fixture_file *file, const char *path) {
    FILE *stream = fopen(path, "wb");
    assert_non_null(stream);
    assert_int_equal(fwrite(file->bytes, 1, file->length, stream), file->length);
    assert_int_equal(fclose(stream), 0);
}

static inline void fixture_put(struct fixture_file *file, const void *bytes, size_t length) {
    assert_true(file->length + length <= sizeof file->bytes);
    memcpy(file->bytes + file->length, bytes, length);
    file->length += length;
}

static inline void fixture_put_number(struct fixture_file *file, int64_t number, int size) {
    for (int i = size - 1; i >= 0; i--) {
        unsigned char byte = (unsigned char)((uint64_t)number >> (8 * i));
        fixture_put(file, &byte, 1);
    }
}

/* What a made file says. Its types are LMT (0 s), AAA (3600 s) and BBB (7200 s, daylight). */
struct fixture_zone {
    char version;
    const int64_t *times;
    const char *kinds; /* '\0', '\1', '\2': one a time */
    size_t count;
    const char *footer; /* NULL: not even line ends */
    unsigned leaps;
};

static inline void fixture_put_header(struct fixture_file *file, char version, size_t times,
                                      unsigned leaps) {
    fixture_put(file, "TZif", 4);
    fixture_put(file, &version, 1);
    fixture_put(file, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 15);
    fixture_put_number(file, 0, 4);
    fixture_put_number(file, 0, 4);
    fixture_put_number(file, leaps, 4);
    fixture_put_number(file, (int64_t)times, 4);
    fixture_put_number(file, 3, 4);
    fixture_put_number(file, 12, 4);
}

static inline void fixture_put_block(struct fixture_file *file, const struct fixture_zone *zone,
                                     int size) {
    for (size_t i = 0; i < zone->count; i++) {
        fixture_put_number(file, zone->times[i], size);
    }
    fixture_put(file, zone->kinds, zone->count);
    fixture_put(file, "\0\0\0\0\0\0", 6);
    fixture_put(file, "\0\0\x0E\x10\0\4", 6);
    fixture_put(file, "\0\0\x1C\x20\1\10", 6);
    fixture_put(file, "LMT\0AAA\0BBB\0", 12);
    for (unsigned i = 0; i < zone->leaps; i++) {
        fixture_put_number(file, 78796800, size);
        fixture_put_number(file, 1, 4);
    }
}

static inline void fixture_make(struct fixture_file *file, const struct fixture_zone *zone) {
    file->length = 0;
    fixture_put_header(file, zone->version, zone->count, zone->leaps);
    fixture_put_block(file, zone, 4);
    if (zone->version != 0) {
        fixture_put_header(file, zone->version, zone->count, zone->leaps);
        fixture_put_block(file, zone, 8);
    }
    if (zone->footer != NULL) {
        fixture_put(file, "\n", 1);
        fixture_put(file, zone->footer, strlen(zone->footer));
        fixture_put(file, "\n", 1);
    }
}

static inline struct text fixture_text(const struct fixture_file *file) {
    return (struct text){file->bytes, file->length};
}

#endif
