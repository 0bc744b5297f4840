/* A job: its place in the table, its state, and its work. All with the engine's lock held. */
#ifndef SLUICE_JOB_H
#define SLUICE_JOB_H

#include "table.h"
#include "work.h"

enum job_state {
    JOB_IDLE,    /* open, no attempt */
    JOB_WAITING, /* armed in epoll, or for a ring */
    JOB_QUEUED,  /* in the queue of a lane */
    JOB_RUNNING, /* one worker owns its work */
    JOB_ENDED,   /* in its context's list, waiting to be reaped */
};

struct job;
struct queue;

typedef void resume_job(struct job *job);

struct job {
    /* Guarded by the engine's lock. */
    struct slot slot;
    enum job_state state;
    int32_t context;
    bool closing;
    bool is_last;    /* it is over when its attempt is done */
    bool waits_only; /* it has nothing to do but to wait for a ring */
    bool has_begun;  /* on a thread that was not ours, which left off at `after` */
    enum turn after;
    uint32_t end; /* SLUICE_END_* */
    struct job *next;
    struct job *previous;
    struct queue *queue;  /* that it is in */
    struct ring *awaited; /* while it waits for a ring, */
    resume_job *resume;   /* and what is done when that is ready */

    /* The worker's that runs it; under the lock while none does, but for its atomics. */
    struct work work;
};

/* --- job_table.c --- */

/* A job in state JOB_IDLE, or NULL when the table is full. */
struct job *job_allocate(int32_t context);
void job_free(struct job *job);
/* The job of a handle, or NULL when it was closed meanwhile. */
struct job *job_find(int32_t handle);
int32_t job_handle(const struct job *job);
/* The job of an epoll tag, or NULL when the slot has been used again since. */
struct job *job_tagged(uint64_t tag);
uint64_t job_tag(const struct job *job);
uint32_t jobs_open(void);
/* Calls `visit` for every open job of the context. */
void jobs_of(int32_t context, void (*visit)(struct job *));

/* --- job_open.c --- */

/* What every job begins with: a handle. */
int32_t job_opened(struct job *job);
void job_release_ends(struct job *job);

/* --- job.c --- */

/* Ends an attempt: delivers its outcome, or frees a job that is being closed. */
void job_end(struct job *job, uint32_t end);
/* What became of an ended job, which may be started again or closed from now on. */
void job_report(struct job *job, struct sluice_outcome *outcome);
/* Attempts that run, or wait, and those that have ended. */
void jobs_count(uint32_t *under_way, int64_t *done);
/* Closes a job whatever it is doing. */
void job_abandon(struct job *job);
/* Closes both descriptors and frees the slot. */
void job_release(struct job *job);

#endif
