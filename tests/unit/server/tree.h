/* tree.h: a temporary directory for a test, and what happens in it. */
#ifndef STATUTE_TREE_H
#define STATUTE_TREE_H

#include "unit/base/check.h"

#include <errno.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

struct tree {
    char root[64];
    char path[512]; /* of the last tree_path */
};

static inline void tree_make(struct tree *tree) {
    snprintf(tree->root, sizeof tree->root, "/tmp/statute-test-XXXXXX");
    assert_non_null(mkdtemp(tree->root));
}

static inline int tree_remove_one(const char *path, const struct stat *status, int type,
                                  struct FTW *walk) {
    (void)status;
    (void)type;
    (void)walk;
    return remove(path);
}

static inline const char *tree_path(struct tree *tree, const char *name) {
    snprintf(tree->path, sizeof tree->path, "%s/%s", tree->root, name);
    return tree->path;
}

/* `name` "" is the tree itself. */
static inline void tree_remove(struct tree *tree, const char *name) {
    nftw(tree_path(tree, name), tree_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void tree_directory(struct tree *tree, const char *name) {
    assert_int_equal(mkdir(tree_path(tree, name), 0700), 0);
}

static inline void tree_write(struct tree *tree, const char *name, const char *content) {
    FILE *file = fopen(tree_path(tree, name), "w");
    assert_non_null(file);
    fputs(content, file);
    assert_int_equal(fclose(file), 0);
}

static inline void tree_rename(struct tree *tree, const char *from, const char *to) {
    char old[512];
    snprintf(old, sizeof old, "%s", tree_path(tree, from));
    assert_int_equal(rename(old, tree_path(tree, to)), 0);
}

#endif
