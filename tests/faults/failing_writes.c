/* Writes below one directory that fail from a byte on, as those of a full or a broken disk do.
 *
 * Preloaded into a process, which says when: fail_writes(directory, bytes, error, shortened) lets
 * that many more bytes through, then fails each write with the error; shortened ones write half
 * of what is left of their bytes before. fail_writes("", 0, 0, 0) ends it. What was written in all
 * since is what written_bytes() tells. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

static char root[PATH_MAX];
static atomic_long budget, written;
static int fault, halves;

void fail_writes(const char *directory, long bytes, int error, int shortened) {
    strncpy(root, directory, sizeof root - 1);
    budget = bytes;
    written = 0;
    fault = error;
    halves = shortened;
}

long written_bytes(void) { return written; }

static int below(int fd) {
    char link[64], path[PATH_MAX];
    if (!root[0]) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    return n > 0 && (path[n] = 0, strncmp(path, root, strlen(root)) == 0);
}

/* How many of `count` bytes may be written; -1: none, errno is set. */
static ssize_t allowed(int fd, size_t count) {
    if (!below(fd)) return (ssize_t)count;
    long left = atomic_fetch_sub(&budget, (long)count);
    if (left >= (long)count) {
        atomic_fetch_add(&written, (long)count);
        return (ssize_t)count;
    }
    if (halves && left > 1) {
        atomic_fetch_add(&written, left / 2);
        return left / 2;
    }
    errno = fault;
    return -1;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t write(int fd, const void *data, size_t count) {
    ssize_t n = allowed(fd, count);
    return n < 0 ? n : REAL(write)(fd, data, (size_t)n);
}

ssize_t pwrite(int fd, const void *data, size_t count, off_t offset) {
    ssize_t n = allowed(fd, count);
    return n < 0 ? n : REAL(pwrite)(fd, data, (size_t)n, offset);
}

ssize_t pwrite64(int fd, const void *data, size_t count, off64_t offset) {
    ssize_t n = allowed(fd, count);
    return n < 0 ? n : REAL(pwrite64)(fd, data, (size_t)n, offset);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    size_t total = 0;
    for (int k = 0; k < count; k++) total += parts[k].iov_len;
    return allowed(fd, total) < (ssize_t)total ? (errno = fault ? fault : EIO, -1)
                                               : REAL(writev)(fd, parts, count);
}
