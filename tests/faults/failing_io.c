/* Makes the k-th file operation below a folder fail: for LD_PRELOAD, so that it reaches every library.

   fail_at(folder, k, error) arms it, and sets the count of operations to 0; k = 0 only counts.
   operations() says how many there were. Of one that fails nothing is done, once. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static char below[4096];
static int at, error_then, count;

void fail_at(const char *folder, int k, int error) {
  snprintf(below, sizeof below, "%s", folder);
  at = k;
  error_then = error;
  __atomic_store_n(&count, 0, __ATOMIC_SEQ_CST);
}

int operations(void) { return __atomic_load_n(&count, __ATOMIC_SEQ_CST); }

static int fails(const char *path) {
  if (!below[0] || strncmp(path, below, strlen(below))) return 0;
  if (__atomic_add_fetch(&count, 1, __ATOMIC_SEQ_CST) != at) return 0;
  errno = error_then;
  return 1;
}

static int fails_at(int folder, const char *path) {
  char link[64], full[8192];
  if (!below[0]) return 0;
  if (path[0] == '/' || folder == AT_FDCWD) return fails(path);
  snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
  ssize_t n = readlink(link, full, 4096);
  if (n < 0) return 0;
  snprintf(full + n, sizeof full - n, "/%s", path);
  return fails(full);
}

static int fails_fd(int fd) { return fd > 2 && fails_at(fd, ""); }

#define REAL(type, name, ...) \
  static type (*real)(__VA_ARGS__); \
  if (!real) real = (type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)
#define CREATING(flags) ((flags) & (O_CREAT | O_WRONLY | O_RDWR))
#define OPEN(name) \
  int name(const char *path, int flags, ...) { \
    REAL(int, #name, const char *, int, ...); \
    va_list more; va_start(more, flags); mode_t mode = va_arg(more, mode_t); va_end(more); \
    return CREATING(flags) && fails_at(AT_FDCWD, path) ? -1 : real(path, flags, mode); \
  }
#define OPENAT(name) \
  int name(int folder, const char *path, int flags, ...) { \
    REAL(int, #name, int, const char *, int, ...); \
    va_list more; va_start(more, flags); mode_t mode = va_arg(more, mode_t); va_end(more); \
    return CREATING(flags) && fails_at(folder, path) ? -1 : real(folder, path, flags, mode); \
  }
OPEN(open) OPEN(open64) OPENAT(openat) OPENAT(openat64)

ssize_t write(int fd, const void *data, size_t n) {
  REAL(ssize_t, "write", int, const void *, size_t);
  return fails_fd(fd) ? -1 : real(fd, data, n);
}
ssize_t writev(int fd, const struct iovec *parts, int n) {
  REAL(ssize_t, "writev", int, const struct iovec *, int);
  return fails_fd(fd) ? -1 : real(fd, parts, n);
}
ssize_t pwrite(int fd, const void *data, size_t n, off_t where) {
  REAL(ssize_t, "pwrite", int, const void *, size_t, off_t);
  return fails_fd(fd) ? -1 : real(fd, data, n, where);
}
ssize_t pwrite64(int fd, const void *data, size_t n, off_t where) {
  REAL(ssize_t, "pwrite64", int, const void *, size_t, off_t);
  return fails_fd(fd) ? -1 : real(fd, data, n, where);
}
int fsync(int fd) {
  REAL(int, "fsync", int);
  return fails_fd(fd) ? -1 : real(fd);
}
int fdatasync(int fd) {
  REAL(int, "fdatasync", int);
  return fails_fd(fd) ? -1 : real(fd);
}
int rename(const char *from, const char *to) {
  REAL(int, "rename", const char *, const char *);
  return fails_at(AT_FDCWD, from) ? -1 : real(from, to);
}
int renameat(int a, const char *from, int b, const char *to) {
  REAL(int, "renameat", int, const char *, int, const char *);
  return fails_at(a, from) ? -1 : real(a, from, b, to);
}
int mkdir(const char *path, mode_t mode) {
  REAL(int, "mkdir", const char *, mode_t);
  return fails_at(AT_FDCWD, path) ? -1 : real(path, mode);
}
int mkdirat(int folder, const char *path, mode_t mode) {
  REAL(int, "mkdirat", int, const char *, mode_t);
  return fails_at(folder, path) ? -1 : real(folder, path, mode);
}
int unlink(const char *path) {
  REAL(int, "unlink", const char *);
  return fails_at(AT_FDCWD, path) ? -1 : real(path);
}
int unlinkat(int folder, const char *path, int flags) {
  REAL(int, "unlinkat", int, const char *, int);
  return fails_at(folder, path) ? -1 : real(folder, path, flags);
}
int rmdir(const char *path) {
  REAL(int, "rmdir", const char *);
  return fails_at(AT_FDCWD, path) ? -1 : real(path);
}
