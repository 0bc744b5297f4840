/*
 * The other end of every measured transfer: connects, counts what arrives, acknowledges.
 *
 *   reader [HOST:]PORT CONNECTIONS BYTES...
 *
 * On each connection it awaits BYTES[0] bytes, answers one byte, awaits BYTES[1] bytes, and so on.
 * It discards inside the kernel (MSG_TRUNC), so that it is never the bottleneck and the same for all senders.
 */
#include "tcp.h"
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

enum { MAX_CONNECTIONS = 1024, DISCARD_BYTES = 8 << 20 };

struct peer {
  long long missing;
  int stage;
};

static int connect_to_place(const char *place) {
  char host[16] = LOOPBACK;
  const char *port = strchr(place, ':');
  if (port) snprintf(host, sizeof host, "%.*s", (int)(port - place), place);
  return connect_to(host, atoi(port ? port + 1 : place));
}

int main(int argc, char **argv) {
  if (argc < 4) return fputs("usage: reader [HOST:]PORT CONNECTIONS BYTES...\n", stderr), 2;
  int connections = atoi(argv[2]), stages = argc - 3, open = connections;
  if (connections < 1 || connections > MAX_CONNECTIONS) return fputs("reader: too many connections\n", stderr), 2;
  static struct pollfd fds[MAX_CONNECTIONS];
  static struct peer peers[MAX_CONNECTIONS];
  for (int i = 0; i < connections; i++) {
    fds[i] = (struct pollfd){.fd = connect_to_place(argv[1]), .events = POLLIN};
    peers[i] = (struct peer){.missing = atoll(argv[3])};
  }
  while (open > 0) {
    if (poll(fds, (nfds_t)connections, -1) < 0 && errno != EINTR) fail("reader: poll");
    for (int i = 0; i < connections; i++) {
      if (fds[i].fd < 0 || !fds[i].revents) continue;
      struct peer *peer = &peers[i];
      ssize_t got = recv(fds[i].fd, NULL, DISCARD_BYTES, MSG_TRUNC | MSG_DONTWAIT);
      if (got < 0 && (errno == EAGAIN || errno == EINTR)) continue;
      if (got < 0) fail("reader: recv");
      if (got == 0) {
        if (peer->stage < stages) return fputs("reader: the sender closed too early\n", stderr), 1;
        close(fds[i].fd);
        fds[i].fd = -1;
        open--;
        continue;
      }
      peer->missing -= got;
      if (peer->missing < 0 || peer->stage == stages) return fputs("reader: more bytes than agreed\n", stderr), 1;
      if (peer->missing == 0) {
        peer->stage++;
        if (peer->stage < stages) peer->missing = atoll(argv[3 + peer->stage]);
        if (send(fds[i].fd, "k", 1, MSG_NOSIGNAL) != 1) fail("reader: send");
      }
    }
  }
  return 0;
}
