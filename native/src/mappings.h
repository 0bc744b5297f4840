/* The registry of mappings, and the SIGBUS handler that looks faults up in it. */
#ifndef SLUICE_MAPPINGS_H
#define SLUICE_MAPPINGS_H

#include <stdatomic.h>

#include "sys.h"

#define NOTHING_LOST INT64_MAX

/*
 * A mapping of a file. The handler takes no lock: it finds a mapping by `start` and `end`, counts itself among the
 * users, and looks again. A mapping is hidden by end = 0; once its users have left, its other fields may be
 * changed and its addresses given back.
 */
struct mapping {
    _Atomic uintptr_t start;
    _Atomic uintptr_t end;
    _Atomic uint32_t users;
    _Atomic uintptr_t hole; /* zero pages from here to the end; the end: none */
    _Atomic int64_t lost;   /* first offset of the file that was found missing */

    /* Constant while the mapping is open. */
    char *address;
    size_t length;
    int64_t offset;  /* of the file, at `address` */
    int fd;          /* a duplicate of our own */
    int32_t context; /* with which it goes; 0: none */

    uint32_t generation;
    bool open;
    bool retired;
    struct mapping *next_free;
};

/* Makes the table. 0 or -errno. */
int64_t mappings_prepare(void);

/* Registers context, address, length, offset and fd. A handle, or -errno. */
int32_t mapping_add(int32_t context, char *address, size_t length, int64_t offset, int fd);

/* Finds a mapping and counts the caller among its users; NULL where the handle names none, or a retired one. */
struct mapping *mapping_use(int32_t handle);
void mapping_leave(struct mapping *mapping);

/*
 * Leaves a mapping that the caller uses, and has replaced by zero pages: its file is not looked at any more. The
 * handler still knows the addresses, for a thread may have faulted just before they were replaced. False where
 * that has been done already.
 */
bool mapping_retire(struct mapping *mapping);

/*
 * Takes a mapping of a context that has gone, and counts the caller among its users; NULL when there is none left.
 * Its addresses stay known, since another isolate may have a view of it; its place in the table is used again when
 * there is no other.
 */
struct mapping *mapping_orphan(int32_t context);
/* Mappings that have a context. */
uint32_t mappings_owned(void);
/* What is mapped of files. */
int64_t mappings_bytes(void);
/* It will not be unmapped: its place may be used again as it is. */
void mapping_bury(struct mapping *mapping);

/* Hides a mapping from the handler and waits for its users; NULL for a wrong handle. Then it can be removed. */
struct mapping *mapping_hide(int32_t handle);
void mapping_remove(struct mapping *mapping);

/* Notes that nothing from an offset of the file on can be relied on. */
void mapping_lose(struct mapping *mapping, int64_t offset);

/* Notes the same of what lies beyond the file as it is now. */
void mapping_note_size(struct mapping *mapping);

/* The first lost offset as far as it is known, the file's present size included. */
int64_t mapping_lost(struct mapping *mapping);

/* Calls `act` for mappings that cover an address, among their users, until one says that it has been done. */
bool mappings_try(uintptr_t address, bool (*act)(struct mapping *mapping, uintptr_t address));

/* --- map.c --- */

/* Blanks every mapping of a context that has gone, whose isolate may have given a view of it to another. */
void maps_orphaned(int32_t context);
/* Mappings that go with a context. */
uint32_t maps_open(void);

/* --- guard.c --- */

/* Installs the handler, unless it is. 0 or -errno. */
int guard_install(void);

#endif
