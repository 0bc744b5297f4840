/* File leases: the table, and the thread that hears of breaks. All with the lock held, but for lease_end(). */
#ifndef SLUICE_LEASE_H
#define SLUICE_LEASE_H

#include "closing.h"
#include "contexts.h"

/*
 * A real-time signal, so that each break queues one of its own with the descriptor in it; below those of the libcs'
 * own.
 */
#define LEASE_SIGNAL 50

struct lease {
    struct slot slot;
    int32_t context;
    int fd;     /* -1 once it has been released */
    int type;   /* F_RDLCK or F_WRLCK */
    int wanted; /* SLUICE_LEASE_*, what another process wants; 0: nothing */
    bool told;
    int64_t most_held; /* ns after a break; 0: as long as is safe */
    int64_t deadline;
};

/* Releases every lease of the context. */
void leases_release(int32_t context);
uint32_t leases_open(void);

/* Enters `fd`, which is leased, and takes charge of it on success: a handle, or -errno. */
int32_t lease_enter(int32_t context, int fd, int type, uint32_t hold_ms);
struct lease *lease_find(int32_t handle);
/* Finds out whether it is broken. The lock is given back meanwhile. */
void lease_look(struct lease *lease);
void lease_free(struct lease *lease);
/* Tells of breaks that have not been told: how many. */
uint32_t leases_tell(int32_t context, struct sluice_lease_break *breaks, uint32_t capacity);

/* The thread that hears of breaks, started with the first lease: its number, or -errno. */
int32_t lease_thread(void);

/* Releases what a descriptor holds, and closes it. Without the lock. */
void lease_end(int32_t fd);

#endif
