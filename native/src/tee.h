/* One source, several pipes. */
#ifndef SLUICE_TEE_H
#define SLUICE_TEE_H

#include "work.h"

struct outlet {
    struct end end; /* -1: its reader has gone */
    size_t ahead;
};

struct tee {
    char *head; /* what every outlet gets before the source's bytes; NULL: nothing, or no more */
    size_t head_size;
    size_t head_at;
    int sink; /* /dev/null: takes what all outlets have, without looking at it; -1 until needed */
    uint32_t count;
    uint32_t blocked; /* the outlet that has least */
    bool full;        /* and takes no more */
    struct outlet outlets[];
};

/* Makes the pipes and fills in their read ends. 0 or -errno. */
int tee_open(struct tee **opened, struct sluice_outlet *outlets, uint32_t count, uint32_t capacity);
/* The pipe that a tee waits for. */
struct end *tee_blocked(struct tee *tee);
/* Calls `visit` for the ends of its pipes. */
void tee_each(struct tee *tee, void (*visit)(struct end *));
void tee_release(struct work *work);

/* Copies what every pipe gets before the source's bytes. 0 or -errno. */
int tee_feed(struct tee *tee, const char *bytes, uint32_t length);
/* The index of the pipe whose reader holds up all others; -EAGAIN where none does. While no turn runs. */
int32_t tee_waits_for(const struct tee *tee);
/* Whether some of that is not in every pipe yet. */
bool tee_has_head(const struct work *work);

/* --- for the mechanisms --- */

/* How a mechanism gives an outlet more of what is at the head, from `ahead` on: bytes, or -errno. */
typedef int64_t give_outlet(struct work *work, struct outlet *outlet, size_t available);

/*
 * Gives every outlet what it takes of `available` bytes at the head, and answers how many of them all have now;
 * -EAGAIN where one that is full has none, -EPIPE where no outlet is left.
 */
int64_t tee_give(struct work *work, size_t available, give_outlet *one);
/* The head moves on. */
void tee_advance(struct work *work, int64_t bytes);
/* Gives an outlet more of `available` bytes in memory. */
int64_t tee_give_memory(struct work *work, struct outlet *outlet, const char *bytes, size_t available);
/*
 * Gives every outlet what comes before the source: TURN_DONE when each has it. Its bytes are not the source's, and
 * not counted as such.
 */
enum turn tee_give_head(struct work *work);

#endif
