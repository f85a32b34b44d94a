/* pages.h: goes through everything that matches, page by page, so that memory stays small however
 * much there is. */
#ifndef STATUTE_PAGES_H
#define STATUTE_PAGES_H

#include "store/store.h"

enum pages_transaction {
    PAGES_OWN,  /* each page in a read transaction of its own, so that a writer's log can be emptied
                 */
    PAGES_OPEN, /* all inside the caller's */
};

/* False with a fault ends the walk. What it is given lives until it returns. */
typedef bool pages_record(void *context, const struct store_record *record, struct fault *fault);
typedef bool pages_entity(void *context, const struct entity *entity, struct fault *fault);
/* A page of them, in the transaction that read it. */
typedef bool pages_entity_page(void *context, const struct entity *entities, size_t count,
                               struct fault *fault);

/* At most `most` of them; 0: all. Oldest first, or in chain order when the search names an entity.
 */
bool pages_records(struct store *store, enum pages_transaction transaction,
                   const struct store_search *search, int64_t most, pages_record *each,
                   void *context, struct fault *fault) MUST_CHECK;

/* In the order of their creation. */
bool pages_entities(struct store *store, struct text machine, pages_entity *each, void *context,
                    struct fault *fault) MUST_CHECK;
bool pages_entity_pages(struct store *store, struct text machine, pages_entity_page *each,
                        void *context, struct fault *fault) MUST_CHECK;

#endif
