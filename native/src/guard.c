/*
 * The SIGBUS guard. A page of a mapping whose file has become shorter, or can't be read, has nothing behind it:
 * whoever touches it gets SIGBUS, again and again if the handler just returns. The handler therefore notes the first
 * lost offset and maps zero pages over the rest of the mapping (mmap(2), MAP_FIXED); then the access succeeds. Faults
 * elsewhere, and signals that somebody sent, go to the handler that was there before.
 */
#include "guard.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

enum { INDEX_BITS = 16, MAPPINGS = 1 << INDEX_BITS, GENERATIONS = 0x7fff, LEAST_RESTING = 128 };

/* As many as vm.max_map_count lets be by default. Mapped with the first; pages that were never used take no memory. */
static struct mapping *mappings;
static _Atomic uint32_t ever_used;

/* Guards what the handler never reads: the free list, generations, and the installation. */
static pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER;
static struct mapping *free_list, *last_free; /* first in, first out: a handle stays wrong for long */
static _Atomic uint32_t owned;
static struct mapping *buried, *last_buried;

static struct sigaction previous, guard;
static _Atomic bool former_is_gone;
static uintptr_t page_size;

void guard_lose(struct mapping *mapping, int64_t offset)
{
    int64_t known = atomic_load(&mapping->lost);
    while (offset < known && !atomic_compare_exchange_weak(&mapping->lost, &known, offset))
        continue;
}

/* The kernel zeroes the rest of the page that holds a new end of file, and no fault tells of those bytes. */
static void note_size(struct mapping *mapping)
{
    struct stat status;
    if (SYS(fstat, mapping->fd, &status) < 0) return;
    if (status.st_size < mapping->offset + (int64_t)mapping->length) guard_lose(mapping, status.st_size);
}

static bool covers(struct mapping *mapping, uintptr_t address)
{
    /* `end` first: it is what hides a mapping. */
    return address < atomic_load(&mapping->end) && address >= atomic_load(&mapping->start);
}

/*
 * Each page is replaced once, so that what was written to one that took its place stays: the fault that moves `hole`
 * down maps the pages up to its former value. A thread behind it tries its access again until they are there.
 * The loss is noted first: another thread may read the zeros at once.
 */
static bool mend(struct mapping *mapping, uintptr_t address)
{
    uintptr_t page = address & ~(page_size - 1), hole = atomic_load(&mapping->hole);
    if (page >= hole) return true;
    guard_lose(mapping, mapping->offset + (int64_t)(page - atomic_load(&mapping->start)));
    note_size(mapping);
    while (!atomic_compare_exchange_weak(&mapping->hole, &hole, page))
        if (page >= hole) return true;
    int flags = MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    return SYS(mmap, page, hole - page, PROT_READ | PROT_WRITE, flags, -1, 0) >= 0;
}

static bool is_mended(uintptr_t address)
{
    uint32_t count = atomic_load(&ever_used);
    for (struct mapping *mapping = mappings; mapping < mappings + count; mapping++) {
        if (!covers(mapping, address)) continue;
        atomic_fetch_add(&mapping->users, 1);
        bool mended = covers(mapping, address) && mend(mapping, address);
        atomic_fetch_sub(&mapping->users, 1);
        if (mended) return true;
    }
    return false;
}

/* Ends the process as if nobody had handled the signal: it is pending, with all that it told, until we return. */
static void take_default(siginfo_t *info)
{
    struct sigaction action = {.sa_handler = SIG_DFL};
    sigaction(SIGBUS, &action, NULL);
    int64_t thread = SYS(gettid);
    SYS(rt_tgsigqueueinfo, getpid(), thread, SIGBUS, info);
}

static bool former_has_function(void)
{
    return !atomic_load(&former_is_gone) && previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN;
}

/* A former handler may go back to the default by itself, as the one of Rust's runtime does: that was for it alone. */
static void stay(void)
{
    struct sigaction now;
    if (sigaction(SIGBUS, NULL, &now) == -1 || now.sa_handler != SIG_DFL) return;
    atomic_store(&former_is_gone, true);
    sigaction(SIGBUS, &guard, NULL);
}

static void pass_on(int number, siginfo_t *info, void *context)
{
    /* The kernel lets nobody ignore a fault; only what was sent can be ignored. */
    if (previous.sa_handler == SIG_IGN && info->si_code <= 0) return;
    if (!former_has_function()) return take_default(info);
    if (previous.sa_flags & SA_RESETHAND) atomic_store(&former_is_gone, true);
    if (previous.sa_flags & SA_SIGINFO)
        previous.sa_sigaction(number, info, context);
    else
        previous.sa_handler(number);
    stay();
}

static void on_bus_error(int number, siginfo_t *info, void *context)
{
    int before = errno;
    if (info->si_code != BUS_ADRERR || !is_mended((uintptr_t)info->si_addr)) pass_on(number, info, context);
    errno = before;
}

static int64_t make_table(void)
{
    if (mappings) return 0;
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    int64_t address = SYS(mmap, NULL, MAPPINGS * sizeof *mappings, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (address < 0) return address;
    mappings = (struct mapping *)address;
    return 0;
}

/* As without us, as far as can be: with the former handler's mask, and interrupting no more calls than it did. */
static int64_t install(void)
{
    if (page_size) return 0;
    int64_t failed = make_table();
    if (failed < 0) return failed;
    if (sigaction(SIGBUS, NULL, &previous) == -1) return -errno;
    guard = (struct sigaction){
        .sa_sigaction = on_bus_error,
        .sa_mask = previous.sa_mask,
        .sa_flags = SA_SIGINFO | SA_ONSTACK,
    };
    guard.sa_flags |= former_has_function() ? previous.sa_flags & (SA_NODEFER | SA_RESTART) : SA_RESTART;
    page_size = (uintptr_t)sysconf(_SC_PAGESIZE);
    if (sigaction(SIGBUS, &guard, NULL) == 0) return 0;
    page_size = 0;
    return -errno;
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
    uint32_t generation = mapping->generation % GENERATIONS + 1;
    return (int32_t)(generation << INDEX_BITS | (uint32_t)(mapping - mappings));
}

static struct mapping *find(int32_t handle)
{
    if (!mappings || handle <= 0) return NULL;
    struct mapping *mapping = &mappings[(uint32_t)handle % MAPPINGS];
    return mapping->open && handle_of(mapping) == handle ? mapping : NULL;
}

int32_t guard_add(int32_t context, char *address, size_t length, int64_t offset, int fd)
{
    int32_t answer = -ENOMEM;
    pthread_mutex_lock(&registry_lock);
    int64_t failed = install();
    struct mapping *mapping = failed ? NULL : take_free();
    if (failed) answer = (int32_t)failed;
    if (mapping) {
        mapping->address = address;
        mapping->length = length;
        mapping->offset = offset;
        mapping->fd = fd;
        mapping->context = context;
        owned += context != 0;
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

struct mapping *guard_use(int32_t handle)
{
    pthread_mutex_lock(&registry_lock);
    struct mapping *mapping = find(handle);
    if (mapping && mapping->retired) mapping = NULL;
    if (mapping) atomic_fetch_add(&mapping->users, 1);
    pthread_mutex_unlock(&registry_lock);
    return mapping;
}

void guard_leave(struct mapping *mapping)
{
    atomic_fetch_sub(&mapping->users, 1);
}

static void await_users(struct mapping *mapping)
{
    while (atomic_load(&mapping->users))
        sched_yield();
}

bool guard_retire(struct mapping *mapping)
{
    pthread_mutex_lock(&registry_lock);
    bool first = !mapping->retired;
    mapping->retired = true;
    atomic_store(&mapping->hole, atomic_load(&mapping->start));
    pthread_mutex_unlock(&registry_lock);
    guard_leave(mapping);
    if (first) await_users(mapping);
    return first;
}

struct mapping *guard_orphan(int32_t context)
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

uint32_t guard_owned(void)
{
    return owned;
}

void guard_bury(struct mapping *mapping)
{
    pthread_mutex_lock(&registry_lock);
    mapping->open = false;
    mapping->generation++;
    append(&buried, &last_buried, mapping);
    pthread_mutex_unlock(&registry_lock);
}

struct mapping *guard_hide(int32_t handle)
{
    pthread_mutex_lock(&registry_lock);
    struct mapping *mapping = find(handle);
    if (mapping) {
        owned -= mapping->context != 0;
        mapping->open = false;
        atomic_store(&mapping->end, 0);
    }
    pthread_mutex_unlock(&registry_lock);
    if (mapping) await_users(mapping);
    return mapping;
}

void guard_remove(struct mapping *mapping)
{
    pthread_mutex_lock(&registry_lock);
    mapping->generation++;
    append(&free_list, &last_free, mapping);
    pthread_mutex_unlock(&registry_lock);
}

int64_t guard_lost(struct mapping *mapping)
{
    note_size(mapping);
    return atomic_load(&mapping->lost);
}
