/*
 * Descriptors that are let go. To close a file may mean to wait for a daemon or a server (FUSE_FLUSH), which may take any time: not with
 * the engine's lock, not on the thread of an event loop, and not on one that serves sockets.
 */
#include <stdlib.h>
#include <sys/stat.h>

#include "engine.h"
#include "filesystem.h"

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

void close_where_it_may_wait(int fd)
{
    if (fd >= 0 && (is_quick_file(fd) || !lanes_close(fd))) SYS(close, fd);
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
    close_where_it_may_wait(fd);
    return 0;
}

/* --- what has to wait until the lock is given back --- */

struct deed {
    struct deed *next;
    void (*act)(int32_t);
    int32_t what;
};

/* Guarded by the engine's lock. */
static struct deed *deeds;

static void close_now(int32_t fd)
{
    SYS(close, fd);
}

bool put_off(void (*act)(int32_t), int32_t what)
{
    struct deed *deed = malloc(sizeof *deed);
    if (!deed) return false;
    *deed = (struct deed){.next = deeds, .act = act, .what = what};
    deeds = deed;
    return true;
}

void put_off_close(int fd)
{
    if (fd >= 0 && !put_off(close_where_it_may_wait, fd)) close_now(fd);
}

void put_off_end(struct end *end)
{
    if (!is_stream(end))
        put_off_close(end->fd);
    else if (end->fd >= 0 && !put_off(close_now, end->fd))
        close_now(end->fd);
    end->fd = -1;
}

void unlock(void)
{
    struct deed *due = deeds;
    deeds = NULL;
    pthread_mutex_unlock(&engine_lock);
    while (due) {
        struct deed *deed = due;
        due = deed->next;
        deed->act(deed->what);
        free(deed);
    }
}
