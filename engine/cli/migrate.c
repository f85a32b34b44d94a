/* migrate.c: `statute migrate status | up`. */
#include "store/migrate.h"

#include <stdio.h>

#include "cli/cli.h"
#include "cli/table.h"
#include "cli/terminal.h"
#include "server/service.h"
#include "timezone/instant.h"

enum format { FORMAT_TEXT, FORMAT_JSON };

struct migrate_values {
    struct text store;
    unsigned format; /* enum format */
};

#define AT(field) offsetof(struct migrate_values, field)

static const struct option rows[] = {
    {"store", OPTION_TEXT, AT(store), "URL", 0, 0,
     "where the schema is: sqlite:PATH or postgresql://..."},
    {"format", OPTION_CHOICE, AT(format), "text|json", 0, 0, "for people, or for programs"},
};

static void defaults(void *values) {
    ((struct migrate_values *)values)->store = service_options_default().store;
}

/* The versions that `up` applied. */
struct done {
    struct invocation *invocation;
    int64_t versions[64];
    size_t count;
};

static const char *name_of(const struct invocation *invocation) {
    const struct migrate_values *values = invocation->values;
    return text_cstring(invocation->arena, store_url_show(invocation->arena, values->store));
}

static struct text instant_of(struct arena *arena, int64_t instant_us) {
    char text[INSTANT_TEXT];
    return text_copy(arena, instant_print(instant_us, text));
}

static const char *state_of(const struct migrate_step *step) {
    if (step->summary == NULL) {
        return "newer";
    }
    return step->applied ? "applied" : "pending";
}

/* --- json --- */

static void put_step(struct js_writer *writer, const struct migrate_step *step,
                     struct arena *arena) {
    js_open(writer, '{');
    js_key(writer, TEXT("version"));
    js_put_integer(writer, step->version);
    js_key(writer, TEXT("state"));
    js_put_text(writer, text_of(state_of(step)));
    js_key(writer, TEXT("applied_at"));
    js_put(writer, step->applied_us != 0 ? js_string(arena, instant_of(arena, step->applied_us))
                                         : &js_null);
    js_key(writer, TEXT("oldest_program"));
    js_put_integer(writer, step->oldest_program);
    js_key(writer, TEXT("summary"));
    js_put(writer, step->summary != NULL ? js_string(arena, text_of(step->summary)) : &js_null);
    js_close(writer, '}');
}

static void put_number(struct js_writer *writer, struct text key, int64_t number) {
    js_key(writer, key);
    js_put_integer(writer, number);
}

static void put_done(struct js_writer *writer, const struct done *done) {
    js_key(writer, TEXT("applied"));
    js_open(writer, '[');
    for (size_t i = 0; i < done->count; i++) {
        js_put_integer(writer, done->versions[i]);
    }
    js_close(writer, ']');
}

/* `done` may be NULL. */
static void print_json(const struct migrate_status *status, const struct done *done,
                       struct invocation *invocation) {
    struct buffer buffer;
    struct js_writer writer;
    struct fault ignored = FAULT_INIT;
    buffer_init(&buffer, invocation->arena);
    js_writer_init(&writer, &buffer);
    js_open(&writer, '{');
    js_key(&writer, TEXT("store"));
    js_put_text(&writer, text_of(name_of(invocation)));
    put_number(&writer, TEXT("schema"), status->version);
    put_number(&writer, TEXT("program"), status->known);
    put_number(&writer, TEXT("oldest_program"), status->oldest_program);
    put_number(&writer, TEXT("pending"), (int64_t)status->pending);
    js_key(&writer, TEXT("usable"));
    js_put(&writer, migrate_check(status, "", &ignored) ? &js_true : &js_false);
    if (done != NULL) {
        put_done(&writer, done);
    }
    js_key(&writer, TEXT("items"));
    js_open(&writer, '[');
    for (size_t i = 0; i < status->count; i++) {
        put_step(&writer, &status->steps[i], invocation->arena);
    }
    js_close(&writer, ']');
    js_close(&writer, '}');
    terminal_json(stdout, buffer_view(&buffer));
}

/* --- text --- */

static void print_table(const struct migrate_status *status, struct arena *arena) {
    static const char *const headings[] = {"VERSION", "STATE", "APPLIED", "PROGRAMS", "ADDS", NULL};
    struct table table;
    table_init(&table, arena, "", headings);
    for (size_t i = 0; i < status->count; i++) {
        const struct migrate_step *step = &status->steps[i];
        table_add(&table, text_print(arena, "%lld", (long long)step->version));
        table_add(&table, text_of(state_of(step)));
        table_add(&table, step->applied_us != 0 ? instant_of(arena, step->applied_us) : TEXT("-"));
        table_add(&table, text_print(arena, "%lld and newer", (long long)step->oldest_program));
        table_add(&table, text_of(step->summary != NULL ? step->summary : "-"));
    }
    table_write(&table, stdout);
}

static void print_text(const struct migrate_status *status, struct arena *arena) {
    print_table(status, arena);
    printf("%sschema %lld, program %lld: ", terminal_style(stdout, STYLE_BOLD),
           (long long)status->version, (long long)status->known);
    if (status->pending > 0) {
        printf("%zu pending; 'statute migrate up' applies %s", status->pending,
               status->pending == 1 ? "it" : "them");
    } else {
        printf("nothing is pending");
    }
    printf("%s\n", terminal_style(stdout, STYLE_PLAIN));
}

/* --- status --- */

static bool look(struct invocation *invocation, struct migrate_status *status,
                 struct fault *fault) {
    const struct migrate_values *values = invocation->values;
    if (migrate_look(values->store, invocation->arena, status, fault)) {
        return true;
    }
    if (fault->code == FAULT_STORE_UNAVAILABLE) {
        fault->code = FAULT_ENVIRONMENT;
    }
    return false;
}

static bool run_status(struct invocation *invocation, struct fault *fault) {
    const struct migrate_values *values = invocation->values;
    struct migrate_status status;
    if (!look(invocation, &status, fault)) {
        return false;
    }
    if (values->format == FORMAT_JSON) {
        print_json(&status, NULL, invocation);
    } else {
        print_text(&status, invocation->arena);
    }
    invocation->answer_is_no = status.pending > 0;
    return migrate_check(&status, name_of(invocation), fault);
}

/* --- up --- */

static void keep_done(void *context, int64_t version) {
    struct done *done = context;
    const struct migrate_values *values = done->invocation->values;
    if (done->count < sizeof done->versions / sizeof done->versions[0]) {
        done->versions[done->count++] = version;
    }
    if (values->format == FORMAT_TEXT) {
        printf("applied %lld\n", (long long)version);
        fflush(stdout);
    }
}

/* A store that cannot be looked at may be one that is yet to be made. */
static bool is_up_to_date(struct invocation *invocation) {
    const struct migrate_values *values = invocation->values;
    struct migrate_status status;
    struct fault ignored = FAULT_INIT;
    return migrate_look(values->store, invocation->arena, &status, &ignored) &&
           status.pending == 0 && migrate_check(&status, "", &ignored);
}

/* Looks first: beside a server that has a SQLite store open there is nothing to do but to say so.
 */
static bool run_up(struct invocation *invocation, struct fault *fault) {
    const struct migrate_values *values = invocation->values;
    struct done done = {.invocation = invocation};
    struct migrate_status status;
    if ((!is_up_to_date(invocation) && !migrate_up(values->store, keep_done, &done, fault)) ||
        !look(invocation, &status, fault)) {
        return false;
    }
    if (values->format == FORMAT_JSON) {
        print_json(&status, &done, invocation);
    } else {
        printf("%sschema %lld%s\n", done.count == 0 ? "nothing to do: " : "",
               (long long)status.version, done.count == 0 ? "" : ": up to date");
    }
    return true;
}

const struct command command_migrate_status = {
    .name = "migrate status",
    .arguments = "",
    .summary = "show which schema versions a store has, and which are pending",
    .details = "Exits with 0 if nothing is pending, 1 if something is, and 3 if the store cannot "
               "be reached or is too\n"
               "new for this program. Creates no file. PROGRAMS is the oldest program that can use "
               "a store of that\n"
               "version, named by the newest schema that the program knows.",
    .options = {rows, sizeof rows / sizeof rows[0]},
    .values_size = sizeof(struct migrate_values),
    .defaults = defaults,
    .run = run_status,
};

const struct command command_migrate_up = {
    .name = "migrate up",
    .arguments = "",
    .summary = "apply pending versions to a store's schema; create the store if it does not exist",
    .details = "Does nothing if nothing is pending. serve and import do the same when they start. "
               "On PostgreSQL, servers\n"
               "may keep running and several may migrate at once: each version is one transaction, "
               "under a lock.",
    .options = {rows, sizeof rows / sizeof rows[0]},
    .values_size = sizeof(struct migrate_values),
    .defaults = defaults,
    .run = run_up,
};
