/* eval.c: `statute eval`: a decision without server or store. */
#include <stdio.h>

#include "cli/cli.h"
#include "cli/eval_request.h"
#include "cli/input.h"
#include "cli/policies.h"
#include "cli/terminal.h"
#include "server/service.h"
#include "timezone/instant.h"

struct eval_values {
    struct text policies;
    bool lines;
    bool explain;
    struct text timer;
};

static const struct option rows[] = {
    {"policies", OPTION_TEXT, offsetof(struct eval_values, policies), "DIR", 0, 0,
     "the policy files"},
    {"lines", OPTION_FLAG, offsetof(struct eval_values, lines), NULL, 0, 0,
     "one request per line, one answer per line, at once; exits with 0 whatever the answers"},
    {"explain", OPTION_FLAG, offsetof(struct eval_values, explain), NULL, 0, 0,
     "also show which rules were evaluated, where they are, what is missing, and what would come "
     "closest to being allowed"},
    {"timer", OPTION_TEXT, offsetof(struct eval_values, timer), "STATE", 0, 0,
     "fire the timer that leads to this state, instead of `to` or `transition`"},
};

static void defaults(void *values) {
    ((struct eval_values *)values)->policies = service_options_default().policies;
}

/* --- the answer --- */

static void put_text(struct js_writer *writer, struct text key, struct text value) {
    if (text_given(value)) {
        js_key(writer, key);
        js_put_text(writer, value);
    }
}

static void put(struct js_writer *writer, struct text key, const struct js *value) {
    if (value != NULL) {
        js_key(writer, key);
        js_put(writer, value);
    }
}

static void put_timer(struct js_writer *writer, const struct timer *timer) {
    char due[INSTANT_TEXT];
    js_open(writer, '{');
    js_key(writer, TEXT("due"));
    js_put_text(writer, instant_print(timer->due_us, due));
    put_text(writer, TEXT("to"), timer->to);
    put_text(writer, TEXT("reason"), timer->reason);
    put_text(writer, TEXT("comments"), timer->comments);
    js_close(writer, '}');
}

static void put_timers(struct js_writer *writer, const struct decision *decision) {
    if (decision->timer_count == 0) {
        return;
    }
    js_key(writer, TEXT("timers"));
    js_open(writer, '[');
    for (size_t i = 0; i < decision->timer_count; i++) {
        put_timer(writer, &decision->timers[i]);
    }
    js_close(writer, ']');
}

static void put_verdict(struct js_writer *writer, enum fault_code code, struct text message) {
    js_key(writer, TEXT("allowed"));
    js_put_bool(writer, code == FAULT_NONE);
    if (code != FAULT_NONE) {
        put_text(writer, TEXT("code"), text_of(fault_name(code)));
        put_text(writer, TEXT("message"), message);
    }
}

static void put_details(struct js_writer *writer, const struct decision *decision) {
    put(writer, TEXT("data"), decision->data);
    put(writer, TEXT("messages"), decision->messages);
    put(writer, TEXT("errors"), decision->errors);
    put(writer, TEXT("warnings"), decision->warnings);
    put(writer, TEXT("allowed_states"), decision->allowed);
    put(writer, TEXT("required_permissions"), decision->required_permissions);
    put(writer, TEXT("missing_permissions"), decision->missing_permissions);
    put(writer, TEXT("explanation"), decision->explanation);
    put(writer, TEXT("emit"), decision->emit);
    put(writer, TEXT("follow"), decision->follow);
    put(writer, TEXT("create"), decision->create);
    put_timers(writer, decision);
}

static struct text answer_json(struct arena *arena, const struct decision *decision,
                               struct text policy) {
    struct buffer buffer;
    struct js_writer writer;
    buffer_init(&buffer, arena);
    js_writer_init(&writer, &buffer);
    js_open(&writer, '{');
    put_verdict(&writer, decision->code, decision->message);
    put_text(&writer, TEXT("from"), decision->from);
    put_text(&writer, TEXT("to"), decision->to);
    put_text(&writer, TEXT("transition"), decision->transition);
    put_text(&writer, TEXT("denied_by"), decision->denied_by);
    js_key(&writer, TEXT("changed"));
    js_put_bool(&writer, decision->changed);
    put_details(&writer, decision);
    put_text(&writer, TEXT("policy"), policy);
    js_close(&writer, '}');
    return buffer_view(&buffer);
}

/* --- deciding --- */

struct evaluator {
    struct generation *generation;
    struct arena arena; /* of one request */
    struct now now;
    bool explain;
    struct text timer; /* TEXT_NONE: the request says what is attempted */
};

/* What the engine answers without asking a policy, the same here. */
static bool is_version_conflict(const struct eval_request *request, struct arena *arena,
                                struct decision *out) {
    const struct attempt *attempt = &request->attempt;
    int64_t version = request->entity.version;
    if (attempt_wants_version(attempt, version) || !request->entity.exists) {
        return false;
    }
    *out = (struct decision){
        .code = FAULT_VERSION_CONFLICT,
        .message = text_print(arena, "version %lld was expected, but the entity has version %lld",
                              (long long)attempt->if_versions[0], (long long)version),
        .from = request->entity.state,
        .to = request->attempt.to,
    };
    return true;
}

/* What the engine would let out of the decision: events and messages without what is personal. */
static void clean(struct evaluator *evaluator, const struct eval_request *request,
                  struct decision *out) {
    struct arena *arena = &evaluator->arena;
    const struct js *events = &js_empty_array;
    generation_clean_decision(evaluator->generation, arena, &request->attempt, &request->entity,
                              out);
    for (size_t i = 0; out->emit != NULL && i < out->emit->array.count; i++) {
        const struct js *event = out->emit->array.items[i];
        const struct js *data =
            generation_clean_as(evaluator->generation, request->attempt.machine, arena,
                                js_find(event, TEXT("data")), CLEAN_ANYWHERE);
        events = js_append(arena, events,
                           data != NULL ? js_with(arena, event, TEXT("data"), data) : event);
    }
    out->emit = out->emit != NULL ? events : NULL;
}

static bool decide(struct evaluator *evaluator, struct text json, struct decision *out,
                   struct fault *fault) {
    struct eval_request *request = ARENA_NEW(&evaluator->arena, struct eval_request);
    *out = (struct decision){0};
    request->timer = evaluator->timer;
    if (!eval_request_read(evaluator->generation, &evaluator->arena, json, evaluator->now, request,
                           fault)) {
        return false;
    }
    request->attempt.explain = evaluator->explain;
    if (is_version_conflict(request, &evaluator->arena, out)) {
        return true;
    }
    struct policy policy = {evaluator->generation, 0};
    struct policy_reads reads = eval_request_reads(request);
    if (!policy_decide(policy, &evaluator->arena, &request->attempt, &request->entity,
                       request->now_us, &reads, out, fault)) {
        return false;
    }
    clean(evaluator, request, out);
    return true;
}

static struct text answer(struct evaluator *evaluator, const struct decision *decision) {
    return answer_json(&evaluator->arena, decision, generation_name(evaluator->generation));
}

/* --- one request, or many --- */

/* A request that is none is a matter of usage, unlike one that is refused. */
static bool eval_one(struct invocation *invocation, struct evaluator *evaluator,
                     struct fault *fault) {
    const char *path = invocation->argument_count > 0 ? invocation->arguments[0].bytes : "-";
    struct text json;
    struct decision decision;
    if (!input_read_all(path, &evaluator->arena, &json, fault)) {
        return false;
    }
    if (!decide(evaluator, json, &decision, fault)) {
        if (fault->code == FAULT_BAD_REQUEST) {
            fault->code = FAULT_USAGE;
        }
        return fault_within(fault, "the request");
    }
    invocation->answer_is_no = decision.code != FAULT_NONE;
    terminal_json(stdout, answer(evaluator, &decision));
    return true;
}

static void eval_line(struct evaluator *evaluator, struct text line) {
    struct fault fault = FAULT_INIT;
    struct decision decision;
    if (!decide(evaluator, line, &decision, &fault)) {
        decision = (struct decision){.code = fault.code, .message = text_of(fault.message)};
    }
    struct text json = answer(evaluator, &decision);
    fwrite(json.bytes, 1, json.length, stdout);
    fputc('\n', stdout);
    fflush(stdout);
    arena_reset(&evaluator->arena);
}

static bool eval_lines(struct invocation *invocation, struct evaluator *evaluator,
                       struct fault *fault) {
    const char *path = invocation->argument_count > 0 ? invocation->arguments[0].bytes : "-";
    struct input input;
    struct text line;
    bool found = false;
    if (!input_open(&input, path, fault)) {
        return false;
    }
    bool read = input_next(&input, &line, &found, fault);
    while (read && found && !ferror(stdout)) {
        eval_line(evaluator, line);
        read = input_next(&input, &line, &found, fault);
    }
    input_close(&input);
    return read;
}

static bool run(struct invocation *invocation, struct fault *fault) {
    const struct eval_values *eval = invocation->values;
    struct evaluator evaluator = {.now = now_system(),
                                  .explain = eval->explain,
                                  .timer = eval->timer.length > 0 ? eval->timer : TEXT_NONE};
    if (!policies_load_or_tell(eval->policies, invocation->arena, &evaluator.generation, fault)) {
        return false;
    }
    arena_init(&evaluator.arena, 64 * 1024);
    bool done = (eval->lines ? eval_lines : eval_one)(invocation, &evaluator, fault);
    arena_deinit(&evaluator.arena);
    generation_unref(evaluator.generation);
    return done;
}

const struct command command_eval = {
    .name = "eval",
    .arguments = "[FILE|-]",
    .arguments_most = 1,
    .summary = "ask the policies for a decision, without a server or a store",
    .details =
        "The request is a JSON object:\n"
        "  machine                  required\n"
        "  action                   \"transition\" (default), \"create\" or \"update\"\n"
        "  to | transition | timer  the target state, the verb of the transition, or the state to\n"
        "                           which a timer of the entity's state leads: it fires\n"
        "  id, state, version, data the entity; state defaults to the machine's initial state\n"
        "  patch                    JSON merge patch of its data; the data itself for \"create\"\n"
        "  actor                    {id, roles?, permissions?, attributes?}\n"
        "  reason, comments, metadata\n"
        "  now                      RFC 3339; default: the present\n"
        "  entities                 [{machine, id, state, version?, data}]: other entities for\n"
        "                           ctx:find and ctx:count\n"
        "  options                  {dry_run, idempotent, skip_permissions, if_version, effect};\n"
        "                           effect: true attempts it as an effect of another entity\n"
        "Exits with 0 if allowed, 1 if refused, 2 if the request is invalid.",
    .options = {rows, sizeof rows / sizeof rows[0]},
    .values_size = sizeof(struct eval_values),
    .defaults = defaults,
    .run = run,
};
