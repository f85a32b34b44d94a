/* folder.c: a walk with openat and O_NOFOLLOW, so that what was looked at is what is read. A link,
 * to a file or to a folder, is resolved by the system and then must lie below the directory's own
 * real path. Only regular files are opened, and O_NONBLOCK keeps a pipe that takes a file's place
 * from holding the load up.
 *
 * Kubernetes mounts a ConfigMap as `..2025_11_24.../`, the files; `..data`, a link to that folder;
 * and links through `..data` for each file and folder. An update makes another folder and points
 * `..data` there in one step. Names that begin with a dot are not walked, so each file is read
 * once; and a walk during which `..data` moved is done again, so that no load is half of each. */
#include "policy/declare/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define WALKS_MOST 5 /* while an update of a ConfigMap comes in between */

struct walk {
    struct arena *arena;
    struct problem_list *problems;
    char *root; /* the directory's real path; malloc */
    struct policy_file *files;
    size_t count, capacity;
    size_t bytes; /* of all files so far */
    const struct opened *innermost;
};

/* A folder that the walk is in. */
struct opened {
    const struct opened *outer;
    dev_t device;
    ino_t inode;
};

static void report(struct walk *walk, struct text path, const char *what) {
    problem_add(walk->problems, path, 0, text_of(what));
}

static void report_errno(struct walk *walk, struct text path) {
    problem_add(walk->problems, path, 0,
                text_print(walk->problems->arena, "cannot be read: %s", strerror(errno)));
}

/* --- contents --- */

static bool read_all(int descriptor, char *bytes, size_t size) {
    size_t length = 0;
    while (length < size) {
        ssize_t got = read(descriptor, bytes + length, size - length);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            errno = got == 0 ? EIO : errno;
            return false;
        }
        length += (size_t)got;
    }
    return true;
}

/* The line of the first byte that is not UTF-8 text, or NUL. */
static int strange_line(struct text text) {
    int line = 1;
    size_t start = 0;
    for (size_t at = 0; at <= text.length; at++) {
        if (at == text.length || text.bytes[at] == '\n') {
            struct text one = {text.bytes + start, at - start};
            if (!text_is_utf8(one) || memchr(one.bytes, '\0', one.length) != NULL) {
                return line;
            }
            start = at + 1;
            line++;
        }
    }
    return line;
}

static void keep(struct walk *walk, struct text path, struct text text) {
    if (!text_is_utf8(text) || memchr(text.bytes, '\0', text.length) != NULL) {
        problem_add(walk->problems, path, strange_line(text),
                    TEXT("the file is not UTF-8 text; is it compiled Lua?"));
        return;
    }
    if (walk->count == walk->capacity) {
        walk->capacity = walk->capacity == 0 ? 64 : walk->capacity * 2;
        struct policy_file *files = ARENA_ARRAY(walk->arena, struct policy_file, walk->capacity);
        if (walk->count > 0) {
            memcpy(files, walk->files, walk->count * sizeof *files);
        }
        walk->files = files;
    }
    bool is_library =
        text_starts(path, TEXT("lib/")) || memmem(path.bytes, path.length, "/lib/", 5);
    walk->files[walk->count++] =
        (struct policy_file){path, text_cstring(walk->arena, path), text, is_library};
}

static void read_open(struct walk *walk, struct text path, int descriptor) {
    struct stat status;
    if (fstat(descriptor, &status) != 0) {
        report_errno(walk, path);
    } else if (!S_ISREG(status.st_mode)) {
        report(walk, path, "it is not a regular file");
    } else if (status.st_size > FOLDER_FILE_BYTES_MOST) {
        report(walk, path, "the file is longer than 1 MiB");
    } else {
        size_t size = (size_t)status.st_size;
        walk->bytes += size;
        if (walk->bytes > FOLDER_BYTES_MOST) {
            report(walk, TEXT(""), "the policy files are longer than 64 MiB in total");
            return;
        }
        char *bytes = arena_alloc(walk->arena, size + 1);
        if (read_all(descriptor, bytes, size)) {
            keep(walk, path, (struct text){bytes, size});
        } else {
            report_errno(walk, path);
        }
    }
}

/* --- links --- */

static bool is_inside(const struct walk *walk, const char *real) {
    size_t length = strlen(walk->root);
    return strncmp(real, walk->root, length) == 0 &&
           (real[length] == '/' || real[length] == '\0' || length == 1);
}

/* The real path of what a link names, if that is inside the directory; malloc. NULL: reported. */
static char *resolve(struct walk *walk, struct text path) {
    const char *full =
        text_cstring(walk->problems->arena,
                     text_print(walk->problems->arena, "%s/%.*s", walk->root, TEXT_ARGS(path)));
    char *real = realpath(full, NULL);
    if (real == NULL) {
        report_errno(walk, path);
    } else if (!is_inside(walk, real)) {
        report(walk, path, "the link leaves the policy directory");
        free(real);
        real = NULL;
    }
    return real;
}

static void read_link(struct walk *walk, struct text path) {
    char *real = resolve(walk, path);
    if (real == NULL) {
        return;
    }
    int descriptor = open(real, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
    if (descriptor < 0) {
        report_errno(walk, path);
    } else {
        read_open(walk, path, descriptor);
        close(descriptor);
    }
    free(real);
}

/* --- the walk --- */

static bool is_wanted(struct text name) {
    return text_ends(name, TEXT(".lua")) && !text_ends(name, TEXT("_spec.lua"));
}

static void read_folder(struct walk *walk, int parent, const char *name, struct text path,
                        int depth);

static void read_file(struct walk *walk, int folder, const char *name, struct text path) {
    if (walk->count >= FOLDER_FILES_MOST) {
        problem_add(walk->problems, TEXT(""), 0, TEXT("there are more than 10,000 policy files"));
        return;
    }
    int descriptor = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
    if (descriptor < 0 && errno == ELOOP) {
        read_link(walk, path);
    } else if (descriptor < 0) {
        report_errno(walk, path);
    } else {
        read_open(walk, path, descriptor);
        close(descriptor);
    }
}

static bool is_same_folder(const struct opened *opened, const char *path) {
    struct stat status;
    return stat(path, &status) == 0 && status.st_dev == opened->device &&
           status.st_ino == opened->inode;
}

/* A folder that a link leads to, but not back to one that the link is in: that would have no end.
 */
static void read_linked_folder(struct walk *walk, struct text path, int depth) {
    char *real = resolve(walk, path);
    if (real == NULL) {
        return;
    }
    for (const struct opened *outer = walk->innermost; outer != NULL; outer = outer->outer) {
        if (is_same_folder(outer, real)) {
            report(walk, path, "the link leads back to a folder that it is in");
            free(real);
            return;
        }
    }
    read_folder(walk, AT_FDCWD, real, path, depth);
    free(real);
}

static bool leads_to_folder(int folder, const char *name, const struct stat *link) {
    struct stat status;
    return S_ISLNK(link->st_mode) && fstatat(folder, name, &status, 0) == 0 &&
           S_ISDIR(status.st_mode);
}

static void read_entry(struct walk *walk, int folder, const char *name, struct text path,
                       int depth) {
    struct stat status;
    if (!text_is_utf8(path)) {
        report(walk, TEXT(""), "there is a file whose name is not UTF-8");
    } else if (fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) != 0) {
        report_errno(walk, path);
    } else if (S_ISDIR(status.st_mode)) {
        read_folder(walk, folder, name, path, depth + 1);
    } else if (leads_to_folder(folder, name, &status)) {
        read_linked_folder(walk, path, depth + 1);
    } else if (is_wanted(text_of(name))) {
        read_file(walk, folder, name, path);
    }
}

static void read_entries(struct walk *walk, DIR *entries, struct text path, int depth) {
    struct dirent *entry;
    while ((entry = readdir(entries)) != NULL) {
        if (entry->d_name[0] == '.') {
            continue;
        }
        struct text inner =
            path.length == 0 ? text_copy(walk->arena, text_of(entry->d_name))
                             : text_print(walk->arena, "%.*s/%s", TEXT_ARGS(path), entry->d_name);
        read_entry(walk, dirfd(entries), entry->d_name, inner, depth);
    }
}

static void read_folder(struct walk *walk, int parent, const char *name, struct text path,
                        int depth) {
    if (depth > FOLDER_DEPTH_MOST) {
        report(walk, path, "folders are nested more than 16 deep");
        return;
    }
    int descriptor = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    DIR *entries = descriptor >= 0 ? fdopendir(descriptor) : NULL;
    if (entries == NULL) {
        report_errno(walk, path);
        if (descriptor >= 0) {
            close(descriptor);
        }
        return;
    }
    struct stat status;
    struct opened opened = {.outer = walk->innermost};
    if (fstat(descriptor, &status) == 0) {
        opened.device = status.st_dev;
        opened.inode = status.st_ino;
    }
    walk->innermost = &opened;
    read_entries(walk, entries, path, depth);
    walk->innermost = opened.outer;
    closedir(entries);
}

static int by_path(const void *a, const void *b) {
    return text_compare(((const struct policy_file *)a)->path,
                        ((const struct policy_file *)b)->path);
}

static bool is_folder(const char *path) {
    struct stat status;
    bool is_there = stat(path, &status) == 0;
    errno = is_there ? ENOTDIR : errno;
    return is_there && S_ISDIR(status.st_mode) && access(path, R_OK | X_OK) == 0;
}

/* Where `..data` of a ConfigMap leads; empty when there is none. */
static struct text layout_of(const struct walk *walk) {
    char target[256];
    const char *path = text_cstring(walk->problems->arena,
                                    text_print(walk->problems->arena, "%s/..data", walk->root));
    ssize_t length = readlink(path, target, sizeof target);
    return length <= 0 ? TEXT("")
                       : text_copy(walk->problems->arena, (struct text){target, (size_t)length});
}

/* Problems of a walk that is done again are forgotten. */
static void read_whole(struct walk *walk) {
    struct walk before = *walk;
    size_t problems_before = walk->problems->count;
    for (int try = 0; try < WALKS_MOST; try++) {
        struct text layout = layout_of(walk);
        *walk = before;
        walk->problems->count = problems_before;
        read_folder(walk, AT_FDCWD, walk->root, TEXT(""), 0);
        if (text_equal(layout, layout_of(walk))) {
            return;
        }
    }
}

bool folder_read(struct text directory, struct arena *arena, struct policy_file **files,
                 size_t *count, struct problem_list *problems, struct fault *fault) {
    struct walk walk = {.arena = arena, .problems = problems};
    walk.root = realpath(text_cstring(problems->arena, directory), NULL);
    if (walk.root == NULL || !is_folder(walk.root)) {
        fault_set(fault, FAULT_ENVIRONMENT, "the policy directory '%.*s' cannot be read: %s",
                  TEXT_ARGS(directory), strerror(errno));
        free(walk.root);
        return false;
    }
    read_whole(&walk);
    free(walk.root);
    if (walk.count > 1) {
        qsort(walk.files, walk.count, sizeof *walk.files, by_path);
    }
    *files = walk.files;
    *count = walk.count;
    return true;
}

const struct policy_file *folder_find(const struct policy_file *files, size_t count,
                                      struct text path) {
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = text_compare(files[middle].path, path);
        if (order == 0) {
            return &files[middle];
        }
        low = order < 0 ? middle + 1 : low;
        high = order < 0 ? high : middle;
    }
    return NULL;
}
