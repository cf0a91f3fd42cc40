/* tele_agent_main(): the command line, then the parts in the order in which they may fail, and the loop over them. */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "loop.h"
#include "pump.h"

/* Where one of the first three is closed, the next file that is opened would get its number, and all that is printed:
 * a run's shared memory, for example. */
static void fill_descriptors(void) {
  int fd;
  while ((fd = open("/dev/null", O_RDWR)) >= 0 && fd <= STDERR_FILENO) continue;
  if (fd >= 0) close(fd);
}

/* From here on whatever prints to stdout prints to stderr: a driver's word must not end up in the video. -1 where there
 * is none. */
static int take_stdout(void) {
  const int fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  fill_descriptors();
  dup2(STDERR_FILENO, STDOUT_FILENO);
  return fd;
}

static int open_output(const loop_parts *parts, int stdout_fd, output **made) {
  switch (parts->options->output) {
    case AGENT_FIFO: return output_fifo_open(parts->options, made);
    case AGENT_STDOUT:
    case AGENT_MPEGTS: return output_stdout_open(parts->options, stdout_fd, parts->stop_fd, made);
    default: return output_ring_open(parts->options, made);
  }
}

static void say_begun(const loop_parts *parts) {
  const agent_options *options = parts->options;
  fprintf(stderr, AGENT_NAME ": %s, %u x %u at %g pictures/s and %u kbit/s, drawn by %s, encoded by %s\n",
          parts->output->name, options->width, options->height, options->fps_mhz / 1000.0, options->bitrate_kbps,
          renderer_describe(parts->renderer), agent_encoder_name(parts->encoder));
  if (options->verbose) fprintf(stderr, AGENT_NAME ": %s\n", agent_encoder_note(parts->encoder));
}

static void say(const char *text) { fprintf(stderr, AGENT_NAME ": %s\n", text); }

/* On the GPU that draws where that has an encoder, else from memory. */
static int open_encoder(loop_parts *parts) {
  const agent_options *options = parts->options;
  agent_encoder_settings settings = {.width = options->width,
                                     .height = options->height,
                                     .fps_mhz = options->fps_mhz,
                                     .bitrate_kbps = options->bitrate_kbps,
                                     .gop_ms = options->gop_ms,
                                     .slices = options->output == AGENT_RING ? 0 : 1,
                                     .kind = options->encoder,
                                     .cuda_device = (uint32_t)(renderer_cuda_device(parts->renderer) + 1),
                                     .say = say};
  int result = agent_encoder_open(&settings, &parts->encoder);
  if (result < 0 || !agent_encoder_is_on_gpu(parts->encoder)) return result;
  if (renderer_keep_on_gpu(parts->renderer, renderer_cuda_device(parts->renderer)) == 0) return 0;
  say(tele_error_message());
  agent_encoder_close(parts->encoder);
  parts->encoder = NULL;
  settings.cuda_device = 0;
  return agent_encoder_open(&settings, &parts->encoder);
}

/* The output comes last: a run begins to exist when its pictures come. */
static int open_parts(loop_parts *parts, int stdout_fd) {
  const agent_options *options = parts->options;
  const renderer_options rendering = {.width = options->width, .height = options->height, .gpu = options->gpu};
  int result = renderer_open(&rendering, &parts->renderer);
  if (result == 0) result = open_encoder(parts);
  if (result == 0) result = open_output(parts, stdout_fd, &parts->output);
  return result;
}

static int render(const agent_options *options, int stdout_fd) {
  loop_parts parts = {.options = options, .stop_fd = stop_open()};
  report_counts counts = {0};
  int result = parts.stop_fd < 0 ? parts.stop_fd : open_parts(&parts, stdout_fd);
  const bool begun = result == 0;
  if (begun) {
    say_begun(&parts);
    result = loop_run(&parts, &counts);
  }
  if (result < 0) fprintf(stderr, AGENT_NAME ": %s\n", tele_error_message());
  if (begun) report_end(&counts);
  if (parts.output != NULL) parts.output->kind->close(parts.output);
  agent_encoder_close(parts.encoder);
  renderer_close(parts.renderer);
  if (parts.stop_fd >= 0) close(parts.stop_fd);
  return result < 0 ? 1 : 0;
}

int tele_agent_main(int argc, char **argv) {
  agent_options options;
  int status = agent_options_parse(argc, argv, &options);
  if (status >= 0) return status;
  const int stdout_fd = take_stdout(); /* first, before its number is anybody's */
  status = options.source == NULL ? render(&options, stdout_fd) : pump_run(&options);
  if (stdout_fd >= 0) close(stdout_fd);
  return status;
}
