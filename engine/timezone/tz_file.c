/* tz_file.c: files of the tz database: which they are, and what they hold. */
#include "timezone/tz_catalog.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

bool tz_identity_of(const char *path, struct tz_identity *out) {
    struct stat status;
    if (stat(path, &status) != 0) {
        return false;
    }
    *out = (struct tz_identity){status.st_dev, status.st_ino, status.st_size, status.st_mtim,
                                status.st_ctim};
    return true;
}

static bool is_same_time(struct timespec a, struct timespec b) {
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

bool tz_identity_equal(const struct tz_identity *a, const struct tz_identity *b) {
    return a->device == b->device && a->inode == b->inode && a->size_bytes == b->size_bytes &&
           is_same_time(a->modified, b->modified) && is_same_time(a->changed, b->changed);
}

static bool fail(struct fault *fault, const char *path, int error) {
    return fault_set(fault, FAULT_ENVIRONMENT, "%s cannot be read: %s", path, strerror(error));
}

static bool read_all(int file, const char *path, char *bytes, size_t size, size_t *length,
                     struct fault *fault) {
    *length = 0;
    while (*length < size) {
        ssize_t count = read(file, bytes + *length, size - *length);
        if (count == 0) {
            return true;
        }
        if (count < 0 && errno != EINTR) {
            return fail(fault, path, errno);
        }
        *length += count > 0 ? (size_t)count : 0;
    }
    return true;
}

static bool read_open(struct arena *arena, int file, const char *path, size_t most_bytes,
                      struct text *out, struct fault *fault) {
    struct stat status;
    if (fstat(file, &status) != 0) {
        return fail(fault, path, errno);
    }
    if (!S_ISREG(status.st_mode) || status.st_size > (off_t)most_bytes) {
        return fault_set(fault, FAULT_ENVIRONMENT, "%s is no file of at most %zu bytes", path,
                         most_bytes);
    }
    size_t size = (size_t)status.st_size, length;
    char *bytes = arena_alloc(arena, size + 1);
    if (!read_all(file, path, bytes, size, &length, fault)) {
        return false;
    }
    *out = (struct text){bytes, length};
    return true;
}

bool tz_file_read(struct arena *arena, const char *path, size_t most_bytes, struct text *out,
                  struct fault *fault) {
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0) {
        return fail(fault, path, errno);
    }
    bool done = read_open(arena, file, path, most_bytes, out, fault);
    close(file);
    return done;
}
