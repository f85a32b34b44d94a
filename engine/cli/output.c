/* output.c: see output.h. */
#include "cli/output.h"

#include <errno.h>
#include <limits.h>

static bool is_standard(struct text path) {
    return path.length == 0 || text_equal(path, TEXT("-"));
}

bool output_open(struct text path, FILE **out, struct fault *fault) {
    char name[PATH_MAX];
    if (is_standard(path)) {
        *out = stdout;
        return true;
    }
    snprintf(name, sizeof name, "%.*s", TEXT_ARGS(path));
    *out = fopen(name, "we");
    return *out != NULL ||
           fault_set(fault, FAULT_ENVIRONMENT, "cannot write %s: %s", name, strerror(errno));
}

bool output_close(struct text path, FILE *stream, struct fault *fault) {
    bool written = fflush(stream) == 0 && !ferror(stream);
    int error = errno;
    if (!is_standard(path) && fclose(stream) != 0 && written) {
        written = false;
        error = errno;
    }
    return written || fault_set(fault, FAULT_ENVIRONMENT, "cannot write %.*s: %s",
                                TEXT_ARGS(is_standard(path) ? TEXT("standard output") : path),
                                strerror(error));
}
