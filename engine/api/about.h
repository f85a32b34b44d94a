/* about.h: what the server is made of. */
#ifndef STATUTE_ABOUT_H
#define STATUTE_ABOUT_H

const char *about_http_library(void); /* "libevent 2.1.12-stable" */

#endif
