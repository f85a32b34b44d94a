/* jwt_seen.c: a table with one place a hash; who comes later takes the place.
 *
 * What is kept is that the signature is right, and nothing else: header and claims are read and
 * compared with the clock anew each time. So a hit can neither outlive the token's expiry nor speak
 * for somebody else, and a token that expired leaves 32 bytes behind until its place is wanted. */
#include "identity/jwt_seen.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/log.h"

#define PLACES 4096 /* 128 KiB, of which only what is written takes memory */

struct web_token_seen {
    pthread_mutex_t mutex;                      /* guards hashes */
    unsigned char hashes[PLACES][DIGEST_BYTES]; /* all zero: none */
};

struct web_token_seen *web_token_seen_new(void) {
    struct web_token_seen *seen = calloc(1, sizeof *seen);
    if (seen == NULL) {
        log_line(LOG_ERROR, "out_of_memory", "no memory for the tokens that were seen");
        abort();
    }
    pthread_mutex_init(&seen->mutex, NULL);
    return seen;
}

void web_token_seen_free(struct web_token_seen *seen) {
    if (seen != NULL) {
        pthread_mutex_destroy(&seen->mutex);
        free(seen);
    }
}

static unsigned char *place_of(struct web_token_seen *seen, const unsigned char *hash) {
    return seen->hashes[((unsigned)hash[0] << 8 | hash[1]) % PLACES];
}

bool web_token_seen_has(struct web_token_seen *seen, const unsigned char hash[DIGEST_BYTES]) {
    if (seen == NULL) {
        return false;
    }
    pthread_mutex_lock(&seen->mutex);
    bool has = memcmp(place_of(seen, hash), hash, DIGEST_BYTES) == 0;
    pthread_mutex_unlock(&seen->mutex);
    return has;
}

void web_token_seen_add(struct web_token_seen *seen, const unsigned char hash[DIGEST_BYTES]) {
    if (seen != NULL) {
        pthread_mutex_lock(&seen->mutex);
        memcpy(place_of(seen, hash), hash, DIGEST_BYTES);
        pthread_mutex_unlock(&seen->mutex);
    }
}
