/* mailbox.h: a queue that many threads post to and one thread reads.
 * Posting gives the letter away. The reader sleeps on an eventfd, which an event loop can watch
 * too; it is written only when the mailbox was empty, so a busy mailbox costs no system calls. */
#ifndef STATUTE_MAILBOX_H
#define STATUTE_MAILBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The first member of whatever is posted. */
struct letter {
    struct letter *next;
};

struct mailbox;

struct mailbox *mailbox_new(size_t capacity); /* 0: without limit. Ends the process on no memory. */
void mailbox_free(struct mailbox *mailbox);   /* must be empty */

/* Any thread. False, and the letter stays yours, when the mailbox is full or closed. */
bool mailbox_post(struct mailbox *mailbox, struct letter *letter)
    __attribute__((warn_unused_result));

/* Reader only. Takes up to `most` letters (0: all), oldest first, as a list; NULL when empty. */
struct letter *mailbox_take(struct mailbox *mailbox, size_t most);

/* Reader only. Sleeps until there is a letter, the mailbox is closed, or `timeout_us` passed
 * (negative: for ever). True when there may be a letter. */
bool mailbox_wait(struct mailbox *mailbox, int64_t timeout_us);

/* Any thread. Later posts fail; the reader wakes and takes what is left. */
void mailbox_close(struct mailbox *mailbox);
bool mailbox_is_closed(struct mailbox *mailbox);

/* For an event loop: readable when there may be a letter. mailbox_take clears it. */
int mailbox_descriptor(struct mailbox *mailbox);
size_t mailbox_count(struct mailbox *mailbox); /* any thread, a moment's truth */

#endif
