/* One end of a job. */
#ifndef SLUICE_END_H
#define SLUICE_END_H

#include "../include/sluice.h"
#include "sys.h"

struct ring;

struct end {
    int fd;
    uint32_t kind;    /* SLUICE_KIND_* */
    bool nonblocking; /* O_NONBLOCK on the open file description */
    bool pollable;
    bool registered;   /* in the epoll set */
    struct ring *ring; /* in a descriptor's place; else NULL */
};

/* SLUICE_KIND_* of a st_mode. */
uint32_t fd_kind(uint32_t mode);

/* Describes a descriptor as an end; -errno when it is none. */
int end_describe(struct end *end, int fd);

/* Bytes that the end has taken and not passed on yet; -EPIPE when its reader has gone. */
int32_t end_outstanding(const struct end *end);

/* TCP_ESTABLISHED and its like, or -errno where it is no socket of TCP. */
int tcp_state(int fd);

/* Whether an end refuses splice(2) as such. */
static inline bool takes_no_splice(int64_t error)
{
    return error == -EINVAL || error == -ENOSYS || error == -EOPNOTSUPP;
}

/* Whether a socket says that its connection is no more. */
bool is_loss(int64_t error);

/* How a file's descriptor is closed: closing.h. -1 is none. */
typedef void close_file(int fd);

#endif
