/* token.h: API keys as they are made, shown and taken back, for `statute token` and /v1/tokens
 * alike. The three that take a store run a transaction of their own on it. */
#ifndef STATUTE_TOKEN_H
#define STATUTE_TOKEN_H

#include "identity/auth.h"
#include "store/store.h"

struct token_request {
    struct text name;       /* 1..100 bytes; not 16 hex digits, which would read as an id */
    unsigned scopes;        /* enum scope bits, at least one */
    const struct js *roles; /* arrays of strings, or NULL */
    const struct js *permissions;
    const struct js *machines; /* that the key is bound to, an array of names; NULL: all */
    int64_t expires_us;        /* instant; 0: never */
};

/* A key for the request, and the token that proves it. FAULT_BAD_REQUEST: the name, a permission
 * that reads like a denial, a role that is none, machines together with the scope admin. */
bool token_new(struct arena *arena, const struct token_request *request, int64_t now_us,
               struct store_api_key *key, char token[AUTH_TOKEN_MOST],
               struct fault *fault) MUST_CHECK;

/* The members that anybody may see: id, name, scopes, roles, permissions, machines, created_at,
 * expires_at, revoked_at; the last two null when there is no such instant. Without the braces. */
void token_members(struct js_writer *writer, const struct store_api_key *key);
/* {"items": [those of each]} */
struct text token_list_json(struct arena *arena, const struct store_api_key *items, size_t count);

/* FAULT_ALREADY_EXISTS: the name is taken. */
bool token_add(struct store *store, const struct store_api_key *key,
               struct fault *fault) MUST_CHECK;
bool token_list(struct store *store, struct arena *arena, struct store_api_key **items,
                size_t *count, struct fault *fault) MUST_CHECK;
/* FAULT_NOT_FOUND: there is no such key. */
bool token_revoke(struct store *store, struct text id_or_name, int64_t now_us,
                  struct fault *fault) MUST_CHECK;

#endif
