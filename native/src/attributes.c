/* Extended attributes (xattr(7)), as writing into the old file would have left them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mechanisms.h"

/* XATTR_SIZE_MAX and XATTR_LIST_MAX (linux/limits.h): no value and no list of names is longer. */
#define LONGEST 65536
#define ACCESS_LIST "system.posix_acl_access"

/*
 * What the kernel itself takes away when a file is written, what it makes of the content, and what overlayfs keeps
 * there.
 */
static const char *const left_out[] = {
    "security.capability", "security.ima", "security.evm", "trusted.overlay.", "user.overlay.",
};

static bool is_kept(const char *name)
{
    for (size_t i = 0; i < sizeof left_out / sizeof *left_out; i++)
        if (strncmp(name, left_out[i], strlen(left_out[i])) == 0) return false;
    return true;
}

/* What says that this caller, or this filesystem, can't give a file such an attribute. */
static bool is_refusal(int64_t error)
{
    return error == -EPERM || error == -EACCES || error == -EOPNOTSUPP || error == -EINVAL;
}

/*
 * The value of an attribute, or where `name` is NULL the list of names. The descriptor may be one for the place alone
 * (O_PATH), which f*xattr(2) refuse; without /proc it is not.
 */
static int64_t ask(struct work *work, const char *name, char *bytes, size_t size)
{
    char own[32];
    int fd = work->source.fd;
    snprintf(own, sizeof own, "/proc/self/fd/%d", fd);
    work->syscalls++;
    int64_t n = name ? SYS(getxattr, own, name, bytes, size) : SYS(listxattr, own, bytes, size);
    if (n != -ENOENT) return n;
    return name ? SYS(fgetxattr, fd, name, bytes, size) : SYS(flistxattr, fd, bytes, size);
}

static int64_t give(struct work *work, const char *name, char *value)
{
    int64_t length = ask(work, name, value, LONGEST);
    if (length < 0) return length == -ENODATA || is_refusal(length) ? 0 : length;
    work->syscalls++;
    int64_t failed = SYS(fsetxattr, work->target.fd, name, value, length, 0);
    return is_refusal(failed) ? 0 : failed;
}

static int64_t give_all(struct work *work, const char *names, int64_t length, char *value)
{
    bool has_list = false;
    int64_t failed = 0;
    for (const char *name = names; failed >= 0 && name < names + length; name += strlen(name) + 1) {
        has_list |= strcmp(name, ACCESS_LIST) == 0;
        if (is_kept(name)) failed = give(work, name, value);
    }
    /* A folder's default list is for new files. */
    if (!has_list) SYS(fremovexattr, work->target.fd, ACCESS_LIST);
    return failed;
}

enum turn attributes_turn(struct work *work, struct lane *lane)
{
    (void)lane;
    char *names = malloc(2 * LONGEST);
    if (!names) return work_fail(work, ENOMEM, SLUICE_SIDE_NONE);
    int64_t length = ask(work, NULL, names, LONGEST);
    int64_t failed = length < 0 ? 0 : give_all(work, names, length, names + LONGEST);
    free(names);
    if (length < 0 && !is_refusal(length)) return work_fail(work, length, SLUICE_SIDE_SOURCE);
    return failed < 0 ? work_fail(work, failed, SLUICE_SIDE_TARGET) : TURN_DONE;
}
