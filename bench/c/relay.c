/*
 * The yardstick of a TCP proxy: poll(2), and splice(2) from one socket to the other through a pipe of 1 MiB for each direction.
 *
 *   relay UPSTREAM_PORT
 *
 * Listens on a port of 127.0.0.1, prints it, and joins each connection with one to the upstream until it is killed. An end of
 * one direction is forwarded; after the second both connections are closed.
 */
#define _GNU_SOURCE
#include "tcp.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <unistd.h>

enum { PIPE_BYTES = 1 << 20, MOST_PAIRS = 64, FLAGS = SPLICE_F_MOVE | SPLICE_F_NONBLOCK };

/* One direction: what has left its source and not yet reached its target is in the pipe. */
struct flow {
  int from, to, pipe[2];
  size_t held;
  bool ended;
};

/* flows[0] goes from ends[0] to ends[1], flows[1] back. */
struct pair {
  int ends[2];
  struct flow flows[2];
};

static struct pair pairs[MOST_PAIRS];
static size_t count;

static struct flow flow_between(int from, int to) {
  struct flow flow = {.from = from, .to = to};
  if (pipe2(flow.pipe, O_CLOEXEC) < 0 || fcntl(flow.pipe[1], F_SETPIPE_SZ, PIPE_BYTES) < 0) fail("pipe");
  if (fcntl(to, F_SETFL, O_NONBLOCK) < 0) fail("socket");
  set_no_delay(to);
  return flow;
}

static void join(int client, int upstream) {
  if (client < 0 || count == MOST_PAIRS) fail("accept");
  pairs[count++] = (struct pair){{client, upstream}, {flow_between(client, upstream), flow_between(upstream, client)}};
}

/* What one splice moved; 0 for nothing now, and the flow has ended where there never will be more. */
static size_t move(struct flow *flow, int from, int to, size_t bytes) {
  ssize_t moved = splice(from, NULL, to, NULL, bytes, FLAGS);
  if (moved > 0) return (size_t)moved;
  /* A peer that resets ends its pair and nothing else. */
  if (moved == 0 || errno != EAGAIN) flow->ended = true;
  return 0;
}

static void pump(struct flow *flow) {
  if (flow->ended) return;
  if (flow->held == 0) flow->held = move(flow, flow->from, flow->pipe[1], PIPE_BYTES);
  if (flow->held > 0) flow->held -= move(flow, flow->pipe[0], flow->to, flow->held);
  if (flow->ended) shutdown(flow->to, SHUT_WR);
}

static void leave(size_t index) {
  struct pair *pair = &pairs[index];
  for (int i = 0; i < 2; i++) {
    close(pair->ends[i]);
    close(pair->flows[i].pipe[0]);
    close(pair->flows[i].pipe[1]);
  }
  *pair = pairs[--count];
}

/* A flow that holds something waits for its target, one that doesn't for its source. */
static short wanted(const struct flow *out, const struct flow *in) {
  return (short)((!out->ended && out->held == 0 ? POLLIN : 0) | (!in->ended && in->held > 0 ? POLLOUT : 0));
}

int main(int argc, char **argv) {
  static struct pollfd fds[1 + 2 * MOST_PAIRS];
  if (argc != 2) return fputs("usage: relay UPSTREAM_PORT\n", stderr), 2;
  signal(SIGPIPE, SIG_IGN);
  int port, listener = listen_on(LOOPBACK, MOST_PAIRS, &port);
  printf("http://%s:%d\n", LOOPBACK, port);
  fflush(stdout);
  for (;;) {
    fds[0] = (struct pollfd){.fd = listener, .events = POLLIN};
    for (size_t i = 0; i < count; i++)
      for (int end = 0; end < 2; end++) {
        short events = wanted(&pairs[i].flows[end], &pairs[i].flows[1 - end]);
        /* A connection that nothing is wanted of would wake us by its end alone. */
        fds[1 + 2 * i + (size_t)end] = (struct pollfd){.fd = events ? pairs[i].ends[end] : -1, .events = events};
      }
    if (poll(fds, 1 + 2 * count, -1) < 0) fail("poll");
    for (size_t i = count; i-- > 0;) {
      if (!fds[1 + 2 * i].revents && !fds[2 + 2 * i].revents) continue;
      for (int way = 0; way < 2; way++)
        pump(&pairs[i].flows[way]);
      if (pairs[i].flows[0].ended && pairs[i].flows[1].ended) leave(i);
    }
    if (fds[0].revents) join(accept4(listener, NULL, NULL, SOCK_CLOEXEC), connect_to(LOOPBACK, atoi(argv[1])));
  }
}
