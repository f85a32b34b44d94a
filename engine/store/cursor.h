/* cursor.h: cursors of pages: a letter that says of what, and the number of the last item
 * seen. For the drivers. */
#ifndef STATUTE_STORE_CURSOR_H
#define STATUTE_STORE_CURSOR_H

#include "base/arena.h"
#include "base/fault.h"

#define CURSOR_ENTITIES 'e'
#define CURSOR_RECORDS  'r'

struct text cursor_print(struct arena *arena, char of, int64_t last);

/* 0 for TEXT_NONE. FAULT_BAD_REQUEST for what cursor_print has not made of the same letter. */
bool cursor_parse(struct text cursor, char of, int64_t *last, struct fault *fault) MUST_CHECK;

#endif
