#include "guard.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* `bytes` is stored last when a region is added and zeroed first when it is removed: a region of 0 bytes is free.
 * SYNC guard.regions: guard_add() and guard_remove() pair with find_region(). */
typedef struct region {
  _Atomic uintptr_t base;
  _Atomic size_t bytes;
  atomic_bool taken;
  atomic_bool faulted;
} region;

static region regions[GUARD_REGIONS_MAX];
static struct sigaction previous;

static region *find_region(uintptr_t address) {
  for (int i = 0; i < GUARD_REGIONS_MAX; i++) {
    size_t bytes = atomic_load_explicit(&regions[i].bytes, memory_order_acquire);
    uintptr_t base = atomic_load_explicit(&regions[i].base, memory_order_acquire);
    /* Again: another thread may have removed the region and added one in its place between the two. */
    if (atomic_load_explicit(&regions[i].bytes, memory_order_relaxed) != bytes) continue;
    if (bytes != 0 && address - base < bytes) return &regions[i];
  }
  return NULL;
}

static void pass_on(int signal, siginfo_t *info, void *context) {
  if ((previous.sa_flags & SA_SIGINFO) != 0) {
    previous.sa_sigaction(signal, info, context);
  } else if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN) {
    previous.sa_handler(signal);
  } else {
    /* The access is repeated on return, and then kills as it would have without us. */
    struct sigaction fallback = {.sa_handler = SIG_DFL};
    sigaction(signal, &fallback, NULL);
  }
}

static void on_bus_error(int signal, siginfo_t *info, void *context) {
  int errno_before = errno;
  region *hit = info->si_code > 0 ? find_region((uintptr_t)info->si_addr) : NULL;
  if (hit == NULL) {
    pass_on(signal, info, context);
  } else {
    atomic_store_explicit(&hit->faulted, true, memory_order_release);
    uintptr_t base = atomic_load_explicit(&hit->base, memory_order_relaxed);
    size_t bytes = atomic_load_explicit(&hit->bytes, memory_order_relaxed);
    /* A raw call: mmap() is not on the list of async-signal-safe functions. */
    long mapped = syscall(SYS_mmap, base, bytes, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
    if (mapped == -1) pass_on(signal, info, context);
  }
  errno = errno_before;
}

static void install(void) {
  struct sigaction action = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
  sigemptyset(&action.sa_mask);
  sigaction(SIGBUS, &action, &previous);
}

int guard_add(void *base, size_t bytes) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, install);
  for (int i = 0; i < GUARD_REGIONS_MAX; i++) {
    if (atomic_exchange_explicit(&regions[i].taken, true, memory_order_acquire)) continue;
    atomic_store_explicit(&regions[i].faulted, false, memory_order_relaxed);
    atomic_store_explicit(&regions[i].base, (uintptr_t)base, memory_order_release);
    atomic_store_explicit(&regions[i].bytes, bytes, memory_order_release);
    return i;
  }
  return -EMFILE;
}

void guard_remove(int region) {
  atomic_store_explicit(&regions[region].bytes, 0, memory_order_relaxed);
  atomic_store_explicit(&regions[region].taken, false, memory_order_release);
}

bool guard_faulted(int region) { return atomic_load_explicit(&regions[region].faulted, memory_order_acquire); }
