/* Closing of descriptors, which may take any time where a filesystem has to be asked. */
#ifndef SLUICE_CLOSING_H
#define SLUICE_CLOSING_H

#include "end.h"

/* Without the lock: at once, or on a thread that may wait. */
close_file close_where_it_may_wait;
bool end_closes_quickly(const struct end *end);

/* With the lock held: once it is given back. */
close_file defer_close;
void defer_close_end(struct end *end);

#endif
