/* What the kernel and the hardware have. */
#include <linux/ethtool.h>
#include <linux/fs.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/utsname.h>

#include "mechanisms.h"

/* Whether sockets know SO_ZEROCOPY (Linux 4.14): asked of one that goes nowhere. */
static int64_t has_zero_copy(void)
{
    int one = 1;
    int64_t socket = SYS(socket, AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (socket < 0) return socket;
    int64_t answer = SYS(setsockopt, socket, SOL_SOCKET, SO_ZEROCOPY, &one, sizeof one);
    SYS(close, socket);
    return answer;
}

/* memfd_create(2), Linux 3.17, takes no descriptor but a name. */
static int64_t ask_for_memory(void)
{
    int64_t answer = SYS(memfd_create, NULL, 0);
    return answer == -EFAULT ? 0 : answer;
}

/*
 * Asked with descriptors of -1, a call that exists answers EBADF. ENOSYS is an old kernel; EPERM a
 * seccomp filter, which looks at the number of the call before the kernel looks at the descriptor.
 */
static int64_t ask(uint32_t strategy)
{
    struct iovec nowhere = {0};
    switch (strategy) {
    case SLUICE_SENDFILE: return SYS(sendfile, -1, -1, NULL, 1);
    case SLUICE_SPLICE: return SYS(splice, -1, NULL, -1, NULL, 1, 0);
    case SLUICE_COPY_FILE_RANGE: return SYS(copy_file_range, -1, NULL, -1, NULL, 1, 0);
    case SLUICE_REFLINK: return SYS(ioctl, -1, FICLONERANGE, NULL);
    case SLUICE_VMSPLICE: return SYS(vmsplice, -1, &nowhere, 1, 0);
    case SLUICE_TEE: return SYS(tee, -1, -1, 1, 0);
    case SLUICE_SEND_ZERO_COPY: return has_zero_copy();
    case SLUICE_SHARED_RING: return ask_for_memory();
    case SLUICE_DIRECT: /* up to the filesystem */
    case SLUICE_MAPPED:
    case SLUICE_BUFFERED: return 0;
    default: return -EINVAL;
    }
}

int32_t sluice_probe(uint32_t strategy)
{
    int64_t answer = ask(strategy);
    return answer == -EBADF ? 0 : (int32_t)answer;
}

/* One part of a kernel's version. By hand: the C library's own parsers are versioned symbols. */
static uint32_t parse_number(const char **text)
{
    uint32_t number = 0;
    for (; **text >= '0' && **text <= '9'; (*text)++)
        number = number * 10 + (uint32_t)(**text - '0');
    return number;
}

/*
 * Linux 6.14 brought RWF_DONTCACHE, but 6.14 and 6.15 could drop a page that had just been written to,
 * before it was on the disk: it is used from 6.16 on.
 */
bool has_uncached_io(void)
{
    struct utsname name;
    if (SYS(uname, &name) < 0) return false;
    const char *at = name.release;
    uint32_t major = parse_number(&at);
    if (*at == '.') at++;
    return major > 6 || (major == 6 && parse_number(&at) >= 16);
}

int32_t sluice_uncached_io(void)
{
    return has_uncached_io();
}

static uint32_t ethtool_value(int socket, struct ifreq *request, uint32_t command)
{
    struct ethtool_value value = {.cmd = command};
    request->ifr_data = (char *)&value;
    return SYS(ioctl, socket, SIOCETHTOOL, request) == 0 ? value.data : 0;
}

int32_t sluice_interface(void *name, void *features)
{
    struct sluice_interface *answer = features;
    struct ifreq request = {0};
    size_t length = strnlen(name, IFNAMSIZ);
    if (length == 0 || length == IFNAMSIZ) return -EINVAL;
    memcpy(request.ifr_name, name, length);
    int64_t socket = SYS(socket, AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (socket < 0) return (int32_t)socket;
    int64_t found = SYS(ioctl, socket, SIOCGIFINDEX, &request);
    *answer = (struct sluice_interface){0};
    if (found == 0) {
        if (ethtool_value((int)socket, &request, ETHTOOL_GSG)) answer->features |= SLUICE_NIC_SCATTER_GATHER;
        if (ethtool_value((int)socket, &request, ETHTOOL_GTSO)) answer->features |= SLUICE_NIC_TSO;
        if (ethtool_value((int)socket, &request, ETHTOOL_GTXCSUM)) answer->features |= SLUICE_NIC_TX_CHECKSUM;
    }
    SYS(close, socket);
    return (int32_t)found;
}
