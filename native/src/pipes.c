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

#define DEFAULT_BYTES (1 << 16)

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
    return found ? 0 : pipe_open(pipe, PIPE_BYTES);
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
