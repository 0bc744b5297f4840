/* The table of jobs. */
#include "job.h"

static struct table jobs = {.entry_bytes = sizeof(struct job)};

static struct job *job_of(struct slot *slot)
{
    return (struct job *)slot;
}

struct job *job_allocate(int32_t context)
{
    struct job *job = job_of(table_take(&jobs));
    if (!job) return NULL;
    job->next = job->previous = NULL;
    job->state = JOB_IDLE;
    job->closing = false;
    job->context = context;
    return job;
}

void job_free(struct job *job)
{
    table_give_back(&jobs, &job->slot);
}

int32_t job_handle(const struct job *job)
{
    return table_handle(&job->slot);
}

struct job *job_find(int32_t handle)
{
    struct job *job = job_of(table_find(&jobs, handle));
    return job && !job->closing ? job : NULL;
}

uint64_t job_tag(const struct job *job)
{
    return table_tag(&job->slot);
}

struct job *job_tagged(uint64_t tag)
{
    return job_of(table_tagged(&jobs, tag));
}

uint32_t jobs_open(void)
{
    return jobs.used;
}

void jobs_of(int32_t context, void (*visit)(struct job *))
{
    for (struct slot *slot = NULL; (slot = table_next(&jobs, slot));)
        if (job_of(slot)->context == context) visit(job_of(slot));
}
