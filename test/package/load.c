/*
 * LIBRARY: loads it as a runtime does, moves a file by every mechanism and prints the name of each. Built for other
 * C libraries and machines than the host's. Ends with 0 when every byte arrived.
 */
#include <dlfcn.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sluice.h"

/* More than a socket holds, so that the engine has to wait for its reader. */
enum { SIZE = 3 * 1024 * 1024 + 7 };

static const struct mechanism {
    const char *name;
    uint32_t strategy;
    int to_file;
} mechanisms[] = {
    {"sendfile", SLUICE_SENDFILE, 0},
    {"splice", SLUICE_SPLICE, 0},
    {"mapped", SLUICE_MAPPED, 0},
    {"buffered", SLUICE_BUFFERED, 0},
    {"buffered between files", SLUICE_BUFFERED, 1},
    {"copyFileRange", SLUICE_COPY_FILE_RANGE, 1},
};

static uint8_t sent[SIZE], arrived[SIZE];

#define CHECK(condition)                                            \
    do {                                                            \
        if (!(condition)) {                                         \
            fprintf(stderr, "line %d: %s\n", __LINE__, #condition); \
            exit(1);                                                \
        }                                                           \
    } while (0)

/* Declares a local function pointer of the library's, by the prototype in sluice.h. */
#define LOAD(name)                                                        \
    __typeof__(&name) name##_ = (__typeof__(&name))dlsym(library, #name); \
    CHECK(name##_)

static void run(void *library, const struct mechanism *mechanism)
{
    LOAD(sluice_context_open);
    LOAD(sluice_context_wake_fd);
    LOAD(sluice_job_open);
    LOAD(sluice_job_start);
    LOAD(sluice_job_close);
    LOAD(sluice_reap);

    int source = fileno(tmpfile()), ends[2];
    CHECK(write(source, sent, SIZE) == SIZE);
    if (mechanism->to_file) {
        ends[0] = ends[1] = fileno(tmpfile());
    } else {
        CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    }

    int32_t context = sluice_context_open_();
    CHECK(context > 0);
    int32_t job = sluice_job_open_(context, source, ends[1]);
    CHECK(job > 0);
    struct sluice_request request = {
        .strategy = mechanism->strategy, .length = SIZE, .target_offset = mechanism->to_file ? 0 : -1};
    CHECK(sluice_job_start_(job, &request) == 0);

    memset(arrived, 0, SIZE);
    if (!mechanism->to_file) CHECK(recv(ends[0], arrived, SIZE, MSG_WAITALL) == SIZE);
    struct pollfd wake = {.fd = sluice_context_wake_fd_(context), .events = POLLIN};
    CHECK(poll(&wake, 1, -1) == 1);
    struct sluice_outcome outcome;
    CHECK(sluice_reap_(context, &outcome, 1) == 1);
    CHECK(outcome.error == 0 && outcome.end == SLUICE_END_DONE && outcome.bytes == SIZE);
    if (mechanism->to_file) CHECK(pread(ends[0], arrived, SIZE, 0) == SIZE);
    CHECK(memcmp(sent, arrived, SIZE) == 0);
    CHECK(sluice_job_close_(job) == 0);
    puts(mechanism->name);
}

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    void *library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    if (!library) fprintf(stderr, "%s\n", dlerror());
    CHECK(library);
    LOAD(sluice_abi_fingerprint);
    CHECK(sluice_abi_fingerprint_() == SLUICE_ABI_FINGERPRINT);
    for (int i = 0; i < SIZE; i++)
        sent[i] = (uint8_t)(i * 2654435761u >> 24);
    for (size_t i = 0; i < sizeof mechanisms / sizeof *mechanisms; i++)
        run(library, &mechanisms[i]);
    return 0;
}
