/*
 * Many clients that each read as slowly as a thin line would carry.
 *
 *   slow_clients PORT CLIENTS BYTES_PER_SECOND SMALL_PATH LARGE_PATH
 *
 * Connects all, and each asks for SMALL_PATH once; then it prints "idle" and holds them open. At the first byte on
 * standard input each asks for LARGE_PATH and reads BYTES_PER_SECOND of it a second. At the end of standard
 * input it prints "SECONDS TOTAL_BYTES LEAST_BYTES", the last being what the worst-served client got, and leaves.
 *
 * A small receive buffer is what makes a client slow for its server: the rest waits on the server's side.
 */
#define _GNU_SOURCE
#include "http.h"
#include "times.h"
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <unistd.h>

/* Each client has its turn once in a lap; the clients are spread over the lap evenly. */
enum { RECEIVE_BUFFER = 16384, LAP_MS = 50 };

struct client {
  int fd;
  long long received;
};

static int ask_small(const char *path, int fd) {
  if (http_ask(fd, path) < 0) return -1;
  long long missing = http_head(fd);
  return missing < 0 ? -1 : http_drain(fd, missing);
}

/* Takes what is due and there: head and body alike, but the first piece must begin as a proper answer does. */
static void take(struct client *client, long long due) {
  static const char proper[] = "HTTP/1.1 200 ";
  char head[sizeof proper] = "";
  if (client->received == 0) {
    if (recv(client->fd, head, sizeof proper - 1, MSG_PEEK | MSG_DONTWAIT) < (ssize_t)sizeof proper - 1) return;
    if (strcmp(head, proper) != 0) fprintf(stderr, "slow_clients: no proper answer\n"), exit(1);
  }
  if (due <= client->received) return;
  ssize_t got = recv(client->fd, NULL, (size_t)(due - client->received), MSG_TRUNC | MSG_DONTWAIT);
  if (got > 0) client->received += got;
  else if (got == 0) fprintf(stderr, "slow_clients: the server closed too early\n"), exit(1);
  else if (errno != EAGAIN) fail("slow_clients: recv");
}

static int input_has_ended(int wait_ms) {
  struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
  char byte;
  return poll(&input, 1, wait_ms) > 0 && read(STDIN_FILENO, &byte, 1) == 0;
}

int main(int argc, char **argv) {
  if (argc != 6) return fputs("usage: slow_clients PORT CLIENTS BYTES_PER_SECOND SMALL_PATH LARGE_PATH\n", stderr), 2;
  int port = atoi(argv[1]), count = atoi(argv[2]);
  double rate = atof(argv[3]);
  struct client *clients = calloc((size_t)count, sizeof *clients);
  if (!clients) fail("slow_clients: calloc");
  for (int i = 0; i < count; i++) {
    clients[i].fd = connect_with(LOOPBACK, port, RECEIVE_BUFFER);
    if (ask_small(argv[4], clients[i].fd) < 0)
      return fprintf(stderr, "slow_clients: no proper answer to %s\n", argv[4]), 1;
  }
  puts("idle");
  fflush(stdout);
  if (input_has_ended(-1)) return 0;
  for (int i = 0; i < count; i++)
    if (http_ask(clients[i].fd, argv[5]) < 0) fail("slow_clients: send");

  double start = now_s();
  long long turn = 0;
  while (!input_has_ended(1)) {
    double elapsed = now_s() - start;
    for (long long last = (long long)(elapsed * 1000 / LAP_MS * count); turn < last; turn++)
      take(&clients[turn % count], (long long)(elapsed * rate));
  }
  long long total = 0, least = INT64_MAX;
  for (int i = 0; i < count; i++) {
    total += clients[i].received;
    if (clients[i].received < least) least = clients[i].received;
  }
  printf("%.3f %lld %lld\n", now_s() - start, total, least);
  return 0;
}
