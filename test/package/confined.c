/* Runs a command under what systemd's SystemCallFilter and MemoryDenyWriteExecute come to.
 *
 *     confined NUMBERS no|yes COMMAND...
 *
 * NUMBERS is a file of the system calls that are allowed; all others fail with EPERM, as with SystemCallErrorNumber=EPERM. */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

/* Linux 6.3; not yet in the headers of Debian 12. */
#define SET_MDWE 65
#define REFUSE_EXEC_GAIN 1

#define MOST 1024

static struct sock_filter program[2 * MOST + 2];
static unsigned short length;

static void add(struct sock_filter step)
{
    program[length++] = step;
}

static int read_numbers(const char *path)
{
    FILE *file = fopen(path, "r");
    if (file == NULL) return -errno;
    unsigned number;
    add((struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)));
    while (length < 2 * MOST && fscanf(file, "%u", &number) == 1) {
        add((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1));
        add((struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
    }
    add((struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM));
    return fclose(file) == 0 ? 0 : -errno;
}

static int confine(void)
{
    struct sock_fprog filter = {.len = length, .filter = program};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return -errno;
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) < 0) return -errno;
    return 0;
}

static int fail(const char *what, int error)
{
    fprintf(stderr, "confined: %s: %s\n", what, strerror(-error));
    return 125;
}

int main(int count, char **arguments)
{
    if (count < 4) return fail("usage", -EINVAL);
    int error = read_numbers(arguments[1]);
    if (error < 0) return fail("numbers", error);
    if (strcmp(arguments[2], "yes") == 0 && prctl(SET_MDWE, REFUSE_EXEC_GAIN, 0, 0, 0) < 0) return fail("mdwe", -errno);
    error = confine();
    if (error < 0) return fail("filter", error);
    execvp(arguments[3], arguments + 3);
    return fail(arguments[3], -errno);
}
