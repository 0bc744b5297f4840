/*
 * Handles: what JavaScript holds of a slot in one of our tables. The slot's index lies under a generation that
 * changes with every use, so a handle that was closed stays wrong for long. No handle is 0 or negative.
 */
#ifndef SLUICE_HANDLES_H
#define SLUICE_HANDLES_H

#include <stdint.h>

/* Slots that are free at any time: one alone would have had all its generations soon. */
#define LEAST_RESTING 128

static inline int32_t handle_make(unsigned index_bits, uint32_t index, uint32_t generation)
{
    uint32_t generations = (UINT32_C(1) << (31 - index_bits)) - 1;
    return (int32_t)((generation % generations + 1) << index_bits | index);
}

static inline uint32_t handle_index(unsigned index_bits, int32_t handle)
{
    return (uint32_t)handle & ((UINT32_C(1) << index_bits) - 1);
}

#endif
