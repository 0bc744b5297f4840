/*
 * Tables of jobs, pairs, leases and rings. Slots are allocated in blocks and never given back to the system, so that
 * what was heard of a slot before it was used again is recognised by its generation, never by reading freed memory.
 * Free slots are used first in, first out. All with the engine's lock held.
 */
#ifndef SLUICE_TABLE_H
#define SLUICE_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "handles.h"

/* What an entry of a table begins with. */
struct slot {
    uint32_t index;
    uint32_t generation;
    bool used;
    struct slot *next_free;
};

struct table {
    size_t entry_bytes;
    void **blocks;
    uint32_t allocated;
    uint32_t used;
    struct slot *first_free;
    struct slot *last_free;
};

/* A slot that is used from now on; what follows it is as its last user left it. NULL when the table is full. */
struct slot *table_take(struct table *table);
void table_give_back(struct table *table, struct slot *slot);

int32_t table_handle(const struct slot *slot);
/* The used slot of a handle, or NULL. */
struct slot *table_find(const struct table *table, int32_t handle);

/* The same for the data of an epoll event, which has all of a generation. */
uint64_t table_tag(const struct slot *slot);
struct slot *table_tagged(const struct table *table, uint64_t tag);

/* The used slot after another one, the first after NULL; NULL when there is none. */
struct slot *table_next(const struct table *table, const struct slot *slot);

#endif
