/* file.h: whether the files of an open store are still those that were opened. A file that is
 * deleted or replaced lives on for who has it open, and is gone with the process: nothing that is
 * written to it lasts. Private to store/sqlite/ */
#ifndef STATUTE_STORE_SQLITE_FILE_H
#define STATUTE_STORE_SQLITE_FILE_H

#include <sys/types.h>

#include "base/fault.h"

struct file_mark {
    dev_t device;
    ino_t inode; /* 0: not seen yet */
};

/* The database and its write-ahead log. */
struct file_marks {
    struct file_mark database, log;
};

/* FAULT_STORE_UNAVAILABLE when one of the two was there and is not, or is another. What is seen for
 * the first time is noted. Two system calls, about a microsecond. */
bool file_is_same(struct file_marks *marks, const char *path, struct fault *fault) MUST_CHECK;

/* FAULT_STORE_UNAVAILABLE when the file may not be written, or its disk is full. */
bool file_is_writable(const char *path, struct fault *fault) MUST_CHECK;

#endif
