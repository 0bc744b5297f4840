/* The library as the tests call it: each call must answer what the ABI promises there, or the test fails. */
#ifndef SUPPORT_H
#define SUPPORT_H

#include <stdint.h>

#include "ends.h"
#include "harness.h"
#include "sluice.h"

/* A context and its wake-up socket. */
struct context {
    int32_t handle;
    int wake;
};
struct context context_open(void);
void context_close(struct context *context);

struct sluice_request request(uint32_t strategy, int64_t offset, int64_t length, int64_t target_offset);

int32_t job_open(const struct context *context, int source, int target);
void job_start(int32_t job, struct sluice_request request);
void job_close(int32_t job);
int64_t job_progress(int32_t job);

/* Waits for the context's next outcome. */
struct sluice_outcome next_outcome(const struct context *context);

/* One attempt from open to close. */
struct sluice_outcome run(const struct context *context, int source, int target, struct sluice_request request);

/* One attempt by sluice_attempt(). */
struct sluice_outcome attempt(int source, int target, struct sluice_request request);

void check_outcome(struct sluice_outcome outcome, uint32_t end, int64_t bytes);
void check_error(struct sluice_outcome outcome, int error);

/* Waits until bytes have moved and the target takes no more. */
void await_full(int32_t job, int target);
/* The same, and until nothing has moved for a moment. Answers the bytes moved. */
int64_t await_stalled(int32_t job, int target);

void await_census(uint32_t contexts, uint32_t jobs);

#endif
