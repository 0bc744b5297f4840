#include "queue.h"

void queue_append(struct queue *queue, struct job *job)
{
    job->queue = queue;
    job->previous = queue->tail;
    job->next = NULL;
    *(queue->tail ? &queue->tail->next : &queue->head) = job;
    queue->tail = job;
    queue->length++;
}

void queue_unlink(struct job *job)
{
    struct queue *queue = job->queue;
    *(job->previous ? &job->previous->next : &queue->head) = job->next;
    *(job->next ? &job->next->previous : &queue->tail) = job->previous;
    job->next = job->previous = NULL;
    job->queue = NULL;
    queue->length--;
}

struct job *queue_take(struct queue *queue)
{
    struct job *job = queue->head;
    if (job) queue_unlink(job);
    return job;
}

void queue_ring(const struct queue *queue)
{
    uint64_t one = 1;
    SYS(write, queue->event_fd, &one, sizeof one);
}
