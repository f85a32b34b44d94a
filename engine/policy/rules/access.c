#include "policy/rules/access.h"

#include <stdlib.h>

const struct access_type *access_type_of(const struct access_rules *rules, struct text name) {
    size_t low = 0, high = rules->type_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = text_compare(rules->types[middle].name, name);
        if (order == 0) {
            return &rules->types[middle];
        }
        low = order < 0 ? middle + 1 : low;
        high = order < 0 ? high : middle;
    }
    return NULL;
}

static int by_name(const void *a, const void *b) {
    const struct access_type *left = a, *right = b;
    int order = text_compare(left->name, right->name);
    order = order != 0 ? order : text_compare(left->file, right->file);
    return order != 0 ? order : (left->line > right->line) - (left->line < right->line);
}

static int by_type_and_id(const void *a, const void *b) {
    const struct listed *left = a, *right = b;
    int order = text_compare(left->type, right->type);
    order = order != 0 ? order : text_compare(left->entry.id, right->entry.id);
    order = order != 0 ? order : text_compare(left->file, right->file);
    return order != 0 ? order : (left->line > right->line) - (left->line < right->line);
}

static void report_types(const struct access_rules *rules, struct problem_list *problems) {
    for (size_t i = 1; i < rules->type_count; i++) {
        const struct access_type *first = &rules->types[i - 1], *second = first + 1;
        if (text_equal(first->name, second->name)) {
            problem_add(problems, second->file, second->line,
                        text_print(problems->arena,
                                   "access '%.*s' is declared twice: here and at %.*s:%d",
                                   TEXT_ARGS(second->name), TEXT_ARGS(first->file), first->line));
        }
    }
}

static void report_listed(const struct directory *directory, struct problem_list *problems) {
    for (size_t i = 1; i < directory->count; i++) {
        const struct listed *first = &directory->items[i - 1], *second = first + 1;
        if (text_equal(first->type, second->type) &&
            text_equal(first->entry.id, second->entry.id)) {
            problem_add(problems, second->file, second->line,
                        text_print(problems->arena,
                                   "directory: %.*s '%.*s' is listed twice: here and at %.*s:%d",
                                   TEXT_ARGS(second->type), TEXT_ARGS(second->entry.id),
                                   TEXT_ARGS(first->file), first->line));
        }
    }
}

void access_rules_sort(struct access_rules *rules, struct problem_list *problems) {
    if (rules->type_count > 1) {
        qsort(rules->types, rules->type_count, sizeof *rules->types, by_name);
    }
    report_types(rules, problems);
    for (size_t i = 0; i < DIRECTORY_SIDES; i++) {
        struct directory *directory = &rules->directories[i];
        if (directory->count > 1) {
            qsort(directory->items, directory->count, sizeof *directory->items, by_type_and_id);
        }
        report_listed(directory, problems);
    }
}
