/* One source, several pipes. */
#ifndef SLUICE_TEE_H
#define SLUICE_TEE_H

#include "job.h"

/* Makes the pipes and fills in their read ends. 0 or -errno. */
int tee_open(struct tee **opened, struct sluice_outlet *outlets, uint32_t count, uint32_t capacity);
/* Copies what every pipe gets before the source's bytes. 0 or -errno. */
int tee_feed(struct tee *tee, const char *bytes, uint32_t length);
/* The index of the pipe whose reader holds up all others; -EAGAIN where none does. With the lock held. */
int32_t tee_waits_for(const struct job *job);
/* Whether some of that is not in every pipe yet. */
bool tee_has_head(const struct job *job);

#endif
