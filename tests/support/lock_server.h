/* lock_server.h: a Redis server of the test's own, on a loopback port, with its files in a
 * temporary directory. It ends with the test, even one that crashed. */
#ifndef STATUTE_TEST_LOCK_SERVER_H
#define STATUTE_TEST_LOCK_SERVER_H

#include <sys/types.h>

struct lock_server {
    pid_t pid; /* 0: stopped */
    int port;
    const char *password; /* NULL: none */
    char directory[64];
    char url[128];
};

/* Fails the test when the server does not start. The password may be NULL. */
void lock_server_open(struct lock_server *server, const char *password);
void lock_server_close(struct lock_server *server); /* stops it, and removes the directory */

void lock_server_stop(struct lock_server *server);  /* what it held is lost */
void lock_server_start(struct lock_server *server); /* on the same port */
void lock_server_pause(struct lock_server *server); /* it takes connections, and never answers */
void lock_server_resume(struct lock_server *server);

/* Sends one command in words ("FLUSHALL"); true when the answer begins with `answer`. */
int lock_server_say(const struct lock_server *server, const char *command, const char *answer);

#endif
