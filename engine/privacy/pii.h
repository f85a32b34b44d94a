/* pii.h: the rules of all `pii` declarations, and what becomes of a value under them.
 * Room privacy/: rules, walk, redaction, keys: what is personal, without Lua. It uses base/. Rules
 * are built while loading, then read by any thread: pii_clean for values, pii_clean_text for text.
 * An entry without a dot is a key, at any depth. One with dots is a path from the root of the
 * value: `*` is any one member or item, `**` any number of levels. Letter case never matters. Where
 * several rules hold of one value the strictest wins: drop, then hash, then mask. */
#ifndef STATUTE_PII_H
#define STATUTE_PII_H

#include "base/js.h"
#include "base/map.h"
#include "privacy/keyring.h"
#include "privacy/redact.h"

#define PII_NAME_MOST  256 /* bytes of a key in a rule */
#define PII_PARTS_MOST 32  /* of a path */
#define PII_WILD_MOST                                                                              \
    1000 /* paths with '*' in a directory: what one key is compared with at most */

/* The strictest first. */
enum pii_action { PII_DROP, PII_HASH, PII_MASK_LAST4, PII_MASK_DOMAIN, PII_NONE };

/* How to clean; a set of these. */
enum clean_how {
    CLEAN_AGAIN = 1,    /* it may have been cleaned before: what looks like a hash is one */
    CLEAN_ANYWHERE = 2, /* a policy gave it its shape: paths begin anywhere in it */
};

struct pii_place;

/* What is declared for all machines, or for one of them. */
struct pii {
    struct map names;                   /* lower-case key -> struct pii_name; also those in paths */
    bool has_length[PII_NAME_MOST + 1]; /* whether a name is that long */
    struct pii_place *root;             /* of the paths; NULL: none */
    unsigned patterns;                  /* of enum redact_pattern */
};

struct pii_set {
    struct arena *arena;
    struct pii all;
    struct map of_machines; /* name -> struct pii: what holds besides */
    size_t loop_count;      /* `**` in all paths */
    size_t wild_count;      /* paths with wildcards */
    struct keyring keyring;
};

void pii_set_init(struct pii_set *set, struct arena *arena);
/* The rules of a machine, made when there are none; the name outlives the set. */
struct pii *pii_of_machine(struct pii_set *set, struct text machine);

/* NULL, or why the entry cannot be a rule: "a key is not empty". */
const char *pii_wrong(const struct pii_set *set, struct text entry);
/* False when the entry, which has nothing wrong, has another action already. */
bool pii_add(struct pii_set *set, struct pii *pii, struct text entry,
             enum pii_action action) MUST_CHECK;
/* What holds when no file declares anything. */
void pii_use_defaults(struct pii_set *set);

/* --- cleaning (walk.c); `machine` TEXT_NONE: by what holds for all --- */

/* `how`: enum clean_how. */
const struct js *pii_clean(const struct pii_set *set, struct text machine, struct arena *arena,
                           const struct js *value, unsigned how);
struct text pii_clean_text(const struct pii_set *set, struct text machine, struct arena *arena,
                           struct text text);

/* {path: [hash under the current key, under the next, ...]} of every value under a hashed key. */
const struct js *pii_hashes(const struct pii_set *set, struct text machine, struct arena *arena,
                            const struct js *value);

/* --- messages (quote.c, pii_quotes_add in walk.c) --- */

/* The scalars under dropped, masked and hashed keys of some values, as texts might quote them. */
struct pii_quotes {
    struct arena *arena;
    struct text *items;
    size_t count, capacity;
    size_t *shorter; /* of each item, once they are sorted: the longest other it begins with */
};
void pii_quotes_add(const struct pii_set *set, struct text machine, struct pii_quotes *quotes,
                    const struct js *value);
void pii_quotes_gather(struct pii_quotes *quotes, const struct js *value); /* all scalars in it */
/* The text with every quote replaced; `text` itself when there is none. */
struct text pii_unquote(struct pii_quotes *quotes, struct text text);

/* --- for the walk --- */

/* What is said of one key. */
struct pii_name {
    enum pii_action action; /* of the key itself, at any depth; PII_NONE: it is in a path only */
    struct text lower;
};

/* A trie of paths: the places that the keys on the way to a value lead to say what becomes of it.
 */
struct pii_place {
    struct map names;        /* lower-case key -> struct pii_place */
    struct pii_place *any;   /* '*' */
    struct pii_place *depth; /* a '**' that follows: one is there as soon as one is here */
    size_t loop;             /* this is a '**', of that number from 1 on: whoever is here stays */
    enum pii_action action;
};

/* What is said of the key in `pii`; NULL: nothing. */
const struct pii_name *pii_name_of(const struct pii *pii, struct text key);

/* The text masked or hashed. */
struct text pii_hide(const struct keyring *keyring, struct arena *arena, enum pii_action action,
                     struct text text, bool again);

#endif
