/* The engine's rooms: the table of jobs, the contexts that submitted them, the lanes that run them. */
#ifndef SLUICE_ENGINE_H
#define SLUICE_ENGINE_H

#include <pthread.h>

#include "job.h"

/*
 * One lock for all states. Turns run outside it and last hundreds of microseconds, so a handful of
 * workers hardly ever meet here.
 */
extern pthread_mutex_t engine_lock;

static inline void lock(void)
{
    pthread_mutex_lock(&engine_lock);
}

/* And does what was put off until now. */
void unlock(void);

/* --- closing.c: what may take any time, and so waits until the lock is given back. With it held, but for what follows it. --- */

/* Calls `act` when the lock is given back; false where there is no memory for that. */
bool put_off(void (*act)(int32_t), int32_t what);
/* Closes a descriptor then: an end's, or a file's. */
void put_off_end(struct end *end);
close_file put_off_close;

/* Without the lock: at once, or on a thread that may wait. */
close_file close_where_it_may_wait;
bool end_closes_quickly(const struct end *end);

/* --- lease.c: file leases. All with the lock held. --- */

/* Releases every lease of the context. */
void leases_release(int32_t context);
uint32_t leases_open(void);

/* --- map.c. Without the lock. --- */

/* Blanks every mapping of a context that has gone, whose isolate may have given a view of it to another. */
void maps_orphaned(int32_t context);
/* Mappings that go with a context. */
uint32_t maps_open(void);

/* --- pairs.c: connections that are joined (pair.h). With the lock held. --- */

/* Stops every pair of the context. */
void pairs_abandon(int32_t context);
uint32_t pairs_open(void);
uint32_t relays_running(void);

/* --- rings.c: shared rings. All with the lock held. --- */

/* Closes every ring of the context. */
void rings_release(int32_t context);
uint32_t rings_open(void);

/* --- lanes.c: the threads. --- */

/* Whom the lanes tell. With the lock held. */
struct lanes_owner {
    /* An attempt is over: SLUICE_END_*. */
    void (*settle)(struct job *job, uint32_t end);
    /* The isolate of a context has gone. */
    void (*lost)(int32_t context);
    /* Whether that might happen unseen, and matter, where no thread stays. */
    bool (*may_lose)(void);
};

/* Starts what all jobs share. With the lock held. 0 or -errno. */
int lanes_start(const struct lanes_owner *owner);
/*
 * Hands a freshly prepared job to the threads, and sees to it that there are some. With the lock held; true where
 * lanes_call() has to be called when it has been given back: whom that wakes would run into the lock.
 */
bool lanes_start_job(struct job *job);
void lanes_call(void);
/* Sees to it that somebody looks out for lost contexts. With the lock held. False where no thread can be had. */
bool lanes_attend(void);
/* The same where a context may be lost unseen. */
void lanes_look_out(void);
/* Sees to it that a job is run, if need be by a thread more. With the lock held. False where there is none. */
bool lanes_staff(void);
/* Hands a job to whichever lane can run its next turn. With the lock held. */
void lanes_dispatch(struct job *job, enum turn after);
/* Takes a waiting or queued job back. With the lock held; false when a worker has it. */
bool lanes_withdraw(struct job *job);
void lanes_count(uint32_t *prompt, uint32_t *blocking);

#endif
