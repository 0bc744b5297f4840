/* Where a job goes next. All with the lock held. */
#ifndef SLUICE_DISPATCH_H
#define SLUICE_DISPATCH_H

#include "lanes.h"
#include "queue.h"

extern struct queue prompt_queue, blocking_queue;

/* Hands in what is done with an attempt that is over. */
void dispatch_start(void (*settle)(struct job *job, uint32_t end));
/* Does that. */
void lanes_settle(struct job *job, uint32_t end);

/* Whether a write to it may wait: files wait for disks; a terminal in blocking mode waits for its user after ^S. */
bool target_may_block(const struct end *target);

#endif
