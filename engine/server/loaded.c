#include "server/loaded.h"

#include "base/log.h"
#include "timezone/instant.h"

#define LINES_MOST 16 /* logged one a line; log.h allows 20 lines a second */

/* --- the log --- */

static void log_problem(const struct problem *problem) {
    log_line(LOG_ERROR, "policy_problem", "%.*s:%d: %.*s", TEXT_ARGS(problem->file), problem->line,
             TEXT_ARGS(problem->message));
}

/* The logger drops lines that come too fast, so a long list ends in one long line. */
static void log_rest(const struct problem_list *problems, size_t from) {
    struct buffer buffer;
    buffer_init(&buffer, problems->arena);
    for (size_t i = from; i < problems->count; i++) {
        const struct problem *problem = &problems->items[i];
        buffer_print(&buffer, "%s%.*s:%d: %.*s", i == from ? "" : " | ", TEXT_ARGS(problem->file),
                     problem->line, TEXT_ARGS(problem->message));
    }
    log_line(LOG_ERROR, "policy_problem", "%.*s", TEXT_ARGS(buffer_view(&buffer)));
}

static void log_problems(const struct problem_list *problems) {
    size_t single = problems->count <= LINES_MOST ? problems->count : LINES_MOST - 1;
    for (size_t i = 0; i < single; i++) {
        log_problem(&problems->items[i]);
    }
    if (single < problems->count) {
        log_rest(problems, single);
    }
}

/* A directory that cannot be read: the only problem is the fault itself. */
static bool is_told_by_fault(const struct loaded *loaded) {
    return loaded->problems.count == 1 &&
           text_equal(loaded->problems.items[0].message, text_of(loaded->fault.message));
}

void loaded_log(const struct loaded *loaded) {
    if (!loaded->fine) {
        if (!is_told_by_fault(loaded)) {
            log_problems(&loaded->problems);
        }
        log_line(LOG_ERROR, "policy_refused", "%s; the policies in force stay",
                 loaded->fault.message);
        return;
    }
    size_t machines = generation_machine_count(loaded->generation);
    log_line(LOG_INFO, loaded->changed ? "policy_published" : "policy_unchanged",
             "generation %.12s with %zu machine%s is in force",
             generation_name(loaded->generation).bytes, machines, machines == 1 ? "" : "s");
}

/* --- answers --- */

static void answer_fine(struct http_exchange *exchange, const struct loaded *loaded) {
    char instant[INSTANT_TEXT];
    struct buffer buffer;
    struct js_writer writer;
    buffer_init(&buffer, &exchange->arena);
    js_writer_init(&writer, &buffer);
    js_open(&writer, '{');
    js_key(&writer, TEXT("generation"));
    js_put_text(&writer, generation_name(loaded->generation));
    js_key(&writer, TEXT("changed"));
    js_put_bool(&writer, loaded->changed);
    js_key(&writer, TEXT("machines"));
    js_put_integer(&writer, (int64_t)generation_machine_count(loaded->generation));
    js_key(&writer, TEXT("loaded_at"));
    js_put_text(&writer, instant_print(generation_loaded_us(loaded->generation), instant));
    js_key(&writer, TEXT("warnings"));
    js_put(&writer, stranded_json(loaded->stranded, &exchange->arena));
    js_close(&writer, '}');
    http_reply(exchange, 200, buffer_view(&buffer));
}

static void answer_refused(struct http_exchange *exchange, const struct loaded *loaded) {
    struct buffer buffer;
    struct js_writer writer;
    buffer_init(&buffer, &exchange->arena);
    js_writer_init(&writer, &buffer);
    js_key(&writer, TEXT("problems"));
    problem_put(&writer, &loaded->problems);
    http_fail(exchange, &loaded->fault, buffer_view(&buffer));
}

void loaded_answer(struct http_exchange *exchange, const struct loaded *loaded) {
    (loaded->fine ? answer_fine : answer_refused)(exchange, loaded);
}

void loaded_log_stranded(const struct stranded_list *list) {
    for (size_t i = 0; i < list->count && i < LINES_MOST; i++) {
        const struct stranded *item = &list->items[i];
        log_line(LOG_WARNING, "policy_stranded",
                 "%lld entities of %.*s are in state '%.*s', which the rules do not declare: %.*s",
                 (long long)item->entities, TEXT_ARGS(item->machine), TEXT_ARGS(item->state),
                 TEXT_ARGS(item->suggestion));
    }
    if (list->count > LINES_MOST) {
        log_line(LOG_WARNING, "policy_stranded", "and %zu more; see GET /v1/policies",
                 list->count - LINES_MOST);
    }
}
