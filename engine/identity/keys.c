/* keys.c: keys live in a snapshot, an immutable table that is built anew by each read. A check
 * takes a reference to the snapshot under the mutex and does all else without it, so checks never
 * wait for the store or for each other.
 *
 * Invariant: the snapshot in force comes from the read that began last among those that are done.
 * Every read draws a number before it begins; a snapshot with a smaller number than that of the one
 * in force is thrown away. So a slow read never brings back a key that was revoked meanwhile, and
 * no reader waits for another.
 *
 * A token is `st_<16 hex digits: public id>_<43 base64url characters: secret>`. The store has the
 * SHA-256 of the secret's 43 characters: 256 random bits need no slow hash. An unknown id is
 * compared with a key that nobody has, so that known and unknown ids take the same time. */
#include "identity/keys.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/map.h"
#include "store/store.h"

#define PREFIX       TEXT("st_")
#define ID_HEX       16
#define SECRET_BYTES 32
#define SECRET_TEXT  43
#define TOKEN_TEXT   (3 + ID_HEX + 1 + SECRET_TEXT)

struct key {
    unsigned char hash[DIGEST_BYTES];
    int64_t expires_us; /* 0: never */
    struct caller caller;
};

struct snapshot {
    atomic_int references; /* the table's own and one for each check under way */
    uint64_t number;       /* of the read that it comes from; 0: none */
    struct arena arena;
    struct map keys; /* public id -> struct key; revoked ones are not here */
};

struct keys {
    atomic_uint_fast64_t reads; /* begun so far */
    pthread_mutex_t mutex;      /* guards snapshot */
    struct snapshot *snapshot;
};

/* --- snapshots --- */

static struct snapshot *snapshot_new(uint64_t number) {
    struct snapshot *snapshot = calloc(1, sizeof *snapshot);
    if (snapshot == NULL) {
        log_line(LOG_ERROR, "out_of_memory", "no memory for the API keys");
        abort();
    }
    atomic_init(&snapshot->references, 1);
    snapshot->number = number;
    arena_init(&snapshot->arena, 0);
    map_init(&snapshot->keys, &snapshot->arena);
    return snapshot;
}

static void snapshot_unref(struct snapshot *snapshot) {
    if (snapshot != NULL && atomic_fetch_sub(&snapshot->references, 1) == 1) {
        arena_deinit(&snapshot->arena);
        free(snapshot);
    }
}

static struct snapshot *snapshot_take(struct keys *keys) {
    pthread_mutex_lock(&keys->mutex);
    struct snapshot *snapshot = keys->snapshot;
    atomic_fetch_add(&snapshot->references, 1);
    pthread_mutex_unlock(&keys->mutex);
    return snapshot;
}

static void snapshot_set(struct keys *keys, struct snapshot *snapshot) {
    struct snapshot *useless = snapshot;
    pthread_mutex_lock(&keys->mutex);
    if (snapshot->number > keys->snapshot->number) {
        useless = keys->snapshot;
        keys->snapshot = snapshot;
    }
    pthread_mutex_unlock(&keys->mutex);
    snapshot_unref(useless);
}

/* A stored JSON array; what cannot be read grants nothing. */
static const struct js *stored_array(struct arena *arena, struct text json) {
    struct fault fault = FAULT_INIT;
    const struct js *value;
    if (!text_given(json) || !js_parse(arena, json, &value, &fault) || !js_is(value, JS_ARRAY)) {
        return &js_empty_array;
    }
    return value;
}

const struct js *keys_scopes(struct arena *arena, struct text json, const struct js **machines) {
    struct fault fault = FAULT_INIT;
    const struct js *value = NULL, *scopes;
    *machines = NULL;
    if (!text_given(json) || !js_parse(arena, json, &value, &fault)) {
        return &js_empty_array;
    }
    if (js_is(value, JS_ARRAY)) {
        return value;
    }
    scopes = js_find(value, TEXT("scopes"));
    *machines = js_find(value, TEXT("machines"));
    return js_is(scopes, JS_ARRAY) && js_is(*machines, JS_ARRAY) ? scopes : &js_empty_array;
}

static unsigned stored_scopes(struct arena *arena, struct text json, const struct js **machines) {
    const struct js *names = keys_scopes(arena, json, machines);
    unsigned scopes = 0;
    for (size_t i = 0; i < names->array.count; i++) {
        scopes |= scope_of_name(js_text(names->array.items[i]));
    }
    return scopes;
}

static struct key *key_of(struct arena *arena, const struct store_api_key *row) {
    struct key *key = ARENA_NEW(arena, struct key);
    struct actor *self = ARENA_NEW(arena, struct actor);
    self->id = text_copy(arena, row->name);
    self->roles = stored_array(arena, row->roles);
    self->permissions = stored_array(arena, row->permissions);
    memcpy(key->hash, row->hash, DIGEST_BYTES);
    key->expires_us = row->expires_us;
    key->caller = (struct caller){.kind = CALLER_KEY, .name = self->id, .self = self};
    key->caller.scopes = stored_scopes(arena, row->scopes, &key->caller.machines);
    return key;
}

static void snapshot_add(struct snapshot *snapshot, const struct store_api_key *row) {
    if (row->revoked_us == 0) {
        map_set(&snapshot->keys, text_copy(&snapshot->arena, row->id),
                key_of(&snapshot->arena, row));
    }
}

/* --- reading the store --- */

static bool read_keys(struct store *store, struct arena *arena, struct store_api_key **rows,
                      size_t *count, struct fault *fault) {
    if (!store_begin(store, STORE_READ, ISOLATION_DEFAULT, fault)) {
        return false;
    }
    bool read = store_list_api_keys(store, arena, rows, count, fault);
    store_rollback(store);
    return read;
}

bool keys_read(struct keys *keys, struct store *store, struct fault *fault) {
    struct arena arena;
    struct store_api_key *rows;
    size_t count;
    uint64_t number = atomic_fetch_add(&keys->reads, 1) + 1;
    arena_init(&arena, 0);
    bool read = read_keys(store, &arena, &rows, &count, fault);
    if (read) {
        struct snapshot *snapshot = snapshot_new(number);
        for (size_t i = 0; i < count; i++) {
            snapshot_add(snapshot, &rows[i]);
        }
        snapshot_set(keys, snapshot);
    }
    arena_deinit(&arena);
    return read;
}

/* --- making and freeing --- */

struct keys *keys_new(void) {
    struct keys *keys = calloc(1, sizeof *keys);
    if (keys == NULL) {
        log_line(LOG_ERROR, "out_of_memory", "no memory for the API keys");
        abort();
    }
    keys->snapshot = snapshot_new(0);
    pthread_mutex_init(&keys->mutex, NULL);
    return keys;
}

void keys_free(struct keys *keys) {
    if (keys != NULL) {
        snapshot_unref(keys->snapshot);
        pthread_mutex_destroy(&keys->mutex);
        free(keys);
    }
}

/* --- checking --- */

static bool is_usable(const struct key *key, int64_t now_us) {
    return key->expires_us == 0 || now_us < key->expires_us;
}

size_t keys_count(struct keys *keys, int64_t now_us) {
    struct snapshot *snapshot = snapshot_take(keys);
    size_t count = 0;
    for (size_t i = 0; i < snapshot->keys.count; i++) {
        count += is_usable(snapshot->keys.entries[i].value, now_us);
    }
    snapshot_unref(snapshot);
    return count;
}

bool keys_is_one(struct text token) {
    return text_starts(token, PREFIX);
}

struct token {
    struct text id;
    struct text secret;
};

static bool token_parse(struct text text, struct token *out) {
    if (text.length != TOKEN_TEXT || !keys_is_one(text) ||
        text.bytes[PREFIX.length + ID_HEX] != '_') {
        return false;
    }
    out->id = (struct text){text.bytes + PREFIX.length, ID_HEX};
    out->secret = (struct text){text.bytes + PREFIX.length + ID_HEX + 1, SECRET_TEXT};
    return true;
}

/* The key that the token proves; NULL when it proves none. */
static const struct key *prove(const struct snapshot *snapshot, const struct token *token,
                               int64_t now_us) {
    static const struct key nobody = {.expires_us = 1};
    const struct key *key = map_find(&snapshot->keys, token->id);
    const struct key *compared = key != NULL ? key : &nobody;
    unsigned char hash[DIGEST_BYTES];
    digest_sha256(token->secret, hash);
    bool equal = digest_equal((struct text){(const char *)hash, DIGEST_BYTES},
                              (struct text){(const char *)compared->hash, DIGEST_BYTES});
    return equal && key != NULL && is_usable(key, now_us) ? key : NULL;
}

static void copy_caller(struct arena *arena, const struct caller *from, struct caller *to) {
    struct actor *self = ARENA_NEW(arena, struct actor);
    self->id = text_copy(arena, from->name);
    self->roles = js_copy(arena, from->self->roles);
    self->permissions = js_copy(arena, from->self->permissions);
    *to = *from;
    to->name = self->id;
    to->machines = js_copy(arena, from->machines);
    to->self = self;
}

bool keys_check(struct keys *keys, struct arena *arena, struct text token, int64_t now_us,
                struct caller *out) {
    struct token parsed;
    if (!token_parse(token, &parsed)) {
        return false;
    }
    struct snapshot *snapshot = snapshot_take(keys);
    const struct key *key = prove(snapshot, &parsed, now_us);
    if (key != NULL) {
        copy_caller(arena, &key->caller, out);
    }
    snapshot_unref(snapshot);
    return key != NULL;
}

/* --- new keys --- */

static bool is_one_word(const char *encoded) {
    return strpbrk(encoded, "-_") == NULL;
}

/* Drawn until there is neither '-' nor '_' in it (four times on average), so that a double click
 * takes the whole token and no program reads it as an option. That leaves over 250 bits. */
static void draw_secret(char encoded[SECRET_TEXT + 1]) {
    unsigned char secret[SECRET_BYTES];
    do {
        digest_random(secret, sizeof secret);
        digest_base64url(secret, sizeof secret, encoded);
        encoded[SECRET_TEXT] = '\0';
    } while (!is_one_word(encoded));
}

void keys_make(char token[AUTH_TOKEN_MOST], char id[17], unsigned char hash[DIGEST_BYTES]) {
    unsigned char public[ID_HEX / 2];
    char secret[SECRET_TEXT + 1];
    digest_random(public, sizeof public);
    digest_hex(public, sizeof public, id);
    id[ID_HEX] = '\0';
    draw_secret(secret);
    digest_sha256((struct text){secret, SECRET_TEXT}, hash);
    snprintf(token, AUTH_TOKEN_MOST, "st_%s_%s", id, secret);
}
