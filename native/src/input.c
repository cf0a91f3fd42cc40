/* The controller's side of the input ring: one writer, one reader, 256 events. */
#include "controller.h"

static uint64_t free_events(segment *segment, uint64_t head) {
  /* SYNC ring.input_tail: pairs with drain_inputs() in producer_controls.c */
  uint64_t used = head - atomic_load_explicit(&segment->input_tail, memory_order_acquire);
  /* A tail ahead of head is a lie; such a ring counts as full. */
  return used > TELE_INPUT_EVENTS_MAX ? 0 : TELE_INPUT_EVENTS_MAX - used;
}

static void put_event(segment *segment, uint64_t head, const tele_input *event) {
  segment->input_events[head % TELE_INPUT_EVENTS_MAX] = *event;
  /* SYNC ring.input_head: pairs with drain_inputs() in producer_controls.c */
  atomic_store_explicit(&segment->input_head, head + 1, memory_order_release);
}

void input_release(tele_controller *controller) {
  segment *segment = controller->reader->segment;
  uint64_t head = atomic_load_explicit(&segment->input_head, memory_order_relaxed);
  if (!controller->release_due || free_events(segment, head) == 0) return;
  tele_input release = {.kind = TELE_INPUT_RELEASE_ALL, .t_ns = clock_mono_ns()};
  put_event(segment, head, &release);
  controller->release_due = false;
}

int input_send(tele_controller *controller, const tele_input *events, uint32_t events_count) {
  segment *segment = controller->reader->segment;
  if (events_count > 0) input_release(controller);
  uint64_t head = atomic_load_explicit(&segment->input_head, memory_order_relaxed);
  uint64_t room = free_events(segment, head);
  uint64_t now_ns = clock_mono_ns();
  uint32_t written = 0;
  for (; written < events_count && room > 0; written++, room--) {
    tele_input event = events[written];
    if (event.t_ns == 0) event.t_ns = now_ns;
    put_event(segment, head++, &event);
  }
  if (written < events_count) {
    atomic_fetch_add_explicit(&segment->inputs_dropped, events_count - written, memory_order_relaxed);
    controller->release_due = true;
  }
  return (int)written;
}

void input_counts(segment *segment, uint64_t *head, uint64_t *tail) {
  *head = atomic_load_explicit(&segment->input_head, memory_order_relaxed);
  /* SYNC ring.input_tail: pairs with drain_inputs() in producer_controls.c */
  uint64_t taken = atomic_load_explicit(&segment->input_tail, memory_order_acquire);
  *tail = *head - taken > TELE_INPUT_EVENTS_MAX ? 0 : taken;
}
