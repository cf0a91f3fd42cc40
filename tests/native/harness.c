#include "harness.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <stddef.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define SKIPPED 77
/* A bound against hangs, far above what any test takes. */
#define TEST_SECONDS_MAX 60

static char run_id[TELE_RUN_ID_CHARS_MAX + 1];
static char segment_path_text[128];

void fail_test(const char *file, int line, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fprintf(stderr, "# %s:%d: ", file, line);
  vfprintf(stderr, format, arguments);
  fprintf(stderr, "\n");
  va_end(arguments);
  /* Without exit handlers: what the test left open would only add a leak report. */
  _exit(1);
}

void skip_test(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fprintf(stderr, "SKIP: ");
  vfprintf(stderr, format, arguments);
  fprintf(stderr, "\n");
  va_end(arguments);
  _exit(SKIPPED);
}

void pass_test(void) {
  fflush(stdout);
  _exit(0);
}

const char *test_run(void) { return run_id; }
const char *test_segment_path(void) { return segment_path_text; }

pid_t start_child(void (*body)(void *), void *argument) {
  fflush(stdout);
  pid_t pid = fork();
  CHECK(pid >= 0);
  if (pid == 0) {
    alarm(TEST_SECONDS_MAX);
    body(argument);
    exit(0);
  }
  return pid;
}

void expect_child_done(pid_t pid) {
  int status;
  CHECK(waitpid(pid, &status, 0) == pid);
  if (WIFSIGNALED(status)) fail_test(__FILE__, __LINE__, "a child process died of signal %d", WTERMSIG(status));
  if (WEXITSTATUS(status) == SKIPPED) _exit(SKIPPED);
  CHECK_EQ(WEXITSTATUS(status), 0);
}

static bool write_text(const char *path, const char *text) {
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  bool done = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
  if (fd >= 0) close(fd);
  return done;
}

void enter_namespaces(int flags) {
  char user[32], group[32];
  snprintf(user, sizeof user, "%u %u 1", (unsigned)geteuid(), (unsigned)geteuid());
  snprintf(group, sizeof group, "%u %u 1", (unsigned)getegid(), (unsigned)getegid());
  if (unshare(flags) == 0) return;
  if (unshare(flags | CLONE_NEWUSER) < 0 || !write_text("/proc/self/uid_map", user) ||
      !write_text("/proc/self/setgroups", "deny") || !write_text("/proc/self/gid_map", group)) {
    skip_test("no namespaces can be made here: %s", strerror(errno));
  }
}

void refuse_call(unsigned number, uint32_t argument, int code) {
  struct sock_filter steps[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])), /* its low half */
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, argument, 0, argument == ANY_ARGUMENT ? 0 : 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)code),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = {.len = sizeof steps / sizeof steps[0], .filter = steps};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0) {
    skip_test("no system call can be refused here: %s", strerror(errno));
  }
}

void kill_child(pid_t pid) {
  int status;
  CHECK(kill(pid, SIGKILL) == 0);
  CHECK(waitpid(pid, &status, 0) == pid);
}

gate gate_make(void) {
  gate made;
  CHECK(pipe2(made.fds, O_CLOEXEC) == 0);
  return made;
}

void gate_open(gate *gate) { CHECK(write(gate->fds[1], "g", 1) == 1); }

void gate_pass(gate *gate) {
  char byte;
  CHECK(read(gate->fds[0], &byte, 1) == 1);
}

uint64_t random_next(uint64_t *state) {
  *state ^= *state >> 12;
  *state ^= *state << 25;
  *state ^= *state >> 27;
  return *state * UINT64_C(0x2545F4914F6CDD1D);
}

tele_producer *open_producer(uint64_t payload_bytes_max, uint64_t capacity) {
  tele_producer_options options = {.payload_bytes_max = payload_bytes_max, .capacity = capacity};
  tele_producer *producer;
  CHECK_EQ(tele_producer_open(test_run(), &options, &producer), 0);
  return producer;
}

tele_reader *open_reader(void) {
  tele_reader *reader;
  CHECK_EQ(tele_reader_open(test_run(), &reader), 0);
  return reader;
}

void publish_value(tele_producer *producer, uint64_t value) {
  uint8_t pixels[8 * 8 * 3];
  memset(pixels, (int)(value & 0xff), sizeof pixels);
  tele_frame frame = {.pixels = pixels, .width = 8, .height = 8, .format = TELE_FORMAT_RGB8, .step = value};
  CHECK_EQ(tele_producer_publish(producer, &frame), 0);
}

/* ---- Running ---------------------------------------------------------------------------------- */

static void remove_dir(const char *path) {
  DIR *dir = opendir(path);
  for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
    unlinkat(dirfd(dir), entry->d_name, strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..") ? 0 : AT_REMOVEDIR);
  }
  if (dir != NULL) closedir(dir);
  rmdir(path);
}

/* A `telebridge serve` on this machine removes dead segments, those that a test leaves on purpose too. It sees none of
 * a test that may mount (root's); others share /dev/shm with it. */
static void take_own_shared_memory(void) {
  if (unshare(CLONE_NEWNS) < 0) return;
  if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) return;
  mount("tmpfs", "/dev/shm", "tmpfs", 0, "mode=1777");
}

static int run_test(const test *test, const char *suite_name) {
  static unsigned number;
  char dir[] = "/tmp/telebridge-test-XXXXXX";
  snprintf(run_id, sizeof run_id, "t%d-%u", (int)getpid(), ++number);
  snprintf(segment_path_text, sizeof segment_path_text, "/dev/shm/mosaic.run.%s.fastlane", run_id);
  if (mkdtemp(dir) == NULL) abort();
  setenv("TELEBRIDGE_RUNTIME_DIR", dir, 1);
  fflush(stdout);
  pid_t pid = fork();
  if (pid == 0) {
    setpgid(0, 0);
    alarm(TEST_SECONDS_MAX);
    take_own_shared_memory();
    test->run();
    exit(0);
  }
  int status = 0;
  waitpid(pid, &status, 0);
  kill(-pid, SIGKILL); /* children that a failed test left */
  unlink(segment_path_text);
  remove_dir(dir);
  int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  if (WIFSIGNALED(status)) fprintf(stderr, "# died of signal %d (%s)\n", WTERMSIG(status), strsignal(WTERMSIG(status)));
  printf("%s %s.%s\n", code == 0 ? "ok" : code == SKIPPED ? "skipped" : "not ok", suite_name, test->name);
  return code;
}

extern const suite *const suites[];

/* Arguments choose suites or tests by the start of "suite.test"; none = all but those on request. */
static bool is_chosen(const suite *suite, const char *test_name, int argc, char **argv) {
  char name[128];
  snprintf(name, sizeof name, "%s.%s", suite->name, test_name);
  for (int i = 1; i < argc; i++) {
    if (strncmp(name, argv[i], strlen(argv[i])) == 0) return true;
  }
  return argc < 2 && !suite->is_on_request;
}

int main(int argc, char **argv) {
  int passed = 0, failed = 0, skipped = 0;
  for (size_t i = 0; suites[i] != NULL; i++) {
    for (size_t j = 0; j < suites[i]->tests_count; j++) {
      if (!is_chosen(suites[i], suites[i]->tests[j].name, argc, argv)) continue;
      int code = run_test(&suites[i]->tests[j], suites[i]->name);
      if (code == SKIPPED) {
        skipped++;
      } else if (code == 0) {
        passed++;
      } else {
        failed++;
      }
    }
  }
  printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped);
  return failed == 0 && passed > 0 ? 0 : 1;
}
