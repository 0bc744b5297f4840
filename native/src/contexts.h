/*
 * Contexts: one for each isolate that loaded the library. What has ended waits here until it is reaped. All with the
 * lock held.
 */
#ifndef SLUICE_CONTEXTS_H
#define SLUICE_CONTEXTS_H

#include "job.h"
#include "lock.h"
#include "pair.h"

/* Opens one: a handle, or -errno. */
int32_t context_add(void);
/* Closes it; false where there is none of that handle. */
bool context_remove(int32_t handle);
uint32_t contexts_open(void);

bool context_is_open(int32_t handle);
/* Makes the isolate reap. */
void context_wake(int32_t handle);

/* Takes what has ended into its context's list, and wakes the isolate. */
void context_deliver(struct job *job);
void context_deliver_pair(struct pair *pair);
/* The next that has ended, or NULL. */
struct job *context_take_job(int32_t handle);
struct pair *context_take_pair(int32_t handle);

/* Whether the tag of an event is a context's, which then has lost its isolate. */
bool context_tagged(uint64_t tag, int32_t *handle);
/* Calls `visit` for those whose isolates have gone while no thread was there to see it. */
void contexts_lost(void (*visit)(int32_t handle));

#endif
