/* entity_list.c: the list of a machine's entities. Where the machine has `read`, what the actor may
 * not read is left out; and states and times of change have no index, since one would cost every
 * transition (engine/README.md). Entities then have to be looked at that are not shown: a page is
 * gathered from several of the store's. Times of change and `read` are counted page by page, too.
 * All of it is bounded: the cursor goes on behind what was looked at, and a count that would take
 * too long is left out. */
#include "api/answer.h"
#include "api/listing.h"
#include "api/reading.h"
#include "core/follow.h"

#define PAGES_MOST 20
#define GATHER_US  (50 * NOW_MILLISECOND)
#define COUNT_US   (500 * NOW_MILLISECOND)
#define COUNT_PAGE 1000
#define LOOK_MOST  5000 /* entities for one page of the store's */

/* A page of the list. */
struct listed {
    struct entity *items;
    size_t count;
    struct text next; /* TEXT_NONE: there is no more */
    bool has_total;
    int64_t total;
};

/* What the functions below share. */
struct walk {
    struct worker *worker;
    struct call *call;
    struct arena *arena;
    const struct listing *listing;
};

/* Somebody else may have changed or deleted the row since the store last saw it. */
static bool is_listed(const struct listing *listing, const struct entity *entity) {
    return entity->exists &&
           (!text_given(listing->state) || text_equal(entity->state, listing->state)) &&
           js_holds(entity->data, listing->where.data);
}

/* Keeps those that are shown, in their order. */
static bool keep_shown(const struct walk *walk, struct entity *items, size_t *count,
                       struct fault *fault) {
    size_t kept = 0;
    for (size_t i = 0; i < *count; i++) {
        bool shows = is_listed(walk->listing, &items[i]);
        if (shows && walk->listing->is_restricted &&
            !reading_shows(walk->worker, walk->arena, walk->listing->actor, &items[i], &shows,
                           fault)) {
            return false;
        }
        if (shows) {
            items[kept++] = items[i];
        }
    }
    *count = kept;
    return true;
}

static bool list_page(const struct walk *walk, const struct store_page *page, struct listed *out,
                      struct fault *fault) {
    struct core *core = &walk->worker->core;
    struct text machine = walk->call->parameters[0];
    struct store_where where = walk->listing->where;
    follow_where(core, walk->arena, machine, &where);
    return store_list(core->store, walk->arena, machine, &where, page, &out->items, &out->count,
                      &out->next, fault) &&
           core_refresh(core, walk->arena, out->items, out->count, fault) &&
           keep_shown(walk, out->items, &out->count, fault);
}

static void append(struct arena *arena, struct listed *to, const struct listed *from) {
    if (to->count == 0) {
        *to = *from;
        return;
    }
    struct entity *items = ARENA_ARRAY(arena, struct entity, to->count + from->count);
    memcpy(items, to->items, to->count * sizeof *items);
    if (from->count > 0) {
        memcpy(items + to->count, from->items, from->count * sizeof *items);
    }
    to->items = items;
    to->count += from->count;
    to->next = from->next;
}

/* Whether entities may have to be looked at that are not shown. */
static bool is_sifted(const struct listing *listing) {
    return listing->is_restricted || listing->where.updated_since_us != 0 ||
           listing->where.state_count > 0;
}

static bool gather(const struct walk *walk, struct listed *out, struct fault *fault) {
    const struct now *now = &walk->worker->core.now;
    int64_t until_us = now_monotonic_us(now) + GATHER_US;
    struct store_page page = walk->listing->page;
    page.look_most = is_sifted(walk->listing) ? LOOK_MOST : 0;
    size_t pages = 0;
    bool is_short;
    do {
        struct listed more = {0};
        if (!list_page(walk, &page, &more, fault)) {
            return false;
        }
        append(walk->arena, out, &more);
        page.cursor = out->next;
        page.limit = walk->listing->page.limit - (int64_t)out->count;
        is_short = is_sifted(walk->listing) && page.limit > 0 && text_given(out->next);
    } while (is_short && ++pages < PAGES_MOST && now_monotonic_us(now) < until_us);
    return true;
}

/* Each page in memory of its own. */
static bool count_page(struct walk walk, struct store_page *page, struct listed *out,
                       struct fault *fault) {
    struct arena scratch;
    struct listed more = {0};
    arena_init(&scratch, 0);
    struct arena *kept = walk.arena;
    walk.arena = &scratch;
    bool listed = list_page(&walk, page, &more, fault);
    out->total += (int64_t)more.count;
    page->cursor = text_given(more.next) ? text_copy(kept, more.next) : TEXT_NONE;
    arena_deinit(&scratch);
    return listed;
}

static bool count_shown(const struct walk *walk, struct listed *out, struct fault *fault) {
    const struct now *now = &walk->worker->core.now;
    int64_t until_us = now_monotonic_us(now) + COUNT_US;
    struct store_page page = {.limit = COUNT_PAGE, .look_most = LOOK_MOST};
    do {
        if (!count_page(*walk, &page, out, fault)) {
            return false;
        }
    } while (text_given(page.cursor) && now_monotonic_us(now) < until_us);
    out->has_total = !text_given(page.cursor);
    return true;
}

static bool count_all(const struct walk *walk, struct listed *out, struct fault *fault) {
    if (!walk->listing->count) {
        return true;
    }
    if (walk->listing->is_restricted || walk->listing->where.updated_since_us != 0) {
        return count_shown(walk, out, fault);
    }
    struct core *core = &walk->worker->core;
    struct text machine = walk->call->parameters[0];
    struct store_where where = walk->listing->where;
    follow_where(core, walk->arena, machine, &where);
    out->has_total = true;
    return store_count(core->store, machine, &where, &out->total, fault);
}

static bool list(const struct walk *walk, struct listed *out, struct fault *fault) {
    struct store *store = walk->worker->core.store;
    if (!store_begin(store, STORE_READ, ISOLATION_DEFAULT, fault)) {
        return false;
    }
    bool listed = gather(walk, out, fault) && count_all(walk, out, fault);
    store_rollback(store);
    return listed;
}

static void answer(struct call *call, const struct listed *listed) {
    struct buffer buffer;
    struct js_writer writer;
    buffer_init(&buffer, &call->exchange->arena);
    js_writer_init(&writer, &buffer);
    js_open(&writer, '{');
    js_key(&writer, TEXT("items"));
    js_open(&writer, '[');
    for (size_t i = 0; i < listed->count; i++) {
        answer_entity(&writer, &listed->items[i]);
    }
    js_close(&writer, ']');
    js_key(&writer, TEXT("next_cursor"));
    js_put_text(&writer, listed->next);
    if (listed->has_total) {
        js_key(&writer, TEXT("count"));
        js_put_integer(&writer, listed->total);
    }
    js_close(&writer, '}');
    call_ok(call->exchange, 200, buffer_view(&buffer));
}

static void run_list(struct job *job, struct worker *worker) {
    struct call *call = job->context;
    struct listing listing = {0};
    struct listed listed = {0};
    struct walk walk = {worker, call, &call->exchange->arena, &listing};
    struct fault fault = FAULT_INIT;
    if (listing_read(call, worker->core.policy.generation, &listing, &fault) &&
        list(&walk, &listed, &fault)) {
        answer(call, &listed);
    } else {
        call_fail(call->exchange, &fault, TEXT_NONE);
    }
}

void api_entity_list(struct call *call) {
    call_decide(call, run_list);
}
