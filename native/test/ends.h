/* Ends with known bytes, and threads that feed and drain them. */
#ifndef ENDS_H
#define ENDS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { KIB = 1024, MIB = 1024 * 1024 };

/* Bytes that depend on their position, so that a lost, doubled or moved run shows. */
void pattern_fill(uint8_t *bytes, size_t size, int64_t position);
void check_pattern(const uint8_t *bytes, size_t size, int64_t position);

/* A file of `size` pattern bytes without a name, open for reading and writing, position 0. */
int file_of(int64_t size);
int memory_file_of(int64_t size);

/* `engine` is handed to the library and does not block; `peer` blocks. */
struct pair {
    int engine;
    int peer;
};
struct pair unix_pair(void);
struct pair tcp_pair(void);
struct pair source_pipe(void);
struct pair target_pipe(void);
typedef struct pair open_pair(void);

void set_blocking(int fd, bool blocking);
bool is_writable(int fd);
bool is_readable(int fd);

/* Closes the sending side: the peer sees the end. Drops pipes and files. */
void end_writing(int fd);

/* Everything up to the end of the stream. Free `bytes`. */
struct contents {
    uint8_t *bytes;
    size_t size;
};
struct contents read_to_end(int fd);
struct contents read_file(int fd);
/* Frees what must be `size` pattern bytes from `position` on. */
void check_contents(struct contents contents, int64_t size, int64_t position);
void write_pattern(int fd, size_t size, int64_t position);

/* Fills a non-blocking descriptor with pattern bytes until it takes no more; answers how many. */
int64_t write_until_full(int fd);

/* A thread that writes pattern bytes and then the end, or reads up to the end. */
struct flow {
    pthread_t thread;
    int fd;
    size_t size;
    struct contents contents;
};
void feeder_start(struct flow *flow, int fd, size_t size);
void sink_start(struct flow *flow, int fd);
void flow_join(struct flow *flow);

#endif
