/* wal.c: SQLite writes each page of a commit to the log in two system calls, its
 * header and its content. A batch of 32 transitions is some 50 pages in a row, so gathering them
 * saves about 100 system calls, over a third of the processor time of the commit. A checkpoint
 * writes the database's pages in their order, many of them in a row as well.
 *
 * Invariants:
 *  1. Only files opened as a log or as a database are gathered; all others go straight through.
 *  2. What is gathered is one run of bytes, `at`..`at + length`. A write that does not continue the
 *     run, and every other call on the file's content or locks, first puts the run into the real
 *     file. So no call can tell that anything was held back.
 *  3. SQLite, at synchronous=FULL, syncs the log before it shows a commit to other connections, and
 *     the database before it lets them read from there what was in the log; a sync is such a call:
 *     readers, who open the files themselves, miss nothing.
 *  4. A run that cannot be written is dropped, and the call that needed it fails: SQLite then rolls
 *     the transaction back and writes its pages anew. */
#include "store/sqlite/sql/wal.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* The default layer of 3.40 takes no longer write: it masks lengths with 0x1ffff. */
#define RUN_MOST ((size_t)0x1FFFF)

struct file {
    sqlite3_file base; /* first: what SQLite holds */
    char *run;         /* RUN_MOST bytes, owned; NULL: nothing is gathered */
    size_t length;     /* of the run; 0: nothing held back */
    sqlite3_int64 at;
    sqlite3_file *real; /* behind this struct, in the same allocation */
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static sqlite3_vfs *real_layer; /* these two are written once, under `once` */
static sqlite3_vfs layer;

static struct file *file_of(sqlite3_file *file) {
    return (struct file *)file;
}

static sqlite3_file *real_of(sqlite3_file *file) {
    return file_of(file)->real;
}

static int put_run(sqlite3_file *base) {
    struct file *file = file_of(base);
    if (file->length == 0) {
        return SQLITE_OK;
    }
    int length = (int)file->length;
    file->length = 0;
    return file->real->pMethods->xWrite(file->real, file->run, length, file->at);
}

/* --- calls that gather, or put the run first --- */

static bool continues_run(const struct file *file, size_t length, sqlite3_int64 offset) {
    return file->length > 0 && offset == file->at + (sqlite3_int64)file->length &&
           file->length + length <= RUN_MOST;
}

static int write_file(sqlite3_file *base, const void *bytes, int length, sqlite3_int64 offset) {
    struct file *file = file_of(base);
    size_t size = (size_t)length;
    if (!continues_run(file, size, offset)) {
        int code = put_run(base);
        if (code != SQLITE_OK) {
            return code;
        }
        file->at = offset;
    }
    if (file->run == NULL || size > RUN_MOST) {
        return file->real->pMethods->xWrite(file->real, bytes, length, offset);
    }
    memcpy(file->run + file->length, bytes, size);
    file->length += size;
    return SQLITE_OK;
}

static int read_file(sqlite3_file *base, void *bytes, int length, sqlite3_int64 offset) {
    int code = put_run(base);
    return code != SQLITE_OK ? code
                             : real_of(base)->pMethods->xRead(real_of(base), bytes, length, offset);
}

static int truncate_file(sqlite3_file *base, sqlite3_int64 size) {
    int code = put_run(base);
    return code != SQLITE_OK ? code : real_of(base)->pMethods->xTruncate(real_of(base), size);
}

static int sync_file(sqlite3_file *base, int flags) {
    int code = put_run(base);
    return code != SQLITE_OK ? code : real_of(base)->pMethods->xSync(real_of(base), flags);
}

static int size_of_file(sqlite3_file *base, sqlite3_int64 *size) {
    int code = put_run(base);
    return code != SQLITE_OK ? code : real_of(base)->pMethods->xFileSize(real_of(base), size);
}

static int control_file(sqlite3_file *base, int operation, void *argument) {
    int code = put_run(base);
    return code != SQLITE_OK
               ? code
               : real_of(base)->pMethods->xFileControl(real_of(base), operation, argument);
}

static int close_file(sqlite3_file *base) {
    int code = put_run(base);
    int closed = real_of(base)->pMethods->xClose(real_of(base));
    free(file_of(base)->run);
    return code != SQLITE_OK ? code : closed;
}

static int lock_file(sqlite3_file *base, int lock) {
    int code = put_run(base);
    return code != SQLITE_OK ? code : real_of(base)->pMethods->xLock(real_of(base), lock);
}

static int unlock_file(sqlite3_file *base, int lock) {
    int code = put_run(base);
    int unlocked = real_of(base)->pMethods->xUnlock(real_of(base), lock);
    return code != SQLITE_OK ? code : unlocked;
}

/* --- calls that do not touch the content go straight through; for the shared memory see 3 --- */

static int check_reserved_lock(sqlite3_file *base, int *out) {
    return real_of(base)->pMethods->xCheckReservedLock(real_of(base), out);
}

static int sector_size(sqlite3_file *base) {
    return real_of(base)->pMethods->xSectorSize(real_of(base));
}

static int device_characteristics(sqlite3_file *base) {
    return real_of(base)->pMethods->xDeviceCharacteristics(real_of(base));
}

static int map_shared(sqlite3_file *base, int page, int size, int extend, void volatile **out) {
    return real_of(base)->pMethods->xShmMap(real_of(base), page, size, extend, out);
}

static int lock_shared(sqlite3_file *base, int offset, int count, int flags) {
    return real_of(base)->pMethods->xShmLock(real_of(base), offset, count, flags);
}

static void barrier_shared(sqlite3_file *base) {
    real_of(base)->pMethods->xShmBarrier(real_of(base));
}

static int unmap_shared(sqlite3_file *base, int remove) {
    return real_of(base)->pMethods->xShmUnmap(real_of(base), remove);
}

static const sqlite3_io_methods methods = {
    .iVersion = 2, /* with shared memory, without xFetch */
    .xClose = close_file,
    .xRead = read_file,
    .xWrite = write_file,
    .xTruncate = truncate_file,
    .xSync = sync_file,
    .xFileSize = size_of_file,
    .xLock = lock_file,
    .xUnlock = unlock_file,
    .xCheckReservedLock = check_reserved_lock,
    .xFileControl = control_file,
    .xSectorSize = sector_size,
    .xDeviceCharacteristics = device_characteristics,
    .xShmMap = map_shared,
    .xShmLock = lock_shared,
    .xShmBarrier = barrier_shared,
    .xShmUnmap = unmap_shared,
};

static int open_file(sqlite3_vfs *self, const char *name, sqlite3_file *base, int flags,
                     int *out_flags) {
    (void)self;
    struct file *file = file_of(base);
    memset(file, 0, sizeof *file);
    file->real = (sqlite3_file *)(file + 1);
    int code = real_layer->xOpen(real_layer, name, file->real, flags, out_flags);
    if (file->real->pMethods == NULL) {
        return code; /* nothing to close */
    }
    if ((flags & (SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_DB)) != 0) {
        file->run = malloc(RUN_MOST); /* NULL is fine: then nothing is gathered */
    }
    file->base.pMethods = &methods;
    return code;
}

static void make_layer(void) {
    real_layer = sqlite3_vfs_find(NULL);
    if (real_layer == NULL) {
        return;
    }
    layer = *real_layer;
    layer.pNext = NULL;
    layer.zName = "statute-log";
    layer.szOsFile = (int)sizeof(struct file) + real_layer->szOsFile;
    layer.xOpen = open_file;
    if (sqlite3_vfs_register(&layer, 0) != SQLITE_OK) {
        layer.zName = NULL;
    }
}

const char *wal_layer(void) {
    pthread_once(&once, make_layer);
    return layer.zName;
}
