/* The pool of relay pipes. */
#include "pipes.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>

#include "../include/sluice.h"

/* What an unprivileged process may ask for by default (/proc/sys/fs/pipe-max-size). */
#define PIPE_BYTES (1 << 20)
#define POOL_SIZE 16

#define DEFAULT_BYTES (1 << 16)

static pthread_mutex_t pool_lock = PTHREAD_MUTEX_INITIALIZER;
static struct pipe_pair pool[POOL_SIZE];
static uint32_t pooled;
static int64_t open_bytes;              /* that all of them can hold, pooled or in use */
static int32_t largest = DEFAULT_BYTES; /* of those that were made so far */

/*
 * Past this many pages the kernel makes the pipes of an unprivileged user, whichever program asks, two pages small:
 * what the pool keeps while nothing is under way stays below half of that. With the lock held.
 */
static uint32_t most_pooled(void)
{
    static uint32_t most;
    if (most > 0) return most;
    char text[24] = "";
    int fd = (int)keep_fd(SYS(openat, AT_FDCWD, "/proc/sys/fs/pipe-user-pages-soft", O_RDONLY | O_CLOEXEC));
    if (fd >= 0) SYS(read, fd, text, sizeof text - 1);
    close_fd(&fd);
    int64_t bytes = strtol(text, NULL, 10) * sysconf(_SC_PAGESIZE);
    most = POOL_SIZE;
    /* 0 is no limit. One is kept in any case: who moves one stream after another is to have a pipe for them. */
    if (bytes > 0 && bytes / 2 / PIPE_BYTES < POOL_SIZE)
        most = bytes / 2 < PIPE_BYTES ? 1 : (uint32_t)(bytes / 2 / PIPE_BYTES);
    return most;
}

/* As large as may be: EPERM past pipe-max-size or /proc/sys/fs/pipe-user-pages-soft; the default works, too. */
static int32_t grow(int fd, uint32_t bytes)
{
    for (uint32_t asked = bytes; asked > DEFAULT_BYTES; asked /= 2) {
        int64_t size = SYS(fcntl, fd, F_SETPIPE_SZ, asked);
        if (size > 0) return (int32_t)size;
    }
    int64_t size = SYS(fcntl, fd, F_GETPIPE_SZ);
    return size > 0 ? (int32_t)size : DEFAULT_BYTES;
}

static int pipe_open(struct pipe_pair *pipe, uint32_t bytes)
{
    int fds[2];
    int64_t failed = SYS(pipe2, fds, O_CLOEXEC | O_NONBLOCK);
    if (failed < 0) return (int)failed;
    *pipe = (struct pipe_pair){.read_fd = fds[0], .write_fd = fds[1], .size = grow(fds[1], bytes)};
    return 0;
}

int32_t sluice_pipe(uint32_t bytes, void *ends)
{
    struct pipe_pair made;
    struct sluice_pipe_ends *answer = ends;
    int failed = pipe_open(&made, bytes);
    if (failed < 0) return failed;
    *answer = (struct sluice_pipe_ends){made.read_fd, made.write_fd, (uint32_t)made.size, 0};
    return 0;
}

int pipe_acquire(struct pipe_pair *pipe)
{
    pthread_mutex_lock(&pool_lock);
    bool found = pooled > 0;
    if (found) *pipe = pool[--pooled];
    pthread_mutex_unlock(&pool_lock);
    if (found) return 0;
    int failed = pipe_open(pipe, PIPE_BYTES);
    if (failed < 0) return failed;
    keep_fd(pipe->read_fd);
    keep_fd(pipe->write_fd);
    pthread_mutex_lock(&pool_lock);
    open_bytes += pipe->size;
    if (pipe->size > largest) largest = pipe->size;
    pthread_mutex_unlock(&pool_lock);
    return 0;
}

void pipe_release(struct pipe_pair *pipe, bool empty)
{
    if (pipe->read_fd < 0) return;
    pthread_mutex_lock(&pool_lock);
    /* One that was made small in a moment of want would be used for good. */
    bool kept = empty && pipe->size >= largest && pooled < most_pooled();
    if (kept)
        pool[pooled++] = *pipe;
    else
        open_bytes -= pipe->size;
    pthread_mutex_unlock(&pool_lock);
    if (!kept) {
        close_fd(&pipe->read_fd);
        close_fd(&pipe->write_fd);
    }
    pipe->read_fd = pipe->write_fd = -1;
}

uint32_t pipes_pooled(int64_t *bytes)
{
    pthread_mutex_lock(&pool_lock);
    uint32_t count = pooled;
    *bytes = open_bytes;
    pthread_mutex_unlock(&pool_lock);
    return count;
}
