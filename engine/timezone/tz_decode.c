/* tz_decode.c: reads a TZif file (RFC 9636 section 3). It has a header and a data block of 32-bit
 * times, which version 1 consists of; later versions have both again, in 64 bits, and a footer, and
 * then what came first is only skipped. Every count is held against the bytes that are there before
 * it is used, and every index against its count. */
#include "timezone/tz_table.h"

#include <string.h>

#define HEADER_BYTES 44
#define SLACK_BYTES  128 /* of an arena's chunk, and to align what is in it */
#define SECOND_US    INT64_C(1000000)
/* Transitions further away are those of the Big Bang: they only say what came before all others. */
#define SECOND_LEAST INT64_C(-70000000000) /* in the year -248 */
#define SECOND_MOST  INT64_C(260000000000) /* in the year 10208 */

struct header {
    int version; /* 1..4 */
    size_t is_ut_count, is_standard_count, leap_count, time_count, type_count, char_count;
};

struct block {
    const unsigned char *times, *kinds, *types, *chars, *is_standard, *is_ut;
};

struct decoder {
    struct text rest;
    size_t time_bytes; /* 4 or 8 */
    struct header header;
    struct block block;
    struct fault *fault;
};

static bool refuse(struct decoder *decoder, const char *why) {
    return fault_set(decoder->fault, FAULT_VALIDATION_FAILED, "it is no TZif file: %s", why);
}

static bool take(struct decoder *decoder, size_t length, const unsigned char **out) {
    if (decoder->rest.length < length) {
        return refuse(decoder, "it ends too early");
    }
    *out = (const unsigned char *)decoder->rest.bytes;
    decoder->rest = (struct text){decoder->rest.bytes + length, decoder->rest.length - length};
    return true;
}

static uint32_t number_of(const unsigned char *bytes) {
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static int32_t signed_of(const unsigned char *bytes) {
    return (int32_t)number_of(bytes);
}

static int64_t second_of(const struct decoder *decoder, size_t index) {
    const unsigned char *bytes = decoder->block.times + index * decoder->time_bytes;
    if (decoder->time_bytes == 4) {
        return signed_of(bytes);
    }
    return (int64_t)((uint64_t)number_of(bytes) << 32 | number_of(bytes + 4));
}

/* --- header and block --- */

static bool read_version(struct decoder *decoder, unsigned char version) {
    if (version != 0 && (version < '2' || version > '4')) {
        return refuse(decoder, "its version is none of 1 to 4");
    }
    decoder->header.version = version == 0 ? 1 : version - '0';
    return true;
}

static bool read_header(struct decoder *decoder) {
    const unsigned char *bytes = NULL;
    if (!take(decoder, HEADER_BYTES, &bytes)) {
        return false;
    }
    if (memcmp(bytes, "TZif", 4) != 0) {
        return refuse(decoder, "it does not begin with \"TZif\"");
    }
    decoder->header.is_ut_count = number_of(bytes + 20);
    decoder->header.is_standard_count = number_of(bytes + 24);
    decoder->header.leap_count = number_of(bytes + 28);
    decoder->header.time_count = number_of(bytes + 32);
    decoder->header.type_count = number_of(bytes + 36);
    decoder->header.char_count = number_of(bytes + 40);
    return read_version(decoder, bytes[4]);
}

static bool read_block(struct decoder *decoder) {
    const struct header *header = &decoder->header;
    struct block *block = &decoder->block;
    const unsigned char *leaps;
    return take(decoder, header->time_count * decoder->time_bytes, &block->times) &&
           take(decoder, header->time_count, &block->kinds) &&
           take(decoder, header->type_count * 6, &block->types) &&
           take(decoder, header->char_count, &block->chars) &&
           take(decoder, header->leap_count * (decoder->time_bytes + 4), &leaps) &&
           take(decoder, header->is_standard_count, &block->is_standard) &&
           take(decoder, header->is_ut_count, &block->is_ut);
}

/* The newest block that there is. */
static bool read_blocks(struct decoder *decoder) {
    decoder->time_bytes = 4;
    if (!read_header(decoder) || !read_block(decoder)) {
        return false;
    }
    if (decoder->header.version == 1) {
        return true;
    }
    int version = decoder->header.version;
    decoder->time_bytes = 8;
    if (!read_header(decoder)) {
        return false;
    }
    if (decoder->header.version != version) {
        return refuse(decoder, "its two headers differ in version");
    }
    return read_block(decoder);
}

static bool check_counts(struct decoder *decoder) {
    const struct header *header = &decoder->header;
    if (header->leap_count != 0) {
        return refuse(decoder, "it counts leap seconds, as those under \"right/\" do");
    }
    if (header->type_count == 0 || header->type_count > TZ_TYPES_MOST || header->char_count == 0) {
        return refuse(decoder, "it has no local time types, or too many");
    }
    if ((header->is_standard_count != 0 && header->is_standard_count != header->type_count) ||
        (header->is_ut_count != 0 && header->is_ut_count != header->type_count)) {
        return refuse(decoder, "its indicators are not as many as its types");
    }
    return true;
}

static bool check_indicators(struct decoder *decoder) {
    const struct header *header = &decoder->header;
    for (size_t i = 0; i < header->type_count; i++) {
        unsigned standard = header->is_standard_count > 0 ? decoder->block.is_standard[i] : 0;
        unsigned ut = header->is_ut_count > 0 ? decoder->block.is_ut[i] : 0;
        if (standard > 1 || ut > 1 || ut > standard) {
            return refuse(decoder, "an indicator is wrong");
        }
    }
    return true;
}

/* --- types --- */

static bool is_abbreviation_byte(unsigned char byte) {
    return (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= 'a' && byte <= 'z') || byte == '+' || byte == '-';
}

static bool read_abbreviation(struct decoder *decoder, size_t at, char out[16]) {
    size_t length = 0;
    const unsigned char *chars = decoder->block.chars;
    for (; at < decoder->header.char_count && chars[at] != '\0' && length < 15; at++) {
        if (!is_abbreviation_byte(chars[at])) {
            return refuse(decoder, "an abbreviation has a strange character");
        }
        out[length++] = (char)chars[at];
    }
    out[length] = '\0';
    return (at < decoder->header.char_count && chars[at] == '\0') ||
           refuse(decoder, "an abbreviation does not end, or is longer than 15 characters");
}

static bool read_type(struct decoder *decoder, const unsigned char *bytes, struct tz_type *out) {
    int32_t offset_seconds = signed_of(bytes);
    if (offset_seconds < -TZ_OFFSET_MOST || offset_seconds > TZ_OFFSET_MOST) {
        return refuse(decoder, "an offset is a day or more");
    }
    if (bytes[4] > 1) {
        return refuse(decoder, "daylight time is neither 0 nor 1");
    }
    out->offset_seconds = offset_seconds;
    out->is_dst = bytes[4] == 1;
    return read_abbreviation(decoder, bytes[5], out->abbreviation);
}

static bool read_types(struct decoder *decoder, struct tz *zone) {
    for (; zone->type_count < decoder->header.type_count; zone->type_count++) {
        if (!read_type(decoder, decoder->block.types + zone->type_count * 6,
                       &zone->types[zone->type_count])) {
            return false;
        }
    }
    return true;
}

/* --- times --- */

static void add_time(struct tz *zone, int64_t second, uint16_t kind) {
    if (second < SECOND_LEAST) {
        zone->kinds[0] = kind;
    } else if (second <= SECOND_MOST) {
        zone->times_us[zone->count++] = second * SECOND_US;
        zone->kinds[zone->count] = kind;
    }
}

static bool read_times(struct decoder *decoder, struct tz *zone) {
    int64_t before = 0;
    for (size_t i = 0; i < decoder->header.time_count; i++) {
        int64_t second = second_of(decoder, i);
        uint16_t kind = decoder->block.kinds[i];
        if (kind >= zone->type_count) {
            return refuse(decoder, "a transition has a type that is not there");
        }
        if (i > 0 && second <= before) {
            return refuse(decoder, "its transitions are not in order");
        }
        add_time(zone, second, kind);
        before = second;
    }
    return true;
}

/* --- footer --- */

static bool read_footer(struct decoder *decoder, struct text *out) {
    struct text rest = decoder->rest;
    *out = TEXT_NONE;
    if (decoder->header.version == 1) {
        return rest.length == 0 || refuse(decoder, "something follows the end");
    }
    if (rest.length < 2 || rest.bytes[0] != '\n' || rest.bytes[rest.length - 1] != '\n' ||
        memchr(rest.bytes + 1, '\n', rest.length - 2) != NULL) {
        return refuse(decoder, "its footer is not one line between two line ends");
    }
    *out = (struct text){rest.bytes + 1, rest.length - 2};
    return true;
}

static bool read_rule(struct decoder *decoder, struct text footer, struct tz_rule *out) {
    *out = (struct tz_rule){0};
    return footer.length == 0 ||
           tz_rule_parse(footer, decoder->header.version >= 3, out, decoder->fault);
}

/* --- all of it --- */

/* What is in force before the first transition is the first type. */
static struct tz *make(struct decoder *decoder, struct text bytes, const struct tz_rule *rule) {
    struct arena arena;
    size_t times = decoder->header.time_count + tz_table_room(rule);
    size_t types = decoder->header.type_count + 2;
    arena_init(&arena, sizeof(struct tz) + bytes.length + types * sizeof(struct tz_type) +
                           (times + 1) * (sizeof(int64_t) + sizeof(uint16_t)) + SLACK_BYTES);
    struct tz *zone = ARENA_NEW(&arena, struct tz);
    zone->bytes = text_copy(&arena, bytes);
    zone->types = ARENA_ARRAY(&arena, struct tz_type, types);
    zone->times_us = ARENA_ARRAY(&arena, int64_t, times);
    zone->kinds = ARENA_ARRAY(&arena, uint16_t, times + 1);
    zone->arena = arena;
    return zone;
}

static bool fill(struct decoder *decoder, struct tz *zone, struct text footer,
                 const struct tz_rule *rule) {
    return read_types(decoder, zone) && read_times(decoder, zone) &&
           (footer.length == 0 || tz_table_extend(zone, rule, decoder->fault));
}

bool tz_decode(struct text bytes, struct tz **out, struct fault *fault) {
    struct decoder decoder = {.rest = bytes, .fault = fault};
    struct text footer;
    struct tz_rule rule;
    if (bytes.length > TZ_FILE_MOST) {
        return refuse(&decoder, "it is longer than 256 KiB");
    }
    if (!read_blocks(&decoder) || !check_counts(&decoder) || !check_indicators(&decoder) ||
        !read_footer(&decoder, &footer) || !read_rule(&decoder, footer, &rule)) {
        return false;
    }
    struct tz *zone = make(&decoder, bytes, &rule);
    if (!fill(&decoder, zone, footer, &rule)) {
        tz_free(zone);
        return false;
    }
    *out = zone;
    return true;
}
