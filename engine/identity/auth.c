/* auth.c: one thread reads the file of token keys and then the API keys again every second, these
 * on a connection of its own. When the store is away the last known API keys stay in force, and the
 * log says so once; jwk_file.c does likewise with the file. */
#include "identity/auth.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "identity/jwk_file.h"
#include "identity/jwt.h"
#include "store/store.h"

#define REFRESH_SECONDS 1

struct auth {
    bool open; /* mode none */
    struct now now;
    struct text store_url;
    struct keys *keys;
    struct jwk_file *file; /* NULL: API keys only */
    struct web_token_rules rules;
    pthread_mutex_t mutex; /* guards stopping and asked */
    pthread_cond_t wake;   /* one of them was set */
    bool stopping;
    bool asked;   /* to read at once */
    bool failing; /* the reader thread's: the store could not be read the last time */
    pthread_t thread;
    bool started;
};

bool auth_need(const struct caller *caller, enum scope scope, struct fault *fault) {
    if ((caller->scopes & scope) != 0) {
        return true;
    }
    struct text name = scope_name(scope);
    return fault_set(fault, FAULT_PERMISSION_DENIED,
                     "this needs the scope '%.*s', which the %s '%.*s' does not have",
                     TEXT_ARGS(name), caller_noun(caller), TEXT_ARGS(caller->name));
}

bool auth_need_machine(const struct caller *caller, struct text machine, struct fault *fault) {
    return caller_reaches(caller, machine) ||
           fault_set(fault, FAULT_PERMISSION_DENIED,
                     "the %s '%.*s' is bound to other machines than '%.*s'", caller_noun(caller),
                     TEXT_ARGS(caller->name), TEXT_ARGS(machine));
}

/* --- reading the keys --- */

bool auth_update(struct auth *auth, struct store *store, struct fault *fault) {
    return auth->open || keys_read(auth->keys, store, fault);
}

/* Opens the connection when there is none, and gives it up when it fails. */
static bool refresh_or_close(struct auth *auth, struct store **store, struct fault *fault) {
    if (*store == NULL && !store_open(auth->store_url, STORE_READER, store, fault)) {
        *store = NULL;
        return false;
    }
    if (!keys_read(auth->keys, *store, fault)) {
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

enum turn { TURN_DUE, TURN_ASKED, TURN_END };

static enum turn wait_for_turn(struct auth *auth) {
    struct timespec due;
    clock_gettime(CLOCK_MONOTONIC, &due);
    due.tv_sec += REFRESH_SECONDS;
    pthread_mutex_lock(&auth->mutex);
    while (!auth->stopping && !auth->asked &&
           pthread_cond_timedwait(&auth->wake, &auth->mutex, &due) == 0) {
    }
    enum turn turn = auth->stopping ? TURN_END : auth->asked ? TURN_ASKED : TURN_DUE;
    auth->asked = false;
    pthread_mutex_unlock(&auth->mutex);
    return turn;
}

/* The file comes first: a store that is slow to fail must not keep a key of tokens in force. */
static void *read_again(void *context) {
    struct auth *auth = context;
    struct store *store = NULL;
    enum turn turn;
    while ((turn = wait_for_turn(auth)) != TURN_END) {
        struct fault fault = FAULT_INIT;
        if (auth->file != NULL) {
            jwk_file_look(auth->file, turn == TURN_ASKED);
        }
        bool read = refresh_or_close(auth, &store, &fault);
        tell(auth, read, &fault);
    }
    if (store != NULL) {
        store_close(store);
    }
    return NULL;
}

static void wake(struct auth *auth, bool *reason) {
    pthread_mutex_lock(&auth->mutex);
    *reason = true;
    pthread_cond_signal(&auth->wake);
    pthread_mutex_unlock(&auth->mutex);
}

void auth_reload(struct auth *auth) {
    wake(auth, &auth->asked);
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

static bool is_none(struct text mode) {
    return text_equal(mode, TEXT("none"));
}

static bool is_file(struct text mode) {
    return !is_none(mode) && !text_equal(mode, TEXT("keys"));
}

static bool check_mode(const struct auth_options *options, struct fault *fault) {
    bool has_rules = options->issuer.length > 0 || options->audience.length > 0 ||
                     options->token_type.length > 0 || options->token_roles.length > 0 ||
                     options->token_permissions.length > 0;
    if (is_none(options->mode) && !is_loopback(host_of(options->listen))) {
        return fault_set(fault, FAULT_USAGE,
                         "--auth none trusts every caller, so it is allowed on a loopback address "
                         "only, and '%.*s' is not one; listen on 127.0.0.1 or use --auth keys",
                         TEXT_ARGS(options->listen));
    }
    return is_file(options->mode) || !has_rules ||
           fault_set(fault, FAULT_USAGE,
                     "--jwt-issuer, --jwt-audience, --jwt-type, --jwt-roles and --jwt-permissions "
                     "are for tokens, which --auth %.*s does not take; use --auth FILE, the path "
                     "of a JWK Set",
                     TEXT_ARGS(options->mode));
}

static bool open_file(struct text path, struct jwk_file **file, struct fault *fault) {
    if (path.length == 0) {
        return fault_set(fault, FAULT_USAGE,
                         "--auth is empty: expected 'keys', 'none' or the path of a JWK Set");
    }
    return jwk_file_open(path, file, fault) ||
           fault_within(fault, "--auth is 'keys', 'none' or the path of a JWK Set");
}

static void init_waiting(struct auth *auth) {
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&auth->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&auth->mutex, NULL);
}

bool auth_open(const struct auth_options *options, struct now now, struct auth **out,
               struct fault *fault) {
    struct jwk_file *file = NULL;
    if (!check_mode(options, fault) ||
        (is_file(options->mode) && !open_file(options->mode, &file, fault))) {
        return false;
    }
    struct auth *auth = calloc(1, sizeof *auth);
    if (auth == NULL) {
        jwk_file_close(file);
        return fault_set(fault, FAULT_ENVIRONMENT, "no memory for authentication");
    }
    *auth = (struct auth){
        .open = is_none(options->mode),
        .now = now,
        .store_url = options->store_url,
        .keys = keys_new(),
        .file = file,
        .rules = {.issuer = options->issuer,
                  .audience = options->audience,
                  .leeway_us = options->leeway_us,
                  .type = options->token_type,
                  .roles = options->token_roles,
                  .permissions = options->token_permissions},
    };
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
    if (auth->started) {
        wake(auth, &auth->stopping);
        pthread_join(auth->thread, NULL);
        auth->started = false;
    }
}

void auth_close(struct auth *auth) {
    if (auth != NULL) {
        auth_stop(auth);
        keys_free(auth->keys);
        jwk_file_close(auth->file);
        pthread_cond_destroy(&auth->wake);
        pthread_mutex_destroy(&auth->mutex);
        free(auth);
    }
}

/* --- checking --- */

size_t auth_key_count(struct auth *auth) {
    return keys_count(auth->keys, now_wall_us(&auth->now));
}

bool auth_is_open(const struct auth *auth) {
    return auth->open;
}

bool auth_has_file(const struct auth *auth) {
    return auth->file != NULL;
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

/* RFC 6750 section 2.1; the scheme's case is free (RFC 9110 section 11.1). Empty: there is none. */
static struct text bearer_of(struct text authorization) {
    static const size_t scheme = sizeof "Bearer " - 1;
    if (authorization.length < scheme ||
        !text_equal_ignore_case((struct text){authorization.bytes, scheme}, TEXT("Bearer "))) {
        return TEXT_NONE;
    }
    return trim((struct text){authorization.bytes + scheme, authorization.length - scheme});
}

/* Why a token was refused is for the operator alone: a forger learns nothing from the answer. */
static bool check_web_token(struct auth *auth, struct arena *arena, struct text token,
                            struct caller *out) {
    struct fault why = FAULT_INIT;
    struct jwks *keys = jwk_file_take(auth->file);
    bool valid = web_token_check(&keys->set, keys->seen, &auth->rules, arena, token,
                                 now_wall_us(&auth->now), out, &why);
    jwk_file_drop(keys);
    if (!valid) {
        *out =
            (struct caller){.kind = CALLER_TOKEN,
                            .refusal = text_print(arena, "a token was refused: %s", why.message)};
    }
    return valid;
}

/* The public part of a key may be told: it is listed with the keys. */
static struct text key_refusal(struct arena *arena, struct text bearer) {
    struct text id = keys_public_part(bearer);
    if (!text_given(id)) {
        return TEXT("an API key was refused: it does not have the form st_ID_SECRET");
    }
    return text_print(arena,
                      "the API key with the id '%.*s' was refused: it is unknown, expired or "
                      "revoked, or its secret is wrong",
                      TEXT_ARGS(id));
}

static bool check_bearer(struct auth *auth, struct arena *arena, struct text bearer,
                         struct caller *out) {
    if (auth->file == NULL || keys_is_one(bearer)) {
        if (keys_check(auth->keys, arena, bearer, now_wall_us(&auth->now), out)) {
            return true;
        }
        *out = (struct caller){.kind = CALLER_KEY, .refusal = key_refusal(arena, bearer)};
        return false;
    }
    return check_web_token(auth, arena, bearer, out);
}

static bool refuse(const struct auth *auth, enum fault_code code, struct fault *fault) {
    return auth->file == NULL
               ? fault_set(fault, code,
                           "the Authorization header has no API key that is valid here")
               : fault_set(fault, code,
                           "the Authorization header has no API key and no token that is valid "
                           "here; the server's log says why a token was refused");
}

bool auth_check(struct auth *auth, struct arena *arena, struct text authorization,
                struct caller *out, struct fault *fault) {
    if (auth->open) {
        *out = (struct caller){.name = TEXT("anonymous"), .scopes = SCOPE_ALL};
        return true;
    }
    if (authorization.length == 0) {
        return fault_set(
            fault, FAULT_UNAUTHENTICATED, "this needs an API key%s: Authorization: Bearer %s",
            auth->file != NULL ? " or a JWT" : "", auth->file != NULL ? "..." : "st_...");
    }
    struct text bearer = bearer_of(authorization);
    if (bearer.length == 0) {
        *out = (struct caller){.refusal = TEXT("the Authorization header names no bearer")};
        return refuse(auth, FAULT_UNAUTHENTICATED, fault);
    }
    return check_bearer(auth, arena, bearer, out) || refuse(auth, FAULT_INVALID_TOKEN, fault);
}
