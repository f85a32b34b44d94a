/* id.h: identifiers, injected like the clock. */
#ifndef STATUTE_ID_H
#define STATUTE_ID_H

#include "base/text.h"

#define ID_LENGTH 36

struct id_source {
    void (*random)(void *context, unsigned char *out, size_t length);
    void *context;
};

struct id_source id_system(void);

/* UUID version 7 (RFC 9562 section 5.7) from a wall-clock instant in microseconds; lower case,
 * not terminated. */
void id_uuid7(const struct id_source *source, int64_t wall_us, char out[ID_LENGTH]);

/* Whether text is a UUID of any version in its 36-character form. */
bool id_is_uuid(struct text text);

#endif
