/* worker.h: threads that decide. A writer takes whatever has piled up in its mailbox and runs it as
 * one batch; a decider answers what only reads (look-ups, dry runs, lists), beside the commits, on
 * a connection that sees committed data only. A job has one owner; posting it gives it away. */
#ifndef STATUTE_WORKER_H
#define STATUTE_WORKER_H

#include <pthread.h>

#include "base/mailbox.h"
#include "core/batch.h"
#include "http/http.h"

struct lock_registry;
struct metrics;
struct published;
struct worker;
struct job;

/* Runs on the worker's thread and sees to the answer. */
typedef void job_run(struct job *job, struct worker *worker);

struct job {
    struct letter letter;
    struct http_exchange
        *exchange; /* NULL: nobody waits for an answer. The job lives in its arena */
    job_run *run;  /* an ordinary job: does everything; NULL: `member` is to be part of a batch */
    job_run *done; /* after the batch: answers, and frees what is the job's own */
    struct member member;
    int64_t posted_us;        /* monotonic */
    int64_t retry_at_us;      /* monotonic; while it waits: when to run it again */
    struct job *next_waiting; /* private to the worker */
    void *context;            /* of run and done */
};

/* After a commit, on the worker's thread: there is a timer that is due at this wall clock. */
typedef void worker_armed(void *context, int64_t due_us);

/* What all workers of a server are made with. */
struct worker_options {
    struct text store; /* URLs, as store_open and lock_open take them */
    struct text lock;
    bool lock_optional;  /* see struct core */
    unsigned batch_most; /* members of one batch */
    size_t queue_most;   /* letters in a mailbox */
    struct now now;
    struct id_source ids;
    struct lock_registry *locks; /* these three are lent, and guard themselves */
    struct published *published;
    struct metrics *metrics;
    worker_armed *armed;
    void *armed_context;
};

/* Everything one thread owns. */
struct worker {
    const struct worker_options *options;
    struct mailbox *mailbox; /* anybody posts, this thread takes */
    struct core core;        /* store connection, arena, pinned policy; a writer's `lock` is lent */
    struct lock *lock;       /* a writer's: taken by its batches; a decider's: asked for readyz */
    unsigned number;         /* of its VM in every generation */
    bool writes;             /* a writer; else a decider */
    struct job *waiting;     /* blocked members, and jobs of worker_wait; oldest first */
    pthread_t thread;
    bool started;
};

/* From an ordinary job that has an exchange and is running: instead of an answer, to be run again
 * at this monotonic time, which is to come. A server that stops answers it in its place. */
void worker_wait(struct worker *worker, struct job *job, int64_t at_us);

/* Opens the store connection (FAULT_ENVIRONMENT when that fails) and the lock. `options` outlive
 * the worker. */
bool worker_init(struct worker *worker, const struct worker_options *options, unsigned number,
                 bool writes, struct fault *fault) MUST_CHECK;
bool worker_start(struct worker *worker, struct fault *fault) MUST_CHECK;

/* Closes the mailbox, lets the thread finish what is in it, joins. */
void worker_stop(struct worker *worker);
void worker_deinit(struct worker *worker);

#endif
