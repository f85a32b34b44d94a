/* bulletin.c: each part lives in an arena of its own, which is emptied when the part is replaced.
 */
#include "server/bulletin.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "timezone/instant.h"

#define HISTORY_MOST 20

struct publication {
    struct arena arena;
    struct text name, by;
    int64_t loaded_us, published_us;
    size_t machines;
    const struct js *files_changed;
};

struct bulletin {
    pthread_mutex_t mutex;
    struct publication history[HISTORY_MOST];
    size_t history_count;
    struct arena disk_arena;
    struct text disk_name;
    struct problem_list problems;
    struct arena stranded_arena;
    struct stranded_list stranded;
};

struct bulletin *bulletin_new(void) {
    struct bulletin *bulletin = calloc(1, sizeof *bulletin);
    if (bulletin == NULL) {
        perror("statute: no memory for the bulletin");
        abort();
    }
    pthread_mutex_init(&bulletin->mutex, NULL);
    arena_init(&bulletin->disk_arena, 0);
    arena_init(&bulletin->stranded_arena, 0);
    return bulletin;
}

void bulletin_free(struct bulletin *bulletin) {
    if (bulletin == NULL) {
        return;
    }
    for (size_t i = 0; i < bulletin->history_count; i++) {
        arena_deinit(&bulletin->history[i].arena);
    }
    arena_deinit(&bulletin->disk_arena);
    arena_deinit(&bulletin->stranded_arena);
    pthread_mutex_destroy(&bulletin->mutex);
    free(bulletin);
}

/* --- writing --- */

void bulletin_publish(struct bulletin *bulletin, const struct generation *generation,
                      const struct generation *before, struct text by, int64_t at_us) {
    struct publication publication = {.loaded_us = generation_loaded_us(generation),
                                      .published_us = at_us,
                                      .machines = generation_machine_count(generation)};
    arena_init(&publication.arena, 0);
    publication.name = text_copy(&publication.arena, generation_name(generation));
    publication.by = text_copy(&publication.arena, by);
    publication.files_changed = generation_files_changed(generation, before, &publication.arena);
    pthread_mutex_lock(&bulletin->mutex);
    if (bulletin->history_count == HISTORY_MOST) {
        arena_deinit(&bulletin->history[0].arena);
        bulletin->history_count--;
        memmove(bulletin->history, bulletin->history + 1,
                bulletin->history_count * sizeof bulletin->history[0]);
    }
    bulletin->history[bulletin->history_count++] = publication;
    pthread_mutex_unlock(&bulletin->mutex);
}

void bulletin_found(struct bulletin *bulletin, struct text name,
                    const struct problem_list *problems) {
    struct arena *arena = &bulletin->disk_arena;
    pthread_mutex_lock(&bulletin->mutex);
    arena_reset(arena);
    bulletin->disk_name = text_copy(arena, name);
    bulletin->problems = (struct problem_list){.arena = arena};
    for (size_t i = 0; i < problems->count; i++) {
        const struct problem *problem = &problems->items[i];
        problem_add(&bulletin->problems, text_copy(arena, problem->file), problem->line,
                    text_copy(arena, problem->message));
    }
    pthread_mutex_unlock(&bulletin->mutex);
}

void bulletin_strand(struct bulletin *bulletin, const struct stranded_list *list) {
    pthread_mutex_lock(&bulletin->mutex);
    arena_reset(&bulletin->stranded_arena);
    bulletin->stranded = stranded_copy(list, &bulletin->stranded_arena);
    pthread_mutex_unlock(&bulletin->mutex);
}

/* --- reading --- */

static void put_instant(struct js_writer *writer, struct text key, int64_t instant_us) {
    char instant[INSTANT_TEXT];
    js_key(writer, key);
    js_put_text(writer, instant_print(instant_us, instant));
}

static void put_publication(struct js_writer *writer, const struct publication *publication,
                            bool current) {
    js_open(writer, '{');
    js_key(writer, TEXT("generation"));
    js_put_text(writer, publication->name);
    put_instant(writer, TEXT("published_at"), publication->published_us);
    put_instant(writer, TEXT("loaded_at"), publication->loaded_us);
    js_key(writer, TEXT("by"));
    js_put_text(writer, publication->by);
    js_key(writer, TEXT("files_changed"));
    js_put(writer, publication->files_changed);
    js_key(writer, TEXT("machines"));
    js_put_integer(writer, (int64_t)publication->machines);
    js_key(writer, TEXT("current"));
    js_put_bool(writer, current);
    js_close(writer, '}');
}

static void put_disk(struct js_writer *writer, const struct bulletin *bulletin) {
    js_open(writer, '{');
    js_key(writer, TEXT("generation"));
    js_put_text(writer, bulletin->disk_name);
    js_key(writer, TEXT("problems"));
    problem_put(writer, &bulletin->problems);
    js_close(writer, '}');
}

void bulletin_put(struct bulletin *bulletin, struct js_writer *writer) {
    pthread_mutex_lock(&bulletin->mutex);
    js_key(writer, TEXT("on_disk"));
    put_disk(writer, bulletin);
    js_key(writer, TEXT("generations"));
    js_open(writer, '[');
    for (size_t i = 0; i < bulletin->history_count; i++) {
        put_publication(writer, &bulletin->history[i], i + 1 == bulletin->history_count);
    }
    js_close(writer, ']');
    js_key(writer, TEXT("warnings"));
    js_put(writer, stranded_json(&bulletin->stranded, writer->buffer->arena));
    pthread_mutex_unlock(&bulletin->mutex);
}

struct text bulletin_trouble(struct bulletin *bulletin, struct arena *arena) {
    struct text trouble = TEXT_NONE;
    pthread_mutex_lock(&bulletin->mutex);
    if (bulletin->problems.count > 0) {
        const struct problem *first = &bulletin->problems.items[0];
        size_t count = bulletin->problems.count;
        trouble = text_print(arena,
                             "the policy files on disk have %zu problem%s (%.*s:%d: %.*s); the "
                             "policies in force stay",
                             count, count == 1 ? "" : "s", TEXT_ARGS(first->file), first->line,
                             TEXT_ARGS(first->message));
    }
    pthread_mutex_unlock(&bulletin->mutex);
    return trouble;
}

size_t bulletin_problems(struct bulletin *bulletin) {
    pthread_mutex_lock(&bulletin->mutex);
    size_t count = bulletin->problems.count;
    pthread_mutex_unlock(&bulletin->mutex);
    return count;
}

struct stranded_list bulletin_stranded(struct bulletin *bulletin, struct arena *arena) {
    pthread_mutex_lock(&bulletin->mutex);
    struct stranded_list copy = stranded_copy(&bulletin->stranded, arena);
    pthread_mutex_unlock(&bulletin->mutex);
    return copy;
}
