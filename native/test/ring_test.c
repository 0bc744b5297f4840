/* Shared rings: both sides in one process, in two, and one of them killed, hostile or absent. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "support.h"

enum { SMALL = 64 * KIB };

struct rings {
    int32_t creator;
    int32_t opener;
};

static int32_t ring_create(const struct context *context, uint32_t bytes)
{
    int32_t ring = sluice_ring_create(context->handle, bytes, 0);
    CHECK_GE(ring, 1);
    return ring;
}

static struct rings ring_pair(const struct context *context, uint32_t bytes)
{
    struct rings rings = {.creator = ring_create(context, bytes)};
    rings.opener = sluice_ring_open(context->handle, sluice_ring_fd(rings.creator));
    CHECK_GE(rings.opener, 1);
    return rings;
}

static void ring_close(int32_t ring)
{
    CHECK_EQ(sluice_ring_close(ring), 0);
}

/* How often the memory of rings is mapped into this process. */
static int count_mappings(void)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    CHECK(maps);
    int count = 0;
    for (char line[512]; fgets(line, sizeof line, maps);)
        if (strstr(line, "sluice-ring")) count++;
    fclose(maps);
    return count;
}

static void check_nothing_left(void)
{
    struct sluice_census census;
    CHECK_EQ(sluice_census(&census), 0);
    CHECK_EQ(census.rings, 0);
    CHECK_EQ(census.ring_waits, 0);
    CHECK_EQ(count_mappings(), 0);
}

static struct sluice_outcome wait_for(const struct context *context, int32_t ring, uint32_t flag, int64_t bytes)
{
    int32_t job = sluice_ring_job(ring);
    CHECK_GE(job, 1);
    struct sluice_request work = {.strategy = SLUICE_SHARED_RING, .flags = flag, .length = bytes};
    CHECK_EQ(sluice_job_start(job, &work), 0);
    struct sluice_outcome outcome = next_outcome(context);
    CHECK_EQ(outcome.job, job);
    job_close(job);
    return outcome;
}

static int64_t now_ms(void)
{
    struct timespec now;
    MUST(clock_gettime(CLOCK_MONOTONIC, &now));
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* --- jobs --- */

static const struct flow_case {
    const char *name;
    open_pair *source; /* NULL: a file */
    open_pair *target;
    uint32_t bytes;
    int64_t size;
} flows[] = {
    {"file to ring to file", NULL, NULL, SMALL, 3 * MIB + 77},
    {"file to a large ring to file", NULL, NULL, 8 * MIB, 20 * MIB + 1},
    {"pipe to ring to pipe", source_pipe, target_pipe, SMALL, 3 * MIB + 5},
    {"unix socket to ring to unix socket", unix_pair, unix_pair, SMALL, 3 * MIB + 1},
    {"TCP socket to ring to TCP socket", tcp_pair, tcp_pair, 256 * KIB, 3 * MIB},
    {"file to ring to TCP socket", NULL, tcp_pair, SMALL, 3 * MIB + 4095},
    {"TCP socket to ring to file", tcp_pair, NULL, SMALL, 3 * MIB + 4097},
    {"nothing to ring to file", NULL, NULL, SMALL, 0},
};

static void flow_through(const void *argument)
{
    const struct flow_case *flow = argument;
    struct context left = context_open(), right = context_open();
    struct rings rings = {.creator = ring_create(&left, flow->bytes)};
    rings.opener = sluice_ring_open(right.handle, sluice_ring_fd(rings.creator));
    CHECK_GE(rings.opener, 1);
    struct pair from = flow->source ? flow->source() : (struct pair){.engine = file_of(flow->size)};
    struct pair to = flow->target ? flow->target() : (struct pair){.engine = memory_file_of(0)};
    struct flow feeder, sink;
    if (flow->source) feeder_start(&feeder, from.peer, (size_t)flow->size);
    if (flow->target) sink_start(&sink, to.peer);

    int32_t fill = job_open(&left, from.engine, -rings.creator), drain = job_open(&right, -rings.opener, to.engine);
    job_start(drain, request(SLUICE_SHARED_RING, -1, -1, flow->target ? -1 : 0));
    job_start(fill, request(SLUICE_SHARED_RING, flow->source ? -1 : 0, -1, -1));
    check_outcome(next_outcome(&left), SLUICE_END_EOF, flow->size);
    CHECK_EQ(sluice_ring_end(rings.creator), 0);
    check_outcome(next_outcome(&right), SLUICE_END_EOF, flow->size);
    check_outcome(wait_for(&left, rings.creator, SLUICE_REQUEST_WAIT_ROOM, flow->bytes), SLUICE_END_DONE, 0);

    job_close(fill);
    job_close(drain);
    ring_close(rings.creator);
    ring_close(rings.opener);
    if (flow->source) flow_join(&feeder);
    if (flow->target) {
        end_writing(to.engine);
        flow_join(&sink);
        check_contents(sink.contents, flow->size, 0);
    } else
        check_contents(read_file(to.engine), flow->size, 0);
    check_nothing_left();
    context_close(&left);
    context_close(&right);
}

__attribute__((constructor)) static void add_flows(void)
{
    for (size_t i = 0; i < sizeof flows / sizeof *flows; i++) {
        char name[120];
        snprintf(name, sizeof name, "ring: %s", flows[i].name);
        test_add(name, flow_through, &flows[i]);
    }
}

TEST("ring: a length ends a job exactly, and leaves the rest in the ring")
{
    struct context context = context_open();
    struct rings rings = ring_pair(&context, SMALL);
    check_outcome(run(&context, file_of(5000), -rings.creator, request(SLUICE_SHARED_RING, 1000, 3000, -1)),
                  SLUICE_END_DONE, 3000);
    int target = memory_file_of(0);
    check_outcome(run(&context, -rings.opener, target, request(SLUICE_SHARED_RING, -1, 1000, 0)), SLUICE_END_DONE,
                  1000);
    uint8_t rest[4000];
    CHECK_EQ(sluice_ring_read(rings.opener, rest, sizeof rest), 2000);
    check_pattern(rest, 2000, 2000);
    check_contents(read_file(target), 1000, 1000);
    ring_close(rings.creator);
    ring_close(rings.opener);
    check_nothing_left();
    context_close(&context);
}

/* --- calls --- */

TEST("ring: calls of all sizes wrap around, byte for byte")
{
    struct context context = context_open();
    struct rings rings = ring_pair(&context, SMALL);
    uint8_t *bytes = malloc(2 * SMALL);
    int64_t written = 0, read = 0;
    unsigned seed = 1;
    while (read < 5 * MIB) {
        uint32_t size = (uint32_t)rand_r(&seed) % (2 * SMALL) + 1;
        pattern_fill(bytes, size, written);
        int32_t n = sluice_ring_write(rings.creator, bytes, size);
        int64_t room = SMALL - (written - read);
        CHECK_EQ(n, room == 0 ? -EAGAIN : room < size ? room : size);
        if (n > 0) written += n;
        struct sluice_extent extent;
        CHECK_EQ(sluice_ring_peek(rings.opener, &extent), 1);
        CHECK_EQ(extent.start, read % SMALL);
        uint32_t most = (uint32_t)rand_r(&seed) % (2 * SMALL) + 1;
        n = sluice_ring_read(rings.opener, bytes, most);
        CHECK_EQ(n, written - read < most ? written - read : most);
        check_pattern(bytes, (size_t)n, read);
        read += n;
        if (read == written) CHECK_EQ(sluice_ring_read(rings.opener, bytes, 1), -EAGAIN);
    }
    CHECK_EQ(sluice_ring_consume(rings.opener, (uint32_t)(written - read) + 1), written == read ? -EAGAIN : -EINVAL);
    CHECK_EQ(sluice_ring_consume(rings.opener, (uint32_t)(written - read)), written == read ? -EAGAIN : 0);
    CHECK_EQ(sluice_ring_end(rings.creator), 0);
    CHECK_EQ(sluice_ring_write(rings.creator, bytes, 1), -EPIPE);
    CHECK_EQ(sluice_ring_read(rings.opener, bytes, 1), 0);
    ring_close(rings.creator);
    CHECK_EQ(sluice_ring_read(rings.opener, bytes, 1), 0);
    ring_close(rings.opener);
    CHECK_EQ(sluice_ring_read(rings.opener, bytes, 1), -EBADF);
    free(bytes);
    check_nothing_left();
    context_close(&context);
}

TEST("ring: each side has one part, and each ring two sides")
{
    struct context context = context_open(), other = context_open();
    struct rings rings = ring_pair(&context, SMALL);
    char byte = 'x';
    CHECK_EQ(sluice_ring_open(context.handle, sluice_ring_fd(rings.creator)), -EBUSY);
    CHECK_EQ(sluice_ring_write(rings.creator, &byte, 1), 1);
    CHECK_EQ(sluice_ring_read(rings.creator, &byte, 1), -EBUSY);
    CHECK_EQ(sluice_ring_write(rings.opener, &byte, 1), -EBUSY);
    CHECK_EQ(sluice_ring_read(rings.opener, &byte, 1), 1);
    CHECK_EQ(sluice_ring_create(context.handle, SMALL + 1, 0), -EINVAL);
    CHECK_EQ(sluice_ring_create(context.handle, SMALL / 2, 0), -EINVAL);
    CHECK_EQ(sluice_ring_create(0, SMALL, 0), -EBADF);
    /* A ring is its context's alone, and no descriptor of another job. */
    CHECK_EQ(sluice_job_open(other.handle, -rings.creator, file_of(1)), -EBADF);
    CHECK_EQ(sluice_job_open(context.handle, -12345678, file_of(1)), -EBADF);
    check_error(run(&context, file_of(1), file_of(1), request(SLUICE_SHARED_RING, 0, 1, 0)), EINVAL);
    check_error(run(&context, -rings.opener, -rings.creator, request(SLUICE_SHARED_RING, -1, 1, -1)), EINVAL);
    check_error(run(&context, -rings.opener, file_of(1), request(SLUICE_BUFFERED, -1, 1, 0)), EBADF);
    /* While a job has it nobody else does. */
    struct pair source = source_pipe();
    int32_t job = job_open(&context, source.engine, -rings.creator);
    job_start(job, request(SLUICE_SHARED_RING, -1, -1, -1));
    CHECK_EQ(sluice_ring_write(rings.creator, &byte, 1), -EBUSY);
    job_close(job);
    await_census(2, 0);
    CHECK_EQ(sluice_ring_write(rings.creator, &byte, 1), 1);
    context_close(&other);
    /* The context takes its rings with it. */
    context_close(&context);
    check_nothing_left();
}

/* --- ends --- */

TEST("ring: a reader hears of an end, of a close without an end, and of nobody's coming")
{
    struct context context = context_open();
    struct rings rings = ring_pair(&context, SMALL);
    char byte = 'x';
    CHECK_EQ(sluice_ring_write(rings.creator, &byte, 1), 1);
    ring_close(rings.creator);
    CHECK_EQ(sluice_ring_read(rings.opener, &byte, 1), 1);
    CHECK_EQ(sluice_ring_read(rings.opener, &byte, 1), -ECONNRESET);
    check_error(wait_for(&context, rings.opener, SLUICE_REQUEST_WAIT_DATA, 1), ECONNRESET);
    check_error(run(&context, -rings.opener, file_of(0), request(SLUICE_SHARED_RING, -1, -1, 0)), ECONNRESET);
    ring_close(rings.opener);

    rings = ring_pair(&context, SMALL);
    ring_close(rings.opener);
    CHECK_EQ(sluice_ring_write(rings.creator, &byte, 1), -EPIPE);
    check_error(run(&context, file_of(10), -rings.creator, request(SLUICE_SHARED_RING, 0, 10, -1)), EPIPE);
    ring_close(rings.creator);

    /* A reader that goes once it has everything has not broken anything off. */
    rings = ring_pair(&context, SMALL);
    CHECK_EQ(sluice_ring_write(rings.creator, &byte, 1), 1);
    CHECK_EQ(sluice_ring_end(rings.creator), 0);
    CHECK_EQ(sluice_ring_read(rings.opener, &byte, 1), 1);
    ring_close(rings.opener);
    check_outcome(wait_for(&context, rings.creator, SLUICE_REQUEST_WAIT_ROOM, SMALL), SLUICE_END_DONE, 0);
    ring_close(rings.creator);

    /* An end of nothing is one only for a reader that has come. */
    int32_t lonely = sluice_ring_create(context.handle, SMALL, 50);
    CHECK_EQ(sluice_ring_end(lonely), 0);
    check_error(wait_for(&context, lonely, SLUICE_REQUEST_WAIT_ROOM, SMALL), ETIMEDOUT);
    ring_close(lonely);
    int32_t met = ring_create(&context, SMALL);
    CHECK_EQ(sluice_ring_end(met), 0);
    int32_t late = sluice_ring_open(context.handle, sluice_ring_fd(met));
    check_outcome(wait_for(&context, met, SLUICE_REQUEST_WAIT_ROOM, SMALL), SLUICE_END_DONE, 0);
    ring_close(late);
    ring_close(met);

    lonely = sluice_ring_create(context.handle, SMALL, 50);
    CHECK_GE(lonely, 1);
    check_error(wait_for(&context, lonely, SLUICE_REQUEST_WAIT_DATA, 1), ETIMEDOUT);
    ring_close(lonely);
    check_nothing_left();
    context_close(&context);
}

TEST("ring: a wait can be cancelled, and closed while it lasts")
{
    struct context context = context_open();
    struct rings rings = ring_pair(&context, SMALL);
    struct sluice_request work = {.strategy = SLUICE_SHARED_RING, .flags = SLUICE_REQUEST_WAIT_DATA, .length = 1};
    for (int i = 0; i < 20; i++) {
        int32_t job = sluice_ring_job(rings.opener);
        CHECK_EQ(sluice_job_start(job, &work), 0);
        if (i % 2) usleep(1000);
        CHECK_EQ(sluice_job_cancel(job), 0);
        check_outcome(next_outcome(&context), SLUICE_END_CANCELLED, 0);
        job_close(job);
    }
    int32_t job = sluice_ring_job(rings.opener);
    CHECK_EQ(sluice_job_start(job, &work), 0);
    ring_close(rings.opener);
    job_close(job);
    ring_close(rings.creator);
    await_census(1, 0);
    check_nothing_left();
    context_close(&context);
}

enum { MANY = 150 };

TEST("ring: more rings wait than one call can sleep on")
{
    struct context context = context_open();
    static struct rings rings[MANY];
    static int32_t jobs[MANY];
    struct sluice_request work = {.strategy = SLUICE_SHARED_RING, .flags = SLUICE_REQUEST_WAIT_DATA, .length = 1};
    for (int i = 0; i < MANY; i++) {
        rings[i] = ring_pair(&context, SMALL);
        jobs[i] = sluice_ring_job(rings[i].opener);
        CHECK_EQ(sluice_job_start(jobs[i], &work), 0);
    }
    for (int i = MANY; i-- > 0;) {
        CHECK_EQ(sluice_ring_write(rings[i].creator, "x", 1), 1);
        struct sluice_outcome outcome = next_outcome(&context);
        check_outcome(outcome, SLUICE_END_DONE, 0);
        CHECK_EQ(outcome.job, jobs[i]);
        job_close(jobs[i]);
        ring_close(rings[i].creator);
        ring_close(rings[i].opener);
    }
    check_nothing_left();
    context_close(&context);
}

/* --- strangers --- */

TEST("ring: nobody can cut the memory away")
{
    struct context context = context_open();
    struct rings rings = ring_pair(&context, SMALL);
    int fd = sluice_ring_fd(rings.creator);
    CHECK_EQ(ftruncate(fd, 0), -1);
    CHECK_EQ(errno, EPERM);
    CHECK_EQ(ftruncate(fd, 100 * MIB), -1);
    CHECK_EQ(errno, EPERM);
    /* A hole is zeros, not a fault: whoever digs it loses his bytes, and the header with them. */
    MUST(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, SLUICE_RING_AT_DATA + SMALL));
    char byte;
    CHECK_EQ(sluice_ring_read(rings.opener, &byte, 1), -EBADMSG);
    CHECK_EQ(sluice_ring_write(rings.creator, &byte, 1), -EBADMSG);
    ring_close(rings.creator);
    ring_close(rings.opener);
    context_close(&context);
}

static int memory_of(size_t size, int seals)
{
    int fd = own(memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    MUST(ftruncate(fd, (off_t)size));
    MUST(fcntl(fd, F_ADD_SEALS, seals));
    return fd;
}

TEST("ring: what is no ring is refused")
{
    struct context context = context_open();
    int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
    size_t size = SLUICE_RING_AT_DATA + SMALL;
    CHECK_EQ(sluice_ring_open(context.handle, -1), -EBADF);
    CHECK_EQ(sluice_ring_open(context.handle, file_of(100)), -EBADMSG);
    CHECK_EQ(sluice_ring_open(context.handle, source_pipe().engine), -EBADMSG);
    CHECK_EQ(sluice_ring_open(context.handle, unix_pair().engine), -EBADMSG);
    CHECK_EQ(sluice_ring_open(context.handle, memory_of(size, F_SEAL_GROW | F_SEAL_SEAL)), -EBADMSG);
    CHECK_EQ(sluice_ring_open(context.handle, memory_of(size, seals | F_SEAL_WRITE)), -EBADMSG);
    CHECK_EQ(sluice_ring_open(context.handle, memory_of(size, seals)), -EBADMSG);
    CHECK_EQ(sluice_ring_open(context.handle, memory_of(size - 1, seals)), -EBADMSG);
    CHECK_EQ(sluice_ring_open(context.handle, memory_of(0, seals)), -EBADMSG);
    check_nothing_left();
    context_close(&context);
}

/* What a hostile other side may write into the header while both are at work. */
static const struct lie {
    const char *name;
    size_t at;
    uint64_t value;
    bool to_reader; /* else to the writer */
} lies[] = {
    {"more written than fits", SLUICE_RING_AT_WRITTEN, 100 + SMALL + 1, true},
    {"all there is written", SLUICE_RING_AT_WRITTEN, UINT64_MAX, true},
    {"less written than before", SLUICE_RING_AT_WRITTEN, 10, true},
    {"more read than written", SLUICE_RING_AT_READ, 101, false},
    {"less read than before", SLUICE_RING_AT_READ, 5, false},
    {"another capacity", SLUICE_RING_AT_CAPACITY, 1 << 30, true},
    {"another generation", SLUICE_RING_AT_GENERATION, 12345, true},
    {"another magic", SLUICE_RING_AT_MAGIC, 0, true},
    {"another magic", SLUICE_RING_AT_MAGIC, 0, false},
    {"an unknown state", SLUICE_RING_AT_CREATOR, 77, true},
    {"the creator's absence", SLUICE_RING_AT_CREATOR, 0, true},
    {"an unknown state", SLUICE_RING_AT_OPENER, 77, false},
};

static void tell_lie(const void *argument)
{
    const struct lie *lie = argument;
    struct context context = context_open();
    struct rings rings = ring_pair(&context, SMALL);
    uint8_t bytes[100];
    /* 100 bytes written, 20 of them read: both sides have seen that. */
    pattern_fill(bytes, 100, 0);
    CHECK_EQ(sluice_ring_write(rings.creator, bytes, 100), 100);
    CHECK_EQ(sluice_ring_read(rings.opener, bytes, 20), 20);
    CHECK_EQ(sluice_ring_write(rings.creator, bytes, 0), 0);
    uint8_t *memory =
        mmap(NULL, SLUICE_RING_AT_DATA, PROT_READ | PROT_WRITE, MAP_SHARED, sluice_ring_fd(rings.creator), 0);
    CHECK(memory != MAP_FAILED);
    bool positions = lie->at == SLUICE_RING_AT_WRITTEN || lie->at == SLUICE_RING_AT_READ;
    /* Where there is something to read, the rest of the header is not looked at before that is read. */
    if (lie->to_reader && !positions) CHECK_EQ(sluice_ring_read(rings.opener, bytes, 100), 80);
    memcpy(memory + lie->at, &lie->value, positions || lie->at < SLUICE_RING_AT_CREATOR ? 8 : 4);
    munmap(memory, SLUICE_RING_AT_DATA);
    if (lie->to_reader) {
        CHECK_EQ(sluice_ring_read(rings.opener, bytes, 100), -EBADMSG);
        check_error(wait_for(&context, rings.opener, SLUICE_REQUEST_WAIT_DATA, 1), EBADMSG);
        check_error(run(&context, -rings.opener, file_of(0), request(SLUICE_SHARED_RING, -1, -1, 0)), EBADMSG);
    } else {
        CHECK_EQ(sluice_ring_write(rings.creator, bytes, 1), -EBADMSG);
        check_error(wait_for(&context, rings.creator, SLUICE_REQUEST_WAIT_ROOM, SMALL), EBADMSG);
        check_error(run(&context, file_of(9), -rings.creator, request(SLUICE_SHARED_RING, 0, 9, -1)), EBADMSG);
    }
    ring_close(rings.creator);
    ring_close(rings.opener);
    check_nothing_left();
    context_close(&context);
}

__attribute__((constructor)) static void add_lies(void)
{
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        char name[120];
        snprintf(name, sizeof name, "ring: %s is told of %s", lies[i].to_reader ? "a reader" : "a writer",
                 lies[i].name);
        test_add(name, tell_lie, &lies[i]);
    }
}

/* --- another process, and its death --- */

static int32_t open_of_parent(const struct context *context, int fd)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/fd/%d", getppid(), fd);
    int own_fd = open(path, O_RDWR | O_CLOEXEC);
    if (own_fd < 0) _exit(1);
    int32_t ring = sluice_ring_open(context->handle, own_fd);
    close(own_fd);
    if (ring < 0) _exit(2);
    return ring;
}

/* Writes pattern bytes in pieces of all sizes for ever. */
static _Noreturn void write_for_ever(int fd, unsigned seed)
{
    struct context context = context_open();
    int32_t ring = open_of_parent(&context, fd);
    uint8_t *bytes = malloc(SMALL);
    for (int64_t at = 0;;) {
        size_t size = (size_t)rand_r(&seed) % SMALL + 1;
        pattern_fill(bytes, size, at);
        int32_t n = sluice_ring_write(ring, bytes, (uint32_t)size);
        if (n == -EAGAIN)
            wait_for(&context, ring, SLUICE_REQUEST_WAIT_ROOM, 1 + rand_r(&seed) % SMALL);
        else if (n < 0)
            _exit(3);
        else
            at += n;
    }
}

static _Noreturn void read_for_ever(int fd, unsigned seed)
{
    struct context context = context_open();
    int32_t ring = open_of_parent(&context, fd);
    uint8_t *bytes = malloc(SMALL);
    for (int64_t at = 0;;) {
        int32_t n = sluice_ring_read(ring, bytes, 1 + (uint32_t)rand_r(&seed) % SMALL);
        if (n == -EAGAIN)
            wait_for(&context, ring, SLUICE_REQUEST_WAIT_DATA, 1);
        else if (n <= 0)
            _exit(3);
        else {
            check_pattern(bytes, (size_t)n, at);
            at += n;
        }
    }
}

/* Reads what a process that is killed has written, up to its last whole hand-over. */
static void read_to_death(const struct context *context, int32_t ring, int64_t *read)
{
    uint8_t *bytes = malloc(SMALL);
    for (;;) {
        int32_t n = sluice_ring_read(ring, bytes, SMALL);
        if (n == -EAGAIN) {
            struct sluice_outcome outcome = wait_for(context, ring, SLUICE_REQUEST_WAIT_DATA, 1);
            if (outcome.end == SLUICE_END_ERROR) n = -outcome.error;
        }
        if (n > 0) {
            check_pattern(bytes, (size_t)n, *read);
            *read += n;
        } else if (n != -EAGAIN) {
            CHECK_EQ(n, -EOWNERDEAD);
            break;
        }
    }
    free(bytes);
}

static void write_to_death(const struct context *context, int32_t ring)
{
    uint8_t *bytes = malloc(SMALL);
    for (int64_t at = 0;;) {
        pattern_fill(bytes, SMALL, at);
        int32_t n = sluice_ring_write(ring, bytes, SMALL);
        if (n == -EAGAIN) {
            struct sluice_outcome outcome = wait_for(context, ring, SLUICE_REQUEST_WAIT_ROOM, SMALL / 2);
            if (outcome.end == SLUICE_END_ERROR) n = -outcome.error;
        }
        if (n > 0)
            at += n;
        else if (n != -EAGAIN) {
            CHECK_EQ(n, -EOWNERDEAD);
            break;
        }
    }
    free(bytes);
}

/* Kills the process after a while, and notes when. */
struct killing {
    pid_t process;
    useconds_t delay;
    int64_t killed_at;
};

static void *kill_later(void *argument)
{
    struct killing *killing = argument;
    usleep(killing->delay);
    killing->killed_at = now_ms();
    MUST(kill(killing->process, SIGKILL));
    MUST(waitpid(killing->process, NULL, 0));
    return NULL;
}

static void survive(bool child_writes, unsigned seed)
{
    /* The child is made before this process has threads of the engine's. */
    int fds[2];
    MUST(pipe2(fds, O_CLOEXEC));
    pid_t child = (pid_t)MUST(fork());
    if (child == 0) {
        int fd;
        if (read(fds[0], &fd, sizeof fd) != sizeof fd) _exit(4);
        if (child_writes) write_for_ever(fd, seed);
        read_for_ever(fd, seed);
    }
    struct context context = context_open();
    int32_t ring = ring_create(&context, SMALL);
    int fd = sluice_ring_fd(ring);
    struct killing killing = {.process = child, .delay = rand_r(&seed) % 40000 + 5000};
    pthread_t killer;
    MUST(write(fds[1], &fd, sizeof fd));
    /* It has come: dying before that is what attach_ms is for. */
    struct sluice_ring_status status = {.other = SLUICE_RING_ABSENT};
    while (status.other == SLUICE_RING_ABSENT)
        CHECK_EQ(sluice_ring_status(ring, &status), 0);
    CHECK_EQ(pthread_create(&killer, NULL, kill_later, &killing), 0);
    int64_t read = 0;
    if (child_writes)
        read_to_death(&context, ring, &read);
    else
        write_to_death(&context, ring);
    int64_t noticed = now_ms();
    CHECK_EQ(pthread_join(killer, NULL), 0);
    /* 200 ms is promised; the rest is for a machine that is busy. */
    CHECK_LE(noticed - killing.killed_at, 2000);
    /* Nor is there anybody to be told of an end, then or later. */
    for (int i = 0; i < 2 && !child_writes; i++)
        CHECK_EQ(sluice_ring_end(ring), -EOWNERDEAD);
    ring_close(ring);
    close(fds[0]);
    close(fds[1]);
    context_close(&context);
}

enum { DEATHS = 5 };

static void killed(const void *argument)
{
    bool child_writes = *(const bool *)argument;
    for (unsigned seed = 1; seed <= DEATHS; seed++) {
        test_note("seed %u", seed);
        pid_t test = (pid_t)MUST(fork());
        if (test == 0) {
            survive(child_writes, seed * 7919);
            _exit(0);
        }
        int status;
        MUST(waitpid(test, &status, 0));
        CHECK_EQ(status, 0);
    }
}

__attribute__((constructor)) static void add_deaths(void)
{
    static const bool writer = true, reader = false;
    test_add("ring: a writer that is killed at any moment leaves whole bytes and EOWNERDEAD", killed, &writer);
    test_add("ring: a reader that is killed at any moment leaves its writer with EOWNERDEAD", killed, &reader);
}

/* --- threads --- */

struct side {
    struct context context;
    int32_t ring;
    int64_t size;
};

static void *writer_main(void *argument)
{
    struct side *side = argument;
    uint8_t *bytes = malloc(SMALL);
    unsigned seed = 3;
    for (int64_t at = 0; at < side->size;) {
        uint32_t most = 1 + (uint32_t)rand_r(&seed) % SMALL;
        uint32_t size = side->size - at < most ? (uint32_t)(side->size - at) : most;
        pattern_fill(bytes, size, at);
        int32_t n = sluice_ring_write(side->ring, bytes, size);
        if (n == -EAGAIN)
            check_outcome(wait_for(&side->context, side->ring, SLUICE_REQUEST_WAIT_ROOM, size), SLUICE_END_DONE, 0);
        else {
            CHECK_GE(n, 1);
            at += n;
        }
    }
    CHECK_EQ(sluice_ring_end(side->ring), 0);
    free(bytes);
    return NULL;
}

TEST("ring: two threads as two sides lose no wake-up")
{
    struct side writer = {.context = context_open(), .size = 8 * MIB}, reader = {.context = context_open()};
    writer.ring = ring_create(&writer.context, SMALL);
    reader.ring = sluice_ring_open(reader.context.handle, sluice_ring_fd(writer.ring));
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, writer_main, &writer), 0);
    uint8_t *bytes = malloc(SMALL);
    int64_t started = now_ms();
    unsigned seed = 4;
    for (int64_t at = 0;;) {
        int32_t n = sluice_ring_read(reader.ring, bytes, 1 + (uint32_t)rand_r(&seed) % SMALL);
        if (n == 0) {
            CHECK_EQ(at, writer.size);
            break;
        }
        if (n == -EAGAIN)
            check_outcome(wait_for(&reader.context, reader.ring, SLUICE_REQUEST_WAIT_DATA, 1), SLUICE_END_DONE, 0);
        else {
            CHECK_GE(n, 1);
            check_pattern(bytes, (size_t)n, at);
            at += n;
        }
    }
    /* Each lost wake-up would cost the 100 ms after which sleepers look by themselves. */
    CHECK_LE(now_ms() - started, 10000);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    free(bytes);
    ring_close(writer.ring);
    ring_close(reader.ring);
    check_nothing_left();
    context_close(&writer.context);
    context_close(&reader.context);
}

TEST("sluice_pipe() makes a pipe that never blocks, as large as it may be")
{
    struct sluice_pipe_ends ends;
    CHECK_EQ(sluice_pipe(1 << 20, &ends), 0);
    CHECK_GE(ends.bytes, 65536);
    CHECK(fcntl(ends.writer, F_GETFL) & O_NONBLOCK);
    CHECK(fcntl(ends.reader, F_GETFL) & O_NONBLOCK);
    CHECK_EQ(write_until_full(ends.writer), ends.bytes);
    CHECK_EQ(sluice_close(ends.reader), 0);
    CHECK_EQ(sluice_close(ends.writer), 0);
    CHECK_EQ(sluice_pipe(0x7fffffff, &ends), 0);
    CHECK_GE(ends.bytes, 65536);
    CHECK_EQ(sluice_close(ends.reader), 0);
    CHECK_EQ(sluice_close(ends.writer), 0);
}
