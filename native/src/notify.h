/* The producer's side of the datagram: a hint to the controller that head has moved. */
#ifndef TELE_NOTIFY_H
#define TELE_NOTIFY_H

#include <stdint.h>

#include "paths.h"

typedef struct notifier {
  char *dir_path; /* NULL: the environment names no usable directory; nothing is ever sent */
  char name[SOCKET_NAME_BYTES];
  int fd; /* connected, or -1 */
  uint64_t connect_after_ns;
} notifier;

/* Takes the directory from the environment as it is now; touches no file. */
void notifier_open(notifier *notifier, const char *run_id);

/* Sends head without blocking; connects first when there is no connection. Errors are nobody's business but the
 * controller's, which polls when it misses datagrams. */
void notifier_send(notifier *notifier, uint64_t head, uint64_t now_mono_ns);

void notifier_close(notifier *notifier);

#endif
