/* limiter.c: a bucket is one instant, when it will be full again; each request moves it on by the
 * time that one token takes. A table is sets of WAYS buckets; a keyed hash picks the set, so nobody
 * can choose their neighbours. A bucket that is full is as good as none, and its place is free. */
#include "identity/limiter.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/map.h"

#define WAYS      8
#define SETS      2048
#define LOCKS     64
#define KINDS     2
#define SECOND_NS INT64_C(1000000000)

struct set {
    uint64_t who[WAYS];
    int64_t full_ns[WAYS]; /* monotonic: the bucket is full from then on */
    int64_t shared_ns;     /* the same, of all who find no place */
};

struct limiter {
    struct now now;
    unsigned burst;
    int64_t token_ns; /* one token takes so long */
    _Atomic uint64_t refused[KINDS];
    pthread_mutex_t locks[LOCKS]; /* each guards every LOCKS-th set */
    struct set sets[KINDS][SETS];
};

struct limiter *limiter_new(unsigned rate, unsigned burst, struct now now) {
    struct limiter *limiter = calloc(1, sizeof *limiter);
    if (limiter == NULL) {
        perror("statute: no memory for rate limits");
        abort();
    }
    limiter->now = now;
    limiter->burst = burst > 0 ? burst : rate * 2;
    limiter->token_ns = SECOND_NS / rate;
    for (size_t i = 0; i < LOCKS; i++) {
        pthread_mutex_init(&limiter->locks[i], NULL);
    }
    return limiter;
}

void limiter_free(struct limiter *limiter) {
    for (size_t i = 0; limiter != NULL && i < LOCKS; i++) {
        pthread_mutex_destroy(&limiter->locks[i]);
    }
    free(limiter);
}

static unsigned seconds(int64_t span_ns) {
    return span_ns > 0 ? (unsigned)((span_ns + SECOND_NS - 1) / SECOND_NS) : 0;
}

unsigned limiter_burst(const struct limiter *limiter) {
    return limiter->burst;
}

unsigned limiter_window_s(const struct limiter *limiter) {
    return seconds(limiter->token_ns * limiter->burst);
}

/* One customer has 64 bits of IPv6 addresses at the least, and may use them all. */
static uint64_t hash_of(enum limiter_kind kind, struct text who) {
    char address[INET6_ADDRSTRLEN];
    struct in6_addr bytes;
    if (kind == LIMITER_ADDRESS && who.length < sizeof address) {
        memcpy(address, who.bytes, who.length);
        address[who.length] = '\0';
        if (inet_pton(AF_INET6, address, &bytes) == 1 && !IN6_IS_ADDR_V4MAPPED(&bytes)) {
            return map_hash((struct text){(const char *)&bytes, 8});
        }
    }
    return map_hash(who);
}

static int64_t *bucket_of(struct set *set, uint64_t who, int64_t now_ns) {
    int64_t *free_one = &set->shared_ns;
    size_t place = WAYS;
    for (size_t i = 0; i < WAYS; i++) {
        if (set->full_ns[i] <= now_ns) {
            place = i;
        } else if (set->who[i] == who) {
            return &set->full_ns[i];
        }
    }
    if (place < WAYS) {
        set->who[place] = who;
        free_one = &set->full_ns[place];
    }
    return free_one;
}

static struct limiter_verdict judge(const struct limiter *limiter, int64_t *full_ns,
                                    int64_t now_ns) {
    int64_t most_ns = limiter->token_ns * limiter->burst;
    int64_t full = *full_ns > now_ns ? *full_ns : now_ns;
    struct limiter_verdict verdict = {.counted = true};
    verdict.allowed = full - now_ns + limiter->token_ns <= most_ns;
    if (verdict.allowed) {
        full += limiter->token_ns;
        *full_ns = full;
    }
    int64_t left_ns = most_ns - (full - now_ns);
    verdict.left = (unsigned)(left_ns / limiter->token_ns);
    verdict.next_s = seconds(limiter->token_ns - left_ns % limiter->token_ns);
    return verdict;
}

struct limiter_verdict limiter_ask(struct limiter *limiter, enum limiter_kind kind,
                                   struct text who) {
    uint64_t hash = hash_of(kind, who);
    size_t index = hash % SETS;
    int64_t now_ns = now_monotonic_us(&limiter->now) * 1000;
    struct set *set = &limiter->sets[kind][index];
    pthread_mutex_t *lock = &limiter->locks[index % LOCKS];
    pthread_mutex_lock(lock);
    struct limiter_verdict verdict = judge(limiter, bucket_of(set, hash, now_ns), now_ns);
    pthread_mutex_unlock(lock);
    if (!verdict.allowed) {
        atomic_fetch_add(&limiter->refused[kind], 1);
    }
    return verdict;
}

uint64_t limiter_refused(const struct limiter *limiter, enum limiter_kind kind) {
    return atomic_load(&limiter->refused[kind]);
}

size_t limiter_capacity(void) {
    return (size_t)WAYS * SETS;
}

size_t limiter_bytes(void) {
    return sizeof(struct limiter);
}
