/* The rings that are open in this process, and the jobs that wait for them. All with the engine's lock held. */
#ifndef SLUICE_RING_TABLE_H
#define SLUICE_RING_TABLE_H

#include "job.h"
#include "lock.h"
#include "ring.h"

/* The ring of a handle, or NULL. */
struct ring *ring_find(int32_t handle);
/* Counts a job's end among the references of a context's ring. NULL where the handle names none of it. */
struct ring *ring_refer(int32_t context, int32_t handle);
/* The context of a ring; 0 where the handle names none. */
int32_t ring_context(int32_t handle);
/* Gives a reference up; the last one takes the ring with it. */
void ring_drop(struct ring *ring);

/* Closes every ring of the context. */
void rings_release(int32_t context);
/* How many, and how large all of them are. */
uint32_t rings_open(int64_t *bytes);

/* Makes a user the only one to touch the ring: -EBUSY while there is another. */
int ring_enter(struct ring *ring, const void *user);
void ring_leave(struct ring *ring, const void *user);

/*
 * Lets a job of JOB_RUNNING or JOB_IDLE wait for its ring, and calls `resume` once that is ready: 1. 0 where it is
 * ready now, -EAGAIN where no thread can be had.
 */
int ring_wait(struct job *job, struct ring *ring, resume_job *resume);
/* Takes a job that waits for a ring back. */
void ring_unwait(struct job *job);

uint32_t ring_waits(void);

#endif
