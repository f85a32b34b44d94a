/* watch.c: each look opens a new inotify instance and walks the tree. So nothing that was moved out
 * of it stays watched, and watch descriptors of one instance only ever grow: one that is not larger
 * than the largest so far is a directory seen before, by which circles of symbolic links end.
 *
 * The parent of the directory is watched too, for the directory's own name: a directory that comes
 * back, or a symbolic link that is pointed elsewhere, is seen there. Only what writes is watched,
 * never opening or reading, so that our own reading does not wake us. */
#include "server/watch.h"

#include "base/arena.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEPTH_MOST 32
#define READS_MOST 64 /* a call, so that a storm of changes cannot hold it */
#define TREE_EVENTS                                                                                \
    (IN_CREATE | IN_DELETE | IN_MODIFY | IN_CLOSE_WRITE | IN_ATTRIB | IN_MOVED_FROM |              \
     IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)
#define PARENT_EVENTS (IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ONLYDIR)
#define WHOLE_EVENTS  (IN_ISDIR | IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED | IN_Q_OVERFLOW)

struct watch {
    char *directory;  /* without slashes at its end */
    char *parent;     /* "." or "/" if need be */
    const char *name; /* the last part of `directory` */
    int descriptor;   /* -1: none */
    int parent_watch; /* -1: none */
    int largest;      /* watch descriptor so far */
    bool gone;
};

static char *copy_or_abort(struct text text) {
    char *copy = strndup(text.bytes, text.length);
    if (copy == NULL) {
        perror("statute: no memory to watch the policies");
        abort();
    }
    return copy;
}

static struct text without_slashes(struct text path) {
    while (path.length > 1 && path.bytes[path.length - 1] == '/') {
        path.length--;
    }
    return path;
}

static void split_path(struct watch *watch) {
    char *slash = strrchr(watch->directory, '/');
    watch->name = slash != NULL ? slash + 1 : watch->directory;
    if (slash == NULL) {
        watch->parent = copy_or_abort(TEXT("."));
    } else if (slash == watch->directory) {
        watch->parent = copy_or_abort(TEXT("/"));
    } else {
        watch->parent =
            copy_or_abort((struct text){watch->directory, (size_t)(slash - watch->directory)});
    }
}

struct watch *watch_new(struct text directory) {
    struct watch *watch = calloc(1, sizeof *watch);
    if (watch == NULL) {
        perror("statute: no memory to watch the policies");
        abort();
    }
    watch->directory = copy_or_abort(without_slashes(directory));
    watch->descriptor = -1;
    watch->parent_watch = -1;
    watch->gone = true;
    split_path(watch);
    return watch;
}

static void close_descriptor(struct watch *watch) {
    if (watch->descriptor >= 0) {
        close(watch->descriptor);
        watch->descriptor = -1;
    }
}

void watch_free(struct watch *watch) {
    if (watch != NULL) {
        close_descriptor(watch);
        free(watch->directory);
        free(watch->parent);
        free(watch);
    }
}

/* --- looking --- */

static bool add_failed(const char *path, int error, struct fault *fault) {
    if (error == ENOSPC) {
        return fault_set(fault, FAULT_ENVIRONMENT,
                         "'%s' and what is below it is not watched: raise "
                         "fs.inotify.max_user_watches",
                         path);
    }
    return fault_set(fault, FAULT_ENVIRONMENT, "'%s' is not watched: %s", path, strerror(error));
}

/* What vanished between being listed and being watched is no fault: its parent tells of it. */
static bool is_absent(int error) {
    return error == ENOENT || error == ENOTDIR || error == ELOOP;
}

enum added { ADDED_NEW, ADDED_KNOWN, ADDED_ABSENT, ADDED_FAILED };

static enum added add_directory(struct watch *watch, const char *path, struct fault *fault) {
    int number = inotify_add_watch(watch->descriptor, path, TREE_EVENTS);
    if (number < 0) {
        int error = errno;
        return is_absent(error) || add_failed(path, error, fault) ? ADDED_ABSENT : ADDED_FAILED;
    }
    bool known = number <= watch->largest;
    watch->largest = known ? watch->largest : number;
    return known ? ADDED_KNOWN : ADDED_NEW;
}

static bool is_directory(const char *path, const struct dirent *entry) {
    struct stat status;
    if (entry->d_type != DT_UNKNOWN && entry->d_type != DT_LNK) {
        return entry->d_type == DT_DIR;
    }
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

static bool is_dots(const char *name) {
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static bool add_tree(struct watch *watch, struct arena *arena, const char *path, int depth,
                     struct fault *fault);

static bool add_children(struct watch *watch, struct arena *arena, const char *path, int depth,
                         struct fault *fault) {
    DIR *directory = opendir(path);
    if (directory == NULL) {
        return is_absent(errno) || add_failed(path, errno, fault);
    }
    bool fine = true;
    const struct dirent *entry;
    while (fine && (entry = readdir(directory)) != NULL) {
        const char *child = text_print(arena, "%s/%s", path, entry->d_name).bytes;
        if (!is_dots(entry->d_name) && is_directory(child, entry)) {
            fine = add_tree(watch, arena, child, depth + 1, fault);
        }
    }
    closedir(directory);
    return fine;
}

/* Of "." the parent is the directory itself: all that happens there matters. */
static enum added own_parent(struct watch *watch, enum added added) {
    if (added != ADDED_KNOWN) {
        return added;
    }
    watch->parent_watch = -1;
    return ADDED_NEW;
}

static bool add_tree(struct watch *watch, struct arena *arena, const char *path, int depth,
                     struct fault *fault) {
    enum added added = add_directory(watch, path, fault);
    if (depth == 0) {
        watch->gone = added == ADDED_ABSENT;
        added = own_parent(watch, added);
    }
    if (added != ADDED_NEW || depth >= DEPTH_MOST) {
        return added != ADDED_FAILED;
    }
    return add_children(watch, arena, path, depth, fault);
}

/* Best effort: without it a directory that comes back is found by the next look. */
static void add_parent(struct watch *watch) {
    watch->parent_watch = inotify_add_watch(watch->descriptor, watch->parent, PARENT_EVENTS);
    watch->largest = watch->parent_watch;
}

bool watch_look(struct watch *watch, struct fault *fault) {
    close_descriptor(watch);
    watch->descriptor = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (watch->descriptor < 0) {
        watch->gone = false;
        return fault_set(fault, FAULT_ENVIRONMENT,
                         "'%s' is not watched: %s; see fs.inotify.max_user_instances",
                         watch->directory, strerror(errno));
    }
    struct arena arena;
    arena_init(&arena, 0);
    add_parent(watch);
    bool fine = add_tree(watch, &arena, watch->directory, 0, fault);
    arena_deinit(&arena);
    return fine;
}

int watch_descriptor(const struct watch *watch) {
    return watch->descriptor;
}

bool watch_is_gone(const struct watch *watch) {
    return watch->gone;
}

/* --- reading --- */

/* Beside *.lua files: names that begin with "..", which is how Kubernetes swaps a whole ConfigMap,
 * and names without a dot that come or go, as they can be links to directories. */
static bool is_telling_name(const char *name, uint32_t mask) {
    bool comes_or_goes = (mask & (IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO)) != 0;
    return text_ends(text_of(name), TEXT(".lua")) || text_starts(text_of(name), TEXT("..")) ||
           (comes_or_goes && strchr(name, '.') == NULL);
}

static bool matters(const struct watch *watch, const struct inotify_event *event) {
    const char *name = event->len > 0 ? event->name : "";
    bool of_parent = watch->parent_watch >= 0 && event->wd == watch->parent_watch;
    if (of_parent && (event->mask & IN_IGNORED) == 0) {
        return strcmp(name, watch->name) == 0;
    }
    return (event->mask & WHOLE_EVENTS) != 0 || is_telling_name(name, event->mask);
}

static bool any_matters(const struct watch *watch, const char *bytes, ssize_t length) {
    bool any = false;
    for (const char *at = bytes; at < bytes + length;) {
        const struct inotify_event *event = (const struct inotify_event *)(const void *)at;
        any = any || matters(watch, event);
        at += sizeof *event + event->len;
    }
    return any;
}

bool watch_read(struct watch *watch) {
    _Alignas(struct inotify_event) char bytes[16 * 1024];
    bool changed = false;
    ssize_t length = 1;
    for (int turn = 0; turn < READS_MOST && watch->descriptor >= 0 && length > 0; turn++) {
        length = read(watch->descriptor, bytes, sizeof bytes);
        changed = any_matters(watch, bytes, length) || changed;
    }
    return changed;
}
