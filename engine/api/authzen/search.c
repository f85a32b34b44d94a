/* search.c: who may do that, to what may it be done, what may be done? (OpenID AuthZEN
 * Authorization API 1.0, section 8.) Every candidate is put to the policies, as an evaluation
 * would.
 *
 * Candidates of a type: what the directory lists, by id, then the entities of the machine of that
 * name, in the order of their creation. A page token says behind which of them to go on, and which
 * query it belongs to. It gives nothing that the query would not, so it is not signed. */
#include "api/authzen/access.h"

#include "api/form.h"
#include "core/batch.h"
#include "core/follow.h"
#include "server/service.h"

#include <stdio.h>

#define LIMIT_DEFAULT   50
#define LIMIT_MOST      1000
#define CANDIDATES_MOST 10000                   /* of one call; a token says where to go on */
#define SEARCH_US       (100 * NOW_MILLISECOND) /* likewise */
#define IDS_AT_ONCE     200
#define QUERY_HASH      8 /* bytes */
#define PAGE_HASH       4 /* likewise */
#define TOKEN_HASH      (QUERY_HASH + PAGE_HASH)

enum target { FIND_SUBJECTS, FIND_RESOURCES, FIND_ACTIONS };
enum source { FROM_DIRECTORY, FROM_ENTITIES };

struct search {
    struct worker *worker;
    struct arena *arena;  /* of the answer */
    struct arena scratch; /* of one candidate */
    enum target target;
    struct access_question question;
    bool is_paged;                  /* the request has `page` */
    unsigned char hash[TOKEN_HASH]; /* of what is asked; then, of page.properties */
    int64_t limit;
    /* Behind which candidate to go on; then, behind which the last result stands. */
    enum source source;
    struct text after; /* TEXT_NONE: from the start */
    /* The walk. */
    int64_t until_us; /* monotonic */
    size_t candidates;
    const struct js **results;
    size_t count;
    bool has_more; /* results or candidates were left */
    enum source last_source;
    struct text last;
};

/* --- page --- */

/* What is searched for has no id, and no action, whatever the request says. */
static const struct js *asked_part(struct search *search, const struct js *body, const char *key) {
    static const char *const sought[] = {"subject", "resource", "action"};
    const struct js *part = js_find(body, text_of(key));
    if (strcmp(key, sought[search->target]) != 0) {
        return part;
    }
    return search->target == FIND_ACTIONS ? NULL : js_with(search->arena, part, TEXT("id"), NULL);
}

static void hash_query(struct search *search, const struct js *body) {
    static const char *const keys[] = {"subject", "action", "resource", "context"};
    const struct js *query = &js_empty_object;
    unsigned char digest[DIGEST_BYTES];
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        query = js_with(search->arena, query, text_of(keys[i]), asked_part(search, body, keys[i]));
    }
    digest_sha256_two((struct text){"sra" + search->target, 1}, js_print(search->arena, query),
                      digest);
    memcpy(search->hash, digest, QUERY_HASH);
}

static void hash_page(struct search *search, const struct js *properties) {
    unsigned char digest[DIGEST_BYTES];
    digest_sha256(properties != NULL ? js_print(search->arena, properties) : TEXT(""), digest);
    memcpy(search->hash + QUERY_HASH, digest, PAGE_HASH);
}

static struct text hex_of(struct arena *arena, struct text bytes) {
    char *hex = arena_alloc(arena, bytes.length * 2 + 1);
    digest_hex((const unsigned char *)bytes.bytes, bytes.length, hex);
    return (struct text){hex, bytes.length * 2};
}

static struct text token_of(const struct search *search) {
    struct text hash = {(const char *)search->hash, TOKEN_HASH};
    struct text last = text_given(search->last) ? search->last : TEXT("");
    return text_print(search->arena, "%.*s-%lld-%d-%.*s", TEXT_ARGS(hex_of(search->arena, hash)),
                      (long long)search->limit, (int)search->last_source,
                      TEXT_ARGS(hex_of(search->arena, last)));
}

/* Cuts the part before the next '-' off. */
static struct text next_part(struct text *rest) {
    const char *dash = rest->length > 0 ? memchr(rest->bytes, '-', rest->length) : NULL;
    struct text part = *rest;
    if (dash == NULL) {
        *rest = TEXT("");
        return part;
    }
    part.length = (size_t)(dash - rest->bytes);
    *rest = (struct text){dash + 1, rest->length - part.length - 1};
    return part;
}

static bool read_position(struct search *search, struct text hex) {
    unsigned char *bytes = arena_alloc(search->arena, hex.length / 2 + 1);
    if (hex.length % 2 != 0 || !digest_of_hex(hex, bytes, hex.length / 2)) {
        return false;
    }
    search->after = hex.length > 0 ? (struct text){(const char *)bytes, hex.length / 2} : TEXT_NONE;
    return !text_given(search->after) || text_is_utf8(search->after);
}

static bool read_source(struct search *search, struct text source) {
    search->source = text_equal(source, TEXT("1")) ? FROM_ENTITIES : FROM_DIRECTORY;
    return text_equal(source, TEXT("0")) ||
           (search->source == FROM_ENTITIES &&
            (!text_given(search->after) || entity_is_id(search->after)));
}

/* `hash` gets what the token says of the search it belongs to. */
static bool split_token(struct search *search, struct text token, unsigned char *hash) {
    struct text rest = token, given = next_part(&rest), size = next_part(&rest);
    struct text source = next_part(&rest);
    return given.length == (size_t)2 * TOKEN_HASH && digest_of_hex(given, hash, TOKEN_HASH) &&
           text_to_integer(size, &search->limit) && search->limit >= 0 &&
           search->limit <= LIMIT_MOST && read_position(search, rest) &&
           read_source(search, source);
}

/* What the request says: `limit` or -1, `properties` or NULL. Left out they are as before. */
static bool read_token(struct search *search, struct text token, int64_t limit,
                       const struct js *properties, struct fault *fault) {
    unsigned char hash[TOKEN_HASH];
    if (!split_token(search, token, hash)) {
        return fault_set(fault, FAULT_BAD_REQUEST, "page.token: it was not issued by this server");
    }
    bool is_same = memcmp(hash, search->hash, properties != NULL ? TOKEN_HASH : QUERY_HASH) == 0 &&
                   (limit < 0 || limit == search->limit);
    memcpy(search->hash, hash, TOKEN_HASH);
    return is_same ||
           fault_set(fault, FAULT_BAD_REQUEST,
                     "page.token: it belongs to another search; a page is asked for with the same "
                     "subject, action, resource, context, limit and properties as the one before");
}

static bool read_page(struct search *search, const struct js *body, struct fault *fault) {
    struct form form = {search->arena, body, "", fault};
    struct form page = {search->arena, NULL, "page", fault};
    const struct js *properties = NULL;
    struct text token = TEXT_NONE;
    int64_t limit = -1;
    if (!form_object(&form, "page", &page.object) ||
        !form_integer(&page, "limit", 0, INT64_MAX, &limit) ||
        !form_text(&page, "token", 8192, &token) ||
        !form_object(&page, "properties", &properties)) {
        return false;
    }
    limit = limit > LIMIT_MOST ? LIMIT_MOST : limit;
    search->is_paged = page.object != NULL;
    search->limit = limit >= 0 ? limit : LIMIT_DEFAULT;
    hash_page(search, properties);
    return !text_given(token) || token.length == 0 ||
           read_token(search, token, limit, properties, fault);
}

/* --- who is known --- */

static bool entity_exists(struct search *search, const struct party *party, bool *exists,
                          struct fault *fault) {
    struct entity entity;
    *exists =
        access_read_entity(search->worker, search->arena, party, &entity, fault) && entity.exists;
    return fault->code == FAULT_NONE;
}

/* Nobody may find out about somebody who is not there. A type that nothing lists is taken as the
 * request describes it; but when the directory lists subjects at all, then it lists all of them. */
static bool is_known(struct search *search, enum directory_side side, const struct party *party,
                     bool *known, struct fault *fault) {
    const struct generation *generation = search->worker->core.policy.generation;
    *known = directory_find(generation, side, party->type, party->id) != NULL;
    if (*known) {
        return true;
    }
    if (generation_machine(generation, party->type) != NULL) {
        return entity_exists(search, party, known, fault);
    }
    *known = side == DIRECTORY_SUBJECTS ? directory_is_empty(generation, side)
                                        : !directory_has_type(generation, side, party->type) &&
                                              access_declares(generation, party->type, TEXT_NONE);
    return true;
}

static bool are_known(struct search *search, bool *known, struct fault *fault) {
    *known = true;
    if (search->target != FIND_SUBJECTS &&
        !is_known(search, DIRECTORY_SUBJECTS, &search->question.subject, known, fault)) {
        return false;
    }
    return !*known || search->target == FIND_RESOURCES ||
           is_known(search, DIRECTORY_RESOURCES, &search->question.resource, known, fault);
}

/* --- candidates --- */

/* True: go on. */
static bool try_candidate(struct search *search, const struct js *result, enum source source,
                          struct text id, bool *going_on, struct fault *fault) {
    struct access_answer answer;
    arena_reset(&search->scratch);
    if (!access_evaluate(search->worker, &search->scratch, &search->question, &answer, fault)) {
        return false;
    }
    search->candidates++;
    bool is_full = search->count == (size_t)search->limit;
    if (answer.code == FAULT_NONE && is_full) {
        search->has_more = true;
    } else if (answer.code == FAULT_NONE) {
        search->results[search->count++] = result;
    }
    if (!is_full) {
        search->last = id;
        search->last_source = source;
    }
    if (!search->has_more && (search->candidates >= CANDIDATES_MOST ||
                              now_monotonic_us(&search->worker->core.now) > search->until_us)) {
        search->has_more = true;
    }
    *going_on = !search->has_more;
    return true;
}

static struct party *searched_party(struct search *search) {
    return search->target == FIND_SUBJECTS ? &search->question.subject : &search->question.resource;
}

static enum directory_side searched_side(const struct search *search) {
    return search->target == FIND_SUBJECTS ? DIRECTORY_SUBJECTS : DIRECTORY_RESOURCES;
}

static const struct js *party_json(struct arena *arena, struct text type, struct text id) {
    struct js_member *members = ARENA_ARRAY(arena, struct js_member, 2);
    members[0] = (struct js_member){TEXT("type"), js_string(arena, type)};
    members[1] = (struct js_member){TEXT("id"), js_string(arena, id)};
    return js_object(arena, members, 2);
}

static bool try_party(struct search *search, enum source source, struct text id, bool *going_on,
                      struct fault *fault) {
    struct party *party = searched_party(search);
    *party = (struct party){party->type, id, NULL};
    return try_candidate(search, party_json(search->arena, party->type, id), source, id, going_on,
                         fault);
}

static bool walk_directory(struct search *search, bool *going_on, struct fault *fault) {
    const struct generation *generation = search->worker->core.policy.generation;
    struct text type = searched_party(search)->type, at = search->after;
    const struct directory_entry *entry;
    while (*going_on &&
           (entry = directory_next(generation, searched_side(search), type, at)) != NULL) {
        at = entry->id;
        if (!try_party(search, FROM_DIRECTORY, entry->id, going_on, fault)) {
            return false;
        }
    }
    return true;
}

static bool try_ids(struct search *search, const struct text *ids, size_t count, bool *going_on,
                    struct fault *fault) {
    const struct generation *generation = search->worker->core.policy.generation;
    struct text type = searched_party(search)->type;
    for (size_t i = 0; i < count && *going_on; i++) {
        bool is_listed = directory_find(generation, searched_side(search), type, ids[i]) != NULL;
        if (!is_listed && !try_party(search, FROM_ENTITIES, ids[i], going_on, fault)) {
            return false;
        }
    }
    return true;
}

static bool walk_entities(struct search *search, struct text after, bool *going_on,
                          struct fault *fault) {
    struct text type = searched_party(search)->type;
    struct store_where where = {0};
    size_t count = IDS_AT_ONCE;
    follow_where(&search->worker->core, search->arena, type, &where);
    while (*going_on && count == IDS_AT_ONCE) {
        struct text *ids;
        if (!store_list_ids(search->worker->core.store, search->arena, type, &where, after,
                            IDS_AT_ONCE, &ids, &count, fault) ||
            !try_ids(search, ids, count, going_on, fault)) {
            return false;
        }
        after = count > 0 ? ids[count - 1] : after;
    }
    return true;
}

static bool walk_parties(struct search *search, struct fault *fault) {
    const struct generation *generation = search->worker->core.policy.generation;
    bool going_on = true,
         is_machine = generation_machine(generation, searched_party(search)->type) != NULL;
    struct text after = search->source == FROM_ENTITIES ? search->after : TEXT_NONE;
    if (search->source == FROM_DIRECTORY && !walk_directory(search, &going_on, fault)) {
        return false;
    }
    return !going_on || !is_machine || walk_entities(search, after, &going_on, fault);
}

/* --- actions --- */

static const struct js *action_json(struct arena *arena, struct text name, struct text to) {
    struct js_member *members = ARENA_ARRAY(arena, struct js_member, 2);
    members[0] = (struct js_member){TEXT("name"), js_string(arena, name)};
    members[1] = (struct js_member){
        TEXT("properties"),
        text_given(to) ? js_with(arena, NULL, TEXT("to"), js_string(arena, to)) : NULL};
    return js_object(arena, members, text_given(to) ? 2 : 1);
}

/* Names are few, so pages go by position in their list: what was declared, then what the machine
 * says of its own. */
static bool try_action(struct search *search, struct text name, struct text to, size_t position,
                       bool *going_on, struct fault *fault) {
    int64_t from = -1;
    if (text_given(search->after) && text_to_integer(search->after, &from) &&
        (int64_t)position <= from) {
        return true;
    }
    search->question.action = name;
    return try_candidate(search, action_json(search->arena, name, to), FROM_DIRECTORY,
                         text_print(search->arena, "%zu", position), going_on, fault);
}

static const struct state *state_of(struct search *search, const struct machine *machine,
                                    struct fault *fault) {
    struct entity entity;
    return access_read_entity(search->worker, search->arena, &search->question.resource, &entity,
                              fault) &&
                   entity.exists
               ? machine_state(machine, entity.state)
               : NULL;
}

static bool walk_choices(struct search *search, const struct state *state, size_t position,
                         bool *going_on, struct fault *fault) {
    const struct generation *generation = search->worker->core.policy.generation;
    for (size_t i = 0; i < state->choice_count && *going_on; i++) {
        struct text name = state->choices[i];
        if (!access_declares(generation, search->question.resource.type, name) &&
            !try_action(search, name, TEXT_NONE, position++, going_on, fault)) {
            return false;
        }
    }
    return true;
}

/* But for those that `access` decides, which are listed already. */
static bool walk_ways(struct search *search, const struct state *state, size_t position,
                      bool *going_on, struct fault *fault) {
    const struct generation *generation = search->worker->core.policy.generation;
    for (size_t i = 0; i < state->way_count && *going_on; i++) {
        const struct way *way = &state->ways[i];
        struct text name = text_given(way->name) ? way->name : way->to;
        if (!way->internal && !access_declares(generation, search->question.resource.type, name) &&
            !try_action(search, name, way->to, position++, going_on, fault)) {
            return false;
        }
    }
    return walk_choices(search, state, position, going_on, fault);
}

/* `read` and `update` of a machine that says who may. *position goes on behind them. */
static bool walk_acts(struct search *search, const struct machine *machine, size_t *position,
                      bool *going_on, struct fault *fault) {
    static const struct text names[] = {TEXT("read"), TEXT("update")};
    const struct generation *generation = search->worker->core.policy.generation;
    for (size_t i = 0; i < sizeof names / sizeof *names && *going_on; i++) {
        if (access_act_of(machine, names[i]) != ACCESS_TRANSITION &&
            !access_declares(generation, machine->name, names[i]) &&
            !try_action(search, names[i], TEXT_NONE, (*position)++, going_on, fault)) {
            return false;
        }
    }
    return true;
}

static bool walk_actions(struct search *search, struct fault *fault) {
    const struct generation *generation = search->worker->core.policy.generation;
    struct text type = search->question.resource.type, *names;
    const struct machine *machine = generation_machine(generation, type);
    size_t count = access_actions(generation, search->arena, type, &names), position = 0;
    const struct state *state = machine != NULL ? state_of(search, machine, fault) : NULL;
    bool going_on = true;
    if (fault->code != FAULT_NONE) {
        return false;
    }
    for (size_t i = 0; i < count && going_on; i++) {
        if (!try_action(search, names[i], TEXT_NONE, position++, &going_on, fault)) {
            return false;
        }
    }
    return (machine == NULL || walk_acts(search, machine, &position, &going_on, fault)) &&
           (state == NULL || walk_ways(search, state, position, &going_on, fault));
}

/* --- the whole --- */

static void put_page(const struct search *search, struct js_writer *writer) {
    js_key(writer, TEXT("page"));
    js_open(writer, '{');
    js_key(writer, TEXT("next_token"));
    js_put_text(writer, search->has_more ? token_of(search) : TEXT(""));
    js_key(writer, TEXT("count"));
    js_put_integer(writer, (int64_t)search->count);
    js_close(writer, '}');
}

/* An entity begins with its type, as everywhere in AuthZEN; an action with its name. */
static void put_result(struct js_writer *writer, const struct js *result) {
    static const char *const keys[] = {"type", "id", "name", "properties"};
    js_open(writer, '{');
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const struct js *value = js_find(result, text_of(keys[i]));
        if (value != NULL) {
            js_key(writer, text_of(keys[i]));
            js_put(writer, value);
        }
    }
    js_close(writer, '}');
}

static void answer(struct call *call, const struct search *search) {
    struct buffer buffer;
    struct js_writer writer;
    buffer_init(&buffer, search->arena);
    js_writer_init(&writer, &buffer);
    js_open(&writer, '{');
    if (search->is_paged || search->has_more) {
        put_page(search, &writer);
    }
    js_key(&writer, TEXT("results"));
    js_open(&writer, '[');
    for (size_t i = 0; i < search->count; i++) {
        put_result(&writer, search->results[i]);
    }
    js_close(&writer, ']');
    js_close(&writer, '}');
    call_ok(call->exchange, 200, buffer_view(&buffer));
}

static bool read_search(struct call *call, enum target target, struct search *search,
                        struct fault *fault) {
    static const unsigned sought[] = {
        [FIND_SUBJECTS] = ACCESS_SUBJECT_ID,
        [FIND_RESOURCES] = ACCESS_RESOURCE_ID,
        [FIND_ACTIONS] = ACCESS_ACTION,
    };
    *search = (struct search){.arena = &call->exchange->arena, .target = target};
    if (!access_read_question(search->arena, call->body, sought[target], &search->question,
                              fault)) {
        return false;
    }
    hash_query(search, call->body);
    return read_page(search, call->body, fault);
}

static bool walk(struct search *search, struct fault *fault) {
    bool known;
    if (!are_known(search, &known, fault)) {
        return false;
    }
    if (!known) {
        return true;
    }
    return search->target == FIND_ACTIONS ? walk_actions(search, fault)
                                          : walk_parties(search, fault);
}

static void run_search(struct worker *worker, struct call *call, enum target target) {
    struct search search;
    struct fault fault = FAULT_INIT;
    struct store *store = worker->core.store;
    bool done = read_search(call, target, &search, &fault);
    if (done) {
        search.worker = worker;
        search.until_us = now_monotonic_us(&worker->core.now) + SEARCH_US;
        search.last = search.after;
        search.last_source = search.source;
        search.results = ARENA_ARRAY(search.arena, const struct js *, (size_t)search.limit + 1);
        arena_init(&search.scratch, 0);
        done = store_begin(store, STORE_READ, ISOLATION_DEFAULT, &fault) && walk(&search, &fault);
        store_rollback(store);
        arena_deinit(&search.scratch);
    }
    if (done) {
        answer(call, &search);
    } else {
        call_fail(call->exchange, &fault, TEXT_NONE);
    }
}

static void run_subjects(struct job *job, struct worker *worker) {
    run_search(worker, job->context, FIND_SUBJECTS);
}

static void run_resources(struct job *job, struct worker *worker) {
    run_search(worker, job->context, FIND_RESOURCES);
}

static void run_actions(struct job *job, struct worker *worker) {
    run_search(worker, job->context, FIND_ACTIONS);
}

void api_access_search_subject(struct call *call) {
    call_decide(call, run_subjects);
}

void api_access_search_resource(struct call *call) {
    call_decide(call, run_resources);
}

void api_access_search_action(struct call *call) {
    call_decide(call, run_actions);
}
