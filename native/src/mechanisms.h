/* The mechanisms: each is a turn, which moves what can be moved now. */
#ifndef SLUICE_MECHANISMS_H
#define SLUICE_MECHANISMS_H

#include "work.h"

/* The mechanism of an opcode between two descriptors; NULL: there is none. */
run_turn *mechanism(uint32_t opcode);
/* The mechanism that a request asks for, by what the source and the target are. */
run_turn *mechanism_for(const struct work *work, const struct sluice_request *request);

/* Prepares for an attempt. */
void work_prepare(struct work *work, const struct sluice_request *request, run_turn *run);
/* Counts anew, for an attempt that goes on where another left off. */
void work_resume(struct work *work);
/* Gives back what an attempt holds beyond its descriptors, but for the bytes of a stream that it could not deliver. */
void work_settle(struct work *work, close_file *close_file);

run_turn sendfile_turn, splice_turn, copy_file_range_turn, reflink_turn, mapped_turn, buffered_turn, direct_turn,
    ring_turn, memory_turn, vmsplice_turn, zerocopy_turn, tee_turn, fan_out_turn;

/* Fills the relay pipe, which is empty, from the source: TURN_DONE, and `pending` says with how much. */
enum turn splice_fill(struct work *work);

/* Runs the mechanism over the source's data, and leaves its holes. */
run_turn holes_turn;

/* Gives the target what the source has beyond bytes, owner and mode. */
run_turn attributes_turn;

/* Runs the mechanism and leaves the page cache as it was. */
run_turn dontcache_turn;
/* Drops what a cancelled attempt has left in the page cache. May wait for the disk of a file target. */
void dontcache_finish(struct work *work);

/* Give back what such a turn holds, if anything. */
void direct_release(struct work *work, close_file *close_file);
void dontcache_release(struct work *work, close_file *close_file);

/* Whether the kernel has RWF_DONTCACHE, and it can be trusted (probe.c). */
bool has_uncached_io(void);

/* Waits for the notices that are missing. */
run_turn zerocopy_settle_turn;
/* Takes the kernel's notices; how many sends it still refers to. */
uint32_t zerocopy_held(struct work *work);
/* SLUICE_COPY_* of what was sent. */
uint32_t zerocopy_copied(const struct work *work);
/* Ends the counting; a connection that still refers to the memory is broken. */
void zerocopy_release(struct work *work);

/* A copy of memory that outlives its unmapping where the kernel refers to it; NULL where there is no memory. */
char *memory_copy_of(const char *bytes, int64_t length);
void memory_free_copy(char *copy, int64_t length);
/* Makes memory, or the copy of it, the source. With the lock held. */
void memory_hold(struct work *work, const char *bytes, int64_t length, char *copy);
/* Bytes of that in all jobs. */
int64_t memory_held(void);
/* Frees what is held of memory. */
void memory_release(struct work *work);

#endif
