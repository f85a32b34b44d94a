/* pii.c: the rules. Plain keys are a map; paths are a trie, with the keys in it in that map too, so
 * that a key that is in no rule is known as such by one look-up, or by its length alone. */
#include "privacy/pii.h"

void pii_set_init(struct pii_set *set, struct arena *arena) {
    *set = (struct pii_set){.arena = arena};
    map_init(&set->all.names, arena);
    map_init(&set->of_machines, arena);
}

struct pii *pii_of_machine(struct pii_set *set, struct text machine) {
    struct pii *pii = map_find(&set->of_machines, machine);
    if (pii == NULL) {
        pii = ARENA_NEW(set->arena, struct pii);
        map_init(&pii->names, set->arena);
        map_set(&set->of_machines, machine, pii);
    }
    return pii;
}

/* --- names --- */

static struct text lower(struct text text, char *out) {
    for (size_t i = 0; i < text.length; i++) {
        char c = text.bytes[i];
        out[i] = c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
    }
    return (struct text){out, text.length};
}

const struct pii_name *pii_name_of(const struct pii *pii, struct text key) {
    char bytes[PII_NAME_MOST];
    if (key.length > PII_NAME_MOST || !pii->has_length[key.length]) {
        return NULL;
    }
    return map_find(&pii->names, lower(key, bytes));
}

static struct pii_name *make_name(struct pii_set *set, struct pii *pii, struct text name) {
    struct pii_name *known = map_find(&pii->names, name);
    if (known == NULL) {
        known = ARENA_NEW(set->arena, struct pii_name);
        *known = (struct pii_name){PII_NONE, name};
        map_set(&pii->names, name, known);
        pii->has_length[name.length] = true;
    }
    return known;
}

/* --- entries --- */

/* Cuts the part before the next dot off the path. */
static struct text next_part(struct text *path) {
    const char *dot = memchr(path->bytes, '.', path->length);
    size_t length = dot != NULL ? (size_t)(dot - path->bytes) : path->length;
    struct text part = {path->bytes, length};
    size_t used = dot != NULL ? length + 1 : length;
    *path = (struct text){path->bytes + used, path->length - used};
    return part;
}

static bool is_path(struct text entry) {
    return memchr(entry.bytes, '.', entry.length) != NULL || text_equal(entry, TEXT("*")) ||
           text_equal(entry, TEXT("**"));
}

static bool is_wildcard(struct text part) {
    return text_equal(part, TEXT("*")) || text_equal(part, TEXT("**"));
}

static bool is_wild(struct text entry) {
    return memchr(entry.bytes, '*', entry.length) != NULL;
}

static const char *wrong_part(struct text part) {
    if (part.length == 0) {
        return "there is a part between its dots that is empty";
    }
    return !is_wildcard(part) && memchr(part.bytes, '*', part.length) != NULL
               ? "a '*' or '**' stands for itself between dots, as in 'contacts.*.phone'"
               : NULL;
}

static const char *wrong_path(struct text entry) {
    const char *wrong = text_ends(entry, TEXT(".")) ? wrong_part(TEXT("")) : NULL;
    size_t count = 0;
    while (entry.length > 0 && wrong == NULL) {
        wrong = wrong_part(next_part(&entry));
        count++;
    }
    return wrong == NULL && count > PII_PARTS_MOST ? "a path has 32 parts at most" : wrong;
}

const char *pii_wrong(const struct pii_set *set, struct text entry) {
    if (entry.length == 0) {
        return "a key is not empty";
    }
    if (entry.length > PII_NAME_MOST) {
        return "a key or path has 256 bytes at most";
    }
    if (is_wild(entry) && set->wild_count >= PII_WILD_MOST) {
        return "there are more than 1000 paths with '*'; name the keys alone, which are found at "
               "any depth";
    }
    return is_path(entry) || is_wild(entry) ? wrong_path(entry) : NULL;
}

/* --- paths --- */

static struct pii_place *new_place(struct pii_set *set) {
    struct pii_place *place = ARENA_NEW(set->arena, struct pii_place);
    place->action = PII_NONE;
    map_init(&place->names, set->arena);
    return place;
}

/* Two '**' in a row say what one does. */
static struct pii_place *into_depth(struct pii_set *set, struct pii_place *place) {
    if (place->loop > 0) {
        return place;
    }
    if (place->depth == NULL) {
        place->depth = new_place(set);
        place->depth->loop = ++set->loop_count;
    }
    return place->depth;
}

static struct pii_place *into_any(struct pii_set *set, struct pii_place *place) {
    if (place->any == NULL) {
        place->any = new_place(set);
    }
    return place->any;
}

static struct pii_place *into_name(struct pii_set *set, struct pii *pii, struct pii_place *place,
                                   struct text name) {
    struct pii_place *next = map_find(&place->names, name);
    if (next == NULL) {
        next = new_place(set);
        map_set(&place->names, make_name(set, pii, name)->lower, next);
    }
    return next;
}

static struct pii_place *into(struct pii_set *set, struct pii *pii, struct pii_place *place,
                              struct text part) {
    if (text_equal(part, TEXT("**"))) {
        return into_depth(set, place);
    }
    return text_equal(part, TEXT("*")) ? into_any(set, place) : into_name(set, pii, place, part);
}

static enum pii_action *action_of_path(struct pii_set *set, struct pii *pii, struct text path) {
    struct pii_place *place = pii->root != NULL ? pii->root : (pii->root = new_place(set));
    set->wild_count += is_wild(path);
    while (path.length > 0) {
        place = into(set, pii, place, next_part(&path));
    }
    return &place->action;
}

static bool set_action(enum pii_action *place, enum pii_action action) {
    bool is_new = *place == PII_NONE;
    if (is_new) {
        *place = action;
    }
    return is_new || *place == action;
}

static void note(struct pii_set *set, struct pii *pii, struct text entry, enum pii_action action) {
    struct pii_entry *kept = ARENA_NEW(set->arena, struct pii_entry);
    *kept = (struct pii_entry){pii->entries, text_copy(set->arena, entry), action};
    pii->entries = kept;
}

/* A path without wildcards is also a key that has dots in it. */
bool pii_add(struct pii_set *set, struct pii *pii, struct text entry, enum pii_action action) {
    note(set, pii, entry, action);
    struct text name = lower(entry, arena_alloc(set->arena, entry.length + 1));
    if (is_path(name) && !set_action(action_of_path(set, pii, name), action)) {
        return false;
    }
    return is_wild(name) || set_action(&make_name(set, pii, name)->action, action);
}

void pii_use_defaults(struct pii_set *set) {
    static const char *const keys[] = {"password", "token", "secret",
                                       "api_key",  "ssn",   "credit_card"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        (void)!pii_add(set, &set->all, text_of(keys[i]), PII_DROP);
    }
}

/* --- for people --- */

static const struct js *keys_with(struct arena *arena, const struct pii *pii,
                                  enum pii_action action) {
    const struct js *keys = &js_empty_array;
    for (const struct pii_entry *entry = pii->entries; entry != NULL; entry = entry->next) {
        if (entry->action == action) {
            keys = js_append(arena, keys, js_string(arena, entry->text));
        }
    }
    return keys;
}

static const struct js *masks(struct arena *arena, const struct pii *pii) {
    const struct js *styles = &js_empty_object;
    for (const struct pii_entry *entry = pii->entries; entry != NULL; entry = entry->next) {
        if (entry->action == PII_MASK_LAST4 || entry->action == PII_MASK_DOMAIN) {
            struct text style = entry->action == PII_MASK_LAST4 ? TEXT("last4") : TEXT("domain");
            styles = js_with(arena, styles, entry->text, js_string(arena, style));
        }
    }
    return styles;
}

static const struct js *patterns(struct arena *arena, const struct pii *pii) {
    const struct js *names = &js_empty_array;
    for (size_t i = 0; i < REDACT_PATTERN_COUNT; i++) {
        if ((pii->patterns >> i & 1) != 0) {
            names = js_append(arena, names, js_string(arena, redact_names[i]));
        }
    }
    return names;
}

const struct js *pii_json(struct arena *arena, struct text machine, const struct pii *pii) {
    struct js_member *members = ARENA_ARRAY(arena, struct js_member, 5);
    members[0] = (struct js_member){TEXT("machine"),
                                    text_given(machine) ? js_string(arena, machine) : &js_null};
    members[1] = (struct js_member){TEXT("drop"), keys_with(arena, pii, PII_DROP)};
    members[2] = (struct js_member){TEXT("hash"), keys_with(arena, pii, PII_HASH)};
    members[3] = (struct js_member){TEXT("mask"), masks(arena, pii)};
    members[4] = (struct js_member){TEXT("redact"), patterns(arena, pii)};
    return js_object(arena, members, 5);
}
