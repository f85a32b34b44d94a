/* mailbox.c: a list under a mutex, and an eventfd that says "not empty".
 *
 * Invariant: under the mutex, the eventfd is readable exactly when `signalled`. Posting signals;
 * mailbox_take withdraws the signal when it leaves the list empty. Both system calls are made
 * under the mutex: outside of it a late write could follow the reader's read, and leave the
 * descriptor readable with nothing to read. */
#include "base/mailbox.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

struct mailbox {
    pthread_mutex_t mutex; /* guards all below but `descriptor`, which never changes */
    struct letter *oldest;
    struct letter *youngest; /* only meaningful while oldest != NULL */
    size_t count;
    size_t capacity; /* 0: without limit */
    bool closed;
    bool signalled;
    int descriptor;
};

static void require(bool fine, const char *what) {
    if (!fine) {
        perror(what);
        abort();
    }
}

struct mailbox *mailbox_new(size_t capacity) {
    struct mailbox *mailbox = calloc(1, sizeof *mailbox);
    require(mailbox != NULL, "statute: no memory for a mailbox");
    mailbox->capacity = capacity;
    mailbox->descriptor = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    require(mailbox->descriptor >= 0, "statute: no eventfd for a mailbox");
    pthread_mutex_init(&mailbox->mutex, NULL);
    return mailbox;
}

void mailbox_free(struct mailbox *mailbox) {
    if (mailbox != NULL) {
        close(mailbox->descriptor);
        pthread_mutex_destroy(&mailbox->mutex);
        free(mailbox);
    }
}

static void signal_reader(struct mailbox *mailbox) {
    if (!mailbox->signalled) {
        uint64_t one = 1;
        require(write(mailbox->descriptor, &one, sizeof one) == sizeof one, "statute: eventfd");
        mailbox->signalled = true;
    }
}

static void withdraw_signal(struct mailbox *mailbox) {
    if (mailbox->signalled) {
        uint64_t count;
        require(read(mailbox->descriptor, &count, sizeof count) == sizeof count,
                "statute: eventfd");
        mailbox->signalled = false;
    }
}

static void append(struct mailbox *mailbox, struct letter *letter) {
    letter->next = NULL;
    if (mailbox->oldest == NULL) {
        mailbox->oldest = letter;
    } else {
        mailbox->youngest->next = letter;
    }
    mailbox->youngest = letter;
    mailbox->count++;
}

bool mailbox_post(struct mailbox *mailbox, struct letter *letter) {
    pthread_mutex_lock(&mailbox->mutex);
    bool full = mailbox->capacity > 0 && mailbox->count >= mailbox->capacity;
    bool accepted = !full && !mailbox->closed;
    if (accepted) {
        append(mailbox, letter);
        signal_reader(mailbox);
    }
    pthread_mutex_unlock(&mailbox->mutex);
    return accepted;
}

static struct letter *detach(struct mailbox *mailbox, size_t most) {
    struct letter *taken = mailbox->oldest;
    if (most == 0 || most >= mailbox->count) {
        mailbox->oldest = NULL;
        mailbox->count = 0;
        return taken;
    }
    struct letter *last = taken;
    for (size_t i = 1; i < most; i++) {
        last = last->next;
    }
    mailbox->oldest = last->next;
    last->next = NULL;
    mailbox->count -= most;
    return taken;
}

struct letter *mailbox_take(struct mailbox *mailbox, size_t most) {
    pthread_mutex_lock(&mailbox->mutex);
    struct letter *taken = detach(mailbox, most);
    if (mailbox->oldest == NULL) {
        withdraw_signal(mailbox);
    }
    pthread_mutex_unlock(&mailbox->mutex);
    return taken;
}

static bool is_ready(struct mailbox *mailbox) {
    pthread_mutex_lock(&mailbox->mutex);
    bool ready = mailbox->oldest != NULL || mailbox->closed;
    pthread_mutex_unlock(&mailbox->mutex);
    return ready;
}

static int64_t monotonic_us(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000 + time.tv_nsec / 1000;
}

/* False once `deadline_us` has passed; true after a signal or an interruption. */
static bool sleep_until(struct mailbox *mailbox, int64_t deadline_us) {
    struct pollfd watched = {.fd = mailbox->descriptor, .events = POLLIN};
    if (deadline_us < 0) {
        return ppoll(&watched, 1, NULL, NULL) != 0;
    }
    int64_t left_us = deadline_us - monotonic_us();
    if (left_us <= 0) {
        return false;
    }
    struct timespec left = {.tv_sec = left_us / 1000000, .tv_nsec = left_us % 1000000 * 1000};
    return ppoll(&watched, 1, &left, NULL) != 0;
}

bool mailbox_wait(struct mailbox *mailbox, int64_t timeout_us) {
    int64_t deadline_us = -1;
    if (timeout_us >= 0 && __builtin_add_overflow(monotonic_us(), timeout_us, &deadline_us)) {
        deadline_us = -1;
    }
    while (!is_ready(mailbox)) {
        if (!sleep_until(mailbox, deadline_us)) {
            return is_ready(mailbox);
        }
    }
    return true;
}

void mailbox_close(struct mailbox *mailbox) {
    pthread_mutex_lock(&mailbox->mutex);
    mailbox->closed = true;
    signal_reader(mailbox);
    pthread_mutex_unlock(&mailbox->mutex);
}

bool mailbox_is_closed(struct mailbox *mailbox) {
    pthread_mutex_lock(&mailbox->mutex);
    bool closed = mailbox->closed;
    pthread_mutex_unlock(&mailbox->mutex);
    return closed;
}

int mailbox_descriptor(struct mailbox *mailbox) {
    return mailbox->descriptor;
}

size_t mailbox_count(struct mailbox *mailbox) {
    pthread_mutex_lock(&mailbox->mutex);
    size_t count = mailbox->count;
    pthread_mutex_unlock(&mailbox->mutex);
    return count;
}
