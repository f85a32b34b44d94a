/* files.c: how the files of one generation differ from those of another. */
#include "policy/generation.h"

static const struct js *with_path(struct arena *arena, const struct js *list, struct text path) {
    return js_append(arena, list, js_string(arena, text_copy(arena, path)));
}

/* Both are sorted by path: a merge. */
const struct js *generation_files_changed(const struct generation *generation,
                                          const struct generation *before, struct arena *arena) {
    const struct policy_file *old = before != NULL ? before->files : NULL;
    size_t old_count = before != NULL ? before->file_count : 0, i = 0, j = 0;
    const struct js *changed = &js_empty_array;
    while (i < generation->file_count || j < old_count) {
        int order = i == generation->file_count ? 1
                    : j == old_count            ? -1
                                     : text_compare(generation->files[i].path, old[j].path);
        if (order != 0 || !text_equal(generation->files[i].text, old[j].text)) {
            changed =
                with_path(arena, changed, order <= 0 ? generation->files[i].path : old[j].path);
        }
        i += order <= 0;
        j += order >= 0;
    }
    return changed;
}
