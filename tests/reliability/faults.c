/* Makes the Nth call of some kinds fail that concerns a file below one folder. Preloaded by faults.py (LD_PRELOAD).
 *
 * What is to fail and how many calls there were lies in a file (named by FAULTS) that every process of a run maps: they
 * count together, and the test can change it while they run. Calls that libc makes inside itself are not seen.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { WRITE = 1, SYNC = 2, RENAME = 4, TRUNCATE = 8, CREATE = 16 };

struct orders { /* as ORDERS in faults.py */
    int64_t kinds, nth, error, lasting, count;
    char folder[PATH_MAX];
};

static struct orders *orders;

__attribute__((constructor)) static void map_orders(void)
{
    const char *name = getenv("FAULTS");
    int file = name ? open(name, O_RDWR | O_CLOEXEC) : -1;
    if (file < 0)
        return;
    void *mapped = mmap(NULL, sizeof *orders, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    orders = mapped == MAP_FAILED ? NULL : mapped;
}

static int below(const char *path)
{
    size_t length = strlen(orders->folder);
    return strncmp(path, orders->folder, length) == 0 && (path[length] == '/' || path[length] == 0);
}

/* Whether this call is to fail; errno is then set. */
static int fails(int kind, const char *path)
{
    if (!orders || !(orders->kinds & kind) || !below(path))
        return 0;
    int64_t count = __atomic_add_fetch(&orders->count, 1, __ATOMIC_SEQ_CST);
    if (!(orders->lasting ? count >= orders->nth : count == orders->nth))
        return 0;
    errno = (int)orders->error;
    return 1;
}

static int fails_on(int kind, int file)
{
    char link[64], path[PATH_MAX];
    if (!orders || !(orders->kinds & kind))
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0)
        return 0;
    path[length] = 0;
    return fails(kind, path);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define FAILING(kind, result, name, parameters, arguments, file) \
    result name parameters { return fails_on(kind, file) ? -1 : REAL(name) arguments; }

FAILING(WRITE, ssize_t, write, (int file, const void *data, size_t size), (file, data, size), file)
FAILING(WRITE, ssize_t, writev, (int file, const struct iovec *parts, int count), (file, parts, count), file)
FAILING(WRITE, ssize_t, pwrite, (int file, const void *data, size_t size, off_t at), (file, data, size, at), file)
FAILING(WRITE, ssize_t, pwrite64, (int file, const void *data, size_t size, off64_t at), (file, data, size, at), file)
FAILING(WRITE, ssize_t, sendfile64, (int file, int from, off64_t *at, size_t size), (file, from, at, size), file)
FAILING(WRITE, ssize_t, copy_file_range, (int from, off64_t *at, int file, off64_t *to, size_t size, unsigned flags),
        (from, at, file, to, size, flags), file)
FAILING(SYNC, int, fsync, (int file), (file), file)
FAILING(SYNC, int, fdatasync, (int file), (file), file)
FAILING(TRUNCATE, int, ftruncate, (int file, off_t size), (file, size), file)
FAILING(TRUNCATE, int, ftruncate64, (int file, off64_t size), (file, size), file)

int rename(const char *from, const char *to)
{
    return fails(RENAME, to) ? -1 : REAL(rename)(from, to);
}

int renameat(int from_folder, const char *from, int to_folder, const char *to)
{
    return fails(RENAME, to) ? -1 : REAL(renameat)(from_folder, from, to_folder, to);
}

static mode_t mode_of(int flags, va_list more)
{
    return flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(more, mode_t) : 0;
}

#define OPENING(name, parameters, before) \
    int name parameters \
    { \
        va_list more; \
        va_start(more, flags); \
        mode_t mode = mode_of(flags, more); \
        va_end(more); \
        return flags & O_CREAT && fails(CREATE, path) ? -1 : REAL(name)(before path, flags, mode); \
    }

OPENING(open, (const char *path, int flags, ...), )
OPENING(open64, (const char *path, int flags, ...), )
#define IN_FOLDER folder,
OPENING(openat, (int folder, const char *path, int flags, ...), IN_FOLDER)
OPENING(openat64, (int folder, const char *path, int flags, ...), IN_FOLDER)
