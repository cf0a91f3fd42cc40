#include "command.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cgroup.h"
#include "error.h"

/* When the machine's memory is full, the kernel had better end an agent than the server (proc_pid_oom_score_adj(5)). */
#define OOM_SCORE "500"

/* What the child tells when it cannot become the command. */
typedef struct failure {
  enum { FAILED_DIRECTORY, FAILED_EXEC, FAILED_OTHERWISE } step;
  int code;
} failure;

__attribute__((noreturn)) static void fail(int report_fd, int step) {
  failure failed = {.step = step, .code = errno};
  if (write(report_fd, &failed, sizeof failed) < 0) _exit(126);
  _exit(127);
}

static void prefer_for_oom(void) {
  int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  if (fd < 0) return;
  if (write(fd, OOM_SCORE, strlen(OOM_SCORE)) < 0) {
    /* Its own rules are stricter: it keeps what it has. */
  }
  close(fd);
}

static void reset_signals(void) {
  for (int number = 1; number < NSIG; number++) signal(number, SIG_DFL); /* those that cannot be stay as they are */
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
}

/* In the child. Every descriptor but the three is closed by exec. */
__attribute__((noreturn)) static void become(const keeper_options *options, int cgroup_fd, const int outputs[2],
                                             int report_fd, pid_t keeper) {
  setsid();
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != keeper) _exit(127); /* it has ended before that counted */
  if (cgroup_fd >= 0 && write(cgroup_fd, "0", 1) < 0) fail(report_fd, FAILED_OTHERWISE);
  int null_fd = open("/dev/null", O_RDONLY);
  if (null_fd < 0 || dup2(null_fd, STDIN_FILENO) < 0) fail(report_fd, FAILED_OTHERWISE);
  if (null_fd > STDERR_FILENO) close(null_fd);
  if (dup2(outputs[0], STDOUT_FILENO) < 0 || dup2(outputs[1], STDERR_FILENO) < 0) fail(report_fd, FAILED_OTHERWISE);
  prefer_for_oom();
  if (options->directory != NULL && chdir(options->directory) != 0) fail(report_fd, FAILED_DIRECTORY);
  reset_signals();
  unsetenv(CGROUP_VARIABLE); /* it is about the server's */
  execvp(options->words[0], options->words);
  fail(report_fd, FAILED_EXEC);
}

static int describe(const keeper_options *options, failure failed) {
  const char *name = strerrorname_np(failed.code), *text = strerrordesc_np(failed.code);
  if (name == NULL) name = "an unknown error";
  if (text == NULL) text = "?";
  switch (failed.step) {
    case FAILED_DIRECTORY:
      return error_set(failed.code, "cannot start %s: its folder %s: %s (%s)", options->words[0], options->directory,
                       name, text);
    case FAILED_EXEC:
      if (failed.code == ENOENT && strchr(options->words[0], '/') == NULL) text = "it is not in $PATH";
      return error_set(failed.code, "cannot start %s: %s (%s)", options->words[0], name, text);
    default: return error_set(failed.code, "cannot prepare a process for %s: %s (%s)", options->words[0], name, text);
  }
}

static void close_pipes(int pipes[3][2]) {
  for (size_t i = 0; i < 3; i++) {
    for (size_t end = 0; end < 2; end++) {
      if (pipes[i][end] >= 0) close(pipes[i][end]);
    }
  }
}

int command_start(const keeper_options *options, int cgroup_fd, command *started) {
  int pipes[3][2] = {{-1, -1}, {-1, -1}, {-1, -1}}; /* stdout, stderr, what failed */
  for (size_t i = 0; i < 3; i++) {
    if (pipe2(pipes[i], O_CLOEXEC) != 0) {
      close_pipes(pipes);
      return describe(options, (failure){FAILED_OTHERWISE, errno});
    }
  }
  pid_t keeper = getpid(), pid = fork();
  if (pid == 0) become(options, cgroup_fd, (int[]){pipes[0][1], pipes[1][1]}, pipes[2][1], keeper);
  if (pid < 0) {
    close_pipes(pipes);
    return describe(options, (failure){FAILED_OTHERWISE, errno});
  }
  for (size_t i = 0; i < 3; i++) {
    close(pipes[i][1]);
    pipes[i][1] = -1;
  }
  failure failed;
  bool has_failed = read(pipes[2][0], &failed, sizeof failed) == sizeof failed;
  if (has_failed) {
    waitpid(pid, NULL, 0);
    close_pipes(pipes);
    return describe(options, failed);
  }
  close(pipes[2][0]);
  started->pid = pid;
  started->stdout_fd = pipes[0][0];
  started->stderr_fd = pipes[1][0];
  fcntl(started->stdout_fd, F_SETFL, O_NONBLOCK);
  fcntl(started->stderr_fd, F_SETFL, O_NONBLOCK);
  return 0;
}

const char *command_signal_name(int signal_number) {
  static char name[32];
  const char *abbreviation = sigabbrev_np(signal_number);
  if (abbreviation != NULL) {
    snprintf(name, sizeof name, "SIG%s", abbreviation);
  } else {
    snprintf(name, sizeof name, "SIGRTMIN+%d", signal_number - SIGRTMIN);
  }
  return name;
}
