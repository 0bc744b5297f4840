/* A pair: two connections, and the two flows of bytes between them. One relay thread owns it while it runs. */
#ifndef SLUICE_PAIR_H
#define SLUICE_PAIR_H

#include <stdatomic.h>

#include "end.h"
#include "pipes.h"
#include "table.h"

/* What a flow came to. */
enum flow_turn {
    FLOW_WAIT,   /* for its source or its target */
    FLOW_AGAIN,  /* its share is used up; more can be done */
    FLOW_ENDED,  /* its source has ended, and its target knows */
    FLOW_LIMIT,  /* it has moved what it may, and there is more */
    FLOW_FAILED, /* pair->error and pair->failed say why */
};

/* One of the two connections. */
struct side {
    int fd;
    uint32_t watched; /* events in the epoll set; 0: not in it */
    bool readable;    /* until recv(2) says otherwise, */
    bool writable;    /* or send(2) */
    bool distrusted;  /* a short read doesn't mean that nothing is left: an end, an error or urgent data came */
};

/* One of the two directions: from side[0] to side[1], or back. */
struct flow {
    struct pipe_pair pipe; /* read_fd -1: none */
    char *residue;         /* bytes received and not sent yet */
    size_t residue_at;
    size_t pending;    /* bytes in the pipe or the residue */
    size_t uncounted;  /* of those, at the front: no bytes of the source's */
    int64_t remaining; /* bytes that it may move still; -1: any number */
    _Atomic int64_t moved;
    int64_t spliced;
    int64_t stranded; /* bytes of the source's that were dropped */
    int64_t syscalls;
    int64_t waits;
    int broken;       /* its source's error, which is told once, while there are bytes before it */
    uint8_t large;    /* how large its reads are of late; from LARGE_READS on it is spliced */
    bool splices;     /* it may be */
    bool cut;         /* it was given all that it may move, and there was more */
    bool source_over; /* the source has ended */
    bool ended;       /* and the target knows */
};

enum pair_state {
    PAIR_IDLE,    /* open, not started, or reaped */
    PAIR_RUNNING, /* a relay owns everything but `cancel`, `closing`, `inbox_next` and the atomics of its flows */
    PAIR_ENDED,   /* in its context's list */
};

struct pair {
    /* Guarded by the engine's lock. */
    struct slot slot;
    enum pair_state state;
    int32_t context;
    bool closing;
    bool reset;        /* its connections are to be aborted */
    bool posted;       /* in its relay's inbox */
    struct pair *next; /* in the list of free ones, an inbox or a context's list */
    struct relay *relay;

    _Atomic bool cancel;
    _Atomic int64_t moved_at; /* CLOCK_MONOTONIC_COARSE, ns */

    struct side side[2];
    struct flow flow[2];
    struct pair *ready_next;
    bool ready; /* in its relay's list of those that can do something */
    int error;
    uint32_t failed;
    uint32_t end;
};

/* --- flow.c --- */

/* Room that a relay lends to the flow it runs. */
struct relay_room {
    char *buffer;
    size_t size;
};

/* Moves what can be moved now of the flow that starts at `side[from]`, up to a turn's bytes. */
enum flow_turn flow_run(struct pair *pair, int from, struct relay_room *room, int64_t now);
/* Bytes that it has moved. */
int64_t flow_moved(struct flow *flow);
/*
 * Gives back what a flow holds, once it has come to its end. Its bytes are dropped, and a pipe with bytes is not used
 * again.
 */
void flow_settle(struct flow *flow);

/* --- relays.c: the threads --- */

/* Hands a started pair to a relay. With the lock held. 0 or -errno. */
int relays_take(struct pair *pair);
/* Tells the relay to look at `cancel` and `closing`. With the lock held. */
void relays_post(struct pair *pair);
uint32_t relays_running(void);

/* --- proxy.c --- */

/* Stops every pair of the context. With the lock held. */
void pairs_abandon(int32_t context);

/* --- pairs.c. All with the lock held. --- */

/* A pair of duplicates in state PAIR_IDLE: its handle, or -errno. */
int32_t pair_admit(int32_t context, int a, int b);
/* The pair of a handle, or NULL when it was closed meanwhile. */
struct pair *pair_find(int32_t handle);
/* Calls `visit` for every open pair of the context. */
void pairs_of(int32_t context, void (*visit)(struct pair *));
uint32_t pairs_open(void);
int64_t pairs_closed(void);
/* Closes both descriptors and frees the slot. */
void pair_release(struct pair *pair);
/* What became of an ended pair, which may be closed or forgotten from now on. */
void pair_report(struct pair *pair, struct sluice_pair_outcome *outcome);

#endif
