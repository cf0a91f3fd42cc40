/* What comes back to the producer: the controller's words and the viewer's input. */

#include "producer.h"

/* The longest nap of a paused worker: a killed controller's lease, and a step, are noticed at most this late. */
#define GATE_NAP_NS (5 * NS_PER_MS)

#define NS_PER_S_AT_1_MHZ (NS_PER_S * 1000) /* the period of 1 millihertz */

void tele_producer_controls(const tele_producer *producer, tele_controls *controls) {
  segment_controls(producer->segment, controls);
}

int tele_producer_wants_frame(tele_producer *producer) {
  tele_controls controls;
  segment_controls(producer->segment, &controls);
  if (controls.rate_max_mhz == 0) return 1;
  uint64_t now_ns = clock_mono_ns();
  uint64_t period_ns = NS_PER_S_AT_1_MHZ / controls.rate_max_mhz;
  if (now_ns < producer->frame_due_ns && producer->frame_due_ns - now_ns <= period_ns) return 0;
  /* The next turn is due one period after this one was, so that a worker that comes late now and then still makes
   * the full rate; after a longer break the count starts anew. */
  bool late = now_ns - producer->frame_due_ns < period_ns;
  producer->frame_due_ns = (late ? producer->frame_due_ns : now_ns) + period_ns;
  return 1;
}

/* ---- Input ------------------------------------------------------------------------------------ */

static void queue_put(input_queue *queue, const tele_input *event) {
  if (queue->head - queue->tail == TELE_INPUT_EVENTS_MAX) {
    queue->tail++;
    queue->lost++;
    queue->release_due = true;
  }
  queue->events[queue->head++ % TELE_INPUT_EVENTS_MAX] = *event;
}

static int queue_take(input_queue *queue, tele_input *event) {
  if (queue->release_due) {
    queue->release_due = false;
    *event = (tele_input){.kind = TELE_INPUT_RELEASE_ALL, .t_ns = clock_mono_ns()};
    return 1;
  }
  if (queue->tail == queue->head) return 0;
  *event = queue->events[queue->tail++ % TELE_INPUT_EVENTS_MAX];
  return 1;
}

/* Moves all events out of the segment, in order. */
static void drain_inputs(tele_producer *producer) {
  segment *segment = producer->segment;
  uint64_t tail = atomic_load_explicit(&segment->input_tail, memory_order_relaxed);
  /* SYNC ring.input_head: pairs with put_event() in input.c */
  uint64_t head = atomic_load_explicit(&segment->input_head, memory_order_acquire);
  if (head - tail > TELE_INPUT_EVENTS_MAX) return; /* no honest controller writes that */
  for (; tail != head; tail++) {
    tele_input event = segment->input_events[tail % TELE_INPUT_EVENTS_MAX];
    if (event.kind == TELE_INPUT_COMMAND && event.code == TELE_COMMAND_STEP) producer->steps_granted++;
    queue_put(&producer->inputs, &event);
  }
  /* SYNC ring.input_tail: pairs with free_events() in input.c */
  atomic_store_explicit(&segment->input_tail, tail, memory_order_release);
}

int tele_producer_next_input(tele_producer *producer, tele_input *event) {
  if (producer->generation != fork_generation()) return 0;
  /* Only then: together the ring and the queue hold twice as many, and none is lost that the ring had room for. */
  if (producer->inputs.tail == producer->inputs.head) drain_inputs(producer);
  return queue_take(&producer->inputs, event);
}

uint64_t tele_producer_inputs_dropped(const tele_producer *producer) {
  return producer->inputs.lost + atomic_load_explicit(&producer->segment->inputs_dropped, memory_order_relaxed);
}

/* ---- Pause ------------------------------------------------------------------------------------ */

static void show_paused(tele_producer *producer, bool paused) {
  if (paused) {
    atomic_fetch_or_explicit(&producer->segment->flags, TELE_FLAG_PAUSED, memory_order_release);
  } else {
    atomic_fetch_and_explicit(&producer->segment->flags, ~(uint32_t)TELE_FLAG_PAUSED, memory_order_release);
  }
}

int tele_producer_gate(tele_producer *producer, uint32_t timeout_ms) {
  segment *segment = producer->segment;
  if (producer->generation != fork_generation()) return 1;
  uint64_t deadline_ns = 0;
  for (;;) {
    /* Each time: a worker that never asks for its input must not fill the ring, where a step would find no room. */
    drain_inputs(producer);
    tele_controls controls;
    /* The word first: the usual answer then costs no clock. */
    bool pause = atomic_load_explicit(&segment->pause_requested, memory_order_relaxed) != 0;
    if (pause) {
      segment_controls(segment, &controls);
      pause = controls.pause_requested != 0;
    }
    if (!pause) {
      /* Steps asked for while running mean nothing later. */
      producer->steps_granted = 0;
      if (atomic_load_explicit(&segment->flags, memory_order_relaxed) & TELE_FLAG_PAUSED) show_paused(producer, false);
      return 1;
    }
    show_paused(producer, true);
    if (producer->steps_granted > 0) {
      producer->steps_granted--;
      return 1;
    }
    uint64_t now_ns = clock_mono_ns();
    if (deadline_ns == 0) deadline_ns = now_ns + timeout_ms * NS_PER_MS;
    if (now_ns >= deadline_ns) return 0;
    uint64_t left_ns = deadline_ns - now_ns;
    nap_ns(left_ns < GATE_NAP_NS ? left_ns : GATE_NAP_NS);
  }
}
