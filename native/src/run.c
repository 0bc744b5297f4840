/*
 * One attempt from beginning to end on the calling thread, for hosts whose functions can't return promises: a
 * WebAssembly guest waits for the answer anyway. Only between regular files, which end by themselves.
 */
#include <stdlib.h>

#include "closing.h"
#include "mechanisms.h"
#include "shield.h"

#define BUFFER_BYTES (256 * 1024)

static uint32_t run_to_end(struct work *work, struct lane *lane)
{
    enum turn turn = is_complete(work) ? TURN_DONE : TURN_AGAIN;
    while (turn == TURN_AGAIN)
        turn = work->run(work, lane);
    if (turn == TURN_DONE) return SLUICE_END_DONE;
    if (turn == TURN_EOF) return SLUICE_END_EOF;
    /* Files are always ready: who says otherwise can't be served here. */
    if (turn != TURN_FAILED) work_fail(work, EAGAIN, SLUICE_SIDE_NONE);
    return SLUICE_END_ERROR;
}

int32_t sluice_run(int32_t source, int32_t target, void *request, void *outcome)
{
    const struct sluice_request *asked = request;
    run_turn *run = mechanism(asked->strategy);
    struct work work = {.residency = RESIDENCY_NEVER};
    struct lane lane = {.buffer_size = BUFFER_BYTES, .may_block = true};
    sigset_t before;

    int failed = end_describe(&work.source, source);
    if (failed == 0) failed = end_describe(&work.target, target);
    if (failed < 0) return failed;
    if (!run || asked->offset < 0 || work.source.kind != SLUICE_KIND_FILE || work.target.kind != SLUICE_KIND_FILE)
        return -EINVAL;
    lane.buffer = malloc(BUFFER_BYTES);
    if (!lane.buffer) return -ENOMEM;

    shield(&before);
    work_prepare(&work, asked, run);
    int64_t started = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    uint32_t end = run_to_end(&work, &lane);
    work.cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) - started;
    work_settle(&work, close_where_it_may_wait);
    unshield(&before);
    free(lane.buffer);
    *(struct sluice_outcome *)outcome = (struct sluice_outcome){
        .end = end,
        .bytes = atomic_load_explicit(&work.moved, memory_order_relaxed),
        .error = end == SLUICE_END_ERROR ? work.error : 0,
        .failed = work.failed,
        .syscalls = work.syscalls,
        .cpu_ns = work.cpu_ns,
    };
    return 0;
}
