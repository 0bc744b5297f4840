/*
 * A filesystem that a test has in its hand: it answers late, or with EIO, when it is told to. Served by a process of its own
 * (a thread that waits for its own process's daemon could not be killed), which ends with whoever told it what to do.
 */
#ifndef FUSE_H
#define FUSE_H

#include <stdint.h>

enum { FUSE_FILE_BYTES = 4 << 20 };

/*
 * Mounts on a folder and serves until `orders` is at its end; 0, or 1 where there can be no mount (which is said on stderr). It has files
 * of any name, of FUSE_FILE_BYTES pattern bytes (ends.h). Orders are lines:
 *   hold OP / let OP      OP (getattr, read, flush, statfs) is not answered until it is let go
 *   fail OFFSET           reads from there on are EIO
 *   count OP              answers how many of these have come, as a line
 * It says "ready" first, and "done" after each order.
 */
int fuse_serve(const char *folder, int orders, int answers);

#endif
