/* tls.c: the settings in force are one pointer under a mutex; a new connection takes a reference.
 *
 * Files are polled, not watched: they come through links that are swapped, on volumes of any kind,
 * and stat(2) tells the truth about all of them. Two files cannot be replaced at one moment, so a
 * change is read only when both have stood still from one look to the next; what cannot be used
 * even then is logged once, and tried again when either changes. */
#include "http/tls.h"

#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "base/log.h"
#include "http/tls_load.h"

#define LOOK_US   (500 * NOW_MILLISECOND)
#define DAY_US    (24 * 3600 * NOW_SECOND)
#define REMIND_US (14 * DAY_US)

/* What tells one state of a file from another; zeros when there is no file. */
struct stamp {
    uint64_t device, inode, size;
    struct timespec modified, changed;
};

struct pair {
    struct stamp certificate, key;
};

struct tls {
    char *certificate, *key; /* paths */
    struct now now;
    pthread_t thread;
    bool started;
    _Atomic uint64_t reloads[2]; /* failed, succeeded */
    pthread_mutex_t mutex;       /* guards the next five */
    pthread_cond_t wake;
    SSL_CTX *in_force;
    int64_t expires_us;
    bool asked, stopping;
    /* the thread's own, before that the opener's: */
    struct pair seen;    /* at the last look */
    struct pair tried;   /* when the files were last read */
    int64_t reminded_us; /* wall clock: of the end of the certificate; 0: not yet */
};

/* --- files --- */

static struct stamp stamp_of(const char *path) {
    struct stat found;
    if (stat(path, &found) != 0) {
        return (struct stamp){0};
    }
    return (struct stamp){found.st_dev, found.st_ino, (uint64_t)found.st_size, found.st_mtim,
                          found.st_ctim};
}

static struct pair look(const struct tls *tls) {
    return (struct pair){stamp_of(tls->certificate), stamp_of(tls->key)};
}

static bool same_time(struct timespec a, struct timespec b) {
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static bool same_stamp(const struct stamp *a, const struct stamp *b) {
    return a->device == b->device && a->inode == b->inode && a->size == b->size &&
           same_time(a->modified, b->modified) && same_time(a->changed, b->changed);
}

static bool same_pair(const struct pair *a, const struct pair *b) {
    return same_stamp(&a->certificate, &b->certificate) && same_stamp(&a->key, &b->key);
}

/* --- what is in force --- */

static void put_in_force(struct tls *tls, SSL_CTX *context) {
    int64_t expires_us = tls_load_expires_us(context);
    pthread_mutex_lock(&tls->mutex);
    SSL_CTX *before = tls->in_force;
    tls->in_force = context;
    tls->expires_us = expires_us;
    pthread_mutex_unlock(&tls->mutex);
    SSL_CTX_free(before);
}

static bool read_files(struct tls *tls, struct fault *fault) {
    SSL_CTX *context;
    tls->tried = tls->seen = look(tls); /* before reading, so that no later change is missed */
    if (!tls_load(tls->certificate, tls->key, &context, fault)) {
        return false;
    }
    put_in_force(tls, context);
    return true;
}

static void show_day(int64_t instant_us, char out[32]) {
    time_t seconds = (time_t)(instant_us / NOW_SECOND);
    struct tm parts;
    gmtime_r(&seconds, &parts);
    strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &parts);
}

static void renew(struct tls *tls) {
    struct fault fault = FAULT_INIT;
    char end[32];
    bool renewed = read_files(tls, &fault);
    atomic_fetch_add(&tls->reloads[renewed], 1);
    if (!renewed) {
        log_line(LOG_WARNING, "certificate_refused",
                 "%s; the certificate that was read before stays in force", fault.message);
        return;
    }
    tls->reminded_us = 0;
    show_day(tls_expires_us(tls), end);
    log_line(LOG_INFO, "certificate_loaded",
             "new connections get the certificate of %s, which is valid until %s", tls->certificate,
             end);
}

/* Once a day, from 14 days before the end. */
static void remind(struct tls *tls) {
    int64_t now_us = now_wall_us(&tls->now);
    int64_t expires_us = tls_expires_us(tls);
    char end[32];
    if (expires_us - now_us >= REMIND_US ||
        (tls->reminded_us != 0 && now_us - tls->reminded_us < DAY_US)) {
        return;
    }
    tls->reminded_us = now_us;
    show_day(expires_us, end);
    log_line(LOG_WARNING, "certificate_expires",
             "the certificate %s %s on %s: put a new one in its place, it is loaded by itself",
             tls->certificate, expires_us > now_us ? "ends" : "ended", end);
}

/* --- the thread --- */

static void look_after(struct tls *tls, bool asked) {
    struct pair found = look(tls);
    bool stands_still = same_pair(&found, &tls->seen);
    tls->seen = found;
    if (asked || (stands_still && !same_pair(&found, &tls->tried))) {
        renew(tls);
    }
    remind(tls);
}

/* Sleeps until the next look, or until something is asked for. False: it is time to stop. */
static bool wait_for_turn(struct tls *tls, bool *asked) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += LOOK_US * 1000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&tls->mutex);
    int waited = 0;
    while (!tls->asked && !tls->stopping && waited == 0) {
        waited = pthread_cond_timedwait(&tls->wake, &tls->mutex, &until);
    }
    *asked = tls->asked;
    tls->asked = false;
    bool goes_on = !tls->stopping;
    pthread_mutex_unlock(&tls->mutex);
    return goes_on;
}

static void *run(void *context) {
    struct tls *tls = context;
    bool asked = false;
    do {
        look_after(tls, asked);
    } while (wait_for_turn(tls, &asked));
    return NULL;
}

/* --- life --- */

static char *copy_path(struct text path) {
    char *copy = strndup(path.bytes, path.length);
    if (copy == NULL) {
        abort();
    }
    return copy;
}

static struct tls *tls_new(struct text certificate, struct text key, struct now now) {
    struct tls *tls = calloc(1, sizeof *tls);
    pthread_condattr_t attributes;
    if (tls == NULL) {
        abort();
    }
    tls->certificate = copy_path(certificate);
    tls->key = copy_path(key);
    tls->now = now;
    pthread_mutex_init(&tls->mutex, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&tls->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    return tls;
}

bool tls_open(struct text certificate, struct text key, struct now now, struct tls **out,
              struct fault *fault) {
    struct tls *tls = tls_new(certificate, key, now);
    if (!read_files(tls, fault)) {
        tls_close(tls);
        return false;
    }
    *out = tls;
    return true;
}

bool tls_start(struct tls *tls, struct fault *fault) {
    int error = pthread_create(&tls->thread, NULL, run, tls);
    tls->started = error == 0;
    return tls->started ||
           fault_set(fault, FAULT_ENVIRONMENT,
                     "Cannot start the thread that looks after certificates: %s", strerror(error));
}

static void ask(struct tls *tls, bool *what) {
    pthread_mutex_lock(&tls->mutex);
    *what = true;
    pthread_cond_signal(&tls->wake);
    pthread_mutex_unlock(&tls->mutex);
}

void tls_reload(struct tls *tls) {
    ask(tls, &tls->asked);
}

void tls_stop(struct tls *tls) {
    if (tls->started) {
        ask(tls, &tls->stopping);
        pthread_join(tls->thread, NULL);
        tls->started = false;
    }
}

void tls_close(struct tls *tls) {
    if (tls != NULL) {
        tls_stop(tls);
        SSL_CTX_free(tls->in_force);
        pthread_cond_destroy(&tls->wake);
        pthread_mutex_destroy(&tls->mutex);
        free(tls->certificate);
        free(tls->key);
        free(tls);
    }
}

/* --- for others --- */

SSL *tls_session(struct tls *tls) {
    pthread_mutex_lock(&tls->mutex);
    SSL *session = SSL_new(tls->in_force);
    pthread_mutex_unlock(&tls->mutex);
    return session;
}

int64_t tls_expires_us(struct tls *tls) {
    pthread_mutex_lock(&tls->mutex);
    int64_t expires_us = tls->expires_us;
    pthread_mutex_unlock(&tls->mutex);
    return expires_us;
}

uint64_t tls_reloads(const struct tls *tls, bool success) {
    return atomic_load(&tls->reloads[success]);
}
