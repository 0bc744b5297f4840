/* What a filesystem is, without asking it: a server or a daemon takes any time to answer statfs(2). */
#ifndef SLUICE_FILESYSTEM_H
#define SLUICE_FILESYSTEM_H

#include "sys.h"

enum filesystem_kind {
    FILESYSTEM_OTHER,  /* any call may have to ask a server or a daemon */
    FILESYSTEM_LOCAL,  /* a disk's; close(2) waits for nothing */
    FILESYSTEM_STACK,  /* overlayfs, over such a one */
    FILESYSTEM_MEMORY, /* nothing but pages */
};

struct filesystem {
    enum filesystem_kind kind;
    int64_t magic; /* f_type of statfs(2); 0: it has to be asked */
};

/* What is known of a descriptor without asking its filesystem, which may be out of date but for what never changes. */
struct glance {
    uint32_t mode;
    uint32_t links;
    uint64_t blocks; /* of 512 bytes */
    uint64_t device;
    uint64_t mount; /* 0: before Linux 5.8 */
};

/* 0 or -errno. */
int glance_at(int fd, struct glance *glance);

/* Of a descriptor at which one has glanced. */
struct filesystem filesystem_at(int fd, const struct glance *glance);
struct filesystem filesystem_of(int fd);

#endif
