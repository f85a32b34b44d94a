/* lock_server.c: see lock_server.h. */
#include "support/lock_server.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define START_TRIES 500 /* of 10 ms */
#define PORT_TRIES  10

static struct sockaddr_in loopback(int port) {
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static int free_port(void) {
    struct sockaddr_in address = loopback(0);
    socklen_t size = sizeof address;
    int handle = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(handle, (struct sockaddr *)&address, size), 0);
    assert_int_equal(getsockname(handle, (struct sockaddr *)&address, &size), 0);
    close(handle);
    return ntohs(address.sin_port);
}

static void become_redis(const struct lock_server *server) {
    char port[16];
    snprintf(port, sizeof port, "%d", server->port);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int log = chdir(server->directory) == 0 ? open("log", O_WRONLY | O_CREAT | O_APPEND, 0600) : -1;
    dup2(log, STDOUT_FILENO);
    dup2(log, STDERR_FILENO);
    execlp("redis-server", "redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "",
           "--appendonly", "no", "--dir", server->directory, "--requirepass",
           server->password != NULL ? server->password : "", (char *)NULL);
    _exit(127);
}

int lock_server_say(const struct lock_server *server, const char *command, const char *answer) {
    struct sockaddr_in address = loopback(server->port);
    char heard[256] = "", said[256];
    int handle = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int length = snprintf(said, sizeof said, "%s\r\n", command);
    if (connect(handle, (struct sockaddr *)&address, sizeof address) == 0 &&
        write(handle, said, (size_t)length) == length) {
        ssize_t got = read(handle, heard, sizeof heard - 1);
        heard[got > 0 ? got : 0] = '\0';
    }
    close(handle);
    return strncmp(heard, answer, strlen(answer)) == 0;
}

/* False: the server ended, perhaps because somebody else has the port. */
static int answers(struct lock_server *server) {
    const char *answer = server->password != NULL ? "-NOAUTH" : "+PONG";
    for (int i = 0; i < START_TRIES; i++) {
        if (waitpid(server->pid, NULL, WNOHANG) == server->pid) {
            server->pid = 0;
            return 0;
        }
        if (lock_server_say(server, "PING", answer)) {
            return 1;
        }
        usleep(10000);
    }
    return 0;
}

static int launch(struct lock_server *server) {
    server->pid = fork();
    assert_true(server->pid >= 0);
    if (server->pid == 0) {
        become_redis(server);
    }
    return answers(server);
}

void lock_server_open(struct lock_server *server, const char *password) {
    *server = (struct lock_server){.password = password};
    snprintf(server->directory, sizeof server->directory, "/tmp/statute-redis-XXXXXX");
    assert_non_null(mkdtemp(server->directory));
    for (int i = 0; i < PORT_TRIES; i++) {
        server->port = free_port();
        snprintf(server->url, sizeof server->url, "redis://%s%s%s127.0.0.1:%d",
                 password != NULL ? ":" : "", password != NULL ? password : "",
                 password != NULL ? "@" : "", server->port);
        if (launch(server)) {
            return;
        }
        lock_server_stop(server);
    }
    fail_msg("redis-server does not start; is it installed? scripts/setup test; see %s/log",
             server->directory);
}

void lock_server_start(struct lock_server *server) {
    assert_true(launch(server));
}

void lock_server_stop(struct lock_server *server) {
    if (server->pid != 0) {
        kill(server->pid, SIGKILL);
        waitpid(server->pid, NULL, 0);
        server->pid = 0;
    }
}

void lock_server_pause(struct lock_server *server) {
    int status;
    assert_int_equal(kill(server->pid, SIGSTOP), 0);
    assert_int_equal(waitpid(server->pid, &status, WUNTRACED), server->pid);
    assert_true(WIFSTOPPED(status));
}

void lock_server_resume(struct lock_server *server) {
    assert_int_equal(kill(server->pid, SIGCONT), 0);
}

void lock_server_close(struct lock_server *server) {
    char command[128];
    lock_server_stop(server);
    snprintf(command, sizeof command, "rm -r '%s'", server->directory);
    assert_int_equal(system(command), 0);
}
