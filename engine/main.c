/* main.c: see cli/cli.h. */
#include <malloc.h>
#include <signal.h>

#include "cli/cli.h"

#define KEPT_BYTES (4 << 20)
#define PAD_BYTES  (256 << 10)
#define POOLS      4

/* A busy server allocates and frees the same few hundred KiB thousands of times a second; by
 * default the C library would return them to the system, and fetch them again page by page, each
 * time. */
static void keep_memory_warm(void) {
    mallopt(M_TRIM_THRESHOLD, KEPT_BYTES);
    mallopt(M_TOP_PAD, PAD_BYTES);
    mallopt(M_ARENA_MAX, POOLS);
}

/* A file that has reached the limit of its size is an error of the call that writes, as a full disk
 * is; by default it ends the process. */
static void take_file_limits_as_errors(void) {
    signal(SIGXFSZ, SIG_IGN);
}

int main(int argc, char **argv) {
    keep_memory_warm();
    take_file_limits_as_errors();
    return cli_main(argc, argv);
}
