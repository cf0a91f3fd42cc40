#include "stop.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/signalfd.h>

#include "clock.h"
#include "error.h"

/* What is blocked is not ignored any more: under nohup(1) it would come as something to read. */
static bool is_ignored(int signal_number) {
  struct sigaction action;
  return sigaction(signal_number, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

int stop_open(void) {
  signal(SIGPIPE, SIG_IGN);
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigaddset(&ends, SIGINT);
  if (!is_ignored(SIGHUP)) sigaddset(&ends, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &ends, NULL);
  const int fd = signalfd(-1, &ends, SFD_CLOEXEC | SFD_NONBLOCK);
  return fd >= 0 ? fd : error_set(errno, "cannot wait for signals: %s", strerror(errno));
}

stop_wait_end stop_wait(int stop_fd, int fd, short events, uint64_t until_ns) {
  /* What came stays unread, so that every later wait finds it too. */
  struct pollfd polled[] = {{.fd = stop_fd, .events = POLLIN}, {.fd = fd, .events = events}};
  for (;;) {
    const uint64_t now_ns = clock_mono_ns();
    const struct timespec left = timespec_of_ns(now_ns < until_ns ? until_ns - now_ns : 0);
    const int ready = ppoll(polled, 2, until_ns == UINT64_MAX ? NULL : &left, NULL);
    if (ready < 0 && errno == EINTR) continue; /* a debugger, or SIGSTOP and SIGCONT */
    if (ready > 0 && polled[0].revents != 0) return STOP_WAIT_STOP;
    return ready > 0 ? STOP_WAIT_READY : STOP_WAIT_DUE;
  }
}
