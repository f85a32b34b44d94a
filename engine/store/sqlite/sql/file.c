/* file.c: see the header. */
#include "store/sqlite/sql/file.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static bool is_same(struct file_mark *mark, const char *path) {
    struct stat found;
    if (stat(path, &found) != 0) {
        return mark->inode == 0;
    }
    if (mark->inode == 0) {
        *mark = (struct file_mark){found.st_dev, found.st_ino};
    }
    return mark->device == found.st_dev && mark->inode == found.st_ino;
}

bool file_is_same(struct file_marks *marks, const char *path, struct fault *fault) {
    char log[PATH_MAX + 8];
    snprintf(log, sizeof log, "%s-wal", path);
    bool is_log = is_same(&marks->database, path);
    return (is_log && is_same(&marks->log, log)) ||
           fault_set(fault, FAULT_STORE_UNAVAILABLE,
                     "the file %s was deleted or replaced while the store was open, so nothing "
                     "that is written would last; put it back, or stop the server and restore it",
                     is_log ? log : path);
}

bool file_is_writable(const char *path, struct fault *fault) {
    struct statvfs disk;
    if (access(path, W_OK) != 0) {
        return fault_set(fault, FAULT_STORE_UNAVAILABLE, "the store %s cannot be written: %s", path,
                         strerror(errno));
    }
    return statvfs(path, &disk) != 0 || disk.f_bavail > 0 ||
           fault_set(fault, FAULT_STORE_UNAVAILABLE,
                     "the store %s cannot be written: its disk is full", path);
}
