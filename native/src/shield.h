/* A signal that must not end a process whose thread we borrow. */
#ifndef SLUICE_SHIELD_H
#define SLUICE_SHIELD_H

#include <signal.h>

/* Runtimes don't block SIGXFSZ as our threads do, and it ends a process whose file grows beyond its limit. */
void shield(sigset_t *before);
/* Takes a signal that has come meanwhile, so that it isn't delivered now. */
void unshield(const sigset_t *before);

#endif
