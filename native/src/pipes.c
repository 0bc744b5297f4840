/* The pool of relay pipes. */
#include <fcntl.h>
#include <pthread.h>

#include "job.h"

/* What an unprivileged process may ask for by default (/proc/sys/fs/pipe-max-size). */
#define PIPE_BYTES (1 << 20)
#define POOL_SIZE 16

static pthread_mutex_t pool_lock = PTHREAD_MUTEX_INITIALIZER;
static struct pipe_pair pool[POOL_SIZE];
static uint32_t pooled;

static int pipe_open(struct pipe_pair *pipe)
{
    int fds[2];
    int64_t failed = SYS(pipe2, fds, O_CLOEXEC | O_NONBLOCK);
    if (failed < 0) return (int)failed;
    /* EPERM past /proc/sys/fs/pipe-user-pages-soft: the default of 64 KiB works too. */
    int64_t size = SYS(fcntl, fds[1], F_SETPIPE_SZ, PIPE_BYTES);
    if (size < 0) size = SYS(fcntl, fds[1], F_GETPIPE_SZ);
    *pipe = (struct pipe_pair){.read_fd = fds[0], .write_fd = fds[1], .size = (int32_t)(size > 0 ? size : 65536)};
    return 0;
}

int pipe_acquire(struct pipe_pair *pipe)
{
    pthread_mutex_lock(&pool_lock);
    bool found = pooled > 0;
    if (found) *pipe = pool[--pooled];
    pthread_mutex_unlock(&pool_lock);
    return found ? 0 : pipe_open(pipe);
}

void pipe_release(struct pipe_pair *pipe, bool empty)
{
    if (pipe->read_fd < 0) return;
    pthread_mutex_lock(&pool_lock);
    bool kept = empty && pooled < POOL_SIZE;
    if (kept) pool[pooled++] = *pipe;
    pthread_mutex_unlock(&pool_lock);
    if (!kept) {
        close_fd(&pipe->read_fd);
        close_fd(&pipe->write_fd);
    }
    pipe->read_fd = pipe->write_fd = -1;
}

uint32_t pipes_pooled(void)
{
    pthread_mutex_lock(&pool_lock);
    uint32_t count = pooled;
    pthread_mutex_unlock(&pool_lock);
    return count;
}
