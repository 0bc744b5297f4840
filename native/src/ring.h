/*
 * A ring of bytes in memory that two processes share: one writes, one reads. See docs/ipc.md for the layout, the
 * order of memory accesses and what becomes of whom when the other side dies.
 *
 * The other side is another process, and may be hostile: nothing that it can write is trusted. Each side keeps its
 * own position in memory of its own; what it reads of the other's is checked before it is used.
 */
#ifndef SLUICE_RING_H
#define SLUICE_RING_H

#include <stdatomic.h>

#include "../include/sluice.h"
#include "sys.h"

struct ring_header {
    char magic[8];
    uint32_t version;
    uint32_t header_bytes;
    uint64_t capacity;
    uint64_t generation;
    _Alignas(128) _Atomic uint32_t parties[2]; /* SLUICE_RING_ABSENT … */
    _Atomic uint32_t roles[2]; /* who writes, who reads: 0: not known yet, else the party's index and 1 */
    _Alignas(128) _Atomic uint64_t written;
    _Atomic uint32_t ended;
    _Alignas(128) _Atomic uint64_t read;
    _Alignas(128) _Atomic uint32_t reader_waits;
    _Alignas(128) _Atomic uint32_t writer_waits;
};

enum ring_party { RING_CREATOR, RING_OPENER };
enum ring_role { RING_WRITER, RING_READER, RING_NO_ROLE };

/* One side of a ring. */
struct ring {
    /* Guarded by the engine's lock. */
    int32_t context;
    uint32_t references; /* the handle, and each job's end */
    const void *user;    /* the job, or the call, that may touch what follows now; NULL: none */

    /* Constant. */
    int fd;       /* an open file description of our own: our lock is on it */
    int hand_out; /* another, without a lock, to be passed on */
    struct ring_header *header;
    char *data;
    uint64_t capacity;
    uint64_t generation;
    enum ring_party party;
    int64_t attach_by; /* monotonic, ns; 0: never */

    /* The user's. */
    enum ring_role role;
    uint64_t position; /* bytes that this side has written, or read */
    uint64_t seen;     /* the other side's position when it was last looked at */
    int64_t looked_at; /* when the other side's lock was, monotonic, ns */
    bool ended;
};

/* A run of bytes of the ring's data that doesn't wrap around. */
struct ring_span {
    char *bytes;
    size_t length;
};

/* --- ring_memory.c --- */

/* Makes a ring, or opens one by a descriptor of it. A ring with one reference and without a handle, or -errno. */
int ring_make(struct ring **made, uint32_t bytes, uint32_t attach_ms);
int ring_attach(struct ring **opened, int fd);
/* Tells the other side, gives everything back and frees it. */
void ring_destroy(struct ring *ring);

/* --- ring_sides.c --- */

/* Takes a side's lock on a descriptor: 0, -EBUSY where it is taken, or -errno. */
int ring_take_side(int fd, enum ring_party party);
/* Whether the header is still what it was at the opening. */
bool ring_is_intact(const struct ring *ring);

/*
 * Takes the part of the writer or the reader for good: 0, or -EBUSY where it is the other side's, or this one has the
 * other.
 */
int ring_claim(struct ring *ring, enum ring_role role);

/*
 * What has become of the other side: 0 while it is there or may still come, -EPIPE when it has closed the ring,
 * -EOWNERDEAD, -ETIMEDOUT when it hasn't come in time, -EBADMSG when the header is no ring's any more.
 */
int ring_peer(struct ring *ring);
/* Whether the other side has come, however it is now. */
bool ring_is_met(const struct ring *ring);

/* --- ring_flow.c: positions and wake-ups. For the writer: --- */

/* Room in bytes, or why what is written will not be read. */
int64_t ring_room(struct ring *ring);
/* Where to write next, `length` bytes at most: no more than ring_room() has said. */
struct ring_span ring_free_span(const struct ring *ring, uint64_t length);
/* Hands over bytes that have been written there. A sleeping reader is woken once that is worth it. */
void ring_publish(struct ring *ring, uint64_t length);
/* Wakes a sleeping reader however little there is. */
void ring_flush(struct ring *ring);
/* Says that this was all: 0, or why the reader will not hear it. */
int ring_end(struct ring *ring);

/* --- For the reader: --- */

/* Bytes to read; 0 at the end; -EAGAIN: none yet; or why there will be no more. */
int64_t ring_unread(struct ring *ring);
struct ring_span ring_full_span(const struct ring *ring, uint64_t length);
/* Gives back room. */
void ring_consume(struct ring *ring, uint64_t length);

/* --- Waiting: --- */

/* Wakes both sides, to find out what has changed. */
void ring_wake_all(struct ring *ring);

/* The word to sleep on, until it isn't `wants` any more, `wants` having been announced by ring_announce(). */
_Atomic uint32_t *ring_word(const struct ring *ring);
void ring_announce(struct ring *ring, uint32_t wants);
/* Bytes to read, or of room; 0 where all has been read; -EAGAIN: not yet; or why there will be no more. */
int64_t ring_look(struct ring *ring);
/* Whether it is pointless to sleep: there is something to read, or room for `wants` bytes, or an end of all this. */
bool ring_is_ready(struct ring *ring, uint32_t wants);
/* Sleeps until then, or for `ms` milliseconds; true: it is ready. */
bool ring_await(struct ring *ring, uint32_t wants, uint32_t ms);

#endif
