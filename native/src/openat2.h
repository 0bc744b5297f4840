/* openat2(2), Linux 5.6, which older headers lack. */
#ifndef SLUICE_OPENAT2_H
#define SLUICE_OPENAT2_H

#include <stdint.h>
#include <sys/syscall.h>

#ifndef SYS_openat2
#define SYS_openat2 437 /* the same on every architecture */
#endif

struct how {
    uint64_t flags;
    uint64_t mode;
    uint64_t resolve;
};

enum {
    RESOLVE_NO_MAGICLINKS = 0x02,
    RESOLVE_BENEATH = 0x08,
    RESOLVE_CACHED = 0x20, /* Linux 5.12 */
};

#endif
