/* The threads, in two lanes, and where a job goes next. All with the lock held, but for lanes_call(). */
#ifndef SLUICE_LANES_H
#define SLUICE_LANES_H

#include "job.h"
#include "lock.h"

/* Whom the lanes tell. */
struct lanes_owner {
    /* An attempt is over: SLUICE_END_*. */
    void (*settle)(struct job *job, uint32_t end);
    /* The isolate of a context has gone. */
    void (*lost)(int32_t context);
    /* Whether that might happen unseen, and matter, where no thread stays. */
    bool (*may_lose)(void);
};

/* Starts what all jobs share. 0 or -errno. */
int lanes_start(const struct lanes_owner *owner);
/*
 * Hands a freshly prepared job to the threads. True where lanes_call() has to be called once the lock has been given
 * back: the thread that it wakes would run into the lock.
 */
bool lanes_start_job(struct job *job);
void lanes_call(void);
/* Sees to it that a thread looks out for lost contexts. False where no thread can be had. */
bool lanes_attend(void);
/* The same where a context may be lost unseen. */
void lanes_look_out(void);
/* Sees to it that a job is run, if need be by a thread more. False where there is none. */
bool lanes_staff(void);
/* Hands a job to whichever lane can run its next turn. */
void lanes_dispatch(struct job *job, enum turn after);
/* Takes a waiting or queued job back. False when a worker has it. */
bool lanes_withdraw(struct job *job);
void lanes_count(uint32_t *prompt, uint32_t *blocking);

#endif
