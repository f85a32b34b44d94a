/* folder.h: reads a policy directory into memory. */
#ifndef STATUTE_FOLDER_H
#define STATUTE_FOLDER_H

#include "base/fault.h"
#include "base/problem.h"

#define FOLDER_FILE_BYTES_MOST (1024 * 1024)
#define FOLDER_BYTES_MOST      (64 * 1024 * 1024) /* of all files */
#define FOLDER_FILES_MOST      10000
#define FOLDER_DEPTH_MOST      16

struct policy_file {
    struct text path; /* relative, with '/' */
    const char *name; /* the same, for Lua */
    struct text text;
    bool is_library; /* under a folder named lib/ */
};

/* Every *.lua file but *_spec.lua and hidden ones, by path. A link may name a file or a folder
 * inside the directory; one that leaves it, a file that is too long or not UTF-8 is a
 * problem. FAULT_ENVIRONMENT: the directory itself cannot be read. */
bool folder_read(struct text directory, struct arena *arena, struct policy_file **files,
                 size_t *count, struct problem_list *problems, struct fault *fault) MUST_CHECK;

/* The file with this path, NULL if there is none. */
const struct policy_file *folder_find(const struct policy_file *files, size_t count,
                                      struct text path);

#endif
