#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "error.h"

/* From asking a program to end to ending it: encoders write what they still have. */
#define STOP_MS 1500u
#define LOOK_EVERY_NS (5 * NS_PER_MS)

static void write_name(char *const *command, char *name, size_t name_bytes) {
  size_t length = 0;
  for (; *command != NULL && length < name_bytes; command++)
    length += (size_t)snprintf(name + length, name_bytes - length, "%s%s", length == 0 ? "`" : " ", *command);
  if (length + 1 < name_bytes) memcpy(name + length, "`", 2);
  if (length + 1 >= name_bytes) memcpy(name + name_bytes - 5, "...`", 5);
}

/* In the child: what it inherits is as the program was started, but for the three descriptors. */
static void become(char *const *command, int stdout_fd, pid_t parent, int error_fd) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(1); /* it has died meanwhile */
  signal(SIGPIPE, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  const int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (null_fd >= 0 && dup2(null_fd, STDIN_FILENO) >= 0 && dup2(stdout_fd, STDOUT_FILENO) >= 0)
    execvp(command[0], command);
  const int code = errno;
  if (write(error_fd, &code, sizeof code) < 0) _exit(127);
  _exit(127);
}

int child_start(char *const *command, int stdout_fd, child *child) {
  *child = (struct child){.pid = 0};
  write_name(command, child->name, sizeof child->name);
  int error_fds[2], code = 0;
  if (pipe2(error_fds, O_CLOEXEC) < 0) return error_set(errno, "cannot start %s: %s", command[0], strerror(errno));
  const pid_t parent = getpid(), pid = fork();
  if (pid == 0) become(command, stdout_fd < 0 ? STDERR_FILENO : stdout_fd, parent, error_fds[1]);
  code = pid < 0 ? errno : 0;
  close(error_fds[1]);
  ssize_t got = 0;
  /* Nothing comes when it has become the program. */
  while (pid > 0 && (got = read(error_fds[0], &code, sizeof code)) < 0 && errno == EINTR) continue;
  close(error_fds[0]);
  if (pid > 0 && got > 0) waitpid(pid, NULL, 0);
  if (code != 0) return error_set(code, "cannot start %s: %s", command[0], strerror(code));
  child->pid = pid;
  return 0;
}

bool child_has_ended(child *child) {
  if (child->pid == 0) return true;
  if (waitpid(child->pid, &child->status, WNOHANG) == 0) return false;
  child->pid = 0;
  return true;
}

static bool all_ended(child *const *children, size_t children_count) {
  bool ended = true;
  for (size_t i = 0; i < children_count; i++) ended = child_has_ended(children[i]) && ended;
  return ended;
}

void children_wait(child *const *children, size_t children_count, unsigned ms_max) {
  const uint64_t until_ns = clock_mono_ns() + ms_max * NS_PER_MS;
  while (!all_ended(children, children_count) && clock_mono_ns() < until_ns) nap_ns(LOOK_EVERY_NS);
}

static void signal_all(child *const *children, size_t children_count, int signal_number) {
  for (size_t i = 0; i < children_count; i++) {
    if (!child_has_ended(children[i])) kill(children[i]->pid, signal_number);
  }
}

void children_ask(child *const *children, size_t children_count) {
  signal_all(children, children_count, SIGTERM);
  signal_all(children, children_count, SIGCONT);
}

void children_end(child *const *children, size_t children_count) {
  children_wait(children, children_count, STOP_MS);
  signal_all(children, children_count, SIGKILL);
  for (size_t i = 0; i < children_count; i++) {
    while (!child_has_ended(children[i])) nap_ns(LOOK_EVERY_NS);
  }
}

int child_exit_code(const child *child) {
  return WIFSIGNALED(child->status) ? 128 + WTERMSIG(child->status) : WEXITSTATUS(child->status);
}

void child_describe_end(const child *child, char *text, size_t text_bytes) {
  if (WIFSIGNALED(child->status)) {
    const int signal_number = WTERMSIG(child->status);
    snprintf(text, text_bytes, "was ended by signal %d (%s)", signal_number, strsignal(signal_number));
  } else {
    snprintf(text, text_bytes, "ended with code %d", WEXITSTATUS(child->status));
  }
}
