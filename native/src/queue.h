/* Jobs that wait for a thread, first in first out. All with the lock held, but for the bell. */
#ifndef SLUICE_QUEUE_H
#define SLUICE_QUEUE_H

#include "job.h"
#include "threads.h"

struct queue {
    struct job *head;
    struct job *tail;
    uint32_t length;
    int event_fd;      /* its bell */
    struct pool *pool; /* whose threads take from it */
};

void queue_append(struct queue *queue, struct job *job);
/* The first, or NULL. */
struct job *queue_take(struct queue *queue);
/* Takes a job out of the queue that it is in. */
void queue_unlink(struct job *job);
void queue_ring(const struct queue *queue);

#endif
