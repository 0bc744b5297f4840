/*
 * Runs a program to its end and tells what it cost, by wait4(2): exact for what is over before it can be looked at.
 *
 *   measure PROGRAM ARGUMENT...
 *
 * The program's standard output goes to standard error. Prints
 * "WALL_NS CPU_NS VOLUNTARY INVOLUNTARY MAXRSS_BYTES", the context switches and the time of it and its children.
 */
#define _GNU_SOURCE
#include "cost.h"
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv) {
  if (argc < 2) return fputs("usage: measure PROGRAM ARGUMENT...\n", stderr), 2;
  int64_t start = now_ns();
  pid_t child = fork();
  if (child < 0) return perror("fork"), 1;
  if (child == 0) {
    dup2(STDERR_FILENO, STDOUT_FILENO);
    execvp(argv[1], argv + 1);
    perror(argv[1]);
    _exit(127);
  }
  int status;
  struct rusage usage;
  if (wait4(child, &status, 0, &usage) < 0) return perror("wait4"), 1;
  int64_t wall = now_ns() - start;
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) return fprintf(stderr, "%s failed\n", argv[1]), 1;
  print_cost(wall, &usage, usage.ru_maxrss * 1024LL);
  return 0;
}
