#include "notify.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"

/* A controller that was killed leaves its socket and, for up to 2 s, its lease behind: connecting then fails, at a
 * few µs each time. Ten ms later is soon enough for its successor. */
#define CONNECT_PAUSE_NS (10 * NS_PER_MS)

void notifier_open(notifier *notifier, const char *run_id) {
  char path[PATH_MAX];
  *notifier = (struct notifier){.fd = -1};
  socket_name(run_id, notifier->name);
  if (runtime_dir_path(path, sizeof path) == 0) notifier->dir_path = strdup(path);
}

static void connect_to_controller(notifier *notifier) {
  int dir_fd = runtime_dir_open(notifier->dir_path, false);
  if (dir_fd < 0) return;
  int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  struct sockaddr_un address;
  int address_bytes = socket_address(notifier->dir_path, dir_fd, notifier->name, &address);
  if (fd >= 0 && address_bytes > 0 && connect(fd, (struct sockaddr *)&address, (socklen_t)address_bytes) == 0) {
    notifier->fd = fd;
  } else if (fd >= 0) {
    close(fd);
  }
  close(dir_fd);
}

void notifier_send(notifier *notifier, uint64_t head, uint64_t now_mono_ns) {
  /* Twice: the first send after the controller was replaced is refused, and the new one is waiting. */
  for (int attempt = 0; attempt < 2; attempt++) {
    if (notifier->fd < 0) {
      if (notifier->dir_path == NULL || now_mono_ns < notifier->connect_after_ns) return;
      notifier->connect_after_ns = now_mono_ns + CONNECT_PAUSE_NS;
      connect_to_controller(notifier);
      if (notifier->fd < 0) return;
    }
    /* EAGAIN: the controller has not taken the last ones yet, and one is as good as many. */
    if (send(notifier->fd, &head, sizeof head, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0 || errno == EAGAIN) return;
    notifier_close(notifier);
  }
}

void notifier_close(notifier *notifier) {
  if (notifier->fd >= 0) close(notifier->fd);
  notifier->fd = -1;
}
