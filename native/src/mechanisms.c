/* The mechanisms by their opcodes, and what an attempt begins and ends with. */
#include "mechanisms.h"

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

static run_turn *memory_mechanism(uint32_t opcode)
{
    switch (opcode) {
    case SLUICE_BUFFERED: return memory_turn;
    case SLUICE_VMSPLICE: return vmsplice_turn;
    case SLUICE_SEND_ZERO_COPY: return zerocopy_turn;
    default: return NULL;
    }
}

static run_turn *tee_mechanism(uint32_t opcode)
{
    switch (opcode) {
    case SLUICE_TEE: return tee_turn;
    case SLUICE_BUFFERED: return fan_out_turn;
    default: return NULL;
    }
}

static bool are_files(const struct work *work)
{
    return work->source.kind == SLUICE_KIND_FILE && work->target.kind == SLUICE_KIND_FILE;
}

run_turn *mechanism_for(const struct work *work, const struct sluice_request *request)
{
    if (work->memory.bytes && request->flags & SLUICE_REQUEST_SETTLE) return zerocopy_settle_turn;
    if (work->memory.bytes) return memory_mechanism(request->strategy);
    if (request->flags & SLUICE_REQUEST_ATTRIBUTES) return are_files(work) ? attributes_turn : NULL;
    if (request->flags & SLUICE_REQUEST_HOLES && !are_files(work)) return NULL;
    return work->tee ? tee_mechanism(request->strategy) : mechanism(request->strategy);
}

void work_prepare(struct work *work, const struct sluice_request *request, run_turn *run)
{
    /* Shared blocks have no pages to drop. */
    bool dontcache = request->flags & SLUICE_REQUEST_DONTCACHE && run != reflink_turn;
    work->keeps_holes = request->flags & SLUICE_REQUEST_HOLES && run != reflink_turn;
    work->run_end = 0;
    work->run = dontcache ? dontcache_turn : work->keeps_holes ? holes_turn : run;
    work->mechanism = run;
    work->wants = 0;
    work->direct = NULL;
    work->dontcache = NULL;
    work->uncached_read = work->uncached_write = dontcache && has_uncached_io();
    /* Both wait for disks, and even asking what is in memory may start a read. */
    if (dontcache || run == direct_turn) work->residency = RESIDENCY_NEVER;
    work->offset = request->offset;
    work->remaining = request->length;
    work->target_offset = request->target_offset;
    work->pipe = (struct pipe_pair){.read_fd = -1, .write_fd = -1};
    work->residue = NULL;
    work->residue_at = 0;
    work->pending = 0;
    work->gives_way = request->flags & SLUICE_REQUEST_GIVE_WAY;
    work->is_stray = false;
    work->refusal = 0;
    work->doubted = false;
    work->broken = 0;
    work_resume(work);
}

void work_resume(struct work *work)
{
    work->error = 0;
    work->failed = SLUICE_SIDE_NONE;
    work->stranded = 0;
    work->syscalls = 0;
    work->waits = 0;
    work->cpu_ns = 0;
    atomic_store_explicit(&work->cancel, false, memory_order_relaxed);
    atomic_store_explicit(&work->moved, 0, memory_order_relaxed);
}

void work_settle(struct work *work, close_file *close_file)
{
    direct_release(work, close_file);
    dontcache_release(work, close_file);
    /* Bytes of a file can be read again; those of a stream are kept until they are asked for. */
    work->stranded = is_positioned(work) ? 0 : (int64_t)work->pending;
    if (work->stranded == 0) work_discard(work);
}
