/*
 * The table of jobs. Slots are allocated in blocks and never given back, so that an event fetched
 * from epoll for a job that has ended meanwhile is recognised by its generation, never by reading
 * freed memory.
 */
#include <stdlib.h>

#include "engine.h"

#define BLOCK_JOBS 256
#define INDEX_BITS 20
#define MAX_JOBS (1u << INDEX_BITS)
#define HANDLE_GENERATIONS 0x7ffu
/* Slots that are free at any time: one alone would have had all its generations soon. */
#define LEAST_RESTING 128

static struct job *blocks[MAX_JOBS / BLOCK_JOBS];
static uint32_t allocated;
/* First in, first out: the longer a slot rests, the longer its last handles are wrong. */
static struct job *free_list, *last_free;
static uint32_t open_jobs;

static struct job *slot(uint32_t index)
{
    return index < allocated ? &blocks[index / BLOCK_JOBS][index % BLOCK_JOBS] : NULL;
}

static void rest(struct job *job)
{
    job->next = NULL;
    *(free_list ? &last_free->next : &free_list) = job;
    last_free = job;
}

static bool grow(void)
{
    if (allocated == MAX_JOBS) return false;
    struct job *block = calloc(BLOCK_JOBS, sizeof *block);
    if (!block) return false;
    blocks[allocated / BLOCK_JOBS] = block;
    for (uint32_t i = 0; i < BLOCK_JOBS; i++) {
        block[i].index = allocated + i;
        rest(&block[i]);
    }
    allocated += BLOCK_JOBS;
    return true;
}

/* The part of the generation that a handle carries: never 0, so that no handle is 0. */
static uint32_t handle_generation(const struct job *job)
{
    return job->generation % HANDLE_GENERATIONS + 1;
}

struct job *job_allocate(int32_t context)
{
    if (allocated - open_jobs <= LEAST_RESTING) grow();
    if (!free_list) return NULL;
    struct job *job = free_list;
    free_list = job->next;
    job->next = job->previous = NULL;
    job->state = JOB_IDLE;
    job->closing = false;
    job->context = context;
    open_jobs++;
    return job;
}

void job_free(struct job *job)
{
    job->generation++;
    job->state = JOB_FREE;
    job->previous = NULL;
    rest(job);
    open_jobs--;
}

int32_t job_handle(const struct job *job)
{
    return (int32_t)(handle_generation(job) << INDEX_BITS | job->index);
}

struct job *job_find(int32_t handle)
{
    if (handle <= 0) return NULL;
    struct job *job = slot((uint32_t)handle & (MAX_JOBS - 1));
    if (!job || job->state == JOB_FREE || job->closing) return NULL;
    return handle_generation(job) == (uint32_t)handle >> INDEX_BITS ? job : NULL;
}

uint64_t job_tag(const struct job *job)
{
    return (uint64_t)job->generation << 32 | job->index;
}

struct job *job_tagged(uint64_t tag)
{
    struct job *job = slot((uint32_t)tag);
    return job && job->state != JOB_FREE && job->generation == tag >> 32 ? job : NULL;
}

uint32_t jobs_open(void)
{
    return open_jobs;
}

void jobs_of(int32_t context, void (*visit)(struct job *))
{
    for (uint32_t i = 0; i < allocated; i++) {
        struct job *job = slot(i);
        if (job->state != JOB_FREE && job->context == context) visit(job);
    }
}
