/* pii_quote.c: a message may quote what is under a personal key, in no form that a pattern knows:
 * "no customer 4711". So what is under such keys is looked for in it, the longest first. Short
 * values would be found within words, so they are not looked for. */
#include "policy/pii.h"

#include <stdlib.h>

#define QUOTES_MOST 200
#define QUOTE_LEAST 4 /* bytes */
#define HIDDEN      TEXT("[hidden]")

static void gather_text(struct pii_quotes *quotes, struct text text) {
    if (text.length < QUOTE_LEAST || quotes->count == QUOTES_MOST) {
        return;
    }
    if (quotes->items == NULL) {
        quotes->items = ARENA_ARRAY(quotes->arena, struct text, QUOTES_MOST);
    }
    quotes->items[quotes->count++] = text;
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

static int longest_first(const void *a, const void *b) {
    const struct text *left = a, *right = b;
    return (left->length < right->length) - (left->length > right->length);
}

static const char *find(struct text text, struct text quote) {
    return memmem(text.bytes, text.length, quote.bytes, quote.length);
}

static struct text without(struct arena *arena, struct text text, struct text quote) {
    struct buffer buffer;
    const char *at = find(text, quote);
    if (at == NULL) {
        return text;
    }
    buffer_init(&buffer, arena);
    for (; at != NULL; at = find(text, quote)) {
        size_t before = (size_t)(at - text.bytes), used = before + quote.length;
        buffer_add(&buffer, text.bytes, before);
        buffer_add_text(&buffer, HIDDEN);
        text = (struct text){text.bytes + used, text.length - used};
    }
    buffer_add_text(&buffer, text);
    return buffer_view(&buffer);
}

struct text pii_unquote(struct pii_quotes *quotes, struct text text) {
    if (quotes->count > 1) {
        qsort(quotes->items, quotes->count, sizeof *quotes->items, longest_first);
    }
    for (size_t i = 0; text_given(text) && i < quotes->count; i++) {
        text = without(quotes->arena, text, quotes->items[i]);
    }
    return text;
}
