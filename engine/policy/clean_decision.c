/* clean_decision.c: what a policy says is answered, audited, logged and kept with idempotency keys,
 * so it is cleaned once, as soon as it is said. */
#include "policy/access.h"
#include "policy/turn.h"

struct cleaning {
    const struct pii_set *set;
    const struct attempt *attempt;
    struct pii_quotes quotes;
};

static struct text clean_text(struct cleaning *cleaning, struct text text) {
    text = pii_unquote(&cleaning->quotes, text);
    for (const struct attempt *at = cleaning->attempt; at != NULL; at = at->cause) {
        text = pii_clean_text(cleaning->set, at->machine, cleaning->quotes.arena, text);
    }
    return text;
}

static const struct js *clean_message(struct cleaning *cleaning, const struct js *value) {
    return js_is(value, JS_STRING)
               ? js_string(cleaning->quotes.arena, clean_text(cleaning, value->string))
               : value;
}

static const struct js *clean_list(struct cleaning *cleaning, const struct js *list) {
    if (!js_is(list, JS_ARRAY) || list->array.count == 0) {
        return list;
    }
    struct arena *arena = cleaning->quotes.arena;
    const struct js **items = ARENA_ARRAY(arena, const struct js *, list->array.count);
    for (size_t i = 0; i < list->array.count; i++) {
        items[i] = clean_message(cleaning, list->array.items[i]);
    }
    return js_array(arena, items, list->array.count);
}

/* {field: message}: that a field is wrong is no secret, whatever its name. */
static const struct js *clean_errors(struct cleaning *cleaning, const struct js *errors) {
    if (!js_is(errors, JS_OBJECT)) {
        return errors;
    }
    struct arena *arena = cleaning->quotes.arena;
    size_t count = errors->object.count;
    struct js_member *members = ARENA_ARRAY(arena, struct js_member, count);
    for (size_t i = 0; i < count; i++) {
        const struct js_member *member = &errors->object.members[i];
        members[i] = (struct js_member){clean_text(cleaning, member->key),
                                        clean_message(cleaning, member->value)};
    }
    return js_object(arena, members, count);
}

static void gather_quotes(struct cleaning *cleaning, const struct entity *entity) {
    const struct attempt *attempt = cleaning->attempt;
    const struct js *attributes = attempt->actor != NULL ? attempt->actor->attributes : NULL;
    const struct js *sources[] = {attempt->patch, attempt->metadata, attributes, entity->data};
    for (const struct attempt *at = attempt; at != NULL; at = at->cause) {
        for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
            pii_quotes_add(cleaning->set, at->machine, &cleaning->quotes, sources[i]);
        }
    }
}

static bool says_something(const struct decision *decision) {
    return decision->code != FAULT_NONE ||
           (decision->warnings != NULL && decision->warnings->array.count > 0);
}

static const struct js *clean_member(struct cleaning *cleaning, const struct js *object,
                                     struct text key) {
    const struct js *value = js_find(object, key);
    if (value == NULL) {
        return object;
    }
    const struct js *clean =
        js_is(value, JS_ARRAY) ? clean_list(cleaning, value) : clean_message(cleaning, value);
    return js_with(cleaning->quotes.arena, object, key, clean);
}

/* {rules: [{message, absent, ...}...], nearest: {fields, ...}}: names of fields too, since a policy
 * may look for a member that is named by what was sent. */
static const struct js *clean_explanation(struct cleaning *cleaning, const struct js *explanation) {
    struct arena *arena = cleaning->quotes.arena;
    const struct js *rules = js_find(explanation, TEXT("rules")), *clean = &js_empty_array;
    const struct js *nearest = js_find(explanation, TEXT("nearest"));
    for (size_t i = 0; rules != NULL && i < rules->array.count; i++) {
        const struct js *rule = clean_member(cleaning, rules->array.items[i], TEXT("message"));
        clean = js_append(arena, clean, clean_member(cleaning, rule, TEXT("absent")));
    }
    if (nearest != NULL) {
        explanation = js_with(arena, explanation, TEXT("nearest"),
                              clean_member(cleaning, nearest, TEXT("fields")));
    }
    return rules != NULL ? js_with(arena, explanation, TEXT("rules"), clean) : explanation;
}

/* Messages are joined anew, so that what was cut off at the end of one does not hide in the middle.
 */
static struct text clean_sentence(struct cleaning *cleaning, const struct decision *decision) {
    bool is_joined = decision->code == FAULT_GUARD_REJECTED &&
                     js_is(decision->messages, JS_ARRAY) && decision->messages->array.count > 0;
    return is_joined ? turn_join(cleaning->quotes.arena, clean_list(cleaning, decision->messages))
                     : clean_text(cleaning, decision->message);
}

void generation_clean_decision(const struct generation *generation, struct arena *arena,
                               const struct attempt *attempt, const struct entity *entity,
                               struct decision *decision) {
    struct cleaning cleaning = {&generation->pii, attempt, {.arena = arena}};
    if (!says_something(decision)) {
        return;
    }
    gather_quotes(&cleaning, entity);
    decision->message = clean_sentence(&cleaning, decision);
    decision->messages = clean_list(&cleaning, decision->messages);
    decision->errors = clean_errors(&cleaning, decision->errors);
    decision->warnings = clean_list(&cleaning, decision->warnings);
    decision->explanation = clean_explanation(&cleaning, decision->explanation);
}

void generation_clean_fault(const struct generation *generation, struct arena *arena,
                            const struct attempt *attempt, const struct entity *entity,
                            struct fault *fault) {
    struct cleaning cleaning = {&generation->pii, attempt, {.arena = arena}};
    gather_quotes(&cleaning, entity);
    fault_set(fault, fault->code, "%.*s",
              TEXT_ARGS(clean_text(&cleaning, text_of(fault->message))));
}

struct text generation_clean_reason(const struct generation *generation, struct arena *arena,
                                    const struct access_question *question, struct text reason) {
    const struct attempt about = {.machine = question->resource.type};
    struct cleaning cleaning = {&generation->pii, &about, {.arena = arena}};
    const struct party *parties[] = {&question->subject, &question->resource};
    const struct js *others[] = {question->action_properties, question->context};
    if (!text_given(reason)) {
        return reason;
    }
    for (size_t i = 0; i < 2; i++) {
        pii_quotes_add(&generation->pii, parties[i]->type, &cleaning.quotes,
                       parties[i]->properties);
        pii_quotes_add(&generation->pii, about.machine, &cleaning.quotes, others[i]);
    }
    return clean_text(&cleaning, reason);
}
