/* What goes wrong in a program of the bench ends it. */
#ifndef FAIL_H
#define FAIL_H

#include <stdio.h>
#include <stdlib.h>

_Noreturn static inline void fail(const char *what) {
  perror(what);
  exit(1);
}

#endif
