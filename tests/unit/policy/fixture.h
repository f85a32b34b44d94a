/* fixture.h: a policy directory of its own for each test, and shorthands for asking it. */
#ifndef STATUTE_POLICY_FIXTURE_H
#define STATUTE_POLICY_FIXTURE_H

#include "policy/policy.h"
#include "unit/base/check.h"

#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIXTURE_NOW_US INT64_C(1759289400000000) /* 2025-10-01T03:30:00Z */

struct fixture {
    char directory[64];
    struct arena arena;
    struct problem_list problems;
    struct generation *generation; /* NULL until fixture_load succeeded */
    struct fault fault;
    struct vm_limits limits;
    unsigned vm_count;
    struct text hash_key;
    struct policy_reads reads;
};

static inline int fixture_set_up(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    snprintf(fixture->directory, sizeof fixture->directory, "/tmp/statute-policy-XXXXXX");
    assert_non_null(mkdtemp(fixture->directory));
    arena_init(&fixture->arena, 0);
    fixture->problems.arena = &fixture->arena;
    fixture->limits = vm_limits_default();
    fixture->vm_count = 1;
    *state = fixture;
    return 0;
}

static inline int fixture_remove(const char *path, const struct stat *status, int type,
                                 struct FTW *place) {
    (void)status, (void)type, (void)place;
    return remove(path);
}

static inline int fixture_tear_down(void **state) {
    struct fixture *fixture = *state;
    if (fixture->generation != NULL) {
        generation_unref(fixture->generation);
    }
    nftw(fixture->directory, fixture_remove, 8, FTW_DEPTH | FTW_PHYS);
    arena_deinit(&fixture->arena);
    free(fixture);
    return 0;
}

static inline void fixture_write_bytes(struct fixture *fixture, const char *path,
                                       struct text bytes) {
    char full[512];
    snprintf(full, sizeof full, "%s/%s", fixture->directory, path);
    for (char *slash = strchr(full + strlen(fixture->directory) + 1, '/'); slash != NULL;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(full, 0700);
        *slash = '/';
    }
    FILE *file = fopen(full, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes.bytes, 1, bytes.length, file), bytes.length);
    fclose(file);
}

static inline void fixture_write(struct fixture *fixture, const char *path, const char *source) {
    fixture_write_bytes(fixture, path, text_of(source));
}

static inline bool fixture_try(struct fixture *fixture) {
    struct generation_options options = {.directory = text_of(fixture->directory),
                                         .limits = fixture->limits,
                                         .vm_count = fixture->vm_count,
                                         .now = now_system(),
                                         .hash_key = fixture->hash_key};
    return generation_load(&options, &fixture->generation, &fixture->problems, &fixture->fault);
}

static inline void fixture_load(struct fixture *fixture) {
    if (!fixture_try(fixture)) {
        for (size_t i = 0; i < fixture->problems.count; i++) {
            const struct problem *problem = &fixture->problems.items[i];
            print_error("%.*s:%d: %.*s\n", TEXT_ARGS(problem->file), problem->line,
                        TEXT_ARGS(problem->message));
        }
        fail_msg("the policies do not load: %s", fixture->fault.message);
    }
}

/* Loads `source` as the one file "test.lua". */
static inline void fixture_load_source(struct fixture *fixture, const char *source) {
    fixture_write(fixture, "test.lua", source);
    fixture_load(fixture);
}

static inline const struct js *fixture_json(struct fixture *fixture, const char *json) {
    const struct js *value;
    if (json == NULL) {
        return NULL;
    }
    if (!js_parse(&fixture->arena, text_of(json), &value, &fixture->fault)) {
        fail_msg("%s: %s", json, fixture->fault.message);
    }
    return value;
}

static inline const struct machine *fixture_machine(struct fixture *fixture, const char *name) {
    const struct machine *machine = generation_machine(fixture->generation, text_of(name));
    assert_non_null(machine);
    return machine;
}

/* --- asking; the machine is called "m" --- */

static inline struct entity fixture_entity(struct fixture *fixture, const char *state,
                                           const char *data) {
    return (struct entity){.machine = TEXT("m"),
                           .id = TEXT("e1"),
                           .exists = true,
                           .state = text_of(state),
                           .version = 3,
                           .data = fixture_json(fixture, data)};
}

static inline struct decision fixture_decide(struct fixture *fixture, const struct attempt *attempt,
                                             const struct entity *entity) {
    struct decision decision;
    struct policy policy = {fixture->generation, 0};
    if (!policy_decide(policy, &fixture->arena, attempt, entity, FIXTURE_NOW_US, &fixture->reads,
                       &decision, &fixture->fault)) {
        fail_msg("a read failed: %s", fixture->fault.message);
    }
    return decision;
}

static inline struct decision fixture_create(struct fixture *fixture, const char *data) {
    struct attempt attempt = {.kind = ATTEMPT_CREATE,
                              .machine = TEXT("m"),
                              .id = TEXT("e1"),
                              .reason = TEXT("user_action"),
                              .patch = fixture_json(fixture, data)};
    struct entity entity = {.machine = TEXT("m"), .id = TEXT("e1")};
    return fixture_decide(fixture, &attempt, &entity);
}

static inline struct decision fixture_update(struct fixture *fixture, const char *state,
                                             const char *data, const char *patch) {
    struct attempt attempt = {.kind = ATTEMPT_UPDATE,
                              .machine = TEXT("m"),
                              .id = TEXT("e1"),
                              .reason = TEXT("user_action"),
                              .patch = fixture_json(fixture, patch)};
    struct entity entity = fixture_entity(fixture, state, data);
    return fixture_decide(fixture, &attempt, &entity);
}

static inline struct attempt fixture_attempt(const char *to) {
    return (struct attempt){.kind = ATTEMPT_TRANSITION,
                            .machine = TEXT("m"),
                            .id = TEXT("e1"),
                            .to = text_of(to),
                            .reason = TEXT("user_action")};
}

static inline struct decision fixture_move(struct fixture *fixture, const char *from,
                                           const char *to, const char *data, const char *patch) {
    struct attempt attempt = fixture_attempt(to);
    struct entity entity = fixture_entity(fixture, from, data);
    attempt.patch = fixture_json(fixture, patch);
    return fixture_decide(fixture, &attempt, &entity);
}

static inline void fixture_says(struct fixture *fixture, struct text text, const char *part) {
    const char *said = text_cstring(&fixture->arena, text);
    if (strstr(said, part) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", said, part);
    }
}

#define check_allowed(decision)                                                                    \
    do {                                                                                           \
        if ((decision).code != FAULT_NONE) {                                                       \
            fail_msg("refused: %s: %.*s", fault_name((decision).code),                             \
                     TEXT_ARGS((decision).message));                                               \
        }                                                                                          \
    } while (0)

#define check_refused(decision, wanted)                                                            \
    do {                                                                                           \
        if ((decision).code != (wanted)) {                                                         \
            fail_msg("%s instead of %s: %.*s", fault_name((decision).code), fault_name(wanted),    \
                     TEXT_ARGS((decision).message));                                               \
        }                                                                                          \
    } while (0)

#define check_json(fixture, value, expected)                                                       \
    check_text(js_print(&(fixture)->arena, (value)), expected)

#define check_says(fixture, text, part) fixture_says((fixture), (text), (part))

#define fixture_test(name)              cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)

#endif
