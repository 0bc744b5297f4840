/*
 * Closing of descriptors. To close a file may mean to wait for a daemon or a server (FUSE_FLUSH), which may take any
 * time: not with the engine's lock, not on the thread of an event loop, and not on one that serves sockets.
 */
#include "closing.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "filesystem.h"
#include "threads.h"

#define MAX_CLOSING 4

/* The last close of a file without a name frees its blocks. So many are freed at once. */
#define FEW_BLOCKS ((16 << 20) / 512)

static bool is_quick_file(int fd)
{
    struct glance glance;
    if (glance_at(fd, &glance) < 0 || !S_ISREG(glance.mode)) return false;
    return (glance.links > 0 || glance.blocks <= FEW_BLOCKS) && filesystem_at(fd, &glance).kind != FILESYSTEM_OTHER;
}

int32_t sluice_closes_quickly(int32_t fd)
{
    struct glance glance;
    return glance_at(fd, &glance) == 0 && glance.links > 0 && is_quick_file(fd);
}

/* --- threads that come and go for this: a filesystem that doesn't answer holds up nothing else --- */

static void serve_closing(struct pool *pool, struct lane *lane);

static struct pool closing = {.name = "sluice-close", .serve = serve_closing, .may_block = true, .most = MAX_CLOSING};

struct close_request {
    struct close_request *next;
    int fd;
};

/* Guarded by the engine's lock. */
static struct close_request *requests;

/* False where there is no thread. */
static bool close_elsewhere(int fd)
{
    struct close_request *request = malloc(sizeof *request);
    if (!request) return false;
    lock();
    bool staffed = pool_staff(&closing, 1);
    if (staffed) {
        *request = (struct close_request){.next = requests, .fd = fd};
        requests = request;
    }
    unlock();
    if (!staffed) free(request);
    return staffed;
}

static void serve_closing(struct pool *pool, struct lane *lane)
{
    (void)pool;
    (void)lane;
    for (struct close_request *request; (request = requests);) {
        requests = request->next;
        unlock();
        close_kept(request->fd);
        free(request);
        lock();
    }
}

void close_where_it_may_wait(int fd)
{
    if (fd >= 0 && (is_quick_file(fd) || !close_elsewhere(fd))) close_kept(fd);
}

static bool is_stream(const struct end *end)
{
    return end->kind == SLUICE_KIND_SOCKET || end->kind == SLUICE_KIND_PIPE;
}

bool end_closes_quickly(const struct end *end)
{
    return end->fd < 0 || is_stream(end) || is_quick_file(end->fd);
}

/* Of a descriptor of our own, by the event loop's thread. */
int32_t sluice_close(int32_t fd)
{
    struct glance glance;
    bool is_file = glance_at(fd, &glance) == 0 && !S_ISSOCK(glance.mode) && !S_ISFIFO(glance.mode);
    if (!is_file) return (int32_t)SYS(close, fd);
    close_where_it_may_wait((int)keep_fd(fd));
    return 0;
}

static void close_now(int32_t fd)
{
    close_kept(fd);
}

void defer_close(int fd)
{
    if (fd >= 0 && !defer(close_where_it_may_wait, fd)) close_now(fd);
}

void defer_close_end(struct end *end)
{
    if (!is_stream(end))
        defer_close(end->fd);
    else if (end->fd >= 0 && !defer(close_now, end->fd))
        close_now(end->fd);
    end->fd = -1;
}
