/* cursor.h: cursors of pages: a letter that says of what, and the number of the last item
 * seen. For the drivers. */
#ifndef STATUTE_STORE_CURSOR_H
#define STATUTE_STORE_CURSOR_H

#include "base/arena.h"
#include "base/fault.h"
#include "store/bulk.h"

#define CURSOR_ENTITIES 'e'
#define CURSOR_RECORDS  'r'
#define CURSOR_BULKS    'b'
#define CURSOR_NEWEST   ('A' - 'a') /* added: of a page with the newest first */

static inline char cursor_of(char of, bool newest) {
    return (char)(newest ? of + CURSOR_NEWEST : of);
}

struct text cursor_print(struct arena *arena, char of, int64_t last);

/* 0 for TEXT_NONE. FAULT_BAD_REQUEST for what cursor_print has not made of the same letter. */
bool cursor_parse(struct text cursor, char of, int64_t *last, struct fault *fault) MUST_CHECK;

/* Of a page for which one item more than its limit was read: cuts that off, and says in *next where
 * to go on. */
void cursor_cut_bulks(struct arena *arena, const struct store_page *page,
                      const struct store_bulk *items, size_t *count, struct text *next);

#endif
