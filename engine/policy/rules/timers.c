/* timers.c: what a machine says of its timers. */
#include "base/buffer.h"
#include "base/digest.h"
#include "policy/rules/machine.h"

const struct timer_rule *machine_timer(const struct state *state, struct text to,
                                       struct text reason) {
    for (size_t i = 0; i < state->timer_count; i++) {
        const struct timer_rule *timer = &state->timers[i];
        if (text_equal(timer->to, to) && text_equal(timer->reason, reason)) {
            return timer;
        }
    }
    return NULL;
}

bool state_asks_delay(const struct state *state) {
    for (size_t i = 0; i < state->timer_count; i++) {
        if (state->timers[i].has_delay_function) {
            return true;
        }
    }
    return false;
}

/* Each text with its length, so that no two declarations look alike. */
static void add_text(struct buffer *buffer, struct text text) {
    buffer_print(buffer, "%zu:", text.length);
    buffer_add_text(buffer, text_given(text) ? text : TEXT(""));
}

static void add_rule(struct buffer *buffer, const struct timer_rule *timer,
                     struct text generation) {
    buffer_print(buffer, "%lld %lld ", (long long)timer->delay_us, (long long)timer->retry_us);
    add_text(buffer, timer->to);
    add_text(buffer, timer->reason);
    add_text(buffer, timer->comments);
    add_text(buffer, timer->has_delay_function ? generation : TEXT_NONE);
}

int64_t machine_timer_rules(const struct machine *machine, struct text generation) {
    unsigned char digest[DIGEST_BYTES];
    struct arena arena;
    struct buffer buffer;
    uint64_t number = 0;
    arena_init(&arena, 0);
    buffer_init(&buffer, &arena);
    for (size_t i = 0; i < machine->state_count; i++) {
        const struct state *state = &machine->states[i];
        for (size_t j = 0; j < state->timer_count; j++) {
            add_text(&buffer, state->name);
            add_rule(&buffer, &state->timers[j], generation);
        }
    }
    digest_sha256(buffer_view(&buffer), digest);
    arena_deinit(&arena);
    memcpy(&number, digest, sizeof number);
    return (int64_t)(number >> 2) + 1;
}
