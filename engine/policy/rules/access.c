#include "policy/rules/access.h"

#include "model/grant.h"

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

/* The first that is not before (type, id). */
size_t directory_from(const struct directory *directory, struct text type, struct text id) {
    size_t low = 0, high = directory->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct listed *item = &directory->items[middle];
        int order = text_compare(item->type, type);
        order = order != 0 ? order : text_compare(item->entry.id, id);
        low = order < 0 ? middle + 1 : low;
        high = order < 0 ? high : middle;
    }
    return low;
}

bool directory_has(const struct directory *directory, struct text type) {
    size_t at = directory_from(directory, type, TEXT(""));
    return at < directory->count && text_equal(directory->items[at].type, type);
}

const struct listed *directory_listed(const struct directory *directory, struct text type,
                                      struct text id) {
    size_t at = directory_from(directory, type, id);
    const struct listed *item = &directory->items[at];
    bool is_it =
        at < directory->count && text_equal(item->type, type) && text_equal(item->entry.id, id);
    return is_it ? item : NULL;
}

/* --- what subjects hold --- */

/* Something that a subject lists: a value alone is a list of one. */
struct holding {
    const struct access_rules *rules;
    const struct listed *subject;
    const char *key;
    struct problem_list *problems;
};

typedef void check_holding(const struct holding *holding, const struct js *value);

static void report(const struct holding *holding, struct text why) {
    const struct listed *subject = holding->subject;
    problem_add(holding->problems, subject->file, subject->line,
                text_print(holding->problems->arena, "directory: %.*s '%.*s': %s: %.*s",
                           TEXT_ARGS(subject->type), TEXT_ARGS(subject->entry.id), holding->key,
                           TEXT_ARGS(why)));
}

static void check_role(const struct holding *holding, const struct js *value) {
    struct text refusal = held_role_refusal(value);
    if (text_given(refusal)) {
        report(holding, text_print(holding->problems->arena, "each item %.*s", TEXT_ARGS(refusal)));
    }
}

static void check_permission(const struct holding *holding, const struct js *value) {
    struct text permission = js_text(value);
    if (!text_given(permission)) {
        report(holding, TEXT("a permission is a string"));
    } else if (text_given(grant_refused(permission))) {
        report(holding, text_print(holding->problems->arena,
                                   "'%.*s' would be granted as a permission of that name; give a "
                                   "role with `except` instead",
                                   TEXT_ARGS(permission)));
    }
}

static void check_group(const struct holding *holding, const struct js *value) {
    const struct directory *subjects = &holding->rules->directories[DIRECTORY_SUBJECTS];
    struct text name = js_text(value);
    if (!text_given(name) || directory_listed(subjects, DIRECTORY_GROUP, name) == NULL) {
        report(holding, text_print(holding->problems->arena,
                                   "there is no group '%.*s'; list it: subjects = { group = { ... "
                                   "} }",
                                   TEXT_ARGS(name)));
    }
}

static void check_held(struct holding *holding, const char *key, check_holding *check) {
    const struct js *value = js_find(holding->subject->entry.properties, text_of(key));
    holding->key = key;
    if (value != NULL && !js_is(value, JS_ARRAY)) {
        check(holding, value);
    }
    for (size_t i = 0; js_is(value, JS_ARRAY) && i < value->array.count; i++) {
        check(holding, value->array.items[i]);
    }
}

void access_rules_check_subjects(const struct access_rules *rules, struct problem_list *problems) {
    const struct directory *subjects = &rules->directories[DIRECTORY_SUBJECTS];
    for (size_t i = 0; i < subjects->count && !problem_is_full(problems); i++) {
        struct holding holding = {rules, &subjects->items[i], "", problems};
        check_held(&holding, "roles", check_role);
        check_held(&holding, "role", check_role);
        check_held(&holding, "permissions", check_permission);
        check_held(&holding, "groups", check_group);
    }
}
