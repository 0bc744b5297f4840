#include "fuse.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "ends.h"

/* Without an order: a process that was killed waits for us in the close of its files. */
enum { PATIENCE_SECONDS = 20 };

enum { MOST_HELD = 64, REQUEST_BYTES = FUSE_FILE_BYTES / 4, READ_BYTES = 128 * 1024 };

static const struct {
    const char *name;
    uint32_t opcode;
} operations[] = {{"getattr", FUSE_GETATTR}, {"read", FUSE_READ}, {"flush", FUSE_FLUSH}, {"statfs", FUSE_STATFS}};

enum { OPERATIONS = sizeof operations / sizeof *operations };

/* A request that waits to be let go. */
struct held {
    struct fuse_in_header header;
    struct fuse_read_in read;
};

static struct {
    int device;
    bool holds[OPERATIONS];
    uint64_t counts[OPERATIONS];
    int64_t fails_from;
    struct held held[MOST_HELD];
    int held_count;
} fs = {.fails_from = INT64_MAX};

static void reply(const struct fuse_in_header *to, int error, const void *body, size_t length)
{
    struct fuse_out_header header = {.len = (uint32_t)(sizeof header + length), .error = error, .unique = to->unique};
    struct iovec parts[] = {{&header, sizeof header}, {(void *)body, length}};
    /* ENOENT: whoever asked was killed. */
    if (writev(fs.device, parts, 2) == -1 && errno != ENOENT) perror("fuse");
}

static struct fuse_attr attributes(uint64_t node)
{
    bool is_root = node == FUSE_ROOT_ID;
    return (struct fuse_attr){
        .ino = node,
        .size = is_root ? 0 : FUSE_FILE_BYTES,
        .blocks = is_root ? 0 : FUSE_FILE_BYTES / 512,
        .mode = is_root ? S_IFDIR | 0755 : S_IFREG | 0666,
        .nlink = 1,
        .blksize = 4096,
    };
}

/* A node number for a name: names differ by their last four characters at most. */
static uint64_t node_of(const char *name)
{
    uint64_t node = 0;
    for (; *name; name++)
        node = (node << 8 | (uint8_t)*name) & 0xffffffff;
    return node + 2;
}

static void look_up(const struct fuse_in_header *header, const char *name)
{
    uint64_t node = node_of(name);
    struct fuse_entry_out entry = {.nodeid = node, .generation = 1, .entry_valid = 3600, .attr = attributes(node)};
    reply(header, 0, &entry, sizeof entry);
}

static void give_bytes(const struct fuse_in_header *header, const struct fuse_read_in *asked)
{
    static uint8_t bytes[READ_BYTES];
    int64_t at = (int64_t)asked->offset, left = FUSE_FILE_BYTES - at;
    size_t length = left <= 0 ? 0 : left < asked->size ? (size_t)left : asked->size;
    if (length > sizeof bytes) length = sizeof bytes;
    if (at + (int64_t)length > fs.fails_from) {
        reply(header, -EIO, NULL, 0);
        return;
    }
    pattern_fill(bytes, length, at);
    reply(header, 0, bytes, length);
}

static void answer(const struct fuse_in_header *header, const void *body)
{
    struct fuse_attr_out attr = {.attr = attributes(header->nodeid)}; /* valid for no time: each stat asks */
    struct fuse_open_out opened = {.open_flags = 0};
    struct fuse_statfs_out statfs = {.st = {.bsize = 4096, .namelen = 255, .frsize = 4096}};
    struct fuse_init_out init = {
        .major = FUSE_KERNEL_VERSION,
        .minor = 31,
        .max_readahead = READ_BYTES,
        .max_write = READ_BYTES,
        .max_background = 16,
    };
    switch (header->opcode) {
    case FUSE_INIT: reply(header, 0, &init, sizeof init); break;
    case FUSE_LOOKUP: look_up(header, body); break;
    case FUSE_GETATTR:
    case FUSE_SETATTR: reply(header, 0, &attr, sizeof attr); break;
    case FUSE_OPENDIR:
    case FUSE_OPEN: reply(header, 0, &opened, sizeof opened); break;
    case FUSE_READ: give_bytes(header, body); break;
    case FUSE_WRITE: {
        struct fuse_write_out written = {.size = ((const struct fuse_write_in *)body)->size};
        reply(header, 0, &written, sizeof written);
        break;
    }
    case FUSE_STATFS: reply(header, 0, &statfs, sizeof statfs); break;
    case FUSE_FLUSH:
    case FUSE_RELEASE:
    case FUSE_RELEASEDIR: reply(header, 0, NULL, 0); break;
    case FUSE_FORGET:
    case FUSE_BATCH_FORGET:
    case FUSE_INTERRUPT: break;
    default: reply(header, -ENOSYS, NULL, 0);
    }
}

static int operation_of(uint32_t opcode)
{
    for (int i = 0; i < OPERATIONS; i++)
        if (operations[i].opcode == opcode) return i;
    return -1;
}

static void take_request(void)
{
    static char request[REQUEST_BYTES];
    ssize_t n = read(fs.device, request, sizeof request);
    if (n < (ssize_t)sizeof(struct fuse_in_header)) return;
    struct fuse_in_header *header = (struct fuse_in_header *)request;
    int operation = operation_of(header->opcode);
    if (operation >= 0) fs.counts[operation]++;
    if (operation < 0 || !fs.holds[operation] || fs.held_count == MOST_HELD) {
        answer(header, request + sizeof *header);
        return;
    }
    struct held *held = &fs.held[fs.held_count++];
    held->header = *header;
    if (header->opcode == FUSE_READ) memcpy(&held->read, request + sizeof *header, sizeof held->read);
}

static void let(int operation)
{
    int kept = 0;
    for (int i = 0; i < fs.held_count; i++) {
        if (operation_of(fs.held[i].header.opcode) == operation)
            answer(&fs.held[i].header, &fs.held[i].read);
        else
            fs.held[kept++] = fs.held[i];
    }
    fs.held_count = kept;
}

static void obey(const char *order, int answers)
{
    char what[16] = "", name[16] = "";
    alarm(PATIENCE_SECONDS);
    sscanf(order, "%15s %15s", what, name);
    for (int i = 0; i < OPERATIONS; i++) {
        if (strcmp(operations[i].name, name) != 0) continue;
        if (strcmp(what, "count") == 0) dprintf(answers, "%llu\n", (unsigned long long)fs.counts[i]);
        fs.holds[i] = strcmp(what, "hold") == 0 || (fs.holds[i] && strcmp(what, "let") != 0);
        if (strcmp(what, "let") == 0) let(i);
    }
    if (strcmp(what, "fail") == 0) fs.fails_from = strtoll(name, NULL, 10);
    dprintf(answers, "done\n");
}

static bool take_orders(int orders, int answers)
{
    static char line[256];
    static size_t length;
    ssize_t n = read(orders, line + length, sizeof line - length - 1);
    if (n <= 0) return false;
    length += (size_t)n;
    line[length] = 0;
    for (char *end; (end = strchr(line, '\n'));) {
        *end = 0;
        obey(line, answers);
        length -= (size_t)(end + 1 - line);
        memmove(line, end + 1, length + 1);
    }
    return true;
}

static int mount_on(const char *folder)
{
    char options[128];
    fs.device = open("/dev/fuse", O_RDWR | O_CLOEXEC);
    if (fs.device == -1) {
        perror("/dev/fuse");
        return 1;
    }
    snprintf(options, sizeof options, "fd=%d,rootmode=40000,user_id=%u,group_id=%u,allow_other", fs.device, getuid(),
             getgid());
    if (mount("sluice-test", folder, "fuse.sluice-test", MS_NOSUID | MS_NODEV, options) == 0) return 0;
    perror("mount");
    return 1;
}

int fuse_serve(const char *folder, int orders, int answers)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    alarm(PATIENCE_SECONDS);
    if (mount_on(folder)) return 1;
    struct pollfd entries[2] = {{.fd = fs.device, .events = POLLIN}, {.fd = orders, .events = POLLIN}};
    dprintf(answers, "ready\n");
    for (;;) {
        if (poll(entries, 2, -1) == -1) continue;
        if (entries[0].revents & POLLERR) break; /* unmounted by somebody else */
        if (entries[0].revents) take_request();
        if (entries[1].revents && !take_orders(orders, answers)) break;
    }
    umount2(folder, MNT_DETACH);
    close(fs.device); /* whoever still waits gets ENOTCONN */
    return 0;
}
