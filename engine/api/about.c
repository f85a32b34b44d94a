/* about.c: see about.h. */
#include "api/about.h"

#include <event2/event-config.h>

const char *about_http_library(void) {
    return "libevent " EVENT__VERSION;
}
