/* The registry of mappings, in which the SIGBUS handler looks faults up without a lock. */
#include "mappings.h"

#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "handles.h"

enum { INDEX_BITS = 16, MAPPINGS = 1 << INDEX_BITS };

/* As many as vm.max_map_count lets be by default. Mapped with the first; pages that were never used take no memory. */
static struct mapping *mappings;
static _Atomic uint32_t ever_used;

/* Guards what the handler never reads: the free lists and generations. */
static pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER;
static struct mapping *free_list, *last_free; /* first in, first out: a handle stays wrong for long */
static _Atomic uint32_t owned;
static _Atomic int64_t mapped_bytes; /* of those whose file is looked at */
static struct mapping *buried, *last_buried;

void mapping_lose(struct mapping *mapping, int64_t offset)
{
    int64_t known = atomic_load(&mapping->lost);
    while (offset < known && !atomic_compare_exchange_weak(&mapping->lost, &known, offset))
        continue;
}

/* The kernel zeroes the rest of the page that holds a new end of file, and no fault tells of those bytes. */
void mapping_note_size(struct mapping *mapping)
{
    struct stat status;
    if (SYS(fstat, mapping->fd, &status) < 0) return;
    if (status.st_size < mapping->offset + (int64_t)mapping->length) mapping_lose(mapping, status.st_size);
}

static bool covers(struct mapping *mapping, uintptr_t address)
{
    /* `end` first: it is what hides a mapping. */
    return address < atomic_load(&mapping->end) && address >= atomic_load(&mapping->start);
}

bool mappings_try(uintptr_t address, bool (*act)(struct mapping *, uintptr_t))
{
    uint32_t count = atomic_load(&ever_used);
    for (struct mapping *mapping = mappings; mapping < mappings + count; mapping++) {
        if (!covers(mapping, address)) continue;
        atomic_fetch_add(&mapping->users, 1);
        bool done = covers(mapping, address) && act(mapping, address);
        atomic_fetch_sub(&mapping->users, 1);
        if (done) return true;
    }
    return false;
}

int64_t mappings_prepare(void)
{
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    int64_t address = 0;
    pthread_mutex_lock(&registry_lock);
    if (!mappings) address = SYS(mmap, NULL, MAPPINGS * sizeof *mappings, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (address > 0) mappings = (struct mapping *)address;
    pthread_mutex_unlock(&registry_lock);
    return address < 0 ? address : 0;
}

static void append(struct mapping **first, struct mapping **last, struct mapping *mapping)
{
    mapping->next_free = NULL;
    *(*first ? &(*last)->next_free : first) = mapping;
    *last = mapping;
}

static struct mapping *take(struct mapping **first)
{
    struct mapping *mapping = *first;
    if (mapping) *first = mapping->next_free;
    return mapping;
}

static struct mapping *take_free(void)
{
    uint32_t count = atomic_load(&ever_used);
    struct mapping *mapping = count < owned + LEAST_RESTING ? NULL : take(&free_list);
    if (mapping) return mapping;
    if (count == MAPPINGS) return take(free_list ? &free_list : &buried);
    atomic_store(&ever_used, count + 1);
    return &mappings[count];
}

static int32_t handle_of(const struct mapping *mapping)
{
    return handle_make(INDEX_BITS, (uint32_t)(mapping - mappings), mapping->generation);
}

static struct mapping *find(int32_t handle)
{
    if (!mappings || handle <= 0) return NULL;
    struct mapping *mapping = &mappings[handle_index(INDEX_BITS, handle)];
    return mapping->open && handle_of(mapping) == handle ? mapping : NULL;
}

int32_t mapping_add(int32_t context, char *address, size_t length, int64_t offset, int fd)
{
    int32_t answer = -ENOMEM;
    pthread_mutex_lock(&registry_lock);
    struct mapping *mapping = take_free();
    if (mapping) {
        mapping->address = address;
        mapping->length = length;
        mapping->offset = offset;
        mapping->fd = fd;
        mapping->context = context;
        owned += context != 0;
        mapped_bytes += (int64_t)length;
        mapping->open = true;
        mapping->retired = false;
        atomic_store(&mapping->lost, NOTHING_LOST);
        atomic_store(&mapping->start, (uintptr_t)address);
        atomic_store(&mapping->hole, (uintptr_t)address + length);
        atomic_store(&mapping->end, (uintptr_t)address + length);
        answer = handle_of(mapping);
    }
    pthread_mutex_unlock(&registry_lock);
    return answer;
}

struct mapping *mapping_use(int32_t handle)
{
    pthread_mutex_lock(&registry_lock);
    struct mapping *mapping = find(handle);
    if (mapping && mapping->retired) mapping = NULL;
    if (mapping) atomic_fetch_add(&mapping->users, 1);
    pthread_mutex_unlock(&registry_lock);
    return mapping;
}

void mapping_leave(struct mapping *mapping)
{
    atomic_fetch_sub(&mapping->users, 1);
}

static void await_users(struct mapping *mapping)
{
    while (atomic_load(&mapping->users))
        sched_yield();
}

bool mapping_retire(struct mapping *mapping)
{
    pthread_mutex_lock(&registry_lock);
    bool first = !mapping->retired;
    if (first) mapped_bytes -= (int64_t)mapping->length;
    mapping->retired = true;
    atomic_store(&mapping->hole, atomic_load(&mapping->start));
    pthread_mutex_unlock(&registry_lock);
    mapping_leave(mapping);
    if (first) await_users(mapping);
    return first;
}

struct mapping *mapping_orphan(int32_t context)
{
    struct mapping *found = NULL;
    pthread_mutex_lock(&registry_lock);
    uint32_t count = mappings ? atomic_load(&ever_used) : 0;
    for (struct mapping *mapping = mappings; mapping < mappings + count && !found; mapping++)
        if (mapping->open && mapping->context == context) found = mapping;
    if (found) {
        found->context = 0;
        owned--;
        atomic_fetch_add(&found->users, 1);
    }
    pthread_mutex_unlock(&registry_lock);
    return found;
}

uint32_t mappings_owned(void)
{
    return owned;
}

int64_t mappings_bytes(void)
{
    return mapped_bytes;
}

void mapping_bury(struct mapping *mapping)
{
    pthread_mutex_lock(&registry_lock);
    mapping->open = false;
    mapping->generation++;
    append(&buried, &last_buried, mapping);
    pthread_mutex_unlock(&registry_lock);
}

struct mapping *mapping_hide(int32_t handle)
{
    pthread_mutex_lock(&registry_lock);
    struct mapping *mapping = find(handle);
    if (mapping) {
        owned -= mapping->context != 0;
        if (!mapping->retired) mapped_bytes -= (int64_t)mapping->length;
        mapping->open = false;
        atomic_store(&mapping->end, 0);
    }
    pthread_mutex_unlock(&registry_lock);
    if (mapping) await_users(mapping);
    return mapping;
}

void mapping_remove(struct mapping *mapping)
{
    pthread_mutex_lock(&registry_lock);
    mapping->generation++;
    append(&free_list, &last_free, mapping);
    pthread_mutex_unlock(&registry_lock);
}

int64_t mapping_lost(struct mapping *mapping)
{
    mapping_note_size(mapping);
    return atomic_load(&mapping->lost);
}
