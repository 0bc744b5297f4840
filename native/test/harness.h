/*
 * A test is a function that runs in a forked process of its own, which is killed when it hangs. It ends by
 * returning, by a failed CHECK or by SKIP. Afterwards the harness closes what own() was given, waits
 * until the engine holds nothing and compares the open descriptors with those before.
 */
#ifndef HARNESS_H
#define HARNESS_H

#include <stdbool.h>
#include <stdint.h>

typedef void test_body(const void *argument);

/* Registers a test; rows of a table register themselves with an argument. */
void test_add(const char *name, test_body *body, const void *argument);

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)

/* TEST("fn() does x") { ... } */
#define TEST(name) TEST_(name, JOIN(test_, __LINE__), JOIN(add_, __LINE__))
#define TEST_(name, body, add)                         \
    static test_body body;                             \
    __attribute__((constructor)) static void add(void) \
    {                                                  \
        test_add(name, body, NULL);                    \
    }                                                  \
    static void body(const void *argument __attribute__((unused)))

/* Ends the test as failed or skipped, from any thread. */
_Noreturn void test_fail(const char *file, int line, const char *format, ...) __attribute__((format(printf, 3, 4)));
_Noreturn void test_skip(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* What the test is waiting for now: named when it hangs. */
void test_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

#define FAIL(...) test_fail(__FILE__, __LINE__, __VA_ARGS__)
#define SKIP(...) test_skip(__VA_ARGS__)

#define CHECK(condition)                          \
    do {                                          \
        if (!(condition)) FAIL("%s", #condition); \
    } while (0)

#define COMPARE_(actual, operator, expected)                                                                   \
    do {                                                                                                       \
        int64_t actual_ = (int64_t)(actual), expected_ = (int64_t)(expected);                                  \
        if (!(actual_ operator expected_))                                                                     \
            FAIL("%s is %lld, not %s %lld (%s)", #actual, (long long)actual_, #operator,(long long) expected_, \
                 #expected);                                                                                   \
    } while (0)

#define CHECK_EQ(actual, expected) COMPARE_(actual, ==, expected)
#define CHECK_GE(actual, least) COMPARE_(actual, >=, least)
#define CHECK_LE(actual, most) COMPARE_(actual, <=, most)

/* A call of the C library that answers -1 and errno on failure; answers its value. */
#define MUST(call)                               \
    __extension__({                              \
        long value_ = (long)(call);              \
        if (value_ == -1) FAIL("%s: %m", #call); \
        value_;                                  \
    })

/* Takes charge of a descriptor: closed after the test at the latest. Any thread. */
int own(int fd);

/* Closes an owned descriptor now. */
void drop(int fd);

/* Open descriptors of this process, as a set by number; returns how many. */
enum { FD_LIMIT = 65536 };
int open_fds(bool set[FD_LIMIT]);

#endif
