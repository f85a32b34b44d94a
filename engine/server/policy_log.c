/* policy_log.c: see the header. */
#include "server/policy_log.h"

#include "base/log.h"

#define LINES_A_SECOND 10

static struct text given(struct text text) {
    return text_given(text) ? text : TEXT("-");
}

void policy_log(struct text about, struct text request_id, struct text message) {
    log_line_most(LOG_ERROR, LINES_A_SECOND, "policy_error", "%.*s, request %.*s: %.*s",
                  TEXT_ARGS(about), TEXT_ARGS(given(request_id)), TEXT_ARGS(message));
}

/* The line of a function that failed is in the message; the machine's own stands for all others. */
static void tell(const struct generation *generation, const struct attempt *attempt,
                 const struct outcome *outcome) {
    struct arena arena;
    const struct machine *machine = generation_machine(generation, attempt->machine);
    arena_init(&arena, 0);
    struct text place =
        machine != NULL ? text_print(&arena, " (%.*s:%d)", TEXT_ARGS(machine->file), machine->line)
                        : TEXT("");
    policy_log(text_print(&arena, "%.*s '%.*s'%.*s", TEXT_ARGS(attempt->machine),
                          TEXT_ARGS(attempt->id), TEXT_ARGS(place)),
               attempt->request_id, outcome->message);
    arena_deinit(&arena);
}

void policy_log_member(const struct generation *generation, const struct member *member) {
    bool has_outcomes =
        member->outcomes != NULL && member->fault == FAULT_NONE && !member->replayed;
    for (size_t i = 0; has_outcomes && i < member->attempt_count; i++) {
        if (member->outcomes[i].code == FAULT_POLICY_ERROR) {
            tell(generation, &member->attempts[i], &member->outcomes[i]);
        }
    }
}
