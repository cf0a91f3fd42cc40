/* A controller's state, and what the hub needs of it. */
#ifndef TELE_CONTROLLER_H
#define TELE_CONTROLLER_H

#include "reader.h"

struct tele_controller {
  tele_reader *reader;
  int dir_fd;
  int lock_fd;
  int socket_fd;    /* bound, non-blocking; a datagram in it means that head has moved */
  bool release_due; /* the next event sent is a RELEASE_ALL */
  char name[SOCKET_NAME_BYTES];
};

/* Writes the RELEASE_ALL that is due, if there is room. */
void input_release(tele_controller *controller);

/* Writes events into the ring; see tele_controller_send_inputs(). */
int input_send(tele_controller *controller, const tele_input *events, uint32_t events_count);

/* Events written and taken; see tele_controller_inputs(). */
void input_counts(segment *segment, uint64_t *head, uint64_t *tail);

#endif
