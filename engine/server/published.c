/* published.c: the mutex is held for a pointer copy and one count; the old generation is let go
 * outside of it, since the last reference frees whole VMs. */
#include "server/published.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

struct published {
    pthread_mutex_t mutex;
    struct generation *generation; /* guarded by mutex; one reference is ours */
};

struct published *published_new(void) {
    struct published *published = calloc(1, sizeof *published);
    if (published == NULL) {
        perror("statute: no memory for the published generation");
        abort();
    }
    pthread_mutex_init(&published->mutex, NULL);
    return published;
}

static void let_go(struct generation *generation) {
    if (generation != NULL) {
        generation_unref(generation);
    }
}

void published_free(struct published *published) {
    if (published != NULL) {
        let_go(published->generation);
        pthread_mutex_destroy(&published->mutex);
        free(published);
    }
}

void published_set(struct published *published, struct generation *generation) {
    pthread_mutex_lock(&published->mutex);
    struct generation *old = published->generation;
    published->generation = generation;
    pthread_mutex_unlock(&published->mutex);
    let_go(old);
}

struct generation *published_take(struct published *published) {
    pthread_mutex_lock(&published->mutex);
    struct generation *generation = published->generation;
    if (generation != NULL) {
        generation_ref(generation);
    }
    pthread_mutex_unlock(&published->mutex);
    return generation;
}
