/* walk.c: one walk over the value. Whatever holds nothing personal is shared, not copied, and
 * costs no memory.
 * Paths are followed like a nondeterministic automaton: a set of places is carried along, as a
 * slice of one stack. A key that is in no rule moves every set alike, so that move is made once for
 * each object and array. A '**' is in a set once (`seen`), so a set never outgrows the trie. */
#include "privacy/card.h"
#include "privacy/pii.h"

#define HASHES_MOST 1000 /* paths, each with the hash of every key */

/* A slice of walk->places. */
struct places {
    size_t start, count;
};

/* The way from the root to a value, for who wants to name it. */
struct trail {
    const struct trail *above;
    struct text key; /* TEXT_NONE: the item `index` */
    size_t index;
};

struct walk {
    const struct pii_set *set;
    const struct pii *own; /* of the machine; NULL: nothing besides what holds for all */
    struct arena *arena;
    unsigned patterns;
    bool again;
    bool anywhere;
    const struct pii_place **places;
    size_t place_count, place_capacity;
    size_t *seen; /* of each '**': the step in which it was added last */
    size_t step;
    struct js_member *hashes; /* not NULL: gathered by path, up to HASHES_MOST */
    size_t hash_count;
    struct pii_quotes *quotes; /* not NULL: what is hidden is gathered */
    const struct trail *trail;
};

static enum pii_action stricter(enum pii_action a, enum pii_action b) {
    return a < b ? a : b;
}

/* --- sets of places --- */

static void grow(struct walk *walk) {
    size_t capacity = walk->place_capacity > 0 ? walk->place_capacity * 2 : 16;
    const struct pii_place **places = ARENA_ARRAY(walk->arena, const struct pii_place *, capacity);
    if (walk->place_count > 0) {
        memcpy(places, walk->places, walk->place_count * sizeof *places);
    }
    walk->places = places;
    walk->place_capacity = capacity;
}

static void push(struct walk *walk, const struct pii_place *place) {
    if (place->loop > 0 && walk->seen[place->loop] == walk->step) {
        return;
    }
    if (place->loop > 0) {
        walk->seen[place->loop] = walk->step;
    }
    if (walk->place_count == walk->place_capacity) {
        grow(walk);
    }
    walk->places[walk->place_count++] = place;
    if (place->depth != NULL) {
        push(walk, place->depth);
    }
}

static void enter(struct walk *walk, const struct pii_place *place, enum pii_action *action) {
    if (place != NULL) {
        *action = stricter(*action, place->action);
        push(walk, place);
    }
}

static void push_roots(struct walk *walk) {
    if (walk->set->all.root != NULL) {
        push(walk, walk->set->all.root);
    }
    if (walk->own != NULL && walk->own->root != NULL) {
        push(walk, walk->own->root);
    }
}

/* Where a key leads; `name` TEXT_NONE: a key that is in no rule, or an item. */
static struct places step(struct walk *walk, struct places from, struct text name,
                          enum pii_action *action) {
    struct places to = {walk->place_count, 0};
    walk->step++;
    for (size_t i = 0; i < from.count; i++) {
        const struct pii_place *place = walk->places[from.start + i];
        enter(walk, place->loop > 0 ? place : NULL, action);
        enter(walk, place->any, action);
        enter(walk, text_given(name) ? map_find(&place->names, name) : NULL, action);
    }
    if (walk->anywhere) {
        push_roots(walk);
    }
    to.count = walk->place_count - to.start;
    return to;
}

static struct places start(struct walk *walk) {
    if (walk->set->loop_count > 0) {
        walk->seen = ARENA_ARRAY(walk->arena, size_t, walk->set->loop_count + 1);
    }
    walk->step = 1;
    push_roots(walk);
    return (struct places){0, walk->place_count};
}

/* --- what becomes of a value under a masked or hashed key: NULL when it goes --- */

static const struct js *hide(struct walk *walk, enum pii_action action, const struct js *value);

static void put_trail(struct buffer *buffer, const struct trail *trail) {
    if (trail->above != NULL) {
        put_trail(buffer, trail->above);
        buffer_add_char(buffer, '.');
    }
    if (text_given(trail->key)) {
        buffer_add_text(buffer, trail->key);
    } else {
        buffer_print(buffer, "%zu", trail->index);
    }
}

static void gather_hashes(struct walk *walk, struct text text) {
    const struct keyring *keyring = &walk->set->keyring;
    const struct js **items = ARENA_ARRAY(walk->arena, const struct js *, keyring->count);
    struct buffer path;
    buffer_init(&path, walk->arena);
    put_trail(&path, walk->trail);
    for (size_t i = 0; i < keyring->count; i++) {
        items[i] = js_string(walk->arena, keyring_hash(&keyring->keys[i], walk->arena, text));
    }
    walk->hashes[walk->hash_count++] =
        (struct js_member){buffer_view(&path), js_array(walk->arena, items, keyring->count)};
}

static const struct js *hide_text(struct walk *walk, enum pii_action action, struct text text) {
    if (walk->hashes != NULL && action == PII_HASH && walk->hash_count < HASHES_MOST) {
        gather_hashes(walk, text);
    }
    return js_string(walk->arena,
                     pii_hide(&walk->set->keyring, walk->arena, action, text, walk->again));
}

static const struct js *hide_items(struct walk *walk, enum pii_action action,
                                   const struct js *array) {
    const struct js **items = ARENA_ARRAY(walk->arena, const struct js *, array->array.count);
    struct trail trail = {walk->trail, TEXT_NONE, 0};
    size_t count = 0;
    for (size_t i = 0; i < array->array.count; i++) {
        trail.index = i;
        walk->trail = &trail;
        const struct js *item = hide(walk, action, array->array.items[i]);
        if (item != NULL) {
            items[count++] = item;
        }
    }
    walk->trail = trail.above;
    return js_array(walk->arena, items, count);
}

static const struct js *hide(struct walk *walk, enum pii_action action, const struct js *value) {
    if (action == PII_DROP) {
        return NULL;
    }
    switch (value->type) {
    case JS_NULL:
        return value;
    case JS_STRING:
        return hide_text(walk, action, value->string);
    case JS_FALSE:
    case JS_TRUE:
    case JS_INTEGER:
    case JS_REAL:
        return hide_text(walk, action, js_print(walk->arena, value));
    case JS_ARRAY:
        return hide_items(walk, action, value);
    case JS_OBJECT:
        return NULL;
    }
    return NULL;
}

/* --- the walk; NULL where a value goes --- */

static const struct js *clean(struct walk *walk, const struct js *value, struct places at);

static const struct js *clean_string(const struct walk *walk, const struct js *value) {
    struct text text = redact(walk->arena, value->string, walk->patterns);
    return text.bytes == value->string.bytes ? value : js_string(walk->arena, text);
}

/* Only what is large enough is printed. A real may be whole: 4.5e15, 4500000000000000.0. */
static const struct js *clean_number(const struct walk *walk, const struct js *value) {
    double size = value->type == JS_INTEGER ? (double)value->integer : value->real;
    bool is_card = (walk->patterns & REDACT_CARD) != 0 && size >= 1e11 &&
                   card_is_number(js_print(walk->arena, value));
    return is_card ? js_string(walk->arena, TEXT("[card]")) : value;
}

static const struct js *clean_item(struct walk *walk, const struct js *item, struct places at,
                                   enum pii_action action) {
    if (action == PII_NONE) {
        return clean(walk, item, at);
    }
    if (walk->quotes != NULL) {
        pii_quotes_gather(walk->quotes, item);
    }
    return hide(walk, action, item);
}

static const struct js *clean_array(struct walk *walk, const struct js *array, struct places at) {
    const struct js **items = NULL;
    struct trail trail = {walk->trail, TEXT_NONE, 0};
    enum pii_action action = PII_NONE;
    size_t mark = walk->place_count, kept = 0;
    struct places inside = step(walk, at, TEXT_NONE, &action);
    for (size_t i = 0; i < array->array.count; i++) {
        trail.index = i;
        walk->trail = &trail;
        const struct js *item = clean_item(walk, array->array.items[i], inside, action);
        if (items == NULL && item != array->array.items[i]) {
            items = ARENA_ARRAY(walk->arena, const struct js *, array->array.count);
            memcpy(items, array->array.items, i * sizeof *items);
            kept = i;
        }
        if (items != NULL && item != NULL) {
            items[kept++] = item;
        }
    }
    walk->trail = trail.above;
    walk->place_count = mark;
    return items == NULL ? array : js_array(walk->arena, items, kept);
}

/* Where the members of an object lead whose keys are in no rule. */
struct rest {
    struct places at, inside;
    enum pii_action action;
};

static const struct pii_name *name_of(const struct walk *walk, struct text key,
                                      enum pii_action *action) {
    const struct pii_name *name = pii_name_of(&walk->set->all, key);
    const struct pii_name *own = walk->own != NULL ? pii_name_of(walk->own, key) : NULL;
    *action = name != NULL ? name->action : PII_NONE;
    *action = own != NULL ? stricter(*action, own->action) : *action;
    return name != NULL ? name : own;
}

static const struct js *clean_member(struct walk *walk, const struct js_member *member,
                                     const struct rest *rest) {
    enum pii_action action;
    struct places inside = rest->inside;
    size_t mark = walk->place_count;
    const struct pii_name *name = name_of(walk, member->key, &action);
    if (name != NULL && rest->at.count > 0) {
        inside = step(walk, rest->at, name->lower, &action);
    } else {
        action = stricter(action, rest->action);
    }
    const struct js *value = clean_item(walk, member->value, inside, action);
    walk->place_count = mark;
    return value;
}

static struct js_member *copy_members(struct walk *walk, const struct js *object, size_t count) {
    struct js_member *members = ARENA_ARRAY(walk->arena, struct js_member, object->object.count);
    memcpy(members, object->object.members, count * sizeof *members);
    return members;
}

static const struct js *clean_object(struct walk *walk, const struct js *object, struct places at) {
    struct js_member *members = NULL;
    struct trail trail = {walk->trail, TEXT_NONE, 0};
    struct rest rest = {.at = at, .action = PII_NONE};
    size_t mark = walk->place_count, kept = 0;
    rest.inside = step(walk, at, TEXT_NONE, &rest.action);
    for (size_t i = 0; i < object->object.count; i++) {
        const struct js_member *member = &object->object.members[i];
        trail.key = member->key;
        walk->trail = &trail;
        struct js_member cleaned = {redact(walk->arena, member->key, walk->patterns),
                                    clean_member(walk, member, &rest)};
        if (members == NULL &&
            (cleaned.value != member->value || cleaned.key.bytes != member->key.bytes)) {
            members = copy_members(walk, object, i);
            kept = i;
        }
        if (members != NULL && cleaned.value != NULL) {
            members[kept++] = cleaned;
        }
    }
    walk->trail = trail.above;
    walk->place_count = mark;
    return members == NULL ? object : js_object(walk->arena, members, kept);
}

static const struct js *clean(struct walk *walk, const struct js *value, struct places at) {
    switch (value->type) {
    case JS_STRING:
        return clean_string(walk, value);
    case JS_INTEGER:
    case JS_REAL:
        return clean_number(walk, value);
    case JS_ARRAY:
        return clean_array(walk, value, at);
    case JS_OBJECT:
        return clean_object(walk, value, at);
    case JS_NULL:
    case JS_FALSE:
    case JS_TRUE:
        break;
    }
    return value;
}

/* --- the interface --- */

static const struct pii *own_of(const struct pii_set *set, struct text machine) {
    return text_given(machine) ? map_find(&set->of_machines, machine) : NULL;
}

static struct walk walk_of(const struct pii_set *set, struct text machine, struct arena *arena) {
    struct walk walk = {.set = set, .own = own_of(set, machine), .arena = arena};
    walk.patterns = set->all.patterns | (walk.own != NULL ? walk.own->patterns : 0);
    return walk;
}

const struct js *pii_clean(const struct pii_set *set, struct text machine, struct arena *arena,
                           const struct js *value, unsigned how) {
    if (value == NULL) {
        return NULL;
    }
    struct walk walk = walk_of(set, machine, arena);
    walk.again = (how & CLEAN_AGAIN) != 0;
    walk.anywhere = (how & CLEAN_ANYWHERE) != 0;
    return clean(&walk, value, start(&walk));
}

struct text pii_clean_text(const struct pii_set *set, struct text machine, struct arena *arena,
                           struct text text) {
    const struct pii *own = own_of(set, machine);
    return redact(arena, text, set->all.patterns | (own != NULL ? own->patterns : 0));
}

const struct js *pii_hashes(const struct pii_set *set, struct text machine, struct arena *arena,
                            const struct js *value) {
    struct walk walk = walk_of(set, machine, arena);
    walk.hashes = ARENA_ARRAY(arena, struct js_member, HASHES_MOST);
    if (value != NULL) {
        (void)clean(&walk, value, start(&walk));
    }
    return js_object(arena, walk.hashes, walk.hash_count);
}

void pii_quotes_add(const struct pii_set *set, struct text machine, struct pii_quotes *quotes,
                    const struct js *value) {
    struct walk walk = walk_of(set, machine, quotes->arena);
    walk.quotes = quotes;
    if (value != NULL) {
        (void)clean(&walk, value, start(&walk));
    }
}
