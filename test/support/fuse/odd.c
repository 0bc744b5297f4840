/*
 * A filesystem of two files, of 1 MiB of 'x' each. Reading /odd answers ENOSYS, as a server does that lacks the operation
 * for one of its files; /plain is read as it should be.
 */
#define FUSE_USE_VERSION 31
#include <errno.h>
#include <fuse.h>
#include <string.h>
#include <sys/stat.h>

enum { BYTES = 1 << 20 };

static int is_odd(const char *path)
{
    return strcmp(path, "/odd") == 0;
}

static int describe(const char *path, struct stat *status, struct fuse_file_info *file)
{
    (void)file;
    memset(status, 0, sizeof *status);
    if (strcmp(path, "/") == 0) {
        status->st_mode = S_IFDIR | 0755;
        status->st_nlink = 2;
        return 0;
    }
    if (!is_odd(path) && strcmp(path, "/plain") != 0) return -ENOENT;
    status->st_mode = S_IFREG | 0644;
    status->st_nlink = 1;
    status->st_size = BYTES;
    status->st_blocks = BYTES / 512;
    return 0;
}

/* Past the page cache, so that the answer of a read comes as it is. */
static int open_file(const char *path, struct fuse_file_info *file)
{
    file->direct_io = is_odd(path);
    return 0;
}

static int read_file(const char *path, char *bytes, size_t size, off_t offset, struct fuse_file_info *file)
{
    (void)file;
    if (is_odd(path)) return -ENOSYS;
    if (offset >= BYTES) return 0;
    if ((off_t)size > BYTES - offset) size = (size_t)(BYTES - offset);
    memset(bytes, 'x', size);
    return (int)size;
}

static const struct fuse_operations operations = {.getattr = describe, .open = open_file, .read = read_file};

int main(int count, char **arguments)
{
    return fuse_main(count, arguments, &operations, NULL);
}
