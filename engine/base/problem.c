#include "base/problem.h"

#include <stdlib.h>

#define MESSAGE_BYTES_MOST 1000

static bool is_listed(const struct problem_list *list, const struct problem *problem) {
    for (size_t i = 0; i < list->count; i++) {
        const struct problem *old = &list->items[i];
        if (old->line == problem->line && text_equal(old->file, problem->file) &&
            text_equal(old->message, problem->message)) {
            return true;
        }
    }
    return false;
}

static void grow(struct problem_list *list) {
    size_t capacity = list->capacity == 0 ? 16 : list->capacity * 2;
    struct problem *items = ARENA_ARRAY(list->arena, struct problem, capacity);
    if (list->count > 0) {
        memcpy(items, list->items, list->count * sizeof *items);
    }
    list->items = items;
    list->capacity = capacity;
}

/* A copy on one line, cut when it is very long. */
static struct text tidy(struct arena *arena, struct text message) {
    size_t length = message.length < MESSAGE_BYTES_MOST ? message.length : MESSAGE_BYTES_MOST;
    char *bytes = arena_alloc(arena, length + 1);
    text_copy_line((struct text){message.bytes, length}, bytes);
    text_mend_utf8(bytes, length);
    return (struct text){bytes, length};
}

bool problem_is_full(const struct problem_list *list) {
    return list->count >= PROBLEMS_MOST;
}

void problem_add(struct problem_list *list, struct text file, int line, struct text message) {
    if (problem_is_full(list)) {
        return;
    }
    struct problem problem = {file, line, tidy(list->arena, message)};
    if (is_listed(list, &problem)) {
        return;
    }
    if (list->count == list->capacity) {
        grow(list);
    }
    problem.file = text_copy(list->arena, file);
    list->items[list->count++] = problem;
}

static int by_place(const void *a, const void *b) {
    const struct problem *left = a, *right = b;
    int order = text_compare(left->file, right->file);
    if (order == 0) {
        order = (left->line > right->line) - (left->line < right->line);
    }
    return order != 0 ? order : text_compare(left->message, right->message);
}

void problem_sort(struct problem_list *list) {
    if (list->count > 1) {
        qsort(list->items, list->count, sizeof *list->items, by_place);
    }
}

struct text problem_hint(struct arena *arena, struct text word, const struct text *candidates,
                         size_t count) {
    /* Any letter is near any other: that is no hint. */
    struct text nearest = word.length > 1 ? text_nearest(word, candidates, count) : TEXT_NONE;
    return text_given(nearest) ? text_print(arena, "; did you mean '%.*s'?", TEXT_ARGS(nearest))
                               : TEXT("");
}
