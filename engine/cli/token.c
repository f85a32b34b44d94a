/* token.c: `statute token create | list | revoke`. The first key of a store is made here; while a
 * server has a SQLite store, keys are made and revoked through it. */
#include "identity/token.h"
#include "model/grant.h"

#include <stdio.h>

#include "cli/cli.h"
#include "cli/table.h"
#include "cli/terminal.h"
#include "server/service.h"
#include "timezone/instant.h"

#define DAY (INT64_C(86400) * NOW_SECOND)

struct token_values {
    struct text store;
    struct text name;
    struct text scopes;
    struct text roles;
    struct text permissions;
    struct text machines;
    int64_t lifetime_us; /* 0: for ever */
    unsigned format;     /* "text|json" */
};

#define AT(field) offsetof(struct token_values, field)
#define STORE_ROW                                                                                  \
    {                                                                                              \
        "store", OPTION_TEXT, AT(store), "URL", 0, 0,                                              \
            "where the keys are: sqlite:PATH or postgresql://..."                                  \
    }

static const struct option create_rows[] = {
    STORE_ROW,
    {"name", OPTION_TEXT, AT(name), "NAME", 0, 0,
     "the name of the key; also the id of its actor, unless act_as names another"},
    {"scopes", OPTION_TEXT, AT(scopes), "LIST", 0, 0,
     "any of read,transition,act_as,system,audit,admin"},
    {"roles", OPTION_TEXT, AT(roles), "LIST", 0, 0,
     "the key's roles: a,b; ROLE@TENANT counts within one tenant only"},
    {"permissions", OPTION_TEXT, AT(permissions), "LIST", 0, 0, "the key's permissions: a.b,c.*"},
    {"machines", OPTION_TEXT, AT(machines), "LIST", 0, 0,
     "the only machines that the key can reach: task,ticket"},
    {"expires", OPTION_DURATION, AT(lifetime_us), "TIME", NOW_SECOND, 36500 * DAY,
     "how long the key works"},
};
static const struct option list_rows[] = {
    STORE_ROW,
    {"format", OPTION_CHOICE, AT(format), "text|json", 0, 0, "for people, or for programs"},
};
static const struct option revoke_rows[] = {STORE_ROW};

static void defaults(void *values) {
    ((struct token_values *)values)->store = service_options_default().store;
}

static bool is_there(struct text url) {
    struct fault ignored = FAULT_INIT;
    struct store *store;
    if (!store_open(url, STORE_READER, &store, &ignored)) {
        return false;
    }
    store_close(store);
    return true;
}

/* Only a writer may change keys, and a running server is one: a store that can be read but not
 * written has one. */
static bool open_writer(struct text url, const char *instead, struct store **store,
                        struct fault *fault) {
    if (store_open(url, STORE_WRITER, store, fault)) {
        return true;
    }
    struct fault cause = *fault;
    if (cause.code != FAULT_ENVIRONMENT || !is_there(url)) {
        return false;
    }
    return fault_set(fault, cause.code, "%s; or, if it is a server, use its %s", cause.message,
                     instead);
}

/* --- create --- */

/* "a, b" as an array of strings. */
static const struct js *array_of(struct arena *arena, struct text list) {
    const struct js *array = &js_empty_array;
    while (list.length > 0) {
        const char *comma = memchr(list.bytes, ',', list.length);
        size_t length = comma != NULL ? (size_t)(comma - list.bytes) : list.length;
        struct text item = {list.bytes, length};
        while (item.length > 0 && item.bytes[0] == ' ') {
            item = (struct text){item.bytes + 1, item.length - 1};
        }
        if (item.length > 0) {
            array = js_append(arena, array, js_string(arena, item));
        }
        length += comma != NULL;
        list = (struct text){list.bytes + length, list.length - length};
    }
    return array;
}

static bool read_request(struct invocation *invocation, int64_t now_us,
                         struct token_request *request, struct fault *fault) {
    const struct token_values *values = invocation->values;
    if (!text_given(values->name) || !text_given(values->scopes)) {
        return fault_set(fault, FAULT_USAGE, "--name and --scopes are needed");
    }
    *request = (struct token_request){
        .name = values->name,
        .roles = held_roles_of_names(invocation->arena, array_of(invocation->arena, values->roles)),
        .machines =
            text_given(values->machines) ? array_of(invocation->arena, values->machines) : NULL,
        .permissions = array_of(invocation->arena, values->permissions),
        .expires_us = values->lifetime_us != 0 ? now_us + values->lifetime_us : 0,
    };
    return scope_parse(values->scopes, &request->scopes, fault);
}

static bool add(const struct token_values *values, const struct store_api_key *key,
                struct fault *fault) {
    struct store *store;
    if (!open_writer(values->store, "POST /v1/tokens", &store, fault)) {
        return false;
    }
    bool added = token_add(store, key, fault);
    store_close(store);
    return added;
}

static void show_once(struct arena *arena, const struct store_api_key *key, const char *token) {
    const struct js *machines = NULL;
    char expires[INSTANT_TEXT];
    struct text at = key->expires_us != 0 ? instant_print(key->expires_us, expires) : TEXT("never");
    fprintf(stderr, "API key '%.*s' (id %.*s), scopes %.*s, expires %.*s.\n", TEXT_ARGS(key->name),
            TEXT_ARGS(key->id),
            TEXT_ARGS(js_print(arena, keys_scopes(arena, key->scopes, &machines))), TEXT_ARGS(at));
    if (machines != NULL) {
        fprintf(stderr, "It is bound to the machines %.*s.\n",
                TEXT_ARGS(js_print(arena, machines)));
    }
    fprintf(stderr, "This is the only time it is shown; send it as: Authorization: Bearer ...\n");
    printf("%s\n", token);
}

static bool run_create(struct invocation *invocation, struct fault *fault) {
    struct now now = now_system();
    int64_t now_us = now_wall_us(&now);
    struct token_request request;
    struct store_api_key key;
    char token[AUTH_TOKEN_MOST];
    if (!read_request(invocation, now_us, &request, fault)) {
        return false;
    }
    if (!token_new(invocation->arena, &request, now_us, &key, token, fault)) {
        fault->code = FAULT_USAGE;
        return false;
    }
    if (!add(invocation->values, &key, fault)) {
        return false;
    }
    show_once(invocation->arena, &key, token);
    return true;
}

/* --- list --- */

/* A name, or ROLE@TENANT. */
static void add_item(struct buffer *buffer, const struct js *item) {
    struct held_role role;
    if (js_is(item, JS_OBJECT) && held_role_read(item, &role)) {
        buffer_print(buffer, "%.*s@%.*s", TEXT_ARGS(role.name), TEXT_ARGS(role.within));
    } else {
        buffer_add_text(buffer, js_text(item));
    }
}

/* An array as "a, b". */
static struct text list_of_array(struct arena *arena, const struct js *array) {
    struct buffer buffer;
    buffer_init(&buffer, arena);
    for (size_t i = 0; i < array->array.count; i++) {
        buffer_add_text(&buffer, i > 0 ? TEXT(", ") : TEXT(""));
        add_item(&buffer, array->array.items[i]);
    }
    return buffer_view(&buffer);
}

static struct text list_of(struct arena *arena, struct text json) {
    const struct js *array;
    struct fault ignored = FAULT_INIT;
    return js_parse(arena, json, &array, &ignored) && js_is(array, JS_ARRAY)
               ? list_of_array(arena, array)
               : TEXT("?");
}

static struct text instant_of(struct arena *arena, int64_t instant_us, struct text none) {
    char text[INSTANT_TEXT];
    return instant_us != 0 ? text_copy(arena, instant_print(instant_us, text)) : none;
}

static struct text status_of(struct arena *arena, const struct store_api_key *key, int64_t now_us) {
    char text[INSTANT_TEXT];
    if (key->revoked_us != 0) {
        return text_print(arena, "revoked %.*s", TEXT_ARGS(instant_print(key->revoked_us, text)));
    }
    return key->expires_us != 0 && key->expires_us <= now_us ? TEXT("expired") : TEXT("works");
}

static void list_text(const struct store_api_key *items, size_t count, struct arena *arena) {
    static const char *const headings[] = {"NAME",    "ID",      "SCOPES", "ROLES", "MACHINES",
                                           "CREATED", "EXPIRES", "STATUS", NULL};
    const struct js *machines;
    struct now now = now_system();
    struct table table;
    table_init(&table, arena, "", headings);
    for (size_t i = 0; i < count; i++) {
        table_add(&table, items[i].name);
        table_add(&table, items[i].id);
        table_add(&table, list_of_array(arena, keys_scopes(arena, items[i].scopes, &machines)));
        table_add(&table, list_of(arena, items[i].roles));
        table_add(&table, machines != NULL ? list_of_array(arena, machines) : TEXT("all"));
        table_add(&table, instant_of(arena, items[i].created_us, TEXT("")));
        table_add(&table, instant_of(arena, items[i].expires_us, TEXT("never")));
        table_add(&table, status_of(arena, &items[i], now_wall_us(&now)));
    }
    table_write(&table, stdout);
}

static bool run_list(struct invocation *invocation, struct fault *fault) {
    const struct token_values *values = invocation->values;
    struct store *store;
    struct store_api_key *items;
    size_t count;
    if (!store_open(values->store, STORE_READER, &store, fault)) {
        return false;
    }
    bool listed = token_list(store, invocation->arena, &items, &count, fault);
    if (listed) {
        if (values->format == 1) {
            terminal_json(stdout, token_list_json(invocation->arena, items, count));
        } else {
            list_text(items, count, invocation->arena);
        }
    }
    store_close(store);
    return listed;
}

/* --- revoke --- */

/* Looked up before a writer is asked for, so that a wrong name is told even beside a server. */
static bool check_known(struct invocation *invocation, struct text wanted, struct fault *fault) {
    const struct token_values *values = invocation->values;
    struct store_api_key *items = NULL;
    struct store *store;
    size_t count = 0, i = 0;
    if (!store_open(values->store, STORE_READER, &store, fault)) {
        return false;
    }
    bool listed = token_list(store, invocation->arena, &items, &count, fault);
    while (i < count && !text_equal(items[i].name, wanted) && !text_equal(items[i].id, wanted)) {
        i++;
    }
    store_close(store);
    return listed && (i < count || fault_set(fault, FAULT_NOT_FOUND, "there is no API key '%.*s'",
                                             TEXT_ARGS(wanted)));
}

static bool revoke(struct invocation *invocation, struct text wanted, struct fault *fault) {
    const struct token_values *values = invocation->values;
    struct now now = now_system();
    struct store *store;
    if (!open_writer(values->store, "DELETE /v1/tokens/NAME", &store, fault)) {
        return false;
    }
    bool revoked = token_revoke(store, wanted, now_wall_us(&now), fault);
    store_close(store);
    return revoked;
}

static bool run_revoke(struct invocation *invocation, struct fault *fault) {
    struct text wanted = invocation->arguments[0];
    if (!check_known(invocation, wanted, fault) || !revoke(invocation, wanted, fault)) {
        return false;
    }
    fprintf(stderr, "API key '%.*s' no longer works.\n", TEXT_ARGS(wanted));
    return true;
}

const struct command command_token_create = {
    .name = "token create",
    .arguments = "",
    .summary = "create an API key",
    .details = "Prints the token on standard output, once; only its hash is kept. Scopes:\n"
               "  read        look things up            act_as  name another actor, in `actor`\n"
               "  transition  create, change, move      system  skip permissions, import states\n"
               "  audit       search all records        admin   keys and reloads",
    .options = {create_rows, sizeof create_rows / sizeof create_rows[0]},
    .values_size = sizeof(struct token_values),
    .defaults = defaults,
    .run = run_create,
};

const struct command command_token_list = {
    .name = "token list",
    .arguments = "",
    .summary = "show the API keys, without their secrets",
    .options = {list_rows, sizeof list_rows / sizeof list_rows[0]},
    .values_size = sizeof(struct token_values),
    .defaults = defaults,
    .run = run_list,
};

const struct command command_token_revoke = {
    .name = "token revoke",
    .arguments = "NAME|ID",
    .arguments_least = 1,
    .arguments_most = 1,
    .summary = "revoke an API key",
    .options = {revoke_rows, sizeof revoke_rows / sizeof revoke_rows[0]},
    .values_size = sizeof(struct token_values),
    .defaults = defaults,
    .run = run_revoke,
};
