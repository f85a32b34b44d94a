/* redis.c: locks between nodes: a key in Redis that only its maker may delete.
 *
 *   take   SET key token NX PX ttl    for each claim
 *   renew  EVAL compare-and-expire    for each hold
 *   drop   EVAL compare-and-delete    for each hold
 *
 * The commands of one call go out in one write, then all replies are read. A token is 64 random
 * bits: two nodes never make the same one, and nobody can let go of somebody else's hold.
 *
 *   no connection ─ connected ─ step ─ok─ stay connected
 *     │ pausing        │ fault    ├─ broke while idle: once more, on a new connection
 *     └─ fail at once  └──────────┴─ give_up: no connection, and a pause
 *
 * A call that broke may have been carried out all the same. So a second take first drops, by its
 * own tokens, what the first may have got. After a timeout nothing is sent any more: what the
 * server still has in its queue it will grant, and those holds end by their ttl.
 *
 * Redis must not be able to slow down a server that can do without it (--lock-failure row-lock):
 * after a failure calls fail at once for a while, and the next connection gets less time.
 * Writing to a connection that broke raises SIGPIPE: the program ignores it (cli/serve.c). */
#include <errno.h>
#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/digest.h"
#include "base/log.h"
#include "lock/driver.h"
#include "lock/redis_url.h"

#define CALL_US NOW_SECOND /* to connect, and for each reply of take and drop */
#define QUICK_US                                                                                   \
    (250 * NOW_MILLISECOND) /* the same where an answer is not worth more: ping, renew,            \
                               and any connection after a failure */
#define PAUSE_US      (250 * NOW_MILLISECOND) /* no new connection so soon after a failure */
#define PAUSE_LATE_US NOW_SECOND /* the same after a timeout: waiting cost time already */

#define REPLY_MOST    ((size_t)64 << 10) /* bytes; the longest that Redis has for us is an error */

#define TOKEN_SIZE    17 /* 16 hexadecimal digits */

static const char RENEW_SCRIPT[] = "if redis.call('get', KEYS[1]) == ARGV[1] then "
                                   "return redis.call('pexpire', KEYS[1], ARGV[2]) end return 0";
static const char DROP_SCRIPT[] = "if redis.call('get', KEYS[1]) == ARGV[1] then "
                                  "return redis.call('del', KEYS[1]) end return 0";

struct redis_lock {
    struct lock lock;
    struct redis_url url;
    redisContext *context;               /* NULL: not connected */
    redisReplyObjectFunctions functions; /* of its reader */
    int64_t timeout_us;                  /* of `context` */
    bool broke; /* the last call lost a connection that had worked, and not by waiting */
    bool late;  /* the last call waited in vain */
    int64_t pause_until_us; /* monotonic; 0: the last call went well */
    struct fault fault;     /* what calls fail with until then */
};

/* One call of the interface. */
struct request {
    /* Sends and reads; on failure the fault is set, and the connection closed if it is of no use.
     */
    bool (*step)(struct redis_lock *redis, struct request *request, struct fault *fault);
    const struct lock_claim *claims;
    size_t count;
    int64_t timeout_us;
    struct lock_claim *taken; /* take: `claims`, to be filled */
    bool again;               /* the first try broke */
    bool kept;                /* renew: the answer */
};

static struct redis_lock *redis_of(struct lock *lock) {
    return (struct redis_lock *)lock;
}

/* --- the connection --- */

static struct timeval timeval_of(int64_t us) {
    return (struct timeval){.tv_sec = us / NOW_SECOND, .tv_usec = us % NOW_SECOND};
}

static void disconnect(struct redis_lock *redis) {
    if (redis->context != NULL) {
        redisFree(redis->context);
        redis->context = NULL;
    }
}

static bool unavailable(const struct redis_lock *redis, const char *why, struct fault *fault) {
    return fault_set(fault, FAULT_LOCK_UNAVAILABLE, "the lock server %s:%d is not available: %s",
                     redis->url.host, redis->url.port, why);
}

/* The connection failed with `error`, an errno. */
static bool lose(struct redis_lock *redis, int error, struct fault *fault) {
    const redisContext *context = redis->context;
    redis->late = context->err == REDIS_ERR_IO && (error == EAGAIN || error == ETIMEDOUT);
    unavailable(redis, redis->late ? "it did not answer in time" : context->errstr, fault);
    disconnect(redis);
    return false;
}

static bool set_timeout(struct redis_lock *redis, int64_t timeout_us, struct fault *fault) {
    if (redis->timeout_us != timeout_us &&
        redisSetTimeout(redis->context, timeval_of(timeout_us)) != REDIS_OK) {
        return lose(redis, 0, fault);
    }
    redis->timeout_us = timeout_us;
    return true;
}

/* The server does not keep to the protocol, or is none: nothing it says counts. */
static bool distrust(struct redis_lock *redis, struct fault *fault) {
    unavailable(redis,
                "its answer is none that Redis gives to this command; is another program listening "
                "there?",
                fault);
    disconnect(redis);
    return false;
}

/* Reads until a whole reply is there, at most REPLY_MOST bytes of it and `timeout_us` long. */
static bool await_reply(struct redis_lock *redis, void **answer, struct fault *fault) {
    redisContext *context = redis->context;
    const struct now *now = &redis->lock.registry->now;
    int64_t until_us = now_monotonic_us(now) + redis->timeout_us;
    for (size_t got = 0;;) {
        errno = 0;
        if (redisGetReplyFromReader(context, answer) != REDIS_OK) {
            return distrust(redis, fault);
        }
        if (*answer != NULL) {
            return true;
        }
        size_t before = context->reader->len;
        if (redisBufferRead(context) != REDIS_OK) {
            return lose(redis, errno, fault);
        }
        got += context->reader->len - before;
        if (got > REPLY_MOST) {
            return distrust(redis, fault);
        }
        if (now_monotonic_us(now) > until_us) {
            context->err = REDIS_ERR_IO;
            return lose(redis, ETIMEDOUT, fault);
        }
    }
}

static bool send_commands(struct redis_lock *redis, struct fault *fault) {
    int done = 0;
    while (done == 0) {
        errno = 0;
        if (redisBufferWrite(redis->context, &done) != REDIS_OK) {
            return lose(redis, errno, fault);
        }
    }
    return true;
}

/* What a command is answered with: a word (or nothing, which is no), or a number. */
enum expected { EXPECT_WORD, EXPECT_NUMBER };

static bool is_expected(const redisReply *reply, enum expected expected) {
    switch (reply->type) {
    case REDIS_REPLY_ERROR:
        return true;
    case REDIS_REPLY_STATUS:
        return expected == EXPECT_WORD &&
               (strcmp(reply->str, "OK") == 0 || strcmp(reply->str, "PONG") == 0);
    case REDIS_REPLY_NIL:
        return expected == EXPECT_WORD;
    case REDIS_REPLY_INTEGER:
        return expected == EXPECT_NUMBER;
    default:
        return false;
    }
}

/* Reads one reply: false when the connection failed. A reply that is an error sets the fault too,
 * and is no. */
static bool read_reply(struct redis_lock *redis, enum expected expected, bool *yes,
                       struct fault *fault) {
    void *answer = NULL;
    *yes = false;
    if (!send_commands(redis, fault) || !await_reply(redis, &answer, fault)) {
        return false;
    }
    redisReply *reply = answer;
    bool fits = is_expected(reply, expected);
    *yes = fits && (reply->type == REDIS_REPLY_STATUS ||
                    (reply->type == REDIS_REPLY_INTEGER && reply->integer > 0));
    if (reply->type == REDIS_REPLY_ERROR) {
        unavailable(redis, reply->len > 0 ? reply->str : "it refuses, and gives no reason", fault);
    }
    freeReplyObject(reply);
    return fits || distrust(redis, fault);
}

/* Says who we are, and hears that the server is fit to work. */
static bool greet(struct redis_lock *redis, struct fault *fault) {
    const struct redis_url *url = &redis->url;
    int expected = 1;
    bool yes = true;
    if (url->user[0] != '\0') {
        redisAppendCommand(redis->context, "AUTH %s %s", url->user, url->password);
        expected++;
    } else if (url->password[0] != '\0') {
        redisAppendCommand(redis->context, "AUTH %s", url->password);
        expected++;
    }
    if (url->database != 0) {
        redisAppendCommand(redis->context, "SELECT %d", url->database);
        expected++;
    }
    redisAppendCommand(redis->context, "PING");
    for (int i = 0; i < expected && yes; i++) {
        if (!read_reply(redis, EXPECT_WORD, &yes, fault)) {
            return false;
        }
    }
    if (!yes && fault->code == FAULT_NONE) {
        return distrust(redis, fault);
    }
    if (!yes) {
        disconnect(redis);
    }
    return yes;
}

#if HIREDIS_MAJOR < 1
typedef int element_count;
#else
typedef size_t element_count;
#endif

/* No command of ours has an array as its answer. Its room, which a few bytes can make gigabytes, is
 * not even made; hiredis takes that as a failure to read. */
static void *no_array(const redisReadTask *task, element_count count) {
    (void)task;
    (void)count;
    return NULL;
}

static void refuse_arrays(struct redis_lock *redis) {
    redis->functions = *redis->context->reader->fn;
    redis->functions.createArray = no_array;
    redis->context->reader->fn = &redis->functions;
}

/* Keepalive finds out about a peer that vanished while nothing was said. */
static bool dial(struct redis_lock *redis, int64_t timeout_us, struct fault *fault) {
    errno = 0;
    redis->context =
        redisConnectWithTimeout(redis->url.host, redis->url.port, timeval_of(timeout_us));
    if (redis->context == NULL) {
        abort();
    }
    redis->timeout_us = 0;
    if (redis->context->err != 0) {
        return lose(redis, errno, fault);
    }
    refuse_arrays(redis);
    redisEnableKeepAlive(redis->context);
    return set_timeout(redis, timeout_us, fault) && greet(redis, fault);
}

static bool connected(struct redis_lock *redis, int64_t timeout_us, struct fault *fault) {
    bool suspect = redis->pause_until_us != 0;
    if (redis->context == NULL && !dial(redis, suspect ? QUICK_US : timeout_us, fault)) {
        return false;
    }
    return set_timeout(redis, timeout_us, fault);
}

/* --- one call, from its beginning to its end --- */

static void note(struct redis_lock *redis, bool down) {
    if (atomic_exchange(&redis->lock.registry->down, down) == down) {
        return;
    }
    if (down) {
        log_line(LOG_WARNING, "lock_unavailable",
                 "%s; until it is, requests are refused or go on with the row lock alone, as "
                 "--lock-failure says",
                 redis->fault.message);
    } else {
        log_line(LOG_INFO, "lock_available", "the lock server %s:%d is available again",
                 redis->url.host, redis->url.port);
    }
}

static bool give_up(struct redis_lock *redis, const struct fault *fault) {
    int64_t pause_us = redis->late ? PAUSE_LATE_US : PAUSE_US;
    redis->pause_until_us = now_monotonic_us(&redis->lock.registry->now) + pause_us;
    redis->fault = *fault;
    disconnect(redis);
    note(redis, true);
    return false;
}

static bool is_pausing(const struct redis_lock *redis) {
    return redis->pause_until_us != 0 &&
           now_monotonic_us(&redis->lock.registry->now) < redis->pause_until_us;
}

static bool try(struct redis_lock *redis, struct request *request, struct fault *fault) {
    *fault = FAULT_INIT;
    redis->late = false;
    redis->broke = false;
    if (!connected(redis, request->timeout_us, fault)) {
        return false;
    }
    bool done = request->step(redis, request, fault);
    redis->broke = !done && redis->context == NULL && !redis->late;
    return done;
}

static bool run(struct redis_lock *redis, struct request *request, struct fault *fault) {
    if (is_pausing(redis)) {
        *fault = redis->fault;
        return false;
    }
    bool done = try(redis, request, fault);
    if (!done && redis->broke) {
        request->again = true;
        done = try(redis, request, fault);
    }
    if (!done) {
        return give_up(redis, fault);
    }
    redis->pause_until_us = 0;
    note(redis, false);
    return true;
}

/* --- commands: redisAppendCommand fails for want of memory only, and then the reply is missed ---
 */

static const char *token_of(const struct lock_claim *claim, char out[TOKEN_SIZE]) {
    snprintf(out, TOKEN_SIZE, "%016" PRIx64, claim->token);
    return out;
}

static long long ttl_ms(const struct lock_claim *claim) {
    int64_t ms = (claim->ttl_us + NOW_MILLISECOND - 1) / NOW_MILLISECOND;
    return ms > 0 ? ms : 1;
}

static void send_take(struct redis_lock *redis, const struct request *request) {
    char token[TOKEN_SIZE];
    for (size_t i = 0; i < request->count; i++) {
        const struct lock_claim *claim = &request->claims[i];
        redisAppendCommand(redis->context, "SET %b %s NX PX %lld", claim->key.bytes,
                           claim->key.length, token_of(claim, token), ttl_ms(claim));
    }
}

/* A drop is the same script call as a renewal, whose ttl it does not look at. */
static void send_script(struct redis_lock *redis, const struct request *request,
                        const char *script) {
    char token[TOKEN_SIZE];
    for (size_t i = 0; i < request->count; i++) {
        const struct lock_claim *claim = &request->claims[i];
        if (claim->granted) {
            redisAppendCommand(redis->context, "EVAL %s 1 %b %s %lld", script, claim->key.bytes,
                               claim->key.length, token_of(claim, token), ttl_ms(claim));
        }
    }
}

/* An error as a reply is a hold that stays until its ttl. */
static bool step_drop(struct redis_lock *redis, struct request *request, struct fault *fault) {
    bool yes;
    struct fault ignored = FAULT_INIT;
    send_script(redis, request, DROP_SCRIPT);
    for (size_t i = 0; i < request->count; i++) {
        if (request->claims[i].granted && !read_reply(redis, EXPECT_NUMBER, &yes, &ignored)) {
            *fault = ignored;
            return false;
        }
    }
    return true;
}

/* An error as a reply is a hold that nobody knows of. */
static bool step_renew(struct redis_lock *redis, struct request *request, struct fault *fault) {
    struct fault ignored = FAULT_INIT;
    request->kept = true;
    send_script(redis, request, RENEW_SCRIPT);
    for (size_t i = 0; i < request->count; i++) {
        bool yes = true;
        if (request->claims[i].granted && !read_reply(redis, EXPECT_NUMBER, &yes, &ignored)) {
            *fault = ignored;
            return false;
        }
        request->kept = yes && request->kept;
    }
    return true;
}

static void set_granted(struct request *request, bool granted) {
    for (size_t i = 0; i < request->count; i++) {
        request->taken[i].granted = granted;
    }
}

static bool step_take(struct redis_lock *redis, struct request *request, struct fault *fault) {
    if (request->again) {
        set_granted(request, true);
        if (!step_drop(redis, request, fault)) {
            return false;
        }
    }
    send_take(redis, request);
    for (size_t i = 0; i < request->count; i++) {
        if (!read_reply(redis, EXPECT_WORD, &request->taken[i].granted, fault)) {
            return false;
        }
    }
    if (fault->code == FAULT_NONE) {
        return true;
    }
    struct fault ignored = FAULT_INIT;
    step_drop(redis, request, &ignored);
    return false;
}

/* A server that answers may still be read-only, out of memory, or closed to this user: so a key is
 * written as take writes one, and removed as drop does. The name is of those that take uses, since
 * users may be bound to them. */
static bool step_ping(struct redis_lock *redis, struct request *request, struct fault *fault) {
    struct lock_claim claim = {.key = TEXT("state_transition:statute:readyz"),
                               .token = (uint64_t)now_monotonic_us(&redis->lock.registry->now),
                               .ttl_us = NOW_SECOND,
                               .granted = true};
    struct request probe = {.claims = &claim, .count = 1};
    bool yes;
    (void)request;
    send_take(redis, &probe);
    send_script(redis, &probe, DROP_SCRIPT);
    struct fault dropped = FAULT_INIT;
    bool taken = read_reply(redis, EXPECT_WORD, &yes, fault) && fault->code == FAULT_NONE;
    bool is_read = redis->context != NULL && read_reply(redis, EXPECT_NUMBER, &yes, &dropped);
    if (taken && !is_read) {
        *fault = dropped;
    }
    return taken && is_read && fault->code == FAULT_NONE;
}

/* --- the interface --- */

static bool open_redis(struct text place, struct lock_registry *registry, struct lock **out,
                       struct fault *fault) {
    struct redis_url url;
    if (!lock_redis_url(place, &url, fault)) {
        return false;
    }
    struct redis_lock *redis = calloc(1, sizeof *redis);
    if (redis == NULL) {
        abort();
    }
    redis->lock = (struct lock){&lock_redis, registry};
    redis->url = url;
    *out = &redis->lock;
    return true;
}

static void close_redis(struct lock *lock) {
    disconnect(redis_of(lock));
    free(lock);
}

static bool take(struct lock *lock, struct lock_claim *claims, size_t count, struct fault *fault) {
    struct request request = {.step = step_take,
                              .claims = claims,
                              .count = count,
                              .timeout_us = CALL_US,
                              .taken = claims};
    for (size_t i = 0; i < count; i++) {
        digest_random((unsigned char *)&claims[i].token, sizeof claims[i].token);
    }
    if (run(redis_of(lock), &request, fault)) {
        return true;
    }
    set_granted(&request, false);
    return false;
}

static size_t granted_count(const struct lock_claim *claims, size_t count) {
    size_t granted = 0;
    for (size_t i = 0; i < count; i++) {
        granted += claims[i].granted;
    }
    return granted;
}

static bool renew(struct lock *lock, const struct lock_claim *claims, size_t count) {
    struct request request = {
        .step = step_renew, .claims = claims, .count = count, .timeout_us = QUICK_US};
    struct fault ignored;
    return granted_count(claims, count) == 0 ||
           (run(redis_of(lock), &request, &ignored) && request.kept);
}

static void drop(struct lock *lock, const struct lock_claim *claims, size_t count) {
    struct request request = {
        .step = step_drop, .claims = claims, .count = count, .timeout_us = CALL_US};
    struct fault ignored;
    if (granted_count(claims, count) > 0) {
        run(redis_of(lock), &request, &ignored);
    }
}

static bool ping(struct lock *lock, struct fault *fault) {
    struct request request = {.step = step_ping, .timeout_us = QUICK_US};
    return run(redis_of(lock), &request, fault);
}

const struct lock_driver lock_redis = {open_redis, close_redis, take, renew, drop, ping};
