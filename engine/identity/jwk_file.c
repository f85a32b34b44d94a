/* jwk_file.c: the whole file is read at each look, and its SHA-256 says whether it is another
 * one. It is small, and so neither a clock that is too coarse nor a swapped link can hide a change,
 * and a file that was caught half written is read again when it is whole.
 *
 * Keys in force are immutable, but for the tokens seen, and counted by reference: a check that took
 * them goes on with them. */
#include "identity/jwk_file.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/log.h"
#include "identity/jwt_seen.h"

#define FILE_MOST (1024 * 1024) /* bytes */

struct counted_keys {
    struct jwks keys;      /* first, so that one pointer is both */
    atomic_int references; /* the file's own and one for each check under way */
    struct arena arena;
};

struct jwk_file {
    char *path;
    unsigned char hash[DIGEST_BYTES]; /* of what was read last, good or bad; the looking thread's */
    bool unreadable;                  /* the last time; the looking thread's */
    pthread_mutex_t mutex;            /* guards keys */
    struct counted_keys *keys;
};

/* --- keys --- */

static struct counted_keys *keys_new(void) {
    struct counted_keys *keys = calloc(1, sizeof *keys);
    if (keys == NULL) {
        log_line(LOG_ERROR, "out_of_memory", "no memory for the keys of tokens");
        abort();
    }
    atomic_init(&keys->references, 1);
    arena_init(&keys->arena, 0);
    keys->keys.seen = web_token_seen_new();
    return keys;
}

void jwk_file_drop(struct jwks *keys) {
    struct counted_keys *counted = (struct counted_keys *)keys;
    if (keys != NULL && atomic_fetch_sub(&counted->references, 1) == 1) {
        web_token_seen_free(keys->seen);
        arena_deinit(&counted->arena);
        free(counted);
    }
}

struct jwks *jwk_file_take(struct jwk_file *file) {
    pthread_mutex_lock(&file->mutex);
    struct counted_keys *keys = file->keys;
    atomic_fetch_add(&keys->references, 1);
    pthread_mutex_unlock(&file->mutex);
    return &keys->keys;
}

static void put_in_force(struct jwk_file *file, struct counted_keys *keys) {
    pthread_mutex_lock(&file->mutex);
    struct counted_keys *old = file->keys;
    file->keys = keys;
    pthread_mutex_unlock(&file->mutex);
    jwk_file_drop(old != NULL ? &old->keys : NULL);
}

size_t jwk_file_count(struct jwk_file *file) {
    struct jwks *keys = jwk_file_take(file);
    size_t count = keys->set.count;
    jwk_file_drop(keys);
    return count;
}

/* --- reading --- */

static bool cannot_read(const char *path, const char *why, struct fault *fault) {
    return fault_set(fault, FAULT_ENVIRONMENT, "the key file '%s' cannot be read: %s", path, why);
}

static bool read_open(int descriptor, const char *path, struct arena *arena, struct text *out,
                      struct fault *fault) {
    struct stat status;
    if (fstat(descriptor, &status) != 0) {
        return cannot_read(path, strerror(errno), fault);
    }
    if (!S_ISREG(status.st_mode)) {
        return cannot_read(path, "it is not a file", fault);
    }
    size_t most = status.st_size < FILE_MOST ? (size_t)status.st_size : FILE_MOST, length = 0;
    char *bytes = arena_alloc(arena, most + 1);
    ssize_t got;
    while ((got = read(descriptor, bytes + length, most + 1 - length)) > 0) {
        length += (size_t)got;
    }
    if (got < 0) {
        return cannot_read(path, strerror(errno), fault);
    }
    *out = (struct text){bytes, length};
    return length <= FILE_MOST || cannot_read(path, "it is longer than 1 MiB", fault);
}

/* Without waiting for whoever would write into a FIFO of that name. */
static bool read_file(const char *path, struct arena *arena, struct text *out,
                      struct fault *fault) {
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0) {
        return cannot_read(path, strerror(errno), fault);
    }
    bool read = read_open(descriptor, path, arena, out, fault);
    close(descriptor);
    return read;
}

static void tell_keys(const struct jwk_file *file, const struct jwk_set *set) {
    enum log_level level = set->count > 0 ? LOG_INFO : LOG_WARNING;
    log_line(level, "token_keys", "keys of tokens in force from '%s': %zu%s", file->path,
             set->count, set->count > 0 ? "" : ", so every token is refused");
    if (set->ignored_count > 0) {
        log_line(LOG_INFO, "token_keys_ignored", "keys in '%s' that are for other uses: %.*s",
                 file->path, TEXT_ARGS(buffer_view(&set->ignored)));
    }
}

/* Problems can be many, and a fault is one sentence, so the log has all of them. */
static bool refuse(const struct jwk_file *file, const struct jwk_set *set, struct fault *fault) {
    struct text all = buffer_view(&set->problems);
    if (set->problem_count > 1) {
        log_line(LOG_ERROR, "token_keys_bad", "the key file '%s' has %zu problems: %.*s",
                 file->path, set->problem_count, TEXT_ARGS(all));
        return fault_set(fault, FAULT_ENVIRONMENT, "the key file '%s' has %zu problems: %.*s",
                         file->path, set->problem_count, TEXT_ARGS(all));
    }
    return fault_set(fault, FAULT_ENVIRONMENT, "the key file '%s': %.*s", file->path,
                     TEXT_ARGS(all));
}

static bool use(struct jwk_file *file, struct text content, struct fault *fault) {
    struct counted_keys *keys = keys_new();
    if (!jwk_set_parse(&keys->arena, content, &keys->keys.set)) {
        refuse(file, &keys->keys.set, fault);
        jwk_file_drop(&keys->keys);
        return false;
    }
    tell_keys(file, &keys->keys.set);
    put_in_force(file, keys);
    return true;
}

/* --- looking --- */

/* True for a content that was not seen the last time. */
static bool is_new(struct jwk_file *file, struct text content, bool anew) {
    unsigned char hash[DIGEST_BYTES];
    digest_sha256(content, hash);
    bool same = !file->unreadable && memcmp(hash, file->hash, sizeof hash) == 0;
    memcpy(file->hash, hash, sizeof hash);
    return !same || anew;
}

static bool look(struct jwk_file *file, struct arena *arena, bool anew, struct fault *fault) {
    struct text content;
    if (!read_file(file->path, arena, &content, fault)) {
        bool told = file->unreadable && !anew;
        file->unreadable = true;
        return told;
    }
    bool fresh = is_new(file, content, anew);
    file->unreadable = false;
    return !fresh || use(file, content, fault);
}

void jwk_file_look(struct jwk_file *file, bool anew) {
    struct fault fault = FAULT_INIT;
    struct arena arena;
    arena_init(&arena, 0);
    if (!look(file, &arena, anew, &fault)) {
        log_line(LOG_WARNING, "token_keys_stale", "the keys of tokens stay as they are: %s",
                 fault.message);
    }
    arena_deinit(&arena);
}

bool jwk_file_open(struct text path, struct jwk_file **out, struct fault *fault) {
    struct jwk_file *file = calloc(1, sizeof *file);
    if (file == NULL || (file->path = strndup(path.bytes, path.length)) == NULL) {
        free(file);
        return fault_set(fault, FAULT_ENVIRONMENT, "no memory for the keys of tokens");
    }
    pthread_mutex_init(&file->mutex, NULL);
    struct arena arena;
    arena_init(&arena, 0);
    bool fine = look(file, &arena, true, fault);
    arena_deinit(&arena);
    if (!fine) {
        jwk_file_close(file);
        return false;
    }
    *out = file;
    return true;
}

void jwk_file_close(struct jwk_file *file) {
    if (file != NULL) {
        jwk_file_drop(file->keys != NULL ? &file->keys->keys : NULL);
        pthread_mutex_destroy(&file->mutex);
        free(file->path);
        free(file);
    }
}
