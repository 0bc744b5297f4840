/* The mechanisms by their opcodes, and what an attempt begins and ends with. */
#include "job.h"

static run_turn *const mechanisms[] = {
    [SLUICE_SENDFILE] = sendfile_turn,
    [SLUICE_SPLICE] = splice_turn,
    [SLUICE_COPY_FILE_RANGE] = copy_file_range_turn,
    [SLUICE_REFLINK] = reflink_turn,
    [SLUICE_MAPPED] = mapped_turn,
    [SLUICE_BUFFERED] = buffered_turn,
    [SLUICE_DIRECT] = direct_turn,
    [SLUICE_SHARED_RING] = ring_turn,
};

run_turn *mechanism(uint32_t opcode)
{
    return opcode < sizeof mechanisms / sizeof *mechanisms ? mechanisms[opcode] : NULL;
}

run_turn *memory_mechanism(uint32_t opcode)
{
    switch (opcode) {
    case SLUICE_BUFFERED: return memory_turn;
    case SLUICE_VMSPLICE: return vmsplice_turn;
    case SLUICE_SEND_ZERO_COPY: return zerocopy_turn;
    default: return NULL;
    }
}

run_turn *tee_mechanism(uint32_t opcode)
{
    switch (opcode) {
    case SLUICE_TEE: return tee_turn;
    case SLUICE_BUFFERED: return fan_out_turn;
    default: return NULL;
    }
}

void job_prepare(struct job *job, const struct sluice_request *request, run_turn *run)
{
    /* Shared blocks are nobody's pages. */
    bool dontcache = request->flags & SLUICE_REQUEST_DONTCACHE && run != reflink_turn;
    job->keeps_holes = request->flags & SLUICE_REQUEST_HOLES && run != reflink_turn;
    job->run_end = 0;
    job->run = dontcache ? dontcache_turn : job->keeps_holes ? holes_turn : run;
    job->mechanism = run;
    job->awaited = NULL;
    job->wants = 0;
    job->waits_only = false;
    job->direct = NULL;
    job->dontcache = NULL;
    job->uncached_read = job->uncached_write = dontcache && has_uncached_io();
    /* Both wait for disks, and even asking what is in memory may start a read. */
    if (dontcache || run == direct_turn) job->residency = RESIDENCY_NEVER;
    job->offset = request->offset;
    job->remaining = request->length;
    job->target_offset = request->target_offset;
    job->pipe = (struct pipe_pair){.read_fd = -1, .write_fd = -1};
    job->residue = NULL;
    job->residue_at = 0;
    job->pending = 0;
    job->gives_way = request->flags & SLUICE_REQUEST_GIVE_WAY;
    job->is_last = request->flags & SLUICE_REQUEST_LAST;
    job->is_stray = false;
    job->refusal = 0;
    job->doubted = false;
    job->broken = 0;
    job->error = 0;
    job->failed = SLUICE_SIDE_NONE;
    job->stranded = 0;
    job->syscalls = 0;
    job->waits = 0;
    job->cpu_ns = 0;
    atomic_store_explicit(&job->cancel, false, memory_order_relaxed);
    atomic_store_explicit(&job->moved, 0, memory_order_relaxed);
}

void job_settle(struct job *job, close_file *close_file)
{
    direct_release(job, close_file);
    dontcache_release(job, close_file);
    /* Bytes of a file can be read again; those of a stream are kept until somebody asks for them. */
    job->stranded = is_positioned(job) ? 0 : (int64_t)job->pending;
    if (job->stranded == 0) job_discard(job);
}
