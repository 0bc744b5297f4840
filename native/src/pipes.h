/* The pool of relay pipes. */
#ifndef SLUICE_PIPES_H
#define SLUICE_PIPES_H

#include "sys.h"

struct pipe_pair {
    int read_fd;
    int write_fd;
    int32_t size;
};

int pipe_acquire(struct pipe_pair *pipe);
/* Keeps the pipe for the next job if it is empty, else closes it: a pipe with bytes is never reused. */
void pipe_release(struct pipe_pair *pipe, bool empty);
/* How many are kept, and what all that are open can hold. */
uint32_t pipes_pooled(int64_t *bytes);

#endif
