/*
 * Were the bytes copied into the socket, or does it hold the page cache's own pages? Edit the file after the call
 * that sent it has returned, and look at what arrives: what was copied can't change any more.
 *
 *   live_edit send FILE METHOD ADDRESS     prints its port, sends 64 KiB of 'A', overwrites FILE with 'B'
 *   live_edit receive ADDRESS PORT WINDOW  takes them 300 ms later; prints "RECEIVED EDITED"
 *
 * METHOD is write (read(2) and write(2)), mapped (mmap(2) and write(2)), sendfile, splice or zerocopy. WINDOW is the
 * receive buffer: a small one keeps the bytes in the sender's socket, a large one lets them through the device at once.
 */
#define _GNU_SOURCE
#include "tcp.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <unistd.h>

enum { BYTES = 64 << 10 };

static void overwrite(int fd, char with) {
  char content[BYTES];
  memset(content, with, sizeof content);
  if (pwrite(fd, content, sizeof content, 0) != sizeof content) fail("pwrite");
}

static ssize_t send_by(const char *method, int peer, int file) {
  char buffer[BYTES];
  if (strcmp(method, "sendfile") == 0) return sendfile(peer, file, &(off_t){0}, BYTES);
  if (strcmp(method, "write") == 0) return write(peer, buffer, (size_t)pread(file, buffer, BYTES, 0));
  if (strcmp(method, "splice") == 0) {
    int relay[2];
    if (pipe(relay) < 0) fail("pipe");
    ssize_t inside = splice(file, &(loff_t){0}, relay[1], NULL, BYTES, 0);
    return splice(relay[0], NULL, peer, NULL, (size_t)inside, 0);
  }
  char *mapping = mmap(NULL, BYTES, PROT_READ, MAP_SHARED, file, 0);
  if (mapping == MAP_FAILED) fail("mmap");
  if (strcmp(method, "mapped") == 0) return write(peer, mapping, BYTES);
  int on = 1;
  if (strcmp(method, "zerocopy") != 0) return fprintf(stderr, "live_edit: what is %s?\n", method), exit(2), -1;
  if (setsockopt(peer, SOL_SOCKET, SO_ZEROCOPY, &on, sizeof on) < 0) fail("SO_ZEROCOPY");
  return send(peer, mapping, BYTES, MSG_ZEROCOPY);
}

static int do_send(const char *path, const char *method, const char *host) {
  int file = open(path, O_RDWR | O_CLOEXEC);
  if (file < 0) fail(path);
  overwrite(file, 'A');
  int peer = accept(listen_and_tell(host, 1), NULL, NULL);
  if (peer < 0) fail("accept");
  set_no_delay(peer);
  usleep(50 * 1000);
  if (send_by(method, peer, file) < 0) fail(method);
  usleep(20 * 1000); /* What the window lets through has gone through the device by now. */
  overwrite(file, 'B');
  shutdown(peer, SHUT_WR);
  char end;
  return read(peer, &end, 1) < 0 ? 1 : 0;
}

static int do_receive(const char *host, int port, int window) {
  int fd = connect_with(host, port, window);
  usleep(300 * 1000);
  char content[4096];
  long received = 0, edited = 0;
  for (ssize_t got; (got = read(fd, content, sizeof content)) > 0; received += got)
    for (ssize_t i = 0; i < got; i++)
      edited += content[i] == 'B';
  printf("%ld %ld\n", received, edited);
  return 0;
}

int main(int argc, char **argv) {
  if (argc == 5 && strcmp(argv[1], "send") == 0) return do_send(argv[2], argv[3], argv[4]);
  if (argc == 5 && strcmp(argv[1], "receive") == 0) return do_receive(argv[2], atoi(argv[3]), atoi(argv[4]));
  return fputs("usage: live_edit send FILE METHOD ADDRESS | live_edit receive ADDRESS PORT WINDOW\n", stderr), 2;
}
