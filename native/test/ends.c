#include "ends.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.h"

static uint8_t pattern_at(int64_t position)
{
    uint64_t word = (uint64_t)position / 8 * 0x9e3779b97f4a7c15u;
    return (uint8_t)(word >> (32 + position % 8)) | 1; /* never 0, so that stray zeros show */
}

void pattern_fill(uint8_t *bytes, size_t size, int64_t position)
{
    for (size_t i = 0; i < size; i++)
        bytes[i] = pattern_at(position + (int64_t)i);
}

void check_pattern(const uint8_t *bytes, size_t size, int64_t position)
{
    for (size_t i = 0; i < size; i++) {
        uint8_t expected = pattern_at(position + (int64_t)i);
        if (bytes[i] != expected) FAIL("byte %zu of %zu is %#x, not %#x", i, size, bytes[i], expected);
    }
}

static int filled(int fd, int64_t size)
{
    uint8_t *bytes = malloc((size_t)size + 1);
    pattern_fill(bytes, (size_t)size, 0);
    for (int64_t at = 0; at < size;)
        at += MUST(pwrite(fd, bytes + at, (size_t)(size - at), at));
    free(bytes);
    return fd;
}

int file_of(int64_t size)
{
    char path[] = "sluice-XXXXXX"; /* in the working directory: a disk filesystem where possible */
    int fd = own(mkostemp(path, O_CLOEXEC));
    MUST(unlink(path));
    return filled(fd, size);
}

int memory_file_of(int64_t size)
{
    return filled(own(memfd_create("sluice", MFD_CLOEXEC)), size);
}

static void pinch_buffers(int socket)
{
    int bytes = 64 * KIB;
    MUST(setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes));
    MUST(setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes));
}

struct pair unix_pair(void)
{
    int fds[2];
    MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
    pinch_buffers(fds[0]);
    pinch_buffers(fds[1]);
    set_blocking(fds[0], false);
    return (struct pair){.engine = own(fds[0]), .peer = own(fds[1])};
}

struct pair tcp_pair(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int listener = own(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    pinch_buffers(listener);
    MUST(bind(listener, (struct sockaddr *)&address, size));
    MUST(listen(listener, 1));
    MUST(getsockname(listener, (struct sockaddr *)&address, &size));
    int engine = own(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    pinch_buffers(engine);
    MUST(connect(engine, (struct sockaddr *)&address, size));
    int peer = own(accept4(listener, NULL, NULL, SOCK_CLOEXEC));
    drop(listener);
    set_blocking(engine, false);
    return (struct pair){.engine = engine, .peer = peer};
}

struct pair source_pipe(void)
{
    int fds[2];
    MUST(pipe2(fds, O_CLOEXEC));
    set_blocking(fds[0], false);
    return (struct pair){.engine = own(fds[0]), .peer = own(fds[1])};
}

struct pair target_pipe(void)
{
    int fds[2];
    MUST(pipe2(fds, O_CLOEXEC));
    set_blocking(fds[1], false);
    return (struct pair){.engine = own(fds[1]), .peer = own(fds[0])};
}

void set_blocking(int fd, bool blocking)
{
    int flags = (int)MUST(fcntl(fd, F_GETFL));
    MUST(fcntl(fd, F_SETFL, blocking ? flags & ~O_NONBLOCK : flags | O_NONBLOCK));
}

bool is_readable(int fd)
{
    struct pollfd entry = {.fd = fd, .events = POLLIN};
    return MUST(poll(&entry, 1, 0)) == 1 && entry.revents & POLLIN;
}

bool is_writable(int fd)
{
    struct pollfd entry = {.fd = fd, .events = POLLOUT};
    return MUST(poll(&entry, 1, 0)) == 1;
}

void end_writing(int fd)
{
    if (shutdown(fd, SHUT_WR) == 0) return;
    CHECK_EQ(errno, ENOTSOCK);
    drop(fd);
}

struct contents read_to_end(int fd)
{
    struct contents contents = {0};
    size_t capacity = 0;
    test_note("reading descriptor %d to its end", fd);
    for (;;) {
        if (contents.size == capacity) {
            capacity = capacity ? capacity * 2 : 256 * KIB;
            contents.bytes = realloc(contents.bytes, capacity);
        }
        ssize_t n = read(fd, contents.bytes + contents.size, capacity - contents.size);
        if (n == 0) return contents;
        if (n > 0) {
            contents.size += (size_t)n;
            continue;
        }
        if (errno == EINTR) continue;
        if (errno != EAGAIN) FAIL("read after %zu bytes: %m", contents.size);
        struct pollfd entry = {.fd = fd, .events = POLLIN};
        poll(&entry, 1, -1);
    }
}

struct contents read_file(int fd)
{
    struct stat status;
    MUST(fstat(fd, &status));
    struct contents contents = {.bytes = malloc((size_t)status.st_size + 1), .size = (size_t)status.st_size};
    for (size_t at = 0; at < contents.size;) {
        size_t n = (size_t)MUST(pread(fd, contents.bytes + at, contents.size - at, (off_t)at));
        CHECK(n > 0);
        at += n;
    }
    return contents;
}

void check_contents(struct contents contents, int64_t size, int64_t position)
{
    CHECK_EQ(contents.size, size);
    check_pattern(contents.bytes, contents.size, position);
    free(contents.bytes);
}

void write_pattern(int fd, size_t size, int64_t position)
{
    uint8_t *bytes = malloc(size + 1);
    pattern_fill(bytes, size, position);
    for (size_t at = 0; at < size;)
        at += (size_t)MUST(write(fd, bytes + at, size - at));
    free(bytes);
}

int64_t write_until_full(int fd)
{
    uint8_t bytes[4096];
    for (int64_t total = 0;;) {
        pattern_fill(bytes, sizeof bytes, total);
        ssize_t n = write(fd, bytes, sizeof bytes);
        if (n == -1) {
            CHECK_EQ(errno, EAGAIN);
            return total;
        }
        total += n;
    }
}

static void *feed(void *argument)
{
    struct flow *flow = argument;
    write_pattern(flow->fd, flow->size, 0);
    end_writing(flow->fd);
    return NULL;
}

static void *drain(void *argument)
{
    struct flow *flow = argument;
    flow->contents = read_to_end(flow->fd);
    return NULL;
}

void feeder_start(struct flow *flow, int fd, size_t size)
{
    *flow = (struct flow){.fd = fd, .size = size};
    CHECK_EQ(pthread_create(&flow->thread, NULL, feed, flow), 0);
}

void sink_start(struct flow *flow, int fd)
{
    *flow = (struct flow){.fd = fd};
    CHECK_EQ(pthread_create(&flow->thread, NULL, drain, flow), 0);
}

void flow_join(struct flow *flow)
{
    test_note("waiting for the peer's thread to see the end");
    CHECK_EQ(pthread_join(flow->thread, NULL), 0);
}
