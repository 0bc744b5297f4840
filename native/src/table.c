#include "table.h"

#include <stdlib.h>

#define BLOCK_SLOTS 256
#define INDEX_BITS 20
#define MOST_SLOTS (1u << INDEX_BITS)

static struct slot *at(const struct table *table, uint32_t index)
{
    if (index >= table->allocated) return NULL;
    char *block = table->blocks[index / BLOCK_SLOTS];
    return (struct slot *)(void *)(block + index % BLOCK_SLOTS * table->entry_bytes);
}

static void rest(struct table *table, struct slot *slot)
{
    slot->used = false;
    slot->next_free = NULL;
    *(table->first_free ? &table->last_free->next_free : &table->first_free) = slot;
    table->last_free = slot;
}

static void grow(struct table *table)
{
    uint32_t count = table->allocated / BLOCK_SLOTS;
    if (table->allocated == MOST_SLOTS) return;
    void **blocks = realloc(table->blocks, (count + 1) * sizeof *blocks);
    if (!blocks) return;
    table->blocks = blocks;
    blocks[count] = calloc(BLOCK_SLOTS, table->entry_bytes);
    if (!blocks[count]) return;
    table->allocated += BLOCK_SLOTS;
    for (uint32_t index = table->allocated - BLOCK_SLOTS; index < table->allocated; index++) {
        struct slot *slot = at(table, index);
        slot->index = index;
        rest(table, slot);
    }
}

struct slot *table_take(struct table *table)
{
    if (table->allocated - table->used <= LEAST_RESTING) grow(table);
    struct slot *slot = table->first_free;
    if (!slot) return NULL;
    table->first_free = slot->next_free;
    table->used++;
    slot->used = true;
    return slot;
}

void table_give_back(struct table *table, struct slot *slot)
{
    slot->generation++;
    table->used--;
    rest(table, slot);
}

int32_t table_handle(const struct slot *slot)
{
    return handle_make(INDEX_BITS, slot->index, slot->generation);
}

struct slot *table_find(const struct table *table, int32_t handle)
{
    struct slot *slot = handle > 0 ? at(table, handle_index(INDEX_BITS, handle)) : NULL;
    return slot && slot->used && table_handle(slot) == handle ? slot : NULL;
}

uint64_t table_tag(const struct slot *slot)
{
    return (uint64_t)slot->generation << 32 | slot->index;
}

struct slot *table_tagged(const struct table *table, uint64_t tag)
{
    struct slot *slot = at(table, (uint32_t)tag);
    return slot && slot->used && slot->generation == tag >> 32 ? slot : NULL;
}

struct slot *table_next(const struct table *table, const struct slot *slot)
{
    for (uint32_t index = slot ? slot->index + 1 : 0; index < table->allocated; index++)
        if (at(table, index)->used) return at(table, index);
    return NULL;
}
