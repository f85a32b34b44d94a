/* progress.c: the estimate of the time left takes the average rate so far, which is steady enough
 * for work that goes row by row. */
#include "cli/progress.h"

#include <stdio.h>

#include "cli/terminal.h"

#define DRAW_US   (100 * NOW_MILLISECOND)
#define LINE_US   (5 * NOW_SECOND)
#define BAR_WIDTH 30

void progress_init(struct progress *progress, const char *doing, const char *things) {
    *progress = (struct progress){.doing = doing, .things = things, .now = now_system()};
    progress->started_us = progress->shown_us = now_monotonic_us(&progress->now);
    progress->is_terminal = terminal_is(stderr);
}

/* 1234567 as "1,234,567". */
static const char *grouped(int64_t number, char out[32]) {
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%lld", (long long)(number > 0 ? number : 0));
    char *end = out;
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0) {
            *end++ = ',';
        }
        *end++ = digits[i];
    }
    *end = '\0';
    return out;
}

static double seconds_since(const struct progress *progress) {
    int64_t spent_us = now_monotonic_us(&progress->now) - progress->started_us;
    return spent_us > 0 ? (double)spent_us / (double)NOW_SECOND : 1e-6;
}

static void put_time_left(double fraction, double seconds) {
    if (fraction > 0.001) {
        long left = (long)(seconds / fraction * (1 - fraction));
        fprintf(stderr, ", %ld:%02ld left", left / 60, left % 60);
    }
}

static void put_bar(double fraction) {
    char bar[BAR_WIDTH + 1];
    int filled = (int)(fraction * BAR_WIDTH);
    for (int i = 0; i < BAR_WIDTH; i++) {
        bar[i] = i < filled ? '#' : '.';
    }
    bar[BAR_WIDTH] = '\0';
    fprintf(stderr, " [%s] %3d %%", bar, (int)(fraction * 100));
}

static void put_line(const struct progress *progress, int64_t count, double fraction) {
    char total[32], rate[32];
    double seconds = seconds_since(progress);
    fprintf(stderr, "%s", progress->doing);
    if (fraction >= 0 && progress->is_terminal) {
        put_bar(fraction);
    } else if (fraction >= 0) {
        fprintf(stderr, " %d %%", (int)(fraction * 100));
    }
    fprintf(stderr, " %s %s, %s/s", grouped(count, total), progress->things,
            grouped((int64_t)((double)count / seconds), rate));
    if (fraction >= 0) {
        put_time_left(fraction, seconds);
    }
}

void progress_clear(struct progress *progress) {
    if (progress->drawn) {
        fprintf(stderr, "\r\033[K");
        progress->drawn = false;
    }
}

void progress_update(struct progress *progress, int64_t count, double fraction) {
    int64_t now_us = now_monotonic_us(&progress->now);
    if (now_us - progress->shown_us < (progress->is_terminal ? DRAW_US : LINE_US)) {
        return;
    }
    progress->shown_us = now_us;
    progress_clear(progress);
    put_line(progress, count, fraction < 1 ? fraction : 1);
    if (progress->is_terminal) {
        progress->drawn = true;
    } else {
        fputc('\n', stderr);
    }
    fflush(stderr);
}

void progress_finish(struct progress *progress, const char *done, int64_t count) {
    char total[32], rate[32];
    double seconds = seconds_since(progress);
    progress_clear(progress);
    fprintf(stderr, "%s %s %s in %.1f s (%s/s)\n", done, grouped(count, total), progress->things,
            seconds, grouped((int64_t)((double)count / seconds), rate));
}
