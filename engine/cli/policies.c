/* policies.c: problems come ordered by file and line. */
#include "cli/policies.h"

#include "cli/terminal.h"

bool policies_fault(const struct problem_list *problems, struct fault *fault) {
    size_t files = 0;
    for (size_t i = 0; i < problems->count; i++) {
        files += i == 0 || !text_equal(problems->items[i].file, problems->items[i - 1].file);
    }
    return fault_set(fault, FAULT_POLICY_INVALID, "%zu problem%s in %zu file%s", problems->count,
                     problems->count == 1 ? "" : "s", files, files == 1 ? "" : "s");
}

static bool load(struct text directory, const struct policies_keys *keys, struct arena *arena,
                 struct generation **out, struct problem_list *problems, struct fault *fault) {
    struct generation_options options = {
        .directory = directory,
        .limits = vm_limits_default(),
        .vm_count = 1,
        .now = now_system(),
        .hash_key = keys->key,
        .hash_keys = keys->file,
    };
    *problems = (struct problem_list){.arena = arena};
    if (generation_load(&options, out, problems, fault)) {
        return true;
    }
    return fault->code == FAULT_POLICY_INVALID && policies_fault(problems, fault);
}

bool policies_load(struct text directory, struct arena *arena, struct generation **out,
                   struct problem_list *problems, struct fault *fault) {
    const struct policies_keys none = {TEXT_NONE, TEXT_NONE};
    return load(directory, &none, arena, out, problems, fault);
}

bool policies_load_keyed(struct text directory, const struct policies_keys *keys,
                         struct arena *arena, struct generation **out, struct fault *fault) {
    struct problem_list problems;
    if (!keyring_fits(keys->key, keys->file, fault)) {
        return false;
    }
    if (load(directory, keys, arena, out, &problems, fault)) {
        return true;
    }
    policies_tell(&problems, stderr);
    return false;
}

bool policies_load_or_tell(struct text directory, struct arena *arena, struct generation **out,
                           struct fault *fault) {
    const struct policies_keys none = {TEXT_NONE, TEXT_NONE};
    return policies_load_keyed(directory, &none, arena, out, fault);
}

bool policies_machine(const struct generation *generation, struct arena *arena, struct text name,
                      const struct machine **out, struct fault *fault) {
    size_t count = generation_machine_count(generation);
    struct text *names = ARENA_ARRAY(arena, struct text, count + 1);
    struct buffer list;
    *out = generation_machine(generation, name);
    if (*out != NULL) {
        return true;
    }
    buffer_init(&list, arena);
    for (size_t i = 0; i < count; i++) {
        names[i] = generation_machine_at(generation, i)->name;
        buffer_print(&list, "%s%.*s", i > 0 ? ", " : "", TEXT_ARGS(names[i]));
    }
    struct text nearest = text_nearest(name, names, count);
    return fault_set(fault, FAULT_UNKNOWN_MACHINE,
                     "there is no machine '%.*s'%s%.*s%s (loaded: %.*s)", TEXT_ARGS(name),
                     text_given(nearest) ? "; did you mean '" : "", TEXT_ARGS(nearest),
                     text_given(nearest) ? "'?" : "", TEXT_ARGS(buffer_view(&list)));
}

void policies_tell(const struct problem_list *problems, FILE *stream) {
    const char *bold = terminal_style(stream, STYLE_BOLD);
    const char *plain = terminal_style(stream, STYLE_PLAIN);
    for (size_t i = 0; i < problems->count; i++) {
        const struct problem *problem = &problems->items[i];
        fprintf(stream, "%s%.*s:", bold, TEXT_ARGS(problem->file));
        if (problem->line > 0) {
            fprintf(stream, "%d:", problem->line);
        }
        fprintf(stream, "%s %.*s\n", plain, TEXT_ARGS(problem->message));
    }
}

struct text policies_json(const struct problem_list *problems, struct arena *arena) {
    struct buffer buffer;
    struct js_writer writer;
    buffer_init(&buffer, arena);
    js_writer_init(&writer, &buffer);
    js_open(&writer, '{');
    js_key(&writer, TEXT("problems"));
    problem_put(&writer, problems);
    js_close(&writer, '}');
    return buffer_view(&buffer);
}
