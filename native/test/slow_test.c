/* Files whose filesystem answers late, or not at all: what a daemon of FUSE or a server can do to whoever asks it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "fuse.h"
#include "slow.h"
#include "support.h"

/* --- pages that can't be read --- */

enum { UNREADABLE = MIB + 3 * 4 * KIB, FROM = 12345 };

static void check_unreadable(uint32_t strategy, struct pair to)
{
    struct context context = context_open();
    int source = slow_file("f", O_RDONLY);
    struct flow sink;
    if (to.peer >= 0) sink_start(&sink, to.peer);
    struct sluice_outcome outcome = run(&context, source, to.engine, request(strategy, FROM, 2 * MIB, -1));
    CHECK_EQ(outcome.bytes, UNREADABLE - FROM);
    check_error(outcome, EIO);
    CHECK_EQ(outcome.failed, SLUICE_SIDE_SOURCE);
    if (to.peer >= 0) {
        end_writing(to.engine);
        flow_join(&sink);
    } else {
        sink.contents = read_file(to.engine);
    }
    check_contents(sink.contents, UNREADABLE - FROM, FROM);
    drop(source);
    context_close(&context);
}

TEST("an unreadable page is EIO behind the bytes before it")
{
    char order[32];
    slow_mount();
    snprintf(order, sizeof order, "fail %d", UNREADABLE);
    slow_order(order);
    for (int i = 0; i < 2; i++) {
        uint32_t strategy = i == 0 ? SLUICE_MAPPED : SLUICE_BUFFERED;
        check_unreadable(strategy, unix_pair());
        check_unreadable(strategy, tcp_pair());
        check_unreadable(strategy, target_pipe());
        check_unreadable(strategy, (struct pair){.engine = file_of(0), .peer = -1});
    }
}
