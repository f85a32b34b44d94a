/* id.c: UUID version 7.
 *
 *   48 bits milliseconds | 4 bits version | 12 bits of the millisecond | 2 bits variant | 62 random
 *
 * The 12 bits hold the fraction of the millisecond (RFC 9562 section 6.2, method 3), so that
 * identifiers of one process sort by the microsecond in which they were made. */
#include "base/id.h"

#include "base/digest.h"

/* Identifiers need few random bytes at a time, and asking for them is slow: each thread draws many
 * at once. None is given out twice. */
static void system_random(void *context, unsigned char *out, size_t length) {
    static _Thread_local unsigned char pool[512];
    static _Thread_local size_t left;
    (void)context;
    if (length > sizeof pool) {
        digest_random(out, length);
        return;
    }
    if (left < length) {
        digest_random(pool, sizeof pool);
        left = sizeof pool;
    }
    left -= length;
    memcpy(out, pool + left, length);
}

struct id_source id_system(void) {
    return (struct id_source){system_random, NULL};
}

/* Dashes stand before the bytes 4, 6, 8 and 10. */
static void write_uuid(const unsigned char bytes[16], char *out) {
    static const size_t groups[] = {4, 2, 2, 2, 6};
    for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++) {
        digest_hex(bytes, groups[i], out);
        bytes += groups[i];
        out += 2 * groups[i];
        if (i < 4) {
            *out++ = '-';
        }
    }
}

void id_uuid7(const struct id_source *source, int64_t wall_us, char out[ID_LENGTH]) {
    uint64_t us = wall_us > 0 ? (uint64_t)wall_us : 0;
    uint64_t ms = us / 1000;
    uint64_t fraction = us % 1000 * 4096 / 1000;
    unsigned char bytes[16];
    source->random(source->context, bytes + 8, 8);
    for (int i = 0; i < 6; i++) {
        bytes[i] = (unsigned char)(ms >> (40 - 8 * i));
    }
    bytes[6] = (unsigned char)(0x70 | (fraction >> 8));
    bytes[7] = (unsigned char)fraction;
    bytes[8] = (unsigned char)(0x80 | (bytes[8] & 0x3F));
    write_uuid(bytes, out);
}

static bool is_hex(char character) {
    return (character >= '0' && character <= '9') || (character >= 'a' && character <= 'f') ||
           (character >= 'A' && character <= 'F');
}

bool id_is_uuid(struct text text) {
    static const char shape[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
    if (text.length != ID_LENGTH) {
        return false;
    }
    for (size_t i = 0; i < ID_LENGTH; i++) {
        if (shape[i] == 'x' ? !is_hex(text.bytes[i]) : text.bytes[i] != '-') {
            return false;
        }
    }
    return true;
}
