/* The table of pairs: what they are made of, given back as, and reported. */
#include <fcntl.h>
#include <sys/socket.h>

#include "closing.h"
#include "contexts.h"
#include "pair.h"

static struct table pairs = {.entry_bytes = sizeof(struct pair)};
static int64_t closed;

static struct pair *pair_of(struct slot *slot)
{
    return (struct pair *)slot;
}

struct pair *pair_find(int32_t handle)
{
    struct pair *pair = pair_of(table_find(&pairs, handle));
    return pair && !pair->closing ? pair : NULL;
}

static int duplicate(struct side *side, int fd)
{
    int64_t copy = keep_fd(SYS(fcntl, fd, F_DUPFD_CLOEXEC, 0));
    *side = (struct side){.fd = (int)copy, .readable = true, .writable = true};
    return copy < 0 ? (int)copy : 0;
}

int32_t pair_admit(int32_t context, int a, int b)
{
    if (!context_is_open(context)) return -EBADF;
    struct pair *pair = pair_of(table_take(&pairs));
    if (!pair) return -ENOMEM;
    int failed = duplicate(&pair->side[0], a);
    if (failed == 0) {
        failed = duplicate(&pair->side[1], b);
        if (failed < 0) close_fd(&pair->side[0].fd);
    }
    if (failed < 0) {
        table_give_back(&pairs, &pair->slot);
        return failed;
    }
    pair->next = NULL;
    pair->state = PAIR_IDLE;
    pair->context = context;
    pair->closing = pair->reset = pair->posted = false;
    pair->relay = NULL;
    return table_handle(&pair->slot);
}

/*
 * Connecting a TCP socket to AF_UNSPEC aborts its connection (connect(2), RFC 9293 3.10.5), whichever process has it
 * open, too. Unix sockets know of no such thing.
 */
static void reset(int fd)
{
    struct sockaddr nowhere = {.sa_family = AF_UNSPEC};
    if (SYS(connect, fd, &nowhere, sizeof nowhere) < 0) SYS(shutdown, fd, SHUT_RDWR);
}

void pair_release(struct pair *pair)
{
    for (int i = 0; i < 2; i++) {
        if (pair->reset) reset(pair->side[i].fd);
        defer_close_end(&(struct end){.fd = pair->side[i].fd, .kind = SLUICE_KIND_SOCKET});
        pair->side[i].fd = -1;
    }
    table_give_back(&pairs, &pair->slot);
    closed++;
}

int64_t pairs_closed(void)
{
    return closed;
}

uint32_t pairs_open(void)
{
    return pairs.used;
}

void pair_report(struct pair *pair, struct sluice_pair_outcome *outcome)
{
    struct flow *to_b = &pair->flow[0], *to_a = &pair->flow[1];
    bool failed = pair->end == SLUICE_PAIR_END_FAILED;
    pair->state = PAIR_IDLE;
    *outcome = (struct sluice_pair_outcome){
        .pair = table_handle(&pair->slot),
        .end = pair->end,
        .error = failed ? pair->error : 0,
        .failed = failed ? pair->failed : SLUICE_SIDE_NONE,
        .to_b_bytes = flow_moved(to_b),
        .to_b_spliced = to_b->spliced,
        .to_b_stranded = to_b->stranded,
        .to_b_syscalls = to_b->syscalls,
        .to_b_waits = to_b->waits,
        .to_a_bytes = flow_moved(to_a),
        .to_a_spliced = to_a->spliced,
        .to_a_stranded = to_a->stranded,
        .to_a_syscalls = to_a->syscalls,
        .to_a_waits = to_a->waits,
        .ended = (uint32_t)to_b->ended | (uint32_t)to_a->ended << 1,
    };
}

void pairs_of(int32_t context, void (*visit)(struct pair *))
{
    for (struct slot *slot = NULL; (slot = table_next(&pairs, slot));)
        if (pair_of(slot)->context == context) visit(pair_of(slot));
}
