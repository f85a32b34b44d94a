/* stats.c: how many entities there are in each state, for how long, and what is overdue. */
#include "api/attempts.h"

#include "store/timers.h"
#include "timezone/instant.h"

static void put_state(struct js_writer *writer, const struct store_state_count *state) {
    char instant[INSTANT_TEXT];
    js_open(writer, '{');
    js_key(writer, TEXT("state"));
    js_put_text(writer, state->state);
    js_key(writer, TEXT("entities"));
    js_put_integer(writer, state->entities);
    js_key(writer, TEXT("oldest_at"));
    js_put_text(writer, state->entities > 0 ? instant_print(state->oldest_us, instant) : TEXT_NONE);
    js_key(writer, TEXT("overdue_timers"));
    js_put_integer(writer, state->overdue_timers);
    js_close(writer, '}');
}

static const struct store_state_count *count_of(const struct store_state_count *counts,
                                                size_t count, struct text state) {
    for (size_t i = 0; i < count; i++) {
        if (text_equal(counts[i].state, state)) {
            return &counts[i];
        }
    }
    return NULL;
}

/* The states of the machine in name order, then those that it has no more. */
static void put_states(struct js_writer *writer, const struct machine *machine,
                       const struct store_state_count *counts, size_t count) {
    js_open(writer, '[');
    for (size_t i = 0; i < machine->state_count; i++) {
        struct store_state_count none = {.state = machine->states[i].name};
        const struct store_state_count *found = count_of(counts, count, none.state);
        put_state(writer, found != NULL ? found : &none);
    }
    for (size_t i = 0; i < count; i++) {
        if (machine_state(machine, counts[i].state) == NULL) {
            put_state(writer, &counts[i]);
        }
    }
    js_close(writer, ']');
}

static bool read_counts(struct worker *worker, struct call *call, struct store_state_count **counts,
                        size_t *count, struct fault *fault) {
    struct store *store = worker->core.store;
    bool read = store_begin(store, STORE_READ, ISOLATION_DEFAULT, fault) &&
                store_count_states(store, &call->exchange->arena, call->parameters[0],
                                   now_wall_us(&worker->core.now), counts, count, fault);
    store_rollback(store);
    return read;
}

static struct text states_json(struct arena *arena, const struct machine *machine,
                               const struct store_state_count *counts, size_t count) {
    struct buffer buffer;
    struct js_writer writer;
    buffer_init(&buffer, arena);
    js_writer_init(&writer, &buffer);
    js_open(&writer, '{');
    js_key(&writer, TEXT("machine"));
    js_put_text(&writer, machine->name);
    js_key(&writer, TEXT("states"));
    put_states(&writer, machine, counts, count);
    js_close(&writer, '}');
    return buffer_view(&buffer);
}

static void run_states(struct job *job, struct worker *worker) {
    struct call *call = job->context;
    const struct machine *machine =
        generation_machine(worker->core.policy.generation, call->parameters[0]);
    struct store_state_count *counts;
    size_t count;
    struct fault fault = FAULT_INIT;
    if (machine == NULL) {
        fault_set(&fault, FAULT_UNKNOWN_MACHINE, "no machine '%.*s' is loaded",
                  TEXT_ARGS(call->parameters[0]));
    }
    if (machine == NULL || !read_counts(worker, call, &counts, &count, &fault)) {
        call_fail(call->exchange, &fault, TEXT_NONE);
        return;
    }
    call_ok(call->exchange, 200, states_json(&call->exchange->arena, machine, counts, count));
}

void api_stats_states(struct call *call) {
    struct fault fault = FAULT_INIT;
    if (!call_machine(call, call->parameters[0], &fault)) {
        call_fail(call->exchange, &fault, TEXT_NONE);
        return;
    }
    call_decide(call, run_states);
}
