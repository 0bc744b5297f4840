/* A mount of fuse.h for the test that is running, in a mount namespace of its own. */
#ifndef SLOW_H
#define SLOW_H

#include <stdint.h>

/* Skips the test where there can be no such mount. */
void slow_mount(void);
/* A file of it, opened. Names have four characters at most. */
int slow_file(const char *name, int flags);
/* An order of fuse.h. */
void slow_order(const char *order);
int64_t slow_count(const char *operation);
/* Waits until so many have come. */
void slow_await(const char *operation, int64_t count);

#endif
