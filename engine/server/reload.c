/* reload.c: one thread that sleeps on four descriptors:
 *
 *   watch     something changed below the policy directory: note_changes
 *   wake      somebody asked for a reload: note_requests
 *   waiting   POST /v1/policies/reload: exchanges, answered by the load that begins after they came
 *   keep      a writer could not put a generation's files into the store: keep_collect
 *
 * A change is acted on once nothing has changed for SETTLE_US, but no later than SETTLE_MOST_US
 * after the first one, so that a directory that never rests is loaded all the same. What is asked
 * for is done at once. Every load first looks at the tree anew (watch_look) and then reads the
 * files: a change in between is seen by the new watch and loaded again. A generation is published
 * only when its name differs from that in force; whatever goes wrong, the one in force stays. */
#include "server/reload.h"

#include "server/keep.h"
#include "server/metrics.h"
#include "server/published.h"
#include "server/tables.h"
#include "server/watch.h"
#include "timezone/instant.h"

#include "base/log.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define SETTLE_US      (200 * NOW_MILLISECOND)
#define SETTLE_MOST_US (5 * NOW_SECOND)
#define TICK_US        NOW_SECOND /* between looks for a lost directory, and tries to keep */
#define WAITING_MOST   1000
#define HISTORY_MOST   20
#define LINES_MOST     16 /* problems logged one a line; log.h allows 20 lines a second */

struct publication {
    char name[DIGEST_HEX];
    int64_t loaded_us;
    size_t machines;
};

/* Fields without a note belong to the thread. */
struct reload {
    struct reload_options options;
    struct mailbox *waiting; /* anybody posts; closed: the thread is to end */
    struct keep *keep;
    int wake; /* eventfd, anybody writes */
    struct watch *watch;
    int64_t burst_us;   /* monotonic, of the first change not acted on; 0: none */
    int64_t settled_us; /* when to act on it */
    int64_t tick_us;    /* when to tick next; 0: no need */
    bool wanted;        /* asked for, or not to be delayed */
    pthread_t thread;
    bool started;
    pthread_mutex_t mutex; /* guards the history */
    struct publication history[HISTORY_MOST];
    size_t history_count;
};

/* What came of one load. */
struct loaded {
    bool fine;
    bool changed;                  /* and published */
    struct generation *generation; /* in force after the load; NULL: none yet */
    struct problem_list problems;
    struct fault fault;
};

static void require(bool fine, const char *what) {
    if (!fine) {
        perror(what);
        abort();
    }
}

static int64_t monotonic_us(const struct reload *reload) {
    return now_monotonic_us(&reload->options.generation.now);
}

/* --- history --- */

static struct publication publication_of(const struct generation *generation) {
    struct publication publication = {.loaded_us = generation_loaded_us(generation),
                                      .machines = generation_machine_count(generation)};
    struct text name = generation_name(generation);
    memcpy(publication.name, name.bytes, name.length < DIGEST_HEX ? name.length : DIGEST_HEX);
    return publication;
}

static void note_published(struct reload *reload, const struct generation *generation) {
    pthread_mutex_lock(&reload->mutex);
    if (reload->history_count == HISTORY_MOST) {
        reload->history_count--;
        memmove(reload->history, reload->history + 1,
                reload->history_count * sizeof reload->history[0]);
    }
    reload->history[reload->history_count++] = publication_of(generation);
    pthread_mutex_unlock(&reload->mutex);
}

static const struct js *publication_json(struct arena *arena, const struct publication *publication,
                                         bool current) {
    char *instant = arena_alloc(arena, INSTANT_TEXT);
    struct text name = text_copy(arena, (struct text){publication->name, DIGEST_HEX});
    struct js_member members[] = {
        {TEXT("generation"), js_string(arena, name)},
        {TEXT("loaded_at"), js_string(arena, instant_print(publication->loaded_us, instant))},
        {TEXT("machines"), js_integer(arena, (int64_t)publication->machines)},
        {TEXT("current"), current ? &js_true : &js_false},
    };
    size_t count = sizeof members / sizeof members[0];
    struct js_member *copy = ARENA_ARRAY(arena, struct js_member, count);
    memcpy(copy, members, sizeof members);
    return js_object(arena, copy, count);
}

const struct js *reload_history(struct reload *reload, struct arena *arena) {
    const struct js **items = ARENA_ARRAY(arena, const struct js *, HISTORY_MOST);
    pthread_mutex_lock(&reload->mutex);
    size_t count = reload->history_count;
    for (size_t i = 0; i < count; i++) {
        items[i] = publication_json(arena, &reload->history[i], i + 1 == count);
    }
    pthread_mutex_unlock(&reload->mutex);
    return js_array(arena, items, count);
}

/* --- one load --- */

static void look(struct reload *reload) {
    struct fault fault = FAULT_INIT;
    if (!watch_look(reload->watch, &fault)) {
        log_line(LOG_WARNING, "policy_watch", "%s; SIGHUP and POST /v1/policies/reload still work",
                 fault.message);
    }
}

static void publish(struct reload *reload, struct generation *generation) {
    keep_generation(reload->keep, generation_ref(generation));
    note_published(reload, generation);
    published_set(reload->options.published, generation_ref(generation));
}

static bool is_named(const struct generation *generation, struct text name) {
    return generation != NULL && text_equal(generation_name(generation), name);
}

/* The same policies with other keys take the place of those in force, and are no news besides. */
static void publish_keys(struct reload *reload, struct generation *made) {
    log_line(LOG_INFO, "pii_keys", "personal data is hashed with other keys from now on");
    published_set(reload->options.published, generation_ref(made));
}

/* Takes over `made`; `loaded` has a reference to what is in force afterwards. */
static void publish_if_new(struct reload *reload, struct generation *made, struct loaded *loaded) {
    bool is_same = is_named(loaded->generation, generation_name(made));
    if (is_same && generation_same_keys(loaded->generation, made)) {
        generation_unref(made);
        return;
    }
    if (is_same) {
        publish_keys(reload, made);
    } else {
        publish(reload, made);
    }
    if (loaded->generation != NULL) {
        generation_unref(loaded->generation);
    }
    loaded->generation = made;
    loaded->changed = !is_same;
}

static void add_problem(struct problem_list *problems, struct text message) {
    struct problem *only = ARENA_NEW(problems->arena, struct problem);
    *only = (struct problem){.file = TEXT("."), .line = 0, .message = message};
    problems->items = only;
    problems->count = problems->capacity = 1;
}

/* A directory that cannot be read is a problem like any other to who asked. */
static void as_problem(struct loaded *loaded) {
    if (loaded->problems.count == 0) {
        add_problem(&loaded->problems,
                    text_copy(loaded->problems.arena, text_of(loaded->fault.message)));
    }
    loaded->fault.code = FAULT_POLICY_INVALID;
}

/* On a connection of its own, since reloads are rare. */
static bool check_tables(struct reload *reload, const struct generation *made,
                         struct problem_list *problems, struct fault *fault) {
    struct store *store;
    if (!tables_are_named(made)) {
        return true;
    }
    if (!store_open(reload->options.store, STORE_READER, &store, fault)) {
        return false;
    }
    bool fine = tables_check(made, store, problems, fault);
    store_close(store);
    return fine;
}

static struct loaded load(struct reload *reload, struct arena *arena) {
    struct loaded loaded = {.problems = {.arena = arena},
                            .generation = published_take(reload->options.published)};
    struct generation *made;
    loaded.fine =
        generation_load(&reload->options.generation, &made, &loaded.problems, &loaded.fault);
    if (loaded.fine && !check_tables(reload, made, &loaded.problems, &loaded.fault)) {
        generation_unref(made);
        loaded.fine = false;
    }
    if (loaded.fine) {
        publish_if_new(reload, made, &loaded);
    } else {
        as_problem(&loaded);
    }
    metrics_reload(reload->options.metrics, loaded.fine);
    return loaded;
}

/* --- telling --- */

static void log_problem(const struct problem *problem) {
    log_line(LOG_ERROR, "policy_problem", "%.*s:%d: %.*s", TEXT_ARGS(problem->file), problem->line,
             TEXT_ARGS(problem->message));
}

/* The logger drops lines that come too fast, so a long list ends in one long line. */
static void log_rest(const struct problem_list *problems, size_t from) {
    struct buffer buffer;
    buffer_init(&buffer, problems->arena);
    for (size_t i = from; i < problems->count; i++) {
        const struct problem *problem = &problems->items[i];
        buffer_print(&buffer, "%s%.*s:%d: %.*s", i == from ? "" : " | ", TEXT_ARGS(problem->file),
                     problem->line, TEXT_ARGS(problem->message));
    }
    log_line(LOG_ERROR, "policy_problem", "%.*s", TEXT_ARGS(buffer_view(&buffer)));
}

static void log_problems(const struct problem_list *problems) {
    size_t single = problems->count <= LINES_MOST ? problems->count : LINES_MOST - 1;
    for (size_t i = 0; i < single; i++) {
        log_problem(&problems->items[i]);
    }
    if (single < problems->count) {
        log_rest(problems, single);
    }
}

/* A directory that cannot be read: the only problem is the fault itself. */
static bool is_told_by_fault(const struct loaded *loaded) {
    return loaded->problems.count == 1 &&
           text_equal(loaded->problems.items[0].message, text_of(loaded->fault.message));
}

static void log_loaded(const struct loaded *loaded) {
    if (!loaded->fine) {
        if (!is_told_by_fault(loaded)) {
            log_problems(&loaded->problems);
        }
        log_line(LOG_ERROR, "policy_refused", "%s; the policies in force stay",
                 loaded->fault.message);
        return;
    }
    size_t machines = generation_machine_count(loaded->generation);
    log_line(LOG_INFO, loaded->changed ? "policy_published" : "policy_unchanged",
             "generation %.12s with %zu machine%s is in force",
             generation_name(loaded->generation).bytes, machines, machines == 1 ? "" : "s");
}

static void answer_fine(struct http_exchange *exchange, const struct loaded *loaded) {
    char instant[INSTANT_TEXT];
    struct buffer buffer;
    struct js_writer writer;
    buffer_init(&buffer, &exchange->arena);
    js_writer_init(&writer, &buffer);
    js_open(&writer, '{');
    js_key(&writer, TEXT("generation"));
    js_put_text(&writer, generation_name(loaded->generation));
    js_key(&writer, TEXT("changed"));
    js_put_bool(&writer, loaded->changed);
    js_key(&writer, TEXT("machines"));
    js_put_integer(&writer, (int64_t)generation_machine_count(loaded->generation));
    js_key(&writer, TEXT("loaded_at"));
    js_put_text(&writer, instant_print(generation_loaded_us(loaded->generation), instant));
    js_close(&writer, '}');
    http_reply(exchange, 200, buffer_view(&buffer));
}

static void put_problem(struct js_writer *writer, const struct problem *problem) {
    js_open(writer, '{');
    js_key(writer, TEXT("file"));
    js_put_text(writer, problem->file);
    js_key(writer, TEXT("line"));
    js_put_integer(writer, problem->line);
    js_key(writer, TEXT("message"));
    js_put_text(writer, problem->message);
    js_close(writer, '}');
}

static void answer_refused(struct http_exchange *exchange, const struct loaded *loaded) {
    struct buffer buffer;
    struct js_writer writer;
    buffer_init(&buffer, &exchange->arena);
    js_writer_init(&writer, &buffer);
    js_key(&writer, TEXT("problems"));
    js_open(&writer, '[');
    for (size_t i = 0; i < loaded->problems.count; i++) {
        put_problem(&writer, &loaded->problems.items[i]);
    }
    js_close(&writer, ']');
    http_fail(exchange, &loaded->fault, buffer_view(&buffer));
}

static void answer_all(struct letter *letter, const struct loaded *loaded) {
    while (letter != NULL) {
        struct letter *next = letter->next;
        struct http_exchange *exchange = (struct http_exchange *)(void *)letter;
        (loaded->fine ? answer_fine : answer_refused)(exchange, loaded);
        letter = next;
    }
}

static void refuse(struct http_exchange *exchange, const char *why) {
    struct fault fault = FAULT_INIT;
    fault_set(&fault, FAULT_OVERLOADED, "the policies were not reloaded: %s", why);
    http_fail(exchange, &fault, TEXT_NONE);
}

static void refuse_all(struct letter *letter) {
    while (letter != NULL) {
        struct letter *next = letter->next;
        refuse((struct http_exchange *)(void *)letter, "the server is stopping");
        letter = next;
    }
}

static void build(struct reload *reload) {
    struct letter *askers = mailbox_take(reload->waiting, 0);
    struct arena arena;
    arena_init(&arena, 0);
    reload->wanted = false;
    reload->burst_us = 0;
    look(reload);
    struct loaded loaded = load(reload, &arena);
    log_loaded(&loaded);
    answer_all(askers, &loaded);
    if (loaded.generation != NULL) {
        generation_unref(loaded.generation);
    }
    arena_deinit(&arena);
}

/* --- the thread --- */

static int64_t earliest(int64_t a, int64_t b) {
    return a != 0 && (b == 0 || a < b) ? a : b;
}

/* Milliseconds to sleep, rounded up so that the sleeper does not wake a moment too early. */
static int sleep_ms(const struct reload *reload) {
    int64_t until_us = earliest(reload->burst_us != 0 ? reload->settled_us : 0, reload->tick_us);
    if (until_us == 0) {
        return -1;
    }
    int64_t left_us = until_us - monotonic_us(reload);
    return left_us > 0 ? (int)((left_us + 999) / 1000) : 0;
}

static void sleep_until_something(struct reload *reload) {
    struct pollfd watched[] = {
        {.fd = watch_descriptor(reload->watch), .events = POLLIN},
        {.fd = reload->wake, .events = POLLIN},
        {.fd = mailbox_descriptor(reload->waiting), .events = POLLIN},
        {.fd = keep_descriptor(reload->keep), .events = POLLIN},
    };
    int ready = poll(watched, sizeof watched / sizeof watched[0], sleep_ms(reload));
    require(ready >= 0 || errno == EINTR, "statute: poll in the reload thread");
}

static void note_changes(struct reload *reload) {
    if (!watch_read(reload->watch)) {
        return;
    }
    int64_t now_us = monotonic_us(reload);
    if (reload->burst_us == 0) {
        reload->burst_us = now_us;
    }
    reload->settled_us = earliest(now_us + SETTLE_US, reload->burst_us + SETTLE_MOST_US);
}

static void note_requests(struct reload *reload) {
    uint64_t count;
    bool asked = read(reload->wake, &count, sizeof count) == sizeof count;
    reload->wanted = reload->wanted || asked || mailbox_count(reload->waiting) > 0;
}

static bool needs_tick(const struct reload *reload) {
    return watch_is_gone(reload->watch) || keep_is_behind(reload->keep);
}

static void tick(struct reload *reload) {
    if (watch_is_gone(reload->watch)) {
        look(reload);
        reload->wanted = reload->wanted || !watch_is_gone(reload->watch);
    }
    keep_offer_again(reload->keep);
}

static void tick_if_due(struct reload *reload) {
    int64_t now_us = monotonic_us(reload);
    if (reload->tick_us != 0 && now_us >= reload->tick_us) {
        tick(reload);
        reload->tick_us = 0;
    }
    if (!needs_tick(reload)) {
        reload->tick_us = 0;
    } else if (reload->tick_us == 0) {
        reload->tick_us = now_us + TICK_US;
    }
}

static bool is_due(const struct reload *reload) {
    return reload->wanted || (reload->burst_us != 0 && monotonic_us(reload) >= reload->settled_us);
}

static void *reload_main(void *context) {
    struct reload *reload = context;
    while (!mailbox_is_closed(reload->waiting)) {
        note_changes(reload);
        note_requests(reload);
        keep_collect(reload->keep);
        tick_if_due(reload);
        if (is_due(reload)) {
            build(reload);
        } else {
            sleep_until_something(reload);
        }
    }
    return NULL;
}

/* --- opening and closing --- */

bool reload_open(const struct reload_options *options, struct reload **out, struct fault *fault) {
    struct reload *reload = calloc(1, sizeof *reload);
    require(reload != NULL, "statute: no memory for the reload thread");
    reload->options = *options;
    reload->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (reload->wake < 0) {
        free(reload);
        return fault_set(fault, FAULT_ENVIRONMENT, "no eventfd for reloads: %s", strerror(errno));
    }
    reload->waiting = mailbox_new(WAITING_MOST);
    reload->watch = watch_new(options->generation.directory);
    pthread_mutex_init(&reload->mutex, NULL);
    look(reload);
    *out = reload;
    return true;
}

/* The generation that the service began with, and kept by itself. */
static void adopt_first(struct reload *reload) {
    struct generation *first = published_take(reload->options.published);
    if (first != NULL) {
        note_published(reload, first);
        generation_unref(first);
    }
}

bool reload_start(struct reload *reload, struct worker *writer, struct fault *fault) {
    reload->keep = keep_new(writer);
    adopt_first(reload);
    int error = pthread_create(&reload->thread, NULL, reload_main, reload);
    if (error != 0) {
        return fault_set(fault, FAULT_ENVIRONMENT, "no thread for reloads: %s", strerror(error));
    }
    reload->started = true;
    return true;
}

void reload_stop(struct reload *reload) {
    mailbox_close(reload->waiting);
    if (reload->started) {
        pthread_join(reload->thread, NULL);
        reload->started = false;
    }
    refuse_all(mailbox_take(reload->waiting, 0));
}

void reload_close(struct reload *reload) {
    if (reload == NULL) {
        return;
    }
    keep_free(reload->keep);
    mailbox_free(reload->waiting);
    watch_free(reload->watch);
    close(reload->wake);
    pthread_mutex_destroy(&reload->mutex);
    free(reload);
}

/* --- asking --- */

void reload_request(struct reload *reload) {
    uint64_t one = 1;
    ssize_t written = write(reload->wake, &one, sizeof one);
    (void)written; /* full: asked often enough */
}

void reload_answer(struct reload *reload, struct http_exchange *exchange) {
    if (!mailbox_post(reload->waiting, &exchange->letter)) {
        refuse(exchange, mailbox_is_closed(reload->waiting) ? "the server is stopping"
                                                            : "too many wait for a reload");
    }
}
