/* reload.c: one thread that sleeps on five descriptors:
 *
 *   watch     something changed below the policy directory: note_changes
 *   wake      somebody asked for a reload: note_requests
 *   waiting   POST /v1/policies/reload: exchanges, answered by the load that begins after they came
 *   keep      a writer could not put a generation's files into the store: keep_collect
 *   renames   a writer is done with a page of entities that are called otherwise now
 *
 * A change is acted on once nothing has changed for `settle_us`, but no later than SETTLE_MOST_US
 * after the first one, so that a directory that never rests is loaded all the same. What is asked
 * for is done at once. Every load first looks at the tree anew (watch_look) and then reads the
 * files: a change in between is seen by the new watch and loaded again. A generation is published
 * only when its name differs from that in force; whatever goes wrong, the one in force stays. */
#include "server/reload.h"

#include "server/bulletin.h"
#include "server/keep.h"
#include "server/loaded.h"
#include "server/metrics.h"
#include "server/published.h"
#include "server/tables.h"
#include "server/watch.h"

#include "base/log.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define SETTLE_MOST_US (5 * NOW_SECOND)
#define TICK_US        NOW_SECOND /* between looks for a lost directory, and tries to keep */
#define WAITING_MOST   1000

/* One POST /v1/policies/reload; in the arena of its exchange. */
struct request {
    struct letter letter;
    struct http_exchange *exchange;
    bool force;
    struct text by;
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
    bool hangup;        /* by SIGHUP */
    struct renames *renames;
    int64_t renames_us;            /* when they want to go on; 0: no need */
    struct arena arena;            /* of `stranded` */
    struct stranded_list stranded; /* by the rules in force */
    pthread_t thread;
    bool started;
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

/* --- one load --- */

static void look(struct reload *reload) {
    struct fault fault = FAULT_INIT;
    if (reload->options.watch && !watch_look(reload->watch, &fault)) {
        log_line(LOG_WARNING, "policy_watch", "%s; SIGHUP and POST /v1/policies/reload still work",
                 fault.message);
    }
}

static void publish(struct reload *reload, struct generation *generation,
                    const struct generation *before, struct text by) {
    keep_generation(reload->keep, generation_ref(generation));
    bulletin_publish(reload->options.bulletin, generation, before, by,
                     now_wall_us(&reload->options.generation.now));
    published_set(reload->options.published, generation_ref(generation));
    keep_indexes(reload->keep, generation_ref(generation));
    renames_begin(reload->renames, generation);
}

static bool is_named(const struct generation *generation, struct text name) {
    return generation != NULL && text_equal(generation_name(generation), name);
}

/* The same policies with other keys take the place of those in force, and are no news besides. */
static void publish_keys(struct reload *reload, struct generation *made) {
    log_line(LOG_INFO, "pii_keys", "personal data is hashed with other keys from now on");
    published_set(reload->options.published, generation_ref(made));
    keep_indexes(reload->keep, generation_ref(made));
}

/* Takes over `made`; `loaded` has a reference to what is in force afterwards. */
static void publish_if_new(struct reload *reload, struct generation *made, struct text by,
                           struct loaded *loaded) {
    bool is_same = is_named(loaded->generation, generation_name(made));
    if (is_same && generation_same_keys(loaded->generation, made)) {
        generation_unref(made);
        return;
    }
    if (is_same) {
        publish_keys(reload, made);
    } else {
        publish(reload, made, loaded->generation, by);
    }
    loaded->before = loaded->generation;
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

/* Has `made` lost a machine that is in force? */
static bool has_lost(const struct generation *made, const struct generation *before) {
    for (size_t i = 0; before != NULL && i < generation_machine_count(before); i++) {
        struct text name = generation_machine_at(before, i)->name;
        if (generation_machine(made, name) == NULL && generation_machine_once(made, name) == NULL) {
            return true;
        }
    }
    return false;
}

/* Against the store, on a connection of its own, since reloads are rare. */
static bool check(struct reload *reload, const struct generation *made, bool force,
                  struct loaded *loaded) {
    struct store *store;
    bool may_lose = force || !has_lost(made, loaded->generation);
    if (!tables_are_named(made) && may_lose) {
        return true;
    }
    if (!store_open(reload->options.store, STORE_READER, &store, &loaded->fault)) {
        return false;
    }
    bool fine =
        (!tables_are_named(made) || tables_check(made, store, &loaded->problems, &loaded->fault)) &&
        (may_lose ||
         stranded_refuse(made, loaded->generation, store, "reload with {\"force\": true}",
                         &loaded->problems, &loaded->fault));
    store_close(store);
    return fine;
}

static void replace_stranded(struct reload *reload, const struct stranded_list *list) {
    struct arena arena;
    arena_init(&arena, 0);
    struct stranded_list copy = stranded_copy(list, &arena);
    arena_deinit(&reload->arena);
    reload->arena = arena;
    reload->stranded = copy;
    bulletin_strand(reload->options.bulletin, list);
}

/* Whom the rules that are now in force strand. What cannot be counted now is as it was known. */
static void look_for_stranded(struct reload *reload, const struct generation *rules,
                              const struct generation *before, struct arena *arena) {
    struct store *store;
    struct stranded_list list;
    struct text *gone;
    struct fault fault = FAULT_INIT;
    if (!store_open(reload->options.store, STORE_READER, &store, &fault)) {
        log_line(LOG_WARNING, "policy_stranded", "stranded entities could not be counted: %s",
                 fault.message);
        return;
    }
    bool found = stranded_find(rules, before, &reload->stranded, store, arena, &list, &fault);
    store_close(store);
    if (!found) {
        log_line(LOG_WARNING, "policy_stranded", "stranded entities could not be counted: %s",
                 fault.message);
        return;
    }
    replace_stranded(reload, &list);
    loaded_log_stranded(&list);
    size_t count = stranded_gone(&list, arena, &gone);
    keep_gone(reload->keep, gone, count);
}

static struct loaded load(struct reload *reload, bool force, struct text by, struct arena *arena) {
    char found[DIGEST_HEX] = "";
    struct generation_options options = reload->options.generation;
    struct loaded loaded = {.problems = {.arena = arena},
                            .generation = published_take(reload->options.published)};
    struct generation *made;
    options.found = found;
    loaded.fine = generation_load(&options, &made, &loaded.problems, &loaded.fault);
    if (loaded.fine && !check(reload, made, force, &loaded)) {
        generation_unref(made);
        loaded.fine = false;
    }
    if (loaded.fine) {
        publish_if_new(reload, made, by, &loaded);
    } else {
        as_problem(&loaded);
    }
    bulletin_found(reload->options.bulletin,
                   found[0] != '\0' ? (struct text){found, DIGEST_HEX} : TEXT_NONE,
                   &loaded.problems);
    metrics_reload(reload->options.metrics, loaded.fine);
    return loaded;
}

/* --- who asked --- */

static void refuse(struct http_exchange *exchange, const char *why) {
    struct fault fault = FAULT_INIT;
    fault_set(&fault, FAULT_OVERLOADED, "the policies were not reloaded: %s", why);
    http_fail(exchange, &fault, TEXT_NONE);
}

static void refuse_all(struct letter *letter) {
    while (letter != NULL) {
        struct letter *next = letter->next;
        refuse(((struct request *)(void *)letter)->exchange, "the server is stopping");
        letter = next;
    }
}

static void answer_all(struct letter *letter, const struct loaded *loaded) {
    while (letter != NULL) {
        struct letter *next = letter->next;
        loaded_answer(((struct request *)(void *)letter)->exchange, loaded);
        letter = next;
    }
}

static bool is_forced(const struct letter *letter) {
    for (; letter != NULL; letter = letter->next) {
        if (((const struct request *)(const void *)letter)->force) {
            return true;
        }
    }
    return false;
}

static struct text asker(const struct reload *reload, const struct letter *letter) {
    return letter != NULL   ? ((const struct request *)(const void *)letter)->by
           : reload->hangup ? TEXT("SIGHUP")
                            : TEXT("watch");
}

static void build(struct reload *reload) {
    struct letter *askers = mailbox_take(reload->waiting, 0);
    struct arena arena;
    arena_init(&arena, 0);
    reload->wanted = false;
    reload->burst_us = 0;
    look(reload);
    struct loaded loaded = load(reload, is_forced(askers), asker(reload, askers), &arena);
    reload->hangup = false;
    loaded_log(&loaded);
    if (loaded.changed) {
        look_for_stranded(reload, loaded.generation, loaded.before, &arena);
    }
    loaded.stranded = &reload->stranded;
    answer_all(askers, &loaded);
    if (loaded.generation != NULL) {
        generation_unref(loaded.generation);
    }
    if (loaded.before != NULL) {
        generation_unref(loaded.before);
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
    until_us = earliest(until_us, reload->renames_us);
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
        {.fd = renames_descriptor(reload->renames), .events = POLLIN},
    };
    int ready = poll(watched, sizeof watched / sizeof watched[0], sleep_ms(reload));
    require(ready >= 0 || errno == EINTR, "statute: poll in the reload thread");
}

static void note_changes(struct reload *reload) {
    if (!reload->options.watch || !watch_read(reload->watch)) {
        return;
    }
    int64_t now_us = monotonic_us(reload);
    if (reload->burst_us == 0) {
        reload->burst_us = now_us;
    }
    reload->settled_us =
        earliest(now_us + reload->options.settle_us, reload->burst_us + SETTLE_MOST_US);
}

static void note_requests(struct reload *reload) {
    uint64_t count;
    bool asked = read(reload->wake, &count, sizeof count) == sizeof count;
    reload->hangup = reload->hangup || asked;
    reload->wanted = reload->wanted || asked || mailbox_count(reload->waiting) > 0;
}

static bool is_lost(const struct reload *reload) {
    return reload->options.watch && watch_is_gone(reload->watch);
}

static bool needs_tick(const struct reload *reload) {
    return is_lost(reload) || keep_is_behind(reload->keep);
}

static void tick(struct reload *reload) {
    if (is_lost(reload)) {
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

/* The counting may take its time: it is done beside the traffic. */
static void look_at_first(struct reload *reload) {
    struct generation *first = published_take(reload->options.published);
    struct arena arena;
    if (first != NULL) {
        arena_init(&arena, 0);
        look_for_stranded(reload, first, NULL, &arena);
        arena_deinit(&arena);
        generation_unref(first);
    }
}

static void *reload_main(void *context) {
    struct reload *reload = context;
    look_at_first(reload);
    while (!mailbox_is_closed(reload->waiting)) {
        note_changes(reload);
        note_requests(reload);
        keep_collect(reload->keep);
        renames_collect(reload->renames);
        reload->renames_us = renames_go_on(reload->renames, monotonic_us(reload));
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
    arena_init(&reload->arena, 0);
    look(reload);
    *out = reload;
    return true;
}

/* The generation that the service began with, and kept by itself. */
static void adopt_first(struct reload *reload) {
    struct problem_list none = {0};
    struct generation *first = published_take(reload->options.published);
    if (first != NULL) {
        bulletin_publish(reload->options.bulletin, first, NULL, TEXT("start"),
                         now_wall_us(&reload->options.generation.now));
        bulletin_found(reload->options.bulletin, generation_name(first), &none);
        renames_begin(reload->renames, first);
        keep_indexes(reload->keep, first);
    }
}

bool reload_start(struct reload *reload, struct worker *writer, struct fault *fault) {
    reload->keep = keep_new(writer);
    reload->renames = renames_new(writer, reload->options.rename);
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
    renames_free(reload->renames);
    arena_deinit(&reload->arena);
    mailbox_free(reload->waiting);
    watch_free(reload->watch);
    close(reload->wake);
    free(reload);
}

/* --- asking --- */

void reload_request(struct reload *reload) {
    uint64_t one = 1;
    ssize_t written = write(reload->wake, &one, sizeof one);
    (void)written; /* full: asked often enough */
}

void reload_answer(struct reload *reload, struct http_exchange *exchange, bool force,
                   struct text by) {
    struct request *request = ARENA_NEW(&exchange->arena, struct request);
    *request = (struct request){.exchange = exchange, .force = force, .by = by};
    if (!mailbox_post(reload->waiting, &request->letter)) {
        refuse(exchange, mailbox_is_closed(reload->waiting) ? "the server is stopping"
                                                            : "too many wait for a reload");
    }
}
