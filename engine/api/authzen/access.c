/* access.c: may this subject do that to this resource? Evaluation and evaluations of the OpenID
 * AuthZEN Authorization API 1.0, sections 6 and 7. What needs neither Lua nor the store is answered
 * at once, on the HTTP thread; all else on a decider, everything of a call in one read transaction.
 */
#include "api/authzen/access.h"

#include "api/form.h"
#include "core/batch.h"
#include "server/policy_log.h"
#include "server/service.h"

#define NAME_MOST        1000
#define EVALUATIONS_MOST 1000
#define EVALUATIONS_US   (2 * NOW_SECOND) /* of one call; what is left then is denied */

/* --- reading --- */

static bool missing(struct fault *fault, const char *where, const char *what) {
    return fault_set(fault, FAULT_BAD_REQUEST, "%s%s%s: is missing", where,
                     where[0] != '\0' ? "." : "", what);
}

static bool read_party(struct arena *arena, const struct js *object, const char *key, bool wants_id,
                       struct party *out, struct fault *fault) {
    struct form form = {arena, object, "", fault};
    struct form part = {arena, NULL, key, fault};
    return form_object(&form, key, &part.object) &&
           form_text(&part, "type", NAME_MOST, &out->type) &&
           (!wants_id || form_text(&part, "id", NAME_MOST, &out->id)) &&
           form_object(&part, "properties", &out->properties);
}

static bool read_action(struct arena *arena, const struct js *object, struct access_question *out,
                        struct fault *fault) {
    struct form form = {arena, object, "", fault};
    struct form part = {arena, NULL, "action", fault};
    return form_object(&form, "action", &part.object) &&
           form_text(&part, "name", NAME_MOST, &out->action) &&
           form_object(&part, "properties", &out->action_properties);
}

/* What is there has the right type; something may be missing. */
static bool read_parts(struct arena *arena, const struct js *object, unsigned sought,
                       struct access_question *out, struct fault *fault) {
    struct form form = {arena, object, "", fault};
    return read_party(arena, object, "subject", (sought & ACCESS_SUBJECT_ID) == 0, &out->subject,
                      fault) &&
           ((sought & ACCESS_ACTION) != 0 || read_action(arena, object, out, fault)) &&
           read_party(arena, object, "resource", (sought & ACCESS_RESOURCE_ID) == 0, &out->resource,
                      fault) &&
           form_object(&form, "context", &out->context);
}

static bool has_object(const struct js *object, const char *key) {
    return js_is(js_find(object, text_of(key)), JS_OBJECT);
}

static bool check_party(const struct js *object, const char *key, bool wants_id,
                        const struct party *party, struct fault *fault) {
    if (!has_object(object, key)) {
        return missing(fault, "", key);
    }
    return (text_given(party->type) || missing(fault, key, "type")) &&
           (!wants_id || text_given(party->id) || missing(fault, key, "id"));
}

static bool check_action(const struct js *object, const struct access_question *question,
                         struct fault *fault) {
    return has_object(object, "action")
               ? text_given(question->action) || missing(fault, "action", "name")
               : missing(fault, "", "action");
}

bool access_read_question(struct arena *arena, const struct js *object, unsigned sought,
                          struct access_question *out, struct fault *fault) {
    *out = (struct access_question){.wants_rule = sought == 0};
    return read_parts(arena, object, sought, out, fault) &&
           check_party(object, "subject", (sought & ACCESS_SUBJECT_ID) == 0, &out->subject,
                       fault) &&
           ((sought & ACCESS_ACTION) != 0 || check_action(object, out, fault)) &&
           check_party(object, "resource", (sought & ACCESS_RESOURCE_ID) == 0, &out->resource,
                       fault);
}

/* --- deciding --- */

bool access_read_entity(struct worker *worker, struct arena *arena, const struct party *party,
                        struct entity *out, struct fault *fault) {
    struct store_key key = {party->type, party->id};
    *out = (struct entity){.exists = false};
    return generation_machine(worker->core.policy.generation, party->type) == NULL ||
           !entity_is_id(party->id) || core_read(&worker->core, arena, &key, 1, out, fault);
}

/* A type that is a machine has its entities for parties: their data are what is known of them. */
static bool complete_party(struct worker *worker, struct arena *arena, struct party *party,
                           struct entity *entity, struct fault *fault) {
    if (!access_read_entity(worker, arena, party, entity, fault)) {
        return false;
    }
    if (entity->exists) {
        party->properties = js_over(arena, entity->data, party->properties);
    }
    return true;
}

static void read_attempt(const struct generation *generation, struct arena *arena,
                         const struct access_question *question, const struct machine *machine,
                         struct attempt *attempt) {
    const struct js *sent = question->action_properties;
    bool is_update = access_act_of(machine, question->action) == ACCESS_UPDATE;
    bool is_state = !is_update && machine_state(machine, question->action) != NULL;
    *attempt = (struct attempt){
        .kind = is_update ? ATTEMPT_UPDATE : ATTEMPT_TRANSITION,
        .machine = machine->name,
        .id = question->resource.id,
        .to = is_state ? question->action : TEXT_NONE,
        .verb = is_state || is_update ? TEXT_NONE : question->action,
        .actor = access_actor(generation, arena, &question->subject),
        .reason = TEXT("user_action"),
        .comments = js_text(js_find(sent, TEXT("comments"))),
        .dry_run = true,
        .explain = question->wants_rule,
    };
    const struct js *metadata = js_find(sent, TEXT("metadata")),
                    *data = js_find(sent, TEXT("data"));
    attempt->metadata = js_is(metadata, JS_OBJECT) ? metadata : NULL;
    attempt->patch = js_is(data, JS_OBJECT) ? data : NULL;
}

/* Where the decision says that a rule refused. */
static void read_rule(const struct decision *decision, struct access_answer *out) {
    const struct js *rules = js_find(decision->explanation, TEXT("rules"));
    for (size_t i = 0; rules != NULL && i < rules->array.count; i++) {
        const struct js *rule = rules->array.items[i];
        if (text_equal(js_text(js_find(rule, TEXT("outcome"))), TEXT("refused"))) {
            const struct js *line = js_find(rule, TEXT("line"));
            out->rule = js_text(js_find(rule, TEXT("rule")));
            out->rule_file = js_text(js_find(rule, TEXT("file")));
            out->rule_line = js_is(line, JS_INTEGER) ? (int)line->integer : 0;
            return;
        }
    }
}

static void deny_absent(const struct generation *generation, struct arena *arena,
                        const struct access_question *question, const struct machine *machine,
                        struct access_answer *out) {
    struct text reason = text_print(arena, "%.*s '%.*s' does not exist", TEXT_ARGS(machine->name),
                                    TEXT_ARGS(question->resource.id));
    *out = (struct access_answer){
        .code = FAULT_ENTITY_NOT_FOUND,
        .reason = generation_clean_text(generation, machine->name, arena, reason)};
}

/* A transition, or a change of data: what would become of the attempt now. */
static bool decide_attempt(struct worker *worker, struct arena *arena,
                           const struct access_question *question, const struct machine *machine,
                           const struct entity *entity, struct decision *out, struct fault *fault) {
    struct core *core = &worker->core;
    struct policy_reads reads = batch_reads(core);
    struct attempt attempt;
    read_attempt(core->policy.generation, arena, question, machine, &attempt);
    if (!policy_decide(core->policy, arena, &attempt, entity, now_wall_us(&core->now), &reads, out,
                       fault)) {
        return false;
    }
    generation_clean_decision(core->policy.generation, arena, &attempt, entity, out);
    return true;
}

static bool decide_read(struct worker *worker, struct arena *arena,
                        const struct access_question *question, const struct entity *entity,
                        struct decision *out, struct fault *fault) {
    struct core *core = &worker->core;
    struct policy_reads reads = batch_reads(core);
    const struct actor *actor = access_actor(core->policy.generation, arena, &question->subject);
    return policy_read(core->policy, arena, entity, actor, now_wall_us(&core->now), &reads, out,
                       fault);
}

/* What a machine says of an action on its entity. */
static bool evaluate_of_machine(struct worker *worker, struct arena *arena,
                                const struct access_question *question,
                                const struct machine *machine, const struct entity *entity,
                                struct access_answer *out, struct fault *fault) {
    struct decision decision;
    if (!entity->exists) {
        deny_absent(worker->core.policy.generation, arena, question, machine, out);
        return true;
    }
    bool decided = access_act_of(machine, question->action) == ACCESS_READ
                       ? decide_read(worker, arena, question, entity, &decision, fault)
                       : decide_attempt(worker, arena, question, machine, entity, &decision, fault);
    if (!decided) {
        return false;
    }
    *out = (struct access_answer){.code = decision.code,
                                  .reason = decision.message,
                                  .required = decision.required_permissions,
                                  .missing = decision.missing_permissions,
                                  .denied_by = decision.denied_by};
    read_rule(&decision, out);
    return true;
}

bool access_evaluate(struct worker *worker, struct arena *arena,
                     const struct access_question *asked, struct access_answer *out,
                     struct fault *fault) {
    struct core *core = &worker->core;
    const struct generation *generation = core->policy.generation;
    struct access_question question = *asked;
    struct entity subject, resource;
    if (!complete_party(worker, arena, &question.subject, &subject, fault) ||
        !complete_party(worker, arena, &question.resource, &resource, fault)) {
        return false;
    }
    const struct machine *machine = generation_machine(generation, question.resource.type);
    bool is_declared = access_declares(generation, question.resource.type,
                                       machine != NULL ? question.action : TEXT_NONE);
    if (machine != NULL && !is_declared) {
        question.subject =
            directory_complete(generation, arena, DIRECTORY_SUBJECTS, &question.subject);
        return evaluate_of_machine(worker, arena, &question, machine, &resource, out, fault);
    }
    struct policy_reads reads = batch_reads(core);
    return access_decide(core->policy, arena, &question, now_wall_us(&core->now), &reads, out,
                         fault);
}

/* --- answers --- */

static void put_reason(struct js_writer *writer, const struct access_answer *answer) {
    js_key(writer, TEXT("code"));
    js_put_text(writer, text_of(fault_name(answer->code)));
    js_key(writer, TEXT("reason"));
    js_put_text(writer, answer->reason);
    if (answer->required != NULL) {
        js_key(writer, TEXT("required_permissions"));
        js_put(writer, answer->required);
    }
    if (answer->missing != NULL) {
        js_key(writer, TEXT("missing_permissions"));
        js_put(writer, answer->missing);
    }
    if (text_given(answer->denied_by)) {
        js_key(writer, TEXT("denied_by"));
        js_put_text(writer, answer->denied_by);
    }
    if (text_given(answer->rule)) {
        js_key(writer, TEXT("rule"));
        js_put_text(writer, answer->rule);
        js_key(writer, TEXT("file"));
        js_put_text(writer, answer->rule_file);
        js_key(writer, TEXT("line"));
        js_put_integer(writer, answer->rule_line);
    }
}

static void put_error(struct js_writer *writer, const struct access_answer *answer) {
    js_key(writer, TEXT("error"));
    js_open(writer, '{');
    js_key(writer, TEXT("status"));
    js_put_integer(writer, fault_status(answer->code));
    js_key(writer, TEXT("code"));
    js_put_text(writer, text_of(fault_name(answer->code)));
    js_key(writer, TEXT("message"));
    js_put_text(writer, answer->reason);
    js_close(writer, '}');
}

/* What is no judgement of the policies, but a question that could not be put to them. */
static bool is_error(enum fault_code code) {
    return code == FAULT_BAD_REQUEST || code == FAULT_POLICY_ERROR || code == FAULT_OVERLOADED;
}

static void tell_error(const struct call *call, const struct access_answer *answer) {
    if (answer->code == FAULT_POLICY_ERROR) {
        policy_log(TEXT("an evaluation"), text_of(call->exchange->request_id), answer->reason);
    }
}

static void put_decision(struct js_writer *writer, const struct access_answer *answer) {
    js_open(writer, '{');
    js_key(writer, TEXT("decision"));
    js_put_bool(writer, answer->code == FAULT_NONE);
    if (answer->code != FAULT_NONE) {
        js_key(writer, TEXT("context"));
        js_open(writer, '{');
        (is_error(answer->code) ? put_error : put_reason)(writer, answer);
        js_close(writer, '}');
    }
    js_close(writer, '}');
}

static void answer_one(struct call *call, const struct access_answer *answer) {
    struct buffer buffer;
    struct js_writer writer;
    tell_error(call, answer);
    if (is_error(answer->code)) {
        struct fault fault = FAULT_INIT;
        fault_set(&fault, answer->code, "%.*s", TEXT_ARGS(answer->reason));
        call_fail(call->exchange, &fault, TEXT_NONE);
        return;
    }
    buffer_init(&buffer, &call->exchange->arena);
    js_writer_init(&writer, &buffer);
    put_decision(&writer, answer);
    call_ok(call->exchange, 200, buffer_view(&buffer));
}

/* --- one evaluation --- */

static bool evaluate_one(struct worker *worker, struct call *call, struct access_answer *answer,
                         struct fault *fault) {
    struct arena *arena = &call->exchange->arena;
    struct access_question question;
    return access_read_question(arena, call->body, 0, &question, fault) &&
           access_evaluate(worker, arena, &question, answer, fault);
}

static void run_evaluation(struct job *job, struct worker *worker) {
    struct call *call = job->context;
    struct access_answer answer;
    struct fault fault = FAULT_INIT;
    bool done = store_begin(worker->core.store, STORE_READ, ISOLATION_DEFAULT, &fault) &&
                evaluate_one(worker, call, &answer, &fault);
    store_rollback(worker->core.store);
    if (done) {
        answer_one(call, &answer);
    } else {
        call_fail(call->exchange, &fault, TEXT_NONE);
    }
}

void api_access_evaluation(struct call *call) {
    struct arena *arena = &call->exchange->arena;
    struct access_question question;
    struct access_answer answer;
    struct fault fault = FAULT_INIT;
    if (!access_read_question(arena, call->body, 0, &question, &fault)) {
        call_fail(call->exchange, &fault, TEXT_NONE);
        return;
    }
    struct generation *generation = published_take(call->service->published);
    bool decided = generation != NULL && access_at_once(generation, arena, &question, &answer);
    if (decided) {
        answer_one(call, &answer);
    }
    generation_unref(generation);
    if (!decided) {
        call_decide(call, run_evaluation);
    }
}

/* --- many --- */

enum semantic { EXECUTE_ALL, DENY_ON_FIRST_DENY, PERMIT_ON_FIRST_PERMIT };

static bool read_semantic(struct call *call, enum semantic *out, struct fault *fault) {
    static const char *const names[] = {"execute_all", "deny_on_first_deny",
                                        "permit_on_first_permit"};
    struct form form = {&call->exchange->arena, call->body, "", fault};
    struct form options = {&call->exchange->arena, NULL, "options", fault};
    struct text name = text_of(names[0]);
    if (!form_object(&form, "options", &options.object) ||
        !form_text(&options, "evaluations_semantic", NAME_MOST, &name)) {
        return false;
    }
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (text_equal(name, text_of(names[i]))) {
            *out = (enum semantic)i;
            return true;
        }
    }
    return fault_set(fault, FAULT_BAD_REQUEST,
                     "options.evaluations_semantic: expected execute_all, deny_on_first_deny or "
                     "permit_on_first_permit");
}

/* NULL: there is none, or it is empty, so that this is one evaluation (section 7.1). */
static bool read_evaluations(struct call *call, const struct js **out, struct fault *fault) {
    const struct js *list = js_find(call->body, TEXT("evaluations"));
    *out = NULL;
    if (list == NULL) {
        return true;
    }
    if (!js_is(list, JS_ARRAY)) {
        return fault_set(fault, FAULT_BAD_REQUEST, "evaluations: expected an array, not %s",
                         js_type_name(list));
    }
    if (list->array.count > EVALUATIONS_MOST) {
        return fault_set(fault, FAULT_BAD_REQUEST, "evaluations: %zu are too many; at most %d",
                         list->array.count, EVALUATIONS_MOST);
    }
    *out = list->array.count > 0 ? list : NULL;
    return true;
}

/* What an evaluation leaves out is the call's own, as a whole (section 7.1.1). */
static const struct js *with_defaults(struct arena *arena, const struct js *body,
                                      const struct js *item) {
    static const char *const keys[] = {"subject", "action", "resource", "context"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        const struct js *value = js_find(body, text_of(keys[i]));
        if (value != NULL && js_find(item, text_of(keys[i])) == NULL) {
            item = js_with(arena, item, text_of(keys[i]), value);
        }
    }
    return item;
}

static bool deny_item(struct arena *arena, const struct fault *wrong,
                      struct access_answer *answer) {
    *answer = (struct access_answer){.code = wrong->code,
                                     .reason = text_copy(arena, text_of(wrong->message))};
    return true;
}

static bool evaluate_item(struct worker *worker, struct arena *arena, const struct js *body,
                          const struct js *item, struct access_answer *answer,
                          struct fault *fault) {
    struct access_question question;
    struct fault wrong = FAULT_INIT;
    bool is_read =
        js_is(item, JS_OBJECT)
            ? access_read_question(arena, with_defaults(arena, body, item), 0, &question, &wrong)
            : fault_set(&wrong, FAULT_BAD_REQUEST, "expected an object, not %s",
                        js_type_name(item));
    return is_read ? access_evaluate(worker, arena, &question, answer, fault)
                   : deny_item(arena, &wrong, answer);
}

static bool deny_late(struct arena *arena, struct access_answer *answer) {
    struct fault late = FAULT_INIT;
    fault_set(
        &late, FAULT_OVERLOADED,
        "not evaluated: the evaluations before it took more than %d s; send fewer in one call",
        (int)(EVALUATIONS_US / NOW_SECOND));
    return deny_item(arena, &late, answer);
}

static bool is_last(enum semantic semantic, const struct access_answer *answer) {
    bool permitted = answer->code == FAULT_NONE;
    return (semantic == DENY_ON_FIRST_DENY && !permitted) ||
           (semantic == PERMIT_ON_FIRST_PERMIT && permitted);
}

/* Each in an arena that the next one uses again: entities may be large. */
static bool evaluate_each(struct worker *worker, const struct call *call, enum semantic semantic,
                          struct js_writer *writer, struct fault *fault) {
    const struct js *body = call->body, *list = js_find(body, TEXT("evaluations"));
    const struct now *now = &worker->core.now;
    int64_t until_us = now_monotonic_us(now) + EVALUATIONS_US;
    struct access_answer answer = {.code = FAULT_NONE};
    struct arena arena;
    arena_init(&arena, 0);
    bool going_on = true, done = true;
    for (size_t i = 0; done && going_on && i < list->array.count; i++) {
        arena_reset(&arena);
        done = now_monotonic_us(now) > until_us
                   ? deny_late(&arena, &answer)
                   : evaluate_item(worker, &arena, body, list->array.items[i], &answer, fault);
        if (done) {
            tell_error(call, &answer);
            put_decision(writer, &answer);
            going_on = !is_last(semantic, &answer);
        }
    }
    arena_deinit(&arena);
    return done;
}

static bool evaluate_all(struct worker *worker, struct call *call, struct js_writer *writer,
                         struct fault *fault) {
    enum semantic semantic;
    return read_semantic(call, &semantic, fault) &&
           evaluate_each(worker, call, semantic, writer, fault);
}

static void run_evaluations(struct job *job, struct worker *worker) {
    struct call *call = job->context;
    struct fault fault = FAULT_INIT;
    struct buffer buffer;
    struct js_writer writer;
    buffer_init(&buffer, &call->exchange->arena);
    js_writer_init(&writer, &buffer);
    js_open(&writer, '{');
    js_key(&writer, TEXT("evaluations"));
    js_open(&writer, '[');
    bool done = store_begin(worker->core.store, STORE_READ, ISOLATION_DEFAULT, &fault) &&
                evaluate_all(worker, call, &writer, &fault);
    store_rollback(worker->core.store);
    js_close(&writer, ']');
    js_close(&writer, '}');
    if (done) {
        call_ok(call->exchange, 200, buffer_view(&buffer));
    } else {
        call_fail(call->exchange, &fault, TEXT_NONE);
    }
}

/* Defaults that some evaluations do without may lack parts, but a wrong type spoils the call. */
static bool check_call(struct call *call, const struct js **list, struct fault *fault) {
    struct access_question defaults = {.wants_rule = false};
    enum semantic semantic;
    return read_evaluations(call, list, fault) && read_semantic(call, &semantic, fault) &&
           read_parts(&call->exchange->arena, call->body, 0, &defaults, fault);
}

void api_access_evaluations(struct call *call) {
    struct fault fault = FAULT_INIT;
    const struct js *list;
    if (!check_call(call, &list, &fault)) {
        call_fail(call->exchange, &fault, TEXT_NONE);
    } else if (list == NULL) {
        api_access_evaluation(call);
    } else {
        call_decide(call, run_evaluations);
    }
}
