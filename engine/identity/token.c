/* token.c: see auth.c for what a token is. Scopes are kept as a JSON array of names, so that a
 * later version can add to them. */
#include "identity/token.h"

#include "model/entity.h"
#include "model/grant.h"
#include "timezone/instant.h"

#define NAME_MOST 100

static bool is_key_id(struct text name) {
    unsigned char bytes[8];
    return digest_of_hex(name, bytes, sizeof bytes);
}

static bool check_name(struct text name, struct fault *fault) {
    if (!entity_is_id(name) || name.length > NAME_MOST) {
        return fault_set(fault, FAULT_BAD_REQUEST,
                         "name: expected 1 to %d bytes of UTF-8 without control characters",
                         NAME_MOST);
    }
    return !is_key_id(name) || fault_set(fault, FAULT_BAD_REQUEST,
                                         "name: 16 hexadecimal digits would read as a key's id");
}

/* As keys_scopes reads them. */
static struct text scopes_json(struct arena *arena, unsigned scopes, const struct js *machines) {
    const struct js *names = &js_empty_array;
    for (unsigned scope = 1; scope <= SCOPE_ALL; scope <<= 1) {
        if ((scopes & scope) != 0) {
            names = js_append(arena, names, js_string(arena, scope_name((enum scope)scope)));
        }
    }
    if (machines == NULL) {
        return js_print(arena, names);
    }
    const struct js *bound = js_with(arena, NULL, TEXT("machines"), machines);
    return js_print(arena, js_with(arena, bound, TEXT("scopes"), names));
}

static bool check_permissions(const struct js *permissions, struct fault *fault) {
    for (size_t i = 0; permissions != NULL && i < permissions->array.count; i++) {
        struct text permission = js_text(permissions->array.items[i]);
        if (text_given(grant_refused(permission))) {
            return fault_set(
                fault, FAULT_BAD_REQUEST,
                "permissions: '%.*s' would be granted as a permission of that name; a key cannot "
                "deny anything: grant less, or give it a role with `except`",
                TEXT_ARGS(permission));
        }
    }
    return true;
}

static bool check_roles(const struct js *roles, struct fault *fault) {
    for (size_t i = 0; roles != NULL && i < roles->array.count; i++) {
        struct text refusal = held_role_refusal(roles->array.items[i]);
        struct text name = js_text(roles->array.items[i]);
        if (text_given(refusal)) {
            return fault_set(fault, FAULT_BAD_REQUEST, "roles: each item %.*s", TEXT_ARGS(refusal));
        }
        if (text_given(name) && text_given(grant_refused(name))) {
            return fault_set(
                fault, FAULT_BAD_REQUEST,
                "roles: '%.*s' is not a role; a key cannot deny anything: leave it out",
                TEXT_ARGS(name));
        }
    }
    return true;
}

static bool check_machines(const struct token_request *request, struct fault *fault) {
    const struct js *machines = request->machines;
    for (size_t i = 0; machines != NULL && i < machines->array.count; i++) {
        struct text name = js_text(machines->array.items[i]);
        if (!entity_is_name(name)) {
            return fault_set(fault, FAULT_BAD_REQUEST, "machines: '%.*s' is not a machine name",
                             TEXT_ARGS(name));
        }
    }
    if (machines != NULL && machines->array.count == 0) {
        return fault_set(
            fault, FAULT_BAD_REQUEST,
            "machines: the list is empty; leave it out for a key that reaches all machines");
    }
    return machines == NULL || (request->scopes & SCOPE_ADMIN) == 0 ||
           fault_set(
               fault, FAULT_BAD_REQUEST,
               "machines: a key with the scope admin makes other keys, so it cannot be bound");
}

static struct text array_json(struct arena *arena, const struct js *array) {
    return js_print(arena, array != NULL ? array : &js_empty_array);
}

bool token_new(struct arena *arena, const struct token_request *request, int64_t now_us,
               struct store_api_key *key, char token[AUTH_TOKEN_MOST], struct fault *fault) {
    if (!check_name(request->name, fault) || !check_roles(request->roles, fault) ||
        !check_permissions(request->permissions, fault) || !check_machines(request, fault)) {
        return false;
    }
    char *id = arena_alloc(arena, 17);
    *key = (struct store_api_key){
        .name = request->name,
        .scopes = scopes_json(arena, request->scopes, request->machines),
        .roles = array_json(arena, request->roles),
        .permissions = array_json(arena, request->permissions),
        .created_us = now_us,
        .expires_us = request->expires_us,
    };
    keys_make(token, id, key->hash);
    key->id = text_of(id);
    return true;
}

static void put_array(struct js_writer *writer, struct text name, struct text json) {
    js_key(writer, name);
    js_put_raw(writer, json.length > 0 ? json : TEXT("[]"));
}

static void put_instant(struct js_writer *writer, struct text name, int64_t instant_us) {
    char text[INSTANT_TEXT];
    js_key(writer, name);
    js_put_text(writer, instant_us != 0 ? instant_print(instant_us, text) : TEXT_NONE);
}

static void put_scopes(struct js_writer *writer, struct text json) {
    struct arena arena;
    const struct js *machines;
    arena_init(&arena, 0);
    js_key(writer, TEXT("scopes"));
    js_put(writer, keys_scopes(&arena, json, &machines));
    js_key(writer, TEXT("machines"));
    js_put(writer, machines);
    arena_deinit(&arena);
}

void token_members(struct js_writer *writer, const struct store_api_key *key) {
    js_key(writer, TEXT("id"));
    js_put_text(writer, key->id);
    js_key(writer, TEXT("name"));
    js_put_text(writer, key->name);
    put_scopes(writer, key->scopes);
    put_array(writer, TEXT("roles"), key->roles);
    put_array(writer, TEXT("permissions"), key->permissions);
    put_instant(writer, TEXT("created_at"), key->created_us);
    put_instant(writer, TEXT("expires_at"), key->expires_us);
    put_instant(writer, TEXT("revoked_at"), key->revoked_us);
}

struct text token_list_json(struct arena *arena, const struct store_api_key *items, size_t count) {
    struct buffer buffer;
    struct js_writer writer;
    buffer_init(&buffer, arena);
    js_writer_init(&writer, &buffer);
    js_open(&writer, '{');
    js_key(&writer, TEXT("items"));
    js_open(&writer, '[');
    for (size_t i = 0; i < count; i++) {
        js_open(&writer, '{');
        token_members(&writer, &items[i]);
        js_close(&writer, '}');
    }
    js_close(&writer, ']');
    js_close(&writer, '}');
    return buffer_view(&buffer);
}

/* --- transactions --- */

static bool end_write(struct store *store, bool written, struct fault *fault) {
    if (written && store_commit(store, fault)) {
        return true;
    }
    store_rollback(store);
    return false;
}

bool token_add(struct store *store, const struct store_api_key *key, struct fault *fault) {
    if (!store_begin(store, STORE_WRITE, ISOLATION_DEFAULT, fault)) {
        return false;
    }
    return end_write(store, store_add_api_key(store, key, fault), fault);
}

bool token_revoke(struct store *store, struct text id_or_name, int64_t now_us,
                  struct fault *fault) {
    if (!store_begin(store, STORE_WRITE, ISOLATION_DEFAULT, fault)) {
        return false;
    }
    return end_write(store, store_revoke_api_key(store, id_or_name, now_us, fault), fault);
}

bool token_list(struct store *store, struct arena *arena, struct store_api_key **items,
                size_t *count, struct fault *fault) {
    if (!store_begin(store, STORE_READ, ISOLATION_DEFAULT, fault)) {
        return false;
    }
    bool listed = store_list_api_keys(store, arena, items, count, fault);
    store_rollback(store);
    return listed;
}
