/* quote.c: a message may quote what is under a personal key, in no form that a pattern knows:
 * "no customer 4711". So what is under such keys is looked for in it. Short values would be found
 * within words, so they are not looked for; all others are, however many somebody sends.
 *
 * The quotes are sorted. At each place of the message a binary search gives the last quote that is
 * not behind what stands there; the longest that does stand there is that one, or one that it
 * begins with, and those are known beforehand (`shorter`). Quotes that overlap are hidden as one.
 */
#include "privacy/pii.h"

#include <stdlib.h>

#define QUOTE_LEAST 4   /* bytes */
#define CUT_LEAST   300 /* bytes: who cuts messages short leaves more than that (vm.c, turn.c) */
#define NO_QUOTE    SIZE_MAX
#define HIDDEN      TEXT("[hidden]")

/* --- gathering --- */

static void add(struct pii_quotes *quotes, struct text text) {
    if (quotes->count == quotes->capacity) {
        quotes->capacity = quotes->capacity > 0 ? quotes->capacity * 2 : 64;
        struct text *items = ARENA_ARRAY(quotes->arena, struct text, quotes->capacity);
        if (quotes->count > 0) {
            memcpy(items, quotes->items, quotes->count * sizeof *items);
        }
        quotes->items = items;
    }
    quotes->items[quotes->count++] = text;
    quotes->shorter = NULL;
}

/* As it stands in the message of an error, which is one line (vm.c). */
static void add_as_line(struct pii_quotes *quotes, struct text text) {
    char *line = arena_alloc(quotes->arena, text.length);
    text_copy_line(text, line);
    add(quotes, (struct text){line, text.length});
}

static void gather_text(struct pii_quotes *quotes, struct text text) {
    if (text.length < QUOTE_LEAST) {
        return;
    }
    add(quotes, text);
    if (text_has_control(text)) {
        add_as_line(quotes, text);
    }
}

void pii_quotes_gather(struct pii_quotes *quotes, const struct js *value) {
    switch (value->type) {
    case JS_STRING:
        gather_text(quotes, value->string);
        return;
    case JS_INTEGER:
    case JS_REAL:
        gather_text(quotes, js_print(quotes->arena, value));
        return;
    case JS_ARRAY:
        for (size_t i = 0; i < value->array.count; i++) {
            pii_quotes_gather(quotes, value->array.items[i]);
        }
        return;
    case JS_OBJECT:
        for (size_t i = 0; i < value->object.count; i++) {
            pii_quotes_gather(quotes, value->object.members[i].value);
        }
        return;
    case JS_NULL:
    case JS_FALSE:
    case JS_TRUE:
        return;
    }
}

/* --- order --- */

static int by_bytes(const void *a, const void *b) {
    return text_compare(*(const struct text *)a, *(const struct text *)b);
}

static void drop_doubles(struct pii_quotes *quotes) {
    size_t kept = 0;
    for (size_t i = 0; i < quotes->count; i++) {
        if (kept == 0 || !text_equal(quotes->items[kept - 1], quotes->items[i])) {
            quotes->items[kept++] = quotes->items[i];
        }
    }
    quotes->count = kept;
}

static void sort(struct pii_quotes *quotes) {
    qsort(quotes->items, quotes->count, sizeof *quotes->items, by_bytes);
    drop_doubles(quotes);
    quotes->shorter = ARENA_ARRAY(quotes->arena, size_t, quotes->count);
    for (size_t i = 0; i < quotes->count; i++) {
        size_t before = i > 0 ? i - 1 : NO_QUOTE;
        while (before != NO_QUOTE && !text_starts(quotes->items[i], quotes->items[before])) {
            before = quotes->shorter[before];
        }
        quotes->shorter[i] = before;
    }
}

/* --- finding --- */

static size_t common_start(struct text a, struct text b) {
    size_t shorter = a.length < b.length ? a.length : b.length, at = 0;
    while (at < shorter && a.bytes[at] == b.bytes[at]) {
        at++;
    }
    return at;
}

/* The number of quotes that are not behind `text`. */
static size_t rank_of(const struct pii_quotes *quotes, struct text text) {
    size_t low = 0, high = quotes->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        bool is_behind = text_compare(quotes->items[middle], text) > 0;
        low = is_behind ? low : middle + 1;
        high = is_behind ? middle : high;
    }
    return low;
}

/* The length of the longest quote that `text` begins with, or 0. With `cut`, what is left at the
 * end may be the start of one. */
static size_t quote_at(const struct pii_quotes *quotes, struct text text, bool cut) {
    size_t rank = rank_of(quotes, text);
    if (cut && rank < quotes->count && text_starts(quotes->items[rank], text)) {
        return text.length;
    }
    size_t quote = rank > 0 ? rank - 1 : NO_QUOTE;
    size_t common = rank > 0 ? common_start(quotes->items[quote], text) : 0;
    while (quote != NO_QUOTE && quotes->items[quote].length > common) {
        quote = quotes->shorter[quote];
    }
    return quote != NO_QUOTE ? quotes->items[quote].length : 0;
}

struct text pii_unquote(struct pii_quotes *quotes, struct text text) {
    struct buffer buffer = {0};
    size_t done = 0; /* what is before is in the buffer */
    bool cut = text.length >= CUT_LEAST;
    if (quotes->count > 0 && quotes->shorter == NULL) {
        sort(quotes);
    }
    for (size_t at = 0; quotes->count > 0 && at + QUOTE_LEAST <= text.length; at++) {
        size_t length = quote_at(quotes, (struct text){text.bytes + at, text.length - at}, cut);
        if (length > 0 && at >= done) {
            if (buffer.arena == NULL) {
                buffer_init(&buffer, quotes->arena);
            }
            buffer_add(&buffer, text.bytes + done, at - done);
            buffer_add_text(&buffer, HIDDEN);
        }
        done = length > 0 && at + length > done ? at + length : done;
    }
    if (buffer.arena == NULL) {
        return text;
    }
    buffer_add(&buffer, text.bytes + done, text.length - done);
    return buffer_view(&buffer);
}
