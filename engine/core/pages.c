/* pages.c: one arena holds the page, another the cursor that leads to the next one. */
#include "core/pages.h"

#define PAGE_MOST 1000

struct walk {
    struct store *store;
    enum pages_transaction transaction;
    struct arena page;
    struct arena between; /* the cursor */
    struct text cursor;   /* TEXT_NONE before the first page and after the last */
    int64_t left;         /* of `most` */
    void *context;
    struct fault *fault;
};

static void walk_init(struct walk *walk, struct store *store, enum pages_transaction transaction,
                      int64_t most, void *context, struct fault *fault) {
    *walk = (struct walk){.store = store,
                          .transaction = transaction,
                          .left = most > 0 ? most : INT64_MAX,
                          .context = context,
                          .fault = fault};
    arena_init(&walk->page, 64 * 1024);
    arena_init(&walk->between, 0);
}

static void walk_deinit(struct walk *walk) {
    arena_deinit(&walk->page);
    arena_deinit(&walk->between);
}

static bool walk_begin(struct walk *walk) {
    return walk->transaction == PAGES_OPEN ||
           store_begin(walk->store, STORE_READ, ISOLATION_DEFAULT, walk->fault);
}

static void walk_end(struct walk *walk) {
    if (walk->transaction == PAGES_OWN) {
        store_rollback(walk->store);
    }
}

static struct store_page walk_page(const struct walk *walk) {
    return (struct store_page){.limit = walk->left < PAGE_MOST ? walk->left : PAGE_MOST,
                               .cursor = walk->cursor};
}

/* The page is done with: only its cursor is kept. */
static bool walk_on(struct walk *walk, struct text next, size_t count) {
    arena_reset(&walk->between);
    walk->cursor = text_copy(&walk->between, next);
    walk->left -= (int64_t)count;
    arena_reset(&walk->page);
    return text_given(walk->cursor) && walk->left > 0;
}

static bool hand_out(struct walk *walk, const struct store_record *records, size_t count,
                     pages_record *each) {
    for (size_t i = 0; i < count; i++) {
        if (!each(walk->context, &records[i], walk->fault)) {
            return false;
        }
    }
    return true;
}

static bool records_page(struct walk *walk, const struct store_search *search, pages_record *each,
                         bool *more) {
    struct store_record *items;
    struct text next = TEXT_NONE;
    size_t count;
    struct store_page page = walk_page(walk);
    if (!store_search_records(walk->store, &walk->page, search, &page, &items, &count, &next,
                              walk->fault)) {
        return false;
    }
    if (!hand_out(walk, items, count, each)) {
        return false;
    }
    *more = walk_on(walk, next, count);
    return true;
}

static bool walk_records(struct walk *walk, const struct store_search *search, pages_record *each) {
    bool more = true, went = true;
    while (went && more) {
        went = walk_begin(walk) && records_page(walk, search, each, &more);
        walk_end(walk);
    }
    walk_deinit(walk);
    return went;
}

bool pages_records(struct store *store, enum pages_transaction transaction,
                   const struct store_search *search, int64_t most, pages_record *each,
                   void *context, struct fault *fault) {
    struct walk walk;
    walk_init(&walk, store, transaction, most, context, fault);
    return walk_records(&walk, search, each);
}

static bool entities_page(struct walk *walk, struct text machine, pages_entity_page *each,
                          bool *more) {
    static const struct store_where everything = {0};
    struct entity *items;
    struct text next = TEXT_NONE;
    size_t count;
    struct store_page page = walk_page(walk);
    if (!store_list(walk->store, &walk->page, machine, &everything, &page, &items, &count, &next,
                    walk->fault) ||
        !each(walk->context, items, count, walk->fault)) {
        return false;
    }
    *more = walk_on(walk, next, count);
    return true;
}

bool pages_entity_pages(struct store *store, struct text machine, pages_entity_page *each,
                        void *context, struct fault *fault) {
    struct walk walk;
    bool more = true, went = true;
    walk_init(&walk, store, PAGES_OWN, 0, context, fault);
    while (went && more) {
        went = walk_begin(&walk) && entities_page(&walk, machine, each, &more);
        walk_end(&walk);
    }
    walk_deinit(&walk);
    return went;
}

struct single {
    pages_entity *each;
    void *context;
};

static bool each_single(void *context, const struct entity *entities, size_t count,
                        struct fault *fault) {
    const struct single *single = context;
    for (size_t i = 0; i < count; i++) {
        if (!single->each(single->context, &entities[i], fault)) {
            return false;
        }
    }
    return true;
}

bool pages_entities(struct store *store, struct text machine, pages_entity *each, void *context,
                    struct fault *fault) {
    struct single single = {each, context};
    return pages_entity_pages(store, machine, each_single, &single, fault);
}
