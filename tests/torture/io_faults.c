/*
 * Preloaded into a process: makes writes to chosen files fail, and holds their fdatasyncs at a gate.
 *
 *   FAULTS_MATCH    part of the paths of the files that are meant
 *   FAULTS_CONTROL  a file of 64 bytes, mapped by both sides: the words below
 *
 * Everything else goes to libc untouched.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* SYNC faults.words: tests/torture/io_faults.ts reads and writes the same, in this order. */
struct words {
  _Atomic uint32_t writes_until_fault; /* counts down with every write; at 1 that write fails; 0 = none will */
  _Atomic uint32_t fault_errno;
  _Atomic uint32_t fault_lasts; /* 1 = from then on all writes fail, until writes_until_fault is set again */
  _Atomic uint32_t writes_seen;
  _Atomic uint32_t writes_failed;
  _Atomic uint32_t gate_closed; /* 1 = an fdatasync waits for a permit */
  _Atomic uint32_t permits;     /* each lets one fdatasync pass */
  _Atomic uint32_t syncs_begun;
  _Atomic uint32_t syncs_returned;
  _Atomic uint32_t sync_errno; /* not 0 = fdatasync fails with it */
};

enum { GATE_NAP_US = 1000 };

static struct words *words;
static const char *match;

#define NEXT(name)               \
  static __typeof__(&name) next; \
  if (next == NULL) next = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

__attribute__((constructor)) static void start(void) {
  const char *path = getenv("FAULTS_CONTROL");
  match = getenv("FAULTS_MATCH");
  if (path == NULL || match == NULL) return;
  int descriptor = open(path, O_RDWR | O_CLOEXEC);
  if (descriptor < 0) return;
  void *mapped = mmap(NULL, sizeof *words, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
  close(descriptor);
  if (mapped != MAP_FAILED) words = mapped;
}

/* By the name of the open file: not every descriptor comes from libc's open(). */
static int is_meant(int descriptor) {
  if (words == NULL) return 0;
  char link[32], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return 0;
  path[length] = 0;
  return strstr(path, match) != NULL;
}

/* 0, or the errno with which this write fails. */
static int write_fault(int descriptor) {
  if (!is_meant(descriptor)) return 0;
  atomic_fetch_add(&words->writes_seen, 1);
  uint32_t until = atomic_load(&words->writes_until_fault);
  while (until > 1) {
    if (atomic_compare_exchange_weak(&words->writes_until_fault, &until, until - 1)) return 0;
  }
  if (until == 0) return 0;
  if (!atomic_load(&words->fault_lasts)) atomic_store(&words->writes_until_fault, 0);
  atomic_fetch_add(&words->writes_failed, 1);
  return (int)atomic_load(&words->fault_errno);
}

static int pass_gate(int descriptor) {
  if (!is_meant(descriptor)) return 0;
  atomic_fetch_add(&words->syncs_begun, 1);
  while (atomic_load(&words->gate_closed)) {
    uint32_t permits = atomic_load(&words->permits);
    if (permits > 0 && atomic_compare_exchange_strong(&words->permits, &permits, permits - 1)) break;
    usleep(GATE_NAP_US);
  }
  return (int)atomic_load(&words->sync_errno);
}

static int sync_done(int descriptor, int result) {
  if (is_meant(descriptor)) atomic_fetch_add(&words->syncs_returned, 1);
  return result;
}

#define FAIL_IF(fault)    \
  do {                    \
    int fault_ = (fault); \
    if (fault_ != 0) {    \
      errno = fault_;     \
      return -1;          \
    }                     \
  } while (0)

ssize_t write(int descriptor, const void *bytes, size_t count) {
  NEXT(write);
  FAIL_IF(write_fault(descriptor));
  return next(descriptor, bytes, count);
}

ssize_t pwrite(int descriptor, const void *bytes, size_t count, off_t offset) {
  NEXT(pwrite);
  FAIL_IF(write_fault(descriptor));
  return next(descriptor, bytes, count, offset);
}

ssize_t pwrite64(int descriptor, const void *bytes, size_t count, off64_t offset) {
  NEXT(pwrite64);
  FAIL_IF(write_fault(descriptor));
  return next(descriptor, bytes, count, offset);
}

int fsync(int descriptor) {
  NEXT(fsync);
  FAIL_IF(pass_gate(descriptor));
  return sync_done(descriptor, next(descriptor));
}

int fdatasync(int descriptor) {
  NEXT(fdatasync);
  FAIL_IF(pass_gate(descriptor));
  return sync_done(descriptor, next(descriptor));
}
