/* What replacing a file needs beside its bytes: names, attributes, and to know who else has it open. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "support.h"

static int named_file(char *path, size_t size, const char *what)
{
    snprintf(path, size, "%s-%d", what, getpid());
    return own(open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
}

TEST("sluice_publish() of \".\" tells whether a file could be published")
{
    char here[] = ".";
    int file = open(".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (file == -1) SKIP("no O_TMPFILE here: %m");
    CHECK_EQ(sluice_publish(own(file), here), -EEXIST);
    CHECK_EQ(sluice_publish(-1, here), -ENOENT);
}

TEST("sluice_rename_new() renames and never replaces")
{
    char from[64], to[64];
    named_file(from, sizeof from, "from");
    named_file(to, sizeof to, "to");
    CHECK_EQ(sluice_rename_new(from, to), -EEXIST);
    MUST(unlink(to));
    CHECK_EQ(sluice_rename_new(from, to), 0);
    CHECK_EQ(sluice_rename_new(from, to), -ENOENT);
    MUST(unlink(to));
}

TEST("sluice_take_back() leaves what somebody else has come to")
{
    char path[64], other[64];
    int file = named_file(path, sizeof path, "made"), second = named_file(other, sizeof other, "second");
    CHECK_EQ(sluice_take_back(file, other), -EBUSY);
    int reader = own(open(path, O_RDONLY | O_CLOEXEC));
    CHECK_EQ(sluice_take_back(file, path), -EBUSY);
    drop(reader);
    MUST(unlink(other));
    MUST(link(path, other));
    CHECK_EQ(sluice_take_back(file, path), -EBUSY);
    MUST(unlink(other));
    MUST(pwrite(file, "x", 1, 0));
    CHECK_EQ(sluice_take_back(file, path), -EBUSY);
    MUST(ftruncate(file, 0));
    CHECK_EQ(sluice_take_back(file, path), 0);
    CHECK_EQ(access(path, F_OK), -1);
    CHECK_EQ(sluice_take_back(second, path), -ENOENT);
}

TEST("sluice_is_replaceable() knows immutable and append-only files")
{
    char path[64];
    int file = named_file(path, sizeof path, "replaceable"), flags = 0;
    CHECK_EQ(sluice_is_replaceable(path), 0);
    if (ioctl(file, FS_IOC_GETFLAGS, &flags) == -1) SKIP("no file flags here: %m");
    const int kinds[] = {FS_IMMUTABLE_FL, FS_APPEND_FL};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        int changed = flags | kinds[i];
        if (ioctl(file, FS_IOC_SETFLAGS, &changed) == -1) {
            MUST(unlink(path));
            SKIP("file flags may not be set here: %m");
        }
        int answer = sluice_is_replaceable(path);
        MUST(ioctl(file, FS_IOC_SETFLAGS, &flags));
        CHECK_EQ(answer, -EPERM);
    }
    MUST(unlink(path));
    CHECK_EQ(sluice_is_replaceable(path), 0);
}

static void give_attributes(int source, int target)
{
    struct context context = context_open();
    struct sluice_request work = request(SLUICE_BUFFERED, -1, -1, -1);
    work.flags = SLUICE_REQUEST_ATTRIBUTES;
    check_outcome(run(&context, source, target, work), SLUICE_END_DONE, 0);
    context_close(&context);
}

static void check_attribute(int fd, const char *name, const char *value)
{
    char bytes[100];
    ssize_t length = fgetxattr(fd, name, bytes, sizeof bytes);
    if (!value) {
        CHECK_EQ(length, -1);
        CHECK_EQ(errno, ENODATA);
        return;
    }
    CHECK_EQ(length, (ssize_t)strlen(value));
    CHECK_EQ(memcmp(bytes, value, strlen(value)), 0);
}

TEST("attributes go over from a descriptor for the place alone, but for what a write takes away")
{
    char path[64];
    int source = named_file(path, sizeof path, "attributes"), target = file_of(100);
    if (fsetxattr(source, "user.note", "kept", 4, 0) == -1) {
        MUST(unlink(path));
        SKIP("no attributes here: %m");
    }
    MUST(fsetxattr(source, "user.empty", "", 0, 0));
    /* version 2, effective, CAP_NET_BIND_SERVICE */
    static const unsigned char capability[20] = {1, 0, 0, 2, 0, 4};
    bool capable = fsetxattr(source, "security.capability", capability, sizeof capability, 0) == 0;
    bool trusted = fsetxattr(source, "trusted.note", "kept too", 8, 0) == 0;
    if (trusted) MUST(fsetxattr(source, "trusted.overlay.metacopy", "", 0, 0));
    int place = own(open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC));
    MUST(unlink(path));
    give_attributes(place, target);
    check_attribute(target, "user.note", "kept");
    check_attribute(target, "user.empty", "");
    if (capable) check_attribute(target, "security.capability", NULL);
    if (trusted) check_attribute(target, "trusted.note", "kept too");
    if (trusted) check_attribute(target, "trusted.overlay.metacopy", NULL);
}

/* Version 2; entries of tag, permissions and id: the user 65534 may read. */
static const struct {
    uint32_t version;
    struct {
        uint16_t tag, permissions;
        uint32_t id;
    } entries[5];
} access_list = {2, {{1, 6, UINT32_MAX}, {2, 4, 65534}, {4, 0, UINT32_MAX}, {16, 4, UINT32_MAX}, {32, 0, UINT32_MAX}}};

TEST("an access list goes over, and one that the old file had not is taken away")
{
    const char *name = "system.posix_acl_access";
    int listed = file_of(1), plain = file_of(1), target = file_of(1);
    if (fsetxattr(listed, name, &access_list, sizeof access_list, 0) == -1) SKIP("no access lists here: %m");
    give_attributes(listed, target);
    CHECK_EQ(fgetxattr(target, name, NULL, 0), (int64_t)sizeof access_list);
    give_attributes(plain, target);
    CHECK_EQ(fgetxattr(target, name, NULL, 0), -1);
}
