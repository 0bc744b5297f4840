/*
 * MSG_ZEROCOPY (Linux 4.14; Documentation/networking/msg_zerocopy.rst): the socket refers to the caller's pages until
 * the peer has acknowledged them. The kernel tells of it by notices in the socket's error queue, and in them whether
 * it copied the bytes after all, as it does on every path that ends on this machine.
 *
 * Notices are counted, not looked up by their numbers: SO_ZEROCOPY is switched on by the job that uses it, refused
 * where it is on already, and off again once all notices have come. So all that come in between are about this job's
 * sends.
 */
#include <time.h>

#include <linux/errqueue.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "mechanisms.h"

#ifndef SO_ZEROCOPY
#define SO_ZEROCOPY 60
#endif
#ifndef MSG_ZEROCOPY
#define MSG_ZEROCOPY 0x4000000
#endif

/* One send, and one notice. */
#define SEND_BYTES (1 << 20)

static int set_zerocopy(struct work *work, int on)
{
    work->syscalls++;
    int64_t failed = SYS(setsockopt, work->target.fd, SOL_SOCKET, SO_ZEROCOPY, &on, sizeof on);
    if (failed == 0) work->memory.has_notices = on;
    return (int)failed;
}

/* 0 or -errno. */
static int begin(struct work *work)
{
    int on = 0;
    socklen_t length = sizeof on;
    if (work->memory.has_notices) return 0;
    work->syscalls++;
    int64_t failed = SYS(getsockopt, work->target.fd, SOL_SOCKET, SO_ZEROCOPY, &on, &length);
    if (failed < 0) return (int)failed;
    if (on) return -EBUSY;
    work->memory.sent = work->memory.noticed = 0;
    work->memory.told = work->memory.copied = false;
    return set_zerocopy(work, 1);
}

static bool is_error(const struct cmsghdr *header)
{
    return (header->cmsg_level == SOL_IP && header->cmsg_type == IP_RECVERR) ||
           (header->cmsg_level == SOL_IPV6 && header->cmsg_type == IPV6_RECVERR);
}

static void take_notice(struct memory *memory, const struct sock_extended_err *notice)
{
    if (notice->ee_origin != SO_EE_ORIGIN_ZEROCOPY) return;
    /* A range of sends, both ends included; the numbers wrap. */
    memory->noticed += notice->ee_data - notice->ee_info + 1;
    memory->told = true;
    if (notice->ee_code & SO_EE_CODE_ZEROCOPY_COPIED) memory->copied = true;
}

/* By hand: CMSG_NXTHDR is a function of the C library's. */
static void take_notices(struct memory *memory, const char *control, size_t length)
{
    struct cmsghdr header;
    struct sock_extended_err notice;
    for (size_t at = 0; at + sizeof header <= length; at += CMSG_ALIGN(header.cmsg_len)) {
        memcpy(&header, control + at, sizeof header);
        if (header.cmsg_len < sizeof header || header.cmsg_len > length - at) return;
        if (!is_error(&header) || header.cmsg_len < CMSG_LEN(sizeof notice)) continue;
        memcpy(&notice, control + at + CMSG_LEN(0), sizeof notice);
        take_notice(memory, &notice);
    }
}

uint32_t zerocopy_held(struct work *work)
{
    struct memory *memory = &work->memory;
    if (!memory->has_notices) return 0;
    while (memory->noticed != memory->sent) {
        _Alignas(struct cmsghdr) char control[256];
        struct msghdr message = {.msg_control = control, .msg_controllen = sizeof control};
        work->syscalls++;
        int64_t n = SYS(recvmsg, work->target.fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT);
        if (n == -EINTR) continue;
        if (n < 0) break;
        take_notices(memory, control, message.msg_controllen);
    }
    return memory->sent - memory->noticed;
}

uint32_t zerocopy_copied(const struct work *work)
{
    const struct memory *memory = &work->memory;
    if (work->mechanism != zerocopy_turn || !memory->told) return SLUICE_COPY_UNTOLD;
    return memory->copied ? SLUICE_COPY_SOME : SLUICE_COPY_NONE;
}

/* Waits for the notices that are missing, then ends the attempt as it has to end. */
static enum turn settle(struct work *work, enum turn end)
{
    if (zerocopy_held(work) > 0) return TURN_WAIT_NOTICE;
    if (work->memory.has_notices) set_zerocopy(work, 0);
    return end;
}

enum turn zerocopy_settle_turn(struct work *work, struct lane *lane)
{
    (void)lane;
    return settle(work, TURN_DONE);
}

void zerocopy_release(struct work *work)
{
    if (!work->memory.has_notices) return;
    if (zerocopy_held(work) == 0) {
        set_zerocopy(work, 0);
        return;
    }
    /*
     * The memory is no longer kept, and what comes to lie there must not reach the peer: the connection goes, with
     * all that it has not sent (RST).
     */
    struct sockaddr none = {.sa_family = AF_UNSPEC};
    SYS(connect, work->target.fd, &none, sizeof none);
}

/* Whether to leave the rest to an ordinary write: what is copied by notice costs more than what is copied at once. */
static bool gives_way(const struct work *work)
{
    return work->gives_way && work->memory.copied;
}

enum turn zerocopy_turn(struct work *work, struct lane *lane)
{
    (void)lane;
    if (work->refusal) return settle(work, work_fail(work, work->refusal, SLUICE_SIDE_TARGET));
    int failed = begin(work);
    if (failed < 0) return work_fail(work, failed, SLUICE_SIDE_TARGET);
    zerocopy_held(work);
    for (int64_t budget = SLUICE_TURN_BYTES; budget > 0;) {
        if (is_complete(work)) return settle(work, TURN_DONE);
        if (is_cancelled(work)) return TURN_CANCELLED;
        if (gives_way(work)) {
            work->refusal = EOPNOTSUPP;
            return settle(work, work_fail(work, work->refusal, SLUICE_SIDE_TARGET));
        }
        work->syscalls++;
        int64_t n = SYS(sendto, work->target.fd, work->memory.bytes + work->offset, wanted(work, SEND_BYTES),
                        MSG_ZEROCOPY | MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0);
        if (n == -EINTR) continue;
        if (n == -EAGAIN) return TURN_WAIT_TARGET;
        /* optmem_max or RLIMIT_MEMLOCK is used up by what is under way: that frees it. */
        if (n == -ENOBUFS && zerocopy_held(work) > 0) return TURN_WAIT_NOTICE;
        if (n < 0) return work_fail(work, n, n == -EFAULT ? SLUICE_SIDE_SOURCE : SLUICE_SIDE_TARGET);
        work->memory.sent++;
        work_advance(work, n);
        budget -= n;
    }
    return is_complete(work) ? settle(work, TURN_DONE) : TURN_AGAIN;
}
