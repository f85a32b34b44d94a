/* log.c: a line is made in an arena of its own and leaves in one write(2), so that lines of
 * different threads, or of several processes with one standard error, do not mix.
 *
 * The limit counts each event within whole seconds of the monotonic clock. Events are few and
 * named by us, so they live in a small table that is searched from the start; what no longer fits
 * shares the last row. */
#include "base/log.h"

#include "base/arena.h"
#include "base/js.h"
#include "base/now.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define LINES_A_SECOND 20
#define EVENTS_MOST    128
#define EVENT_BYTES    48

struct event_count {
    char event[EVENT_BYTES];
    int64_t second;
    unsigned lines;   /* in this second */
    unsigned dropped; /* since the last line that was written */
};

static struct {
    atomic_int format;
    atomic_int least;
    pthread_mutex_t mutex; /* guards the counts */
    struct event_count counts[EVENTS_MOST];
} logger = {.format = LOG_TEXT, .least = LOG_INFO, .mutex = PTHREAD_MUTEX_INITIALIZER};

static const char *const level_names[] = {"debug", "info", "warning", "error"};

void log_setup(enum log_format format, enum log_level least) {
    atomic_store(&logger.format, (int)format);
    atomic_store(&logger.least, (int)least);
}

static struct event_count *count_of(const char *event) {
    struct event_count *count = logger.counts;
    struct event_count *last = logger.counts + EVENTS_MOST - 1;
    while (count < last && count->event[0] != '\0' &&
           strncmp(count->event, event, EVENT_BYTES - 1) != 0) {
        count++;
    }
    if (count->event[0] == '\0') {
        snprintf(count->event, sizeof count->event, "%s", event);
    }
    return count;
}

/* Whether a line may be written now; `dropped` says how many were not before it. */
static bool admit(const char *event, unsigned *dropped) {
    struct now now = now_system();
    int64_t second = now_monotonic_us(&now) / NOW_SECOND;
    pthread_mutex_lock(&logger.mutex);
    struct event_count *count = count_of(event);
    if (count->second != second) {
        count->second = second;
        count->lines = 0;
    }
    bool admitted = count->lines < LINES_A_SECOND;
    *dropped = admitted ? count->dropped : 0;
    count->lines += admitted;
    count->dropped = admitted ? 0 : count->dropped + 1;
    pthread_mutex_unlock(&logger.mutex);
    return admitted;
}

static struct text print_time(char out[32]) {
    time_t seconds = time(NULL);
    struct tm parts;
    gmtime_r(&seconds, &parts);
    return (struct text){out, strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &parts)};
}

static struct text print_message(struct arena *arena, const char *format, va_list args) {
    va_list again;
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    size_t with_nul = length > 0 ? (size_t)length + 1 : 1;
    char *bytes = arena_alloc(arena, with_nul);
    vsnprintf(bytes, with_nul, format, again);
    va_end(again);
    text_mend_utf8(bytes, with_nul - 1);
    return (struct text){bytes, with_nul - 1};
}

struct line {
    enum log_level level;
    const char *event;
    struct text message;
    unsigned dropped;
};

/* Control characters would let a message forge a line. */
static void add_printable(struct buffer *buffer, struct text text) {
    for (size_t i = 0; i < text.length; i++) {
        buffer_add_char(buffer, text_is_control(text.bytes[i]) ? ' ' : text.bytes[i]);
    }
}

static void write_text(struct buffer *buffer, const struct line *line) {
    char time[32];
    buffer_add_text(buffer, print_time(time));
    buffer_print(buffer, " %s %s: ", level_names[line->level], line->event);
    add_printable(buffer, line->message);
    if (line->dropped > 0) {
        buffer_print(buffer, " (%u such lines were dropped before)", line->dropped);
    }
}

static void write_json(struct buffer *buffer, const struct line *line) {
    char time[32];
    struct js_writer writer;
    js_writer_init(&writer, buffer);
    js_open(&writer, '{');
    js_key(&writer, TEXT("time"));
    js_put_text(&writer, print_time(time));
    js_key(&writer, TEXT("level"));
    js_put_text(&writer, text_of(level_names[line->level]));
    js_key(&writer, TEXT("event"));
    js_put_text(&writer, text_of(line->event));
    js_key(&writer, TEXT("message"));
    js_put_text(&writer, line->message);
    if (line->dropped > 0) {
        js_key(&writer, TEXT("dropped"));
        js_put_integer(&writer, line->dropped);
    }
    js_close(&writer, '}');
}

/* Nothing is left to tell anybody when standard error is gone. */
static void send_line(struct text line) {
    ssize_t written = write(STDERR_FILENO, line.bytes, line.length);
    (void)written;
}

void log_line(enum log_level level, const char *event, const char *format, ...) {
    struct line line = {.level = level, .event = event};
    if ((int)level < atomic_load(&logger.least) || !admit(event, &line.dropped)) {
        return;
    }
    struct arena arena;
    struct buffer buffer;
    arena_init(&arena, 0);
    buffer_init(&buffer, &arena);
    va_list args;
    va_start(args, format);
    line.message = print_message(&arena, format, args);
    va_end(args);
    (atomic_load(&logger.format) == LOG_JSON ? write_json : write_text)(&buffer, &line);
    buffer_add_char(&buffer, '\n');
    send_line(buffer_view(&buffer));
    arena_deinit(&arena);
}
