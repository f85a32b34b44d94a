/* cursor.c: "e1234". */
#include "store/cursor.h"

struct text cursor_print(struct arena *arena, char of, int64_t last) {
    return text_print(arena, "%c%lld", of, (long long)last);
}

static bool is_cursor(struct text cursor, char of) {
    return cursor.length >= 2 && cursor.bytes[0] == of && cursor.bytes[1] >= '1' &&
           cursor.bytes[1] <= '9';
}

bool cursor_parse(struct text cursor, char of, int64_t *last, struct fault *fault) {
    *last = 0;
    if (!text_given(cursor)) {
        return true;
    }
    struct text digits = {cursor.bytes + 1, cursor.length - 1};
    if (!is_cursor(cursor, of) || !text_to_integer(digits, last)) {
        return fault_set(fault, FAULT_BAD_REQUEST,
                         "the cursor is not one that an earlier page of this list gave");
    }
    return true;
}

void cursor_cut_bulks(struct arena *arena, const struct store_page *page,
                      const struct store_bulk *items, size_t *count, struct text *next) {
    if ((int64_t)*count > page->limit) {
        *count = (size_t)page->limit;
        *next = cursor_print(arena, CURSOR_BULKS, items[*count - 1].number);
    }
}
