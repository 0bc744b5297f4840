/*
 * Both peers of an HTTP server or reverse proxy whose bodies are under measurement.
 *
 *   body_peers serve                                          an origin: prints its port, and serves until stdin ends
 *   body_peers ask PORT METHOD BYTES CONNECTIONS REQUESTS     a client: REQUESTS on each of CONNECTIONS, one after the other
 *
 * A GET of /N is answered by N bytes, and anything else by two when its body is there. The client uploads, or downloads, BYTES
 * in each request, and prints the nanoseconds that all of it took. Bodies are discarded inside the kernel (MSG_TRUNC).
 */
#define _GNU_SOURCE
#include "http.h"
#include "peers.h"
#include "times.h"
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

enum { CHUNK = 1 << 18, MAX_CONNECTIONS = 64 };

static char zeros[CHUNK];

static int send_zeros(int fd, long long missing) {
  while (missing > 0) {
    ssize_t n = send(fd, zeros, missing < CHUNK ? (size_t)missing : CHUNK, MSG_NOSIGNAL);
    if (n <= 0) return -1;
    missing -= n;
  }
  return 0;
}

/* The head of a request, without the bytes of its body that came along: those are `*have`. 0, or -1 at the end. */
static int read_request(int fd, char *head, long long *have) {
  size_t got = 0;
  for (;;) {
    ssize_t n = recv(fd, head + got, HEAD_BYTES - got, 0);
    if (n <= 0) return -1;
    head[got += (size_t)n] = 0;
    char *end = memmem(head, got, "\r\n\r\n", 4);
    if (end) {
      *have = head + got - (end + 4);
      end[2] = 0;
      return 0;
    }
    if (got == HEAD_BYTES) return -1;
  }
}

static int answer(int fd, long long bytes, int more) {
  char head[128];
  int length = snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %lld\r\n\r\n", bytes);
  return send(fd, head, (size_t)length, MSG_NOSIGNAL | more) == length ? send_zeros(fd, bytes) : -1;
}

static void *serve_one(void *argument) {
  int fd = (int)(intptr_t)argument;
  char head[HEAD_BYTES + 1];
  long long have;
  set_no_delay(fd);
  while (read_request(fd, head, &have) == 0) {
    if (strncmp(head, "GET /", 5) == 0) {
      if (answer(fd, atoll(head + 5), MSG_MORE) < 0) break;
      continue;
    }
    char *length = strcasestr(head, "\r\ncontent-length:");
    if (http_drain(fd, (length ? atoll(length + 17) : 0) - have) < 0 || answer(fd, 2, MSG_MORE) < 0) break;
  }
  close(fd);
  return NULL;
}

static struct {
  const char *method;
  long long bytes;
  int port, requests;
} asked;

static int upload(int fd) {
  char head[256];
  int length = snprintf(head, sizeof head, "%s /%lld HTTP/1.1\r\nHost: localhost\r\nContent-Length: %lld\r\n\r\n",
                        asked.method, asked.bytes, asked.bytes);
  if (send(fd, head, (size_t)length, MSG_NOSIGNAL | MSG_MORE) != length) return -1;
  return send_zeros(fd, asked.bytes);
}

static int download(int fd) {
  char path[32];
  snprintf(path, sizeof path, "/%lld", asked.bytes);
  return http_ask(fd, path);
}

static void *ask(void *argument) {
  int fd = connect_to(LOOPBACK, asked.port), gets = strcmp(asked.method, "GET") == 0;
  for (int i = 0; i < asked.requests; i++) {
    if ((gets ? download(fd) : upload(fd)) < 0) exit((fputs("body_peers: a request broke off\n", stderr), 1));
    long long missing = http_head(fd);
    if (missing < 0) exit((fputs("body_peers: no proper answer\n", stderr), 1));
    if (http_drain(fd, missing) < 0) exit((fputs("body_peers: an answer broke off\n", stderr), 1));
  }
  close(fd);
  return argument;
}

static int ask_all(int connections) {
  pthread_t threads[MAX_CONNECTIONS];
  if (connections < 1 || connections > MAX_CONNECTIONS) return fputs("body_peers: 1 to 64 connections\n", stderr), 2;
  int64_t start = now_ns();
  for (int i = 0; i < connections; i++)
    pthread_create(&threads[i], NULL, ask, NULL);
  for (int i = 0; i < connections; i++)
    pthread_join(threads[i], NULL);
  printf("%lld\n", (long long)(now_ns() - start));
  return 0;
}

int main(int argc, char **argv) {
  signal(SIGPIPE, SIG_IGN);
  if (argc == 2 && strcmp(argv[1], "serve") == 0) serve_each(serve_one);
  if (argc == 7 && strcmp(argv[1], "ask") == 0) {
    asked.method = argv[3];
    asked.bytes = atoll(argv[4]);
    asked.port = atoi(argv[2]);
    asked.requests = atoi(argv[6]);
    return ask_all(atoi(argv[5]));
  }
  return fputs("usage: body_peers serve | ask PORT METHOD BYTES CONNECTIONS REQUESTS\n", stderr), 2;
}
