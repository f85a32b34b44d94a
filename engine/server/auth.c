/* auth.c: keys live in a snapshot, an immutable table that one thread rebuilds every second on a
 * connection of its own, and auth_update at once on its caller's. A check takes a reference to the
 * snapshot under the mutex and does all else without it, so checks never wait for the store or for
 * each other. When the store is away the last snapshot stays in force, and the log says so once.
 *
 * Invariant: the snapshot in force comes from the read that began last among those that are done.
 * Every read draws a number before it begins; a snapshot with a smaller number than that of the one
 * in force is thrown away. So a slow read never brings back a key that was revoked meanwhile, and
 * no reader waits for another.
 *
 * A token is `st_<16 hex digits: public id>_<43 base64url characters: secret>`. The store has the
 * SHA-256 of the secret's 43 characters: 256 random bits need no slow hash. An unknown id is
 * compared with a key that nobody has, so that known and unknown ids take the same time. */
#include "server/auth.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/map.h"
#include "store/store.h"

#define REFRESH_SECONDS 1
#define PREFIX          TEXT("st_")
#define ID_HEX          16
#define SECRET_BYTES    32
#define SECRET_TEXT     43
#define TOKEN_TEXT      (3 + ID_HEX + 1 + SECRET_TEXT)

struct key {
    unsigned char hash[DIGEST_BYTES];
    int64_t expires_us; /* 0: never */
    struct caller caller;
};

struct snapshot {
    atomic_int references; /* the auth's own and one for each check under way */
    uint64_t number;       /* of the read that it comes from; 0: none */
    struct arena arena;
    struct map keys; /* public id -> struct key; revoked ones are not here */
};

struct auth {
    bool open; /* mode none */
    struct now now;
    char *store_url;
    atomic_uint_fast64_t reads; /* begun so far */
    pthread_mutex_t mutex;      /* guards snapshot and stopping */
    pthread_cond_t wake;        /* stopping was set */
    struct snapshot *snapshot;
    bool stopping;
    bool failing; /* the reader thread's: the store could not be read the last time */
    pthread_t thread;
    bool started;
};

/* --- scopes --- */

struct scope_row {
    enum scope scope;
    struct text name;
};
static const struct scope_row scope_rows[] = {
    {SCOPE_READ, {"read", 4}},     {SCOPE_TRANSITION, {"transition", 10}},
    {SCOPE_ACT_AS, {"act_as", 6}}, {SCOPE_SYSTEM, {"system", 6}},
    {SCOPE_AUDIT, {"audit", 5}},   {SCOPE_ADMIN, {"admin", 5}},
};
#define SCOPE_COUNT (sizeof scope_rows / sizeof scope_rows[0])

struct text scope_name(enum scope scope) {
    for (size_t i = 0; i < SCOPE_COUNT; i++) {
        if (scope_rows[i].scope == scope) {
            return scope_rows[i].name;
        }
    }
    return TEXT_NONE;
}

static unsigned scope_of_name(struct text name) {
    for (size_t i = 0; i < SCOPE_COUNT; i++) {
        if (text_equal(scope_rows[i].name, name)) {
            return scope_rows[i].scope;
        }
    }
    return 0;
}

#define SCOPE_LIST "the scopes are read, transition, act_as, system, audit and admin"

static bool refuse_scope(struct text name, struct fault *fault) {
    struct text known[SCOPE_COUNT];
    for (size_t i = 0; i < SCOPE_COUNT; i++) {
        known[i] = scope_rows[i].name;
    }
    struct text nearest = text_nearest(name, known, SCOPE_COUNT);
    if (name.length == 0) {
        return fault_set(fault, FAULT_USAGE, "a scope is missing; " SCOPE_LIST);
    }
    return fault_set(fault, FAULT_USAGE, "there is no scope '%.*s'%s%.*s%s; " SCOPE_LIST,
                     TEXT_ARGS(name), text_given(nearest) ? " (did you mean '" : "",
                     TEXT_ARGS(nearest), text_given(nearest) ? "'?)" : "");
}

static struct text trim(struct text text) {
    while (text.length > 0 && text.bytes[0] == ' ') {
        text = (struct text){text.bytes + 1, text.length - 1};
    }
    while (text.length > 0 && text.bytes[text.length - 1] == ' ') {
        text.length--;
    }
    return text;
}

/* Cuts the part before the next comma off the list; the list is TEXT_NONE after the last part. */
static struct text next_part(struct text *list) {
    const char *comma = list->length > 0 ? memchr(list->bytes, ',', list->length) : NULL;
    struct text part = *list;
    if (comma == NULL) {
        *list = TEXT_NONE;
    } else {
        part.length = (size_t)(comma - list->bytes);
        *list = (struct text){comma + 1, list->length - part.length - 1};
    }
    return trim(part);
}

bool scope_parse(struct text list, unsigned *scopes, struct fault *fault) {
    *scopes = 0;
    while (text_given(list)) {
        struct text name = next_part(&list);
        unsigned scope = scope_of_name(name);
        if (scope == 0) {
            return refuse_scope(name, fault);
        }
        *scopes |= scope;
    }
    return *scopes != 0 || refuse_scope(TEXT(""), fault);
}

bool auth_need(const struct caller *caller, enum scope scope, struct fault *fault) {
    if ((caller->scopes & scope) != 0) {
        return true;
    }
    struct text name = scope_name(scope);
    return fault_set(fault, FAULT_PERMISSION_DENIED,
                     "this needs the scope '%.*s', which the API key '%.*s' does not have",
                     TEXT_ARGS(name), TEXT_ARGS(caller->name));
}

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

static struct snapshot *snapshot_take(struct auth *auth) {
    pthread_mutex_lock(&auth->mutex);
    struct snapshot *snapshot = auth->snapshot;
    atomic_fetch_add(&snapshot->references, 1);
    pthread_mutex_unlock(&auth->mutex);
    return snapshot;
}

static void snapshot_set(struct auth *auth, struct snapshot *snapshot) {
    struct snapshot *useless = snapshot;
    pthread_mutex_lock(&auth->mutex);
    if (snapshot->number > auth->snapshot->number) {
        useless = auth->snapshot;
        auth->snapshot = snapshot;
    }
    pthread_mutex_unlock(&auth->mutex);
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

static unsigned stored_scopes(struct arena *arena, struct text json) {
    const struct js *names = stored_array(arena, json);
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
    key->caller = (struct caller){self->id, stored_scopes(arena, row->scopes), self};
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

static bool refresh(struct auth *auth, struct store *store, struct fault *fault) {
    struct arena arena;
    struct store_api_key *rows;
    size_t count;
    uint64_t number = atomic_fetch_add(&auth->reads, 1) + 1;
    arena_init(&arena, 0);
    bool read = read_keys(store, &arena, &rows, &count, fault);
    if (read) {
        struct snapshot *snapshot = snapshot_new(number);
        for (size_t i = 0; i < count; i++) {
            snapshot_add(snapshot, &rows[i]);
        }
        snapshot_set(auth, snapshot);
    }
    arena_deinit(&arena);
    return read;
}

bool auth_update(struct auth *auth, struct store *store, struct fault *fault) {
    return auth->open || refresh(auth, store, fault);
}

/* Opens the connection when there is none, and gives it up when it fails. */
static bool refresh_or_close(struct auth *auth, struct store **store, struct fault *fault) {
    if (*store == NULL && !store_open(text_of(auth->store_url), STORE_READER, store, fault)) {
        *store = NULL;
        return false;
    }
    if (!refresh(auth, *store, fault)) {
        store_close(*store);
        *store = NULL;
        return false;
    }
    return true;
}

static void tell(struct auth *auth, bool read, const struct fault *fault) {
    if (!read && !auth->failing) {
        log_line(LOG_WARNING, "keys_stale",
                 "the API keys cannot be read, so the last known ones stay in force: %s",
                 fault->message);
    } else if (read && auth->failing) {
        log_line(LOG_INFO, "keys_fresh", "the API keys can be read again");
    }
    auth->failing = !read;
}

/* True when a refresh is due, false when the thread is to end. */
static bool wait_for_turn(struct auth *auth) {
    struct timespec due;
    clock_gettime(CLOCK_MONOTONIC, &due);
    due.tv_sec += REFRESH_SECONDS;
    pthread_mutex_lock(&auth->mutex);
    while (!auth->stopping && pthread_cond_timedwait(&auth->wake, &auth->mutex, &due) == 0) {
    }
    bool stopping = auth->stopping;
    pthread_mutex_unlock(&auth->mutex);
    return !stopping;
}

static void *read_again(void *context) {
    struct auth *auth = context;
    struct store *store = NULL;
    while (wait_for_turn(auth)) {
        struct fault fault = FAULT_INIT;
        bool read = refresh_or_close(auth, &store, &fault);
        tell(auth, read, &fault);
    }
    if (store != NULL) {
        store_close(store);
    }
    return NULL;
}

/* --- opening and closing --- */

/* The address without its port and brackets. */
static struct text host_of(struct text listen) {
    struct text host = listen;
    while (host.length > 0 && host.bytes[host.length - 1] != ':') {
        host.length--;
    }
    host.length -= host.length > 0;
    if (host.length >= 2 && host.bytes[0] == '[' && host.bytes[host.length - 1] == ']') {
        host = (struct text){host.bytes + 1, host.length - 2};
    }
    return host;
}

static bool is_loopback(struct text host) {
    char name[INET6_ADDRSTRLEN];
    unsigned char address[sizeof(struct in6_addr)];
    if (host.length >= sizeof name) {
        return false;
    }
    snprintf(name, sizeof name, "%.*s", TEXT_ARGS(host));
    if (inet_pton(AF_INET, name, address) == 1) {
        return address[0] == 127;
    }
    if (inet_pton(AF_INET6, name, address) == 1) {
        return memcmp(address, &in6addr_loopback, sizeof address) == 0;
    }
    return text_equal_ignore_case(host, TEXT("localhost"));
}

static bool check_mode(struct text mode, struct text listen, struct fault *fault) {
    if (text_equal(mode, TEXT("keys"))) {
        return true;
    }
    if (!text_equal(mode, TEXT("none"))) {
        return fault_set(fault, FAULT_USAGE,
                         "--auth '%.*s': a file of JWT keys is for a later version of statute; use "
                         "'keys' (API keys, see 'statute token create') or 'none'",
                         TEXT_ARGS(mode));
    }
    if (!is_loopback(host_of(listen))) {
        return fault_set(fault, FAULT_USAGE,
                         "--auth none trusts every caller, so it is allowed on a loopback address "
                         "only, and '%.*s' is none; listen on 127.0.0.1 or use --auth keys",
                         TEXT_ARGS(listen));
    }
    return true;
}

static void init_waiting(struct auth *auth) {
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&auth->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&auth->mutex, NULL);
}

bool auth_open(struct text mode, struct text listen, struct text store_url, struct now now,
               struct auth **out, struct fault *fault) {
    if (!check_mode(mode, listen, fault)) {
        return false;
    }
    struct auth *auth = calloc(1, sizeof *auth);
    char *url = strndup(store_url.length > 0 ? store_url.bytes : "", store_url.length);
    if (auth == NULL || url == NULL) {
        free(auth);
        free(url);
        return fault_set(fault, FAULT_ENVIRONMENT, "no memory for authentication");
    }
    auth->open = text_equal(mode, TEXT("none"));
    auth->now = now;
    auth->store_url = url;
    auth->snapshot = snapshot_new(0);
    init_waiting(auth);
    *out = auth;
    return true;
}

/* The keys are read once before the server answers anybody. The thread then opens a connection of
 * its own, since a struct store is never shared. */
static bool read_first(struct auth *auth, struct fault *fault) {
    struct store *store = NULL;
    bool read = refresh_or_close(auth, &store, fault);
    if (store != NULL) {
        store_close(store);
    }
    return read || fault_within(fault, "the API keys");
}

bool auth_start(struct auth *auth, struct fault *fault) {
    if (auth->open) {
        return true;
    }
    if (!read_first(auth, fault)) {
        return false;
    }
    if (pthread_create(&auth->thread, NULL, read_again, auth) != 0) {
        return fault_set(fault, FAULT_ENVIRONMENT, "no thread for reading the API keys");
    }
    auth->started = true;
    return true;
}

void auth_stop(struct auth *auth) {
    if (!auth->started) {
        return;
    }
    pthread_mutex_lock(&auth->mutex);
    auth->stopping = true;
    pthread_cond_signal(&auth->wake);
    pthread_mutex_unlock(&auth->mutex);
    pthread_join(auth->thread, NULL);
    auth->started = false;
}

void auth_close(struct auth *auth) {
    if (auth != NULL) {
        auth_stop(auth);
        snapshot_unref(auth->snapshot);
        pthread_cond_destroy(&auth->wake);
        pthread_mutex_destroy(&auth->mutex);
        free(auth->store_url);
        free(auth);
    }
}

/* --- checking --- */

static bool is_usable(const struct key *key, int64_t now_us) {
    return key->expires_us == 0 || now_us < key->expires_us;
}

size_t auth_key_count(struct auth *auth) {
    struct snapshot *snapshot = snapshot_take(auth);
    int64_t now_us = now_wall_us(&auth->now);
    size_t count = 0;
    for (size_t i = 0; i < snapshot->keys.count; i++) {
        count += is_usable(snapshot->keys.entries[i].value, now_us);
    }
    snapshot_unref(snapshot);
    return count;
}

bool auth_is_open(const struct auth *auth) {
    return auth->open;
}

struct token {
    struct text id;
    struct text secret;
};

/* RFC 6750 section 2.1; the scheme's case is free (RFC 9110 section 11.1). */
static bool token_parse(struct text authorization, struct token *out) {
    static const size_t scheme = sizeof "Bearer " - 1;
    if (authorization.length < scheme ||
        !text_equal_ignore_case((struct text){authorization.bytes, scheme}, TEXT("Bearer "))) {
        return false;
    }
    struct text token =
        trim((struct text){authorization.bytes + scheme, authorization.length - scheme});
    if (token.length != TOKEN_TEXT || !text_starts(token, PREFIX) ||
        token.bytes[PREFIX.length + ID_HEX] != '_') {
        return false;
    }
    out->id = (struct text){token.bytes + PREFIX.length, ID_HEX};
    out->secret = (struct text){token.bytes + PREFIX.length + ID_HEX + 1, SECRET_TEXT};
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
    *to = (struct caller){self->id, from->scopes, self};
}

static bool check_token(struct auth *auth, struct arena *arena, const struct token *token,
                        struct caller *out) {
    struct snapshot *snapshot = snapshot_take(auth);
    const struct key *key = prove(snapshot, token, now_wall_us(&auth->now));
    if (key != NULL) {
        copy_caller(arena, &key->caller, out);
    }
    snapshot_unref(snapshot);
    return key != NULL;
}

bool auth_check(struct auth *auth, struct arena *arena, struct text authorization,
                struct caller *out, struct fault *fault) {
    if (auth->open) {
        *out = (struct caller){TEXT("anonymous"), SCOPE_ALL, NULL};
        return true;
    }
    if (authorization.length == 0) {
        return fault_set(fault, FAULT_UNAUTHENTICATED,
                         "this needs an API key: Authorization: Bearer st_...");
    }
    struct token token;
    if (!token_parse(authorization, &token) || !check_token(auth, arena, &token, out)) {
        return fault_set(fault, FAULT_UNAUTHENTICATED,
                         "the Authorization header has no API key that is valid here");
    }
    return true;
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

void auth_new_key(char token[AUTH_TOKEN_MOST], char id[17], unsigned char hash[DIGEST_BYTES]) {
    unsigned char public[ID_HEX / 2];
    char secret[SECRET_TEXT + 1];
    digest_random(public, sizeof public);
    digest_hex(public, sizeof public, id);
    id[ID_HEX] = '\0';
    draw_secret(secret);
    digest_sha256((struct text){secret, SECRET_TEXT}, hash);
    snprintf(token, AUTH_TOKEN_MOST, "st_%s_%s", id, secret);
}
