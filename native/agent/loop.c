#include "loop.h"

#include <errno.h>
#include <stddef.h>

#include "clock.h"
#include "pacer.h"

/* Between two looks whether a reader has come or a pause is over. */
#define IDLE_NAP_NS (20 * NS_PER_MS)

typedef struct loop {
  const loop_parts *parts;
  report_counts *counts;
  report report;
  pacer pacer;
  bool idle;
  uint64_t drawn;           /* pictures begun */
  uint64_t drawn_ns;        /* when the last one was */
  uint64_t encode_usual_ns; /* how long it takes */
  double seconds;           /* of motion, which stands still while idle */
} loop;

static bool has_more(const loop *loop) {
  const uint64_t frames_max = loop->parts->options->frames_max;
  return frames_max == 0 || loop->drawn < frames_max;
}

/* Begins a picture now, if it is wanted: 1. */
static int draw(loop *loop) {
  output *output = loop->parts->output;
  const uint64_t now_ns = clock_mono_ns();
  /* The first picture takes longer than any other (shaders are compiled): the rhythm is that of the second. */
  if (loop->drawn == 1) pacer_begin(&loop->pacer, now_ns);
  if (!loop->idle) pacer_take(&loop->pacer, now_ns);
  loop->counts->skipped = loop->pacer.skipped;
  report_turn(&loop->report, loop->counts, output, now_ns);
  const int turn = output->kind->turn(output);
  if (turn < 0) return turn;
  if (turn == OUTPUT_DRAW && loop->idle) {
    pacer_begin(&loop->pacer, now_ns);
    pacer_take(&loop->pacer, now_ns);
    loop->drawn_ns = now_ns;
  }
  loop->idle = turn == OUTPUT_IDLE;
  loop->counts->dropped += turn == OUTPUT_DROP;
  if (turn != OUTPUT_DRAW) return 0;
  loop->seconds += (double)(now_ns - loop->drawn_ns) / 1e9;
  loop->drawn_ns = now_ns;
  const scene_state state = {
      .frame = ++loop->drawn, .seconds = loop->seconds, .t_real_ns = clock_real_ns(), .t_mono_ns = now_ns};
  const int result = renderer_draw(loop->parts->renderer, &state);
  loop->counts->render_ns += clock_mono_ns() - now_ns;
  return result < 0 ? result : 1;
}

/* Waits for the next turn, and takes it. As draw(); -ECANCELED for a signal. */
static int wait_and_draw(loop *loop) {
  const uint64_t due_ns = loop->idle ? clock_mono_ns() + IDLE_NAP_NS : pacer_due_ns(&loop->pacer);
  const int fd = loop->parts->output->fd;
  return stop_wait(loop->parts->stop_fd, fd, 0, due_ns) == STOP_WAIT_STOP ? -ECANCELED : draw(loop);
}

/* The picture that was begun. Where there would be no time to draw the next one after this one is encoded, it is begun
 * before, so that the GPU draws it meanwhile: *begun is 1 then. */
static int finish(loop *loop, int *begun) {
  const loop_parts *parts = loop->parts;
  encoder_picture picture;
  scene_state state;
  const uint64_t waited_ns = clock_mono_ns();
  int result = renderer_take(parts->renderer, &picture, &state);
  if (result < 0) return result;
  const uint64_t taken_ns = clock_mono_ns();
  loop->counts->render_ns += taken_ns - waited_ns;
  if (has_more(loop) && taken_ns + loop->encode_usual_ns >= pacer_due_ns(&loop->pacer)) {
    *begun = draw(loop);
    if (*begun < 0) return *begun;
  }
  output_wishes wishes;
  access_unit unit;
  const uint64_t encoding_ns = clock_mono_ns();
  parts->output->kind->wishes(parts->output, &wishes);
  result = agent_encode(parts->encoder, &picture, state.t_mono_ns, &wishes, &unit);
  if (result < 0) return result;
  const uint64_t encode_ns = clock_mono_ns() - encoding_ns;
  loop->encode_usual_ns = (loop->encode_usual_ns * 7 + encode_ns) / 8;
  loop->counts->encode_ns += encode_ns;
  result = parts->output->kind->write(parts->output, &unit, &state);
  if (result < 0) return result;
  if (result == 1) {
    loop->counts->dropped++;
    return 0;
  }
  loop->counts->pictures++;
  loop->counts->bytes += unit.bytes_count;
  return 0;
}

int loop_run(const loop_parts *parts, report_counts *counts) {
  const uint64_t now_ns = clock_mono_ns();
  loop loop = {.parts = parts,
               .counts = counts,
               .report = {.verbose = parts->options->verbose, .shown_ns = now_ns, .logged_ns = now_ns},
               .pacer = pacer_of(parts->options->fps_mhz),
               .idle = true};
  int result = 0, begun = 0;
  while (result == 0 && (begun > 0 || has_more(&loop))) {
    if (begun == 0) begun = wait_and_draw(&loop);
    if (begun < 0) result = begun;
    if (begun <= 0) continue;
    begun = 0;
    result = finish(&loop, &begun);
  }
  return result == -EPIPE || result == -ECANCELED ? 0 : result;
}
