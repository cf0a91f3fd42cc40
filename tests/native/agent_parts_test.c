/* The agent's parts that need no renderer: command line, rhythm, FIFO, and how a process becomes it. */
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "card.h"
#include "encode.h"
#include "harness.h"
#include "options.h"
#include "output.h"
#include "pacer.h"
#include "stop.h"

#define MS UINT64_C(1000000)

/* ---- Command line -------------------------------------------------------------------------------- */

static int parse(agent_options *options, const char *const *words) {
  char *argv[16] = {"agent"};
  int argc = 1;
  for (; words[argc - 1] != NULL; argc++) argv[argc] = (char *)words[argc - 1];
  return agent_options_parse(argc, argv, options);
}

static void options_have_defaults(void) {
  agent_options options;
  setenv("TELEBRIDGE_RUN", "robot", 1);
  CHECK_EQ(parse(&options, (const char *[]){NULL}), -1);
  CHECK(strcmp(options.run_id, "robot") == 0);
  CHECK_EQ(options.width, 1280);
  CHECK_EQ(options.height, 720);
  CHECK_EQ(options.fps_mhz, 30000);
  CHECK_EQ(options.gop_ms, 2000);
  CHECK_EQ(options.gpu, -1);
  CHECK_EQ(options.output, AGENT_RING);
  CHECK(options.bitrate_kbps > 3000 && options.bitrate_kbps < 6000);
  unsetenv("TELEBRIDGE_RUN");
  CHECK_EQ(parse(&options, (const char *[]){NULL}), -1);
  CHECK(strncmp(options.run_id, "agent-", 6) == 0);
}

static void options_are_taken(void) {
  agent_options options;
  const char *words[] = {"--run=a", "--width=64", "--height",      "4096",       "--fps=59.94",        "--gop=0.5",
                         "--gpu",   "0",          "--bitrate=800", "--frames=7", "--encoder=openh264", NULL};
  CHECK_EQ(parse(&options, words), -1);
  CHECK_EQ(options.width, 64);
  CHECK_EQ(options.height, 4096);
  CHECK_EQ(options.fps_mhz, 59940);
  CHECK_EQ(options.gop_ms, 500);
  CHECK_EQ(options.gpu, 0);
  CHECK_EQ(options.bitrate_kbps, 800);
  CHECK_EQ(options.frames_max, 7);
  CHECK_EQ(options.encoder, TELE_ENCODER_OPENH264);
}

static void a_source_has_its_words(void) {
  agent_options options;
  CHECK_EQ(parse(&options, (const char *[]){"--source", "exec", "--", "cat", "--verbose", NULL}), -1);
  CHECK(strcmp(options.source_command[0], "cat") == 0 && strcmp(options.source_command[1], "--verbose") == 0);
  CHECK(!options.verbose);
  CHECK_EQ(parse(&options, (const char *[]){"--source=fifo", "/tmp/x", NULL}), -1);
  CHECK(strcmp(options.source_path, "/tmp/x") == 0);
}

/* ---- Rhythm -------------------------------------------------------------------------------------- */

static void turns_are_due_in_an_absolute_rhythm(void) {
  pacer pacer = pacer_of(30000);
  pacer_begin(&pacer, 1000 * MS);
  for (uint64_t turn = 0; turn < 3000; turn++) {
    const uint64_t due_ns = pacer_due_ns(&pacer);
    CHECK_EQ(due_ns / MS, 1000 + turn * 100 / 3);
    pacer_take(&pacer, due_ns + (turn % 7) * 4 * MS); /* late ones move no later one */
  }
  CHECK_EQ(pacer.skipped, 0);
}

static void what_passed_is_skipped_and_not_made_up_for(void) {
  pacer pacer = pacer_of(100000);
  pacer_begin(&pacer, 0);
  pacer_take(&pacer, 0);
  pacer_take(&pacer, 57 * MS); /* the turns of 10 to 40 ms have passed, that of 50 ms is taken */
  CHECK_EQ(pacer.skipped, 4);
  CHECK_EQ(pacer_due_ns(&pacer), 60 * MS);
  pacer_take(&pacer, 55 * MS); /* early: the next one */
  CHECK_EQ(pacer_due_ns(&pacer), 70 * MS);
  CHECK_EQ(pacer.skipped, 4);
}

/* ---- FIFO ---------------------------------------------------------------------------------------- */

#define LARGE_BYTES 200000 /* more than a pipe holds */

static output *open_fifo(char *path, size_t path_bytes) {
  snprintf(path, path_bytes, "%s/agent.fifo", getenv("TELEBRIDGE_RUNTIME_DIR"));
  agent_options options = {.output = AGENT_FIFO, .fifo_path = path};
  output *fifo;
  CHECK_EQ(output_fifo_open(&options, &fifo), 0);
  return fifo;
}

static bool wishes_keyframe(output *fifo) {
  output_wishes wishes;
  fifo->kind->wishes(fifo, &wishes);
  return wishes.keyframe;
}

static size_t read_all(int fd) {
  static char bytes[LARGE_BYTES];
  size_t sum = 0;
  ssize_t taken;
  while ((taken = read(fd, bytes, sizeof bytes)) > 0) sum += (size_t)taken;
  return sum;
}

static void a_fifo_wants_pictures_while_somebody_reads(void) {
  static uint8_t large[LARGE_BYTES];
  const access_unit keyframe = {.bytes = large, .bytes_count = sizeof large, .keyframe = true};
  const access_unit delta = {.bytes = large, .bytes_count = 100};
  const scene_state state = {.frame = 1};
  char path[PATH_MAX];
  output *fifo = open_fifo(path, sizeof path);
  CHECK_EQ(fifo->kind->turn(fifo), OUTPUT_IDLE);

  int reader = open(path, O_RDONLY | O_NONBLOCK);
  CHECK_EQ(fifo->kind->turn(fifo), OUTPUT_DRAW);
  CHECK(wishes_keyframe(fifo));
  CHECK_EQ(fifo->kind->write(fifo, &delta, &state), 0); /* of the time before: it may not be the first */
  CHECK_EQ(fifo->kind->write(fifo, &keyframe, &state), 0);
  CHECK(!wishes_keyframe(fifo));
  CHECK_EQ(fifo->kind->turn(fifo), OUTPUT_DROP); /* the pipe is full */
  size_t taken = read_all(reader);
  while (taken < LARGE_BYTES) {
    fifo->kind->turn(fifo);
    taken += read_all(reader);
  }
  CHECK_EQ(taken, LARGE_BYTES); /* whole, and nothing else */
  CHECK_EQ(fifo->kind->turn(fifo), OUTPUT_DRAW);

  /* Two that were drawn at once: the second does not fit, so that a keyframe must follow. */
  CHECK_EQ(fifo->kind->write(fifo, &keyframe, &state), 0);
  CHECK_EQ(fifo->kind->write(fifo, &delta, &state), 1);
  CHECK(wishes_keyframe(fifo));

  close(reader);
  CHECK_EQ(fifo->kind->write(fifo, &keyframe, &state), 1);
  CHECK_EQ(fifo->kind->turn(fifo), OUTPUT_IDLE);
  reader = open(path, O_RDONLY | O_NONBLOCK);
  CHECK_EQ(fifo->kind->turn(fifo), OUTPUT_DRAW);
  CHECK_EQ(read_all(reader), 0); /* nothing is left of the reader before */
  CHECK(wishes_keyframe(fifo));
  close(reader);
  fifo->kind->close(fifo);
  CHECK_EQ(unlink(path), 0);
}

static void a_fifo_that_was_removed_is_made_anew(void) {
  char path[PATH_MAX];
  struct stat found;
  output *fifo = open_fifo(path, sizeof path);
  CHECK_EQ(unlink(path), 0);
  CHECK_EQ(fifo->kind->turn(fifo), OUTPUT_IDLE);
  CHECK(stat(path, &found) == 0 && S_ISFIFO(found.st_mode));
  fifo->kind->close(fifo);
  CHECK_EQ(unlink(path), 0);
}

static void a_file_in_a_fifos_place_is_not_written(void) {
  char path[PATH_MAX];
  output *fifo = open_fifo(path, sizeof path);
  CHECK_EQ(unlink(path), 0);
  const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
  CHECK_EQ(fifo->kind->turn(fifo), -EEXIST);
  CHECK_MESSAGE("is there and is no FIFO");
  fifo->kind->close(fifo);
  close(fd);
  CHECK_EQ(unlink(path), 0);
}

static void read_to_the_end(void *path) {
  const int reader = open(path, O_RDONLY);
  CHECK_EQ(read_all(reader), LARGE_BYTES);
}

static void a_fifos_last_picture_is_whole(void) {
  static uint8_t large[LARGE_BYTES];
  const access_unit keyframe = {.bytes = large, .bytes_count = sizeof large, .keyframe = true};
  const scene_state state = {.frame = 1};
  char path[PATH_MAX];
  output *fifo = open_fifo(path, sizeof path);
  const pid_t reader = start_child(read_to_the_end, path);
  while (fifo->kind->turn(fifo) == OUTPUT_IDLE) usleep(1000);
  CHECK_EQ(fifo->kind->write(fifo, &keyframe, &state), 0);
  fifo->kind->close(fifo);
  expect_child_done(reader);
  CHECK_EQ(unlink(path), 0);
}

/* ---- The encoder, and the ring it writes into ---------------------------------------------------- */

/* x264 spends what it may: a second's bits in one picture are more than a slot holds. */
static void a_capped_rate_makes_no_unit_that_fits_no_slot(void) {
  const agent_encoder_settings settings = {
      .width = 640, .height = 360, .fps_mhz = 30000, .bitrate_kbps = 1500, .gop_ms = 2000, .kind = TELE_ENCODER_X264};
  const uint64_t payload_bytes_max = output_ring_size(1500, 30000, 2000).payload_bytes_max;
  const output_wishes wishes = {.rate_max_mhz = 1000};
  agent_encoder *encoder;
  access_unit unit;
  if (agent_encoder_open(&settings, &encoder) < 0) skip_test("%s", tele_error_message());
  card card = card_make(640, 360);
  for (uint32_t number = 1; number <= 6; number++) {
    card_draw_noise(&card, number);
    CHECK_EQ(agent_encode(encoder, &card.picture, number * 1000 * MS, &wishes, &unit), 0);
    CHECK(unit.bytes_count <= payload_bytes_max);
  }
  agent_encoder_close(encoder);
  card_free(&card);
}

/* ---- Its process --------------------------------------------------------------------------------- */

static void expect_null(pid_t pid, int fd) {
  char link[64], path[PATH_MAX] = "";
  snprintf(link, sizeof link, "/proc/%d/fd/%d", (int)pid, fd);
  CHECK(readlink(link, path, sizeof path - 1) > 0);
  CHECK(strcmp(path, "/dev/null") == 0);
}

static void closed_descriptors_are_nobodys(void) {
  char path[PATH_MAX];
  snprintf(path, sizeof path, "%s/source.fifo", getenv("TELEBRIDGE_RUNTIME_DIR"));
  char *words[] = {"agent", "--run", (char *)test_run(), "--source", "fifo", path, NULL};
  const pid_t pid = fork();
  if (pid == 0) {
    for (int fd = 0; fd <= STDERR_FILENO; fd++) close(fd);
    _exit(tele_agent_main(6, words));
  }
  while (access(path, F_OK) < 0) usleep(1000);
  for (int fd = 0; fd <= STDERR_FILENO; fd++) expect_null(pid, fd);
  int status;
  kill(pid, SIGTERM);
  CHECK_EQ(waitpid(pid, &status, 0), pid);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  CHECK_EQ(unlink(path), 0);
}

static void nohup_is_respected(void) {
  signal(SIGHUP, SIG_IGN);
  const int fd = stop_open();
  CHECK(fd >= 0);
  raise(SIGHUP);
  CHECK_EQ(stop_wait(fd, -1, 0, 0), STOP_WAIT_DUE);
  raise(SIGTERM);
  CHECK_EQ(stop_wait(fd, -1, 0, 0), STOP_WAIT_STOP);
  close(fd);
}

/* ---- Becoming another program -------------------------------------------------------------------- */

static void exec_leaves_signals_as_a_shell_would(void) {
  const char words[] = "/bin/sh\0-c\0kill -PIPE $$; exit 3";
  const pid_t pid = fork();
  if (pid == 0) {
    sigset_t pipe;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    sigprocmask(SIG_BLOCK, &pipe, NULL);
    signal(SIGPIPE, SIG_IGN);
    tele_exec(words, sizeof words);
    _exit(4);
  }
  int status;
  CHECK_EQ(waitpid(pid, &status, 0), pid);
  CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE);
}

static void exec_says_why_it_cannot(void) {
  CHECK_EQ(tele_exec("/no/where", sizeof "/no/where"), -ENOENT);
  CHECK_MESSAGE("cannot start /no/where: No such file");
  CHECK_EQ(tele_exec("/bin/sh", 7), -EINVAL);
  CHECK_EQ(tele_exec("", 0), -EINVAL);
}

static const test tests[] = {
    {"options have defaults", options_have_defaults},
    {"options are taken", options_are_taken},
    {"a source has its words", a_source_has_its_words},
    {"turns are due in an absolute rhythm", turns_are_due_in_an_absolute_rhythm},
    {"what passed is skipped and not made up for", what_passed_is_skipped_and_not_made_up_for},
    {"a fifo wants pictures while somebody reads", a_fifo_wants_pictures_while_somebody_reads},
    {"a fifo that was removed is made anew", a_fifo_that_was_removed_is_made_anew},
    {"a file in a fifo's place is not written", a_file_in_a_fifos_place_is_not_written},
    {"a fifo's last picture is whole", a_fifos_last_picture_is_whole},
    {"a capped rate makes no unit that fits no slot", a_capped_rate_makes_no_unit_that_fits_no_slot},
    {"closed descriptors are nobody's", closed_descriptors_are_nobodys},
    {"nohup is respected", nohup_is_respected},
    {"exec leaves signals as a shell would", exec_leaves_signals_as_a_shell_would},
    {"exec says why it cannot", exec_says_why_it_cannot},
};
SUITE(agent_parts, tests);
