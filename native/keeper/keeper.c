#include "keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cgroup.h"
#include "command.h"
#include "descendants.h"
#include "error.h"
#include "events.h"
#include "lines.h"
#include "telebridge.h"

#define USAGE_MS 1000
/* Without a cgroup the limit is only as good as this. */
#define MEMORY_MS 250
/* Between two looks at who is still there to be killed. */
#define KILL_MS 20
/* Between two reads of a flood. */
#define FLOOD_MS 10
/* An exact measurement takes at most one part in so many of the time. */
#define MEASURE_SHARE 20

typedef enum phase {
  RUNNING,
  ASKED,  /* by SIGTERM; deadline_ms follows */
  KILLED, /* and again every KILL_MS until nobody is left */
  GONE,
} phase;

typedef struct keeper {
  const keeper_options *options;
  command command;
  cgroup cgroup;
  phase phase;
  uint64_t deadline_ms; /* of ASKED, or of the next round of KILLED */
  bool is_overdue;      /* the grace was over */
  bool has_status;
  int status; /* the command's own, from waitpid */
  bool is_out_of_memory;
  uint64_t memory_bytes; /* what it had then */
  uint64_t usage_due_ms, memory_due_ms, measure_due_ms;
  descendants list;
  allowance allowance;
  lines outputs[2];
  events events;
  int signals_fd;
  bool is_control_open;
} keeper;

uint64_t keeper_now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---- Ending ------------------------------------------------------------------------------------------------------ */

static void kill_all(keeper *keeper) {
  keeper->phase = KILLED;
  keeper->deadline_ms = keeper_now_ms() + KILL_MS;
  cgroup_kill(&keeper->cgroup);
  if (!keeper->has_status) kill(-keeper->command.pid, SIGKILL); /* all of the group at once, forks included */
  descendants_list(&keeper->list);
  descendants_signal(&keeper->list, SIGKILL, 0);
}

/* By one signal each: to many programs a second one says that they have no time. */
static void ask_all(keeper *keeper) {
  if (keeper->phase != RUNNING) return;
  keeper->phase = ASKED;
  keeper->deadline_ms = keeper_now_ms() + keeper->options->grace_ms;
  pid_t group = keeper->has_status ? 0 : keeper->command.pid;
  descendants_list(&keeper->list);
  if (group != 0) kill(-group, SIGTERM);
  descendants_signal(&keeper->list, SIGTERM, group);
  descendants_signal(&keeper->list, SIGCONT, 0); /* one that is stopped can end by SIGTERM only when it goes on */
}

/* The command, or one of those that it has left to us. When it was the last, all is over. */
static void reap(keeper *keeper) {
  int status;
  pid_t pid;
  while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
    if (pid != keeper->command.pid) continue;
    keeper->has_status = true;
    keeper->status = status;
  }
  if (pid < 0 && errno == ECHILD) {
    keeper->phase = GONE;
  } else if (keeper->has_status) {
    ask_all(keeper);
  }
}

static void say_end(keeper *keeper) {
  char text[256];
  const char *signal_name = NULL;
  int code = -1;
  if (WIFSIGNALED(keeper->status)) {
    signal_name = command_signal_name(WTERMSIG(keeper->status));
    bool was_late = keeper->is_overdue && WTERMSIG(keeper->status) == SIGKILL;
    snprintf(text, sizeof text, "was ended by %s%s%s", signal_name, WCOREDUMP(keeper->status) ? " (core dumped)" : "",
             was_late ? ": SIGTERM did not end it in time" : "");
  } else {
    code = WEXITSTATUS(keeper->status);
    snprintf(text, sizeof text, "ended with code %d", code);
  }
  const char *reason = code < 0 ? "signalled" : "exited";
  if (keeper->is_out_of_memory) {
    reason = "out-of-memory";
    snprintf(text, sizeof text, "had %llu MiB, more than its limit of %llu MiB",
             (unsigned long long)keeper->memory_bytes >> 20, (unsigned long long)keeper->options->memory_max >> 20);
  } else if (code < 0 && WTERMSIG(keeper->status) == SIGKILL && cgroup_ran_out(&keeper->cgroup)) {
    reason = "out-of-memory";
    snprintf(text, sizeof text, "needed more than its limit of %llu MiB",
             (unsigned long long)keeper->options->memory_max >> 20);
  }
  events_ended(&keeper->events, reason, code, signal_name, text);
}

/* ---- Watching ---------------------------------------------------------------------------------------------------- */

/* Resident pages that are shared count for each process that has them: the exact figure decides, which costs more. */
static void check_memory(keeper *keeper, uint64_t resident_bytes) {
  uint64_t now_ms = keeper_now_ms();
  if (resident_bytes <= keeper->options->memory_max || now_ms < keeper->measure_due_ms) return;
  uint64_t bytes = descendants_proportional_bytes(&keeper->list);
  uint64_t after_ms = keeper_now_ms();
  keeper->measure_due_ms = after_ms + MEASURE_SHARE * (after_ms - now_ms);
  if (bytes <= keeper->options->memory_max) return;
  keeper->is_out_of_memory = true;
  keeper->memory_bytes = bytes;
  kill_all(keeper);
}

static bool watches_memory(const keeper *keeper) { return keeper->options->memory_max > 0 && keeper->cgroup.fd < 0; }

static void look(keeper *keeper, uint64_t now_ms) {
  if (now_ms < keeper->usage_due_ms && now_ms < keeper->memory_due_ms) return;
  usage usage;
  descendants_list(&keeper->list);
  descendants_usage(&keeper->list, &usage);
  if (now_ms >= keeper->usage_due_ms) {
    events_usage(&keeper->events, &usage);
    keeper->usage_due_ms = now_ms + USAGE_MS;
  }
  keeper->memory_due_ms = watches_memory(keeper) ? now_ms + MEMORY_MS : keeper->usage_due_ms;
  if (watches_memory(keeper) && keeper->phase < KILLED) check_memory(keeper, usage.resident_bytes);
}

/* ---- Being told -------------------------------------------------------------------------------------------------- */

static void obey(keeper *keeper, const char *word) {
  if (strcmp(word, "stop") == 0) {
    ask_all(keeper);
  } else if (strcmp(word, "kill") == 0) {
    if (keeper->phase < KILLED) kill_all(keeper);
  } else {
    fprintf(stderr, "telebridge_keeper: there is no word \"%s\"; there are stop and kill\n", word);
  }
}

static void read_control(keeper *keeper) {
  char words[1024];
  ssize_t length = read(STDIN_FILENO, words, sizeof words - 1);
  if (length < 0 && (errno == EINTR || errno == EAGAIN)) return;
  if (length <= 0) {
    keeper->is_control_open = false;
    ask_all(keeper);
    return;
  }
  words[length] = '\0'; /* words are written whole, and are shorter than a pipe's atomic write */
  char *rest = words;
  for (char *word; (word = strsep(&rest, "\n")) != NULL;) {
    if (*word != '\0') obey(keeper, word);
  }
}

static void read_signals(keeper *keeper) {
  struct signalfd_siginfo told;
  while (read(keeper->signals_fd, &told, sizeof told) == sizeof told) {
    if (told.ssi_signo != SIGCHLD) ask_all(keeper);
  }
  reap(keeper);
}

/* ---- The loop ---------------------------------------------------------------------------------------------------- */

static uint64_t earlier(uint64_t a, uint64_t b) { return a < b ? a : b; }

static bool is_flooded(const keeper *keeper) { return keeper->allowance.bytes <= 0; }

static int wait_ms(const keeper *keeper, uint64_t now_ms) {
  uint64_t due_ms = earlier(keeper->usage_due_ms, keeper->memory_due_ms);
  if (keeper->phase != RUNNING) due_ms = earlier(due_ms, keeper->deadline_ms);
  if (is_flooded(keeper)) due_ms = earlier(due_ms, now_ms + FLOOD_MS);
  return due_ms <= now_ms ? 0 : (int)(due_ms - now_ms);
}

static void turn(keeper *keeper) {
  enum { SIGNALS, CONTROL, EVENTS, OUTPUTS, FDS_COUNT = OUTPUTS + 2 };
  struct pollfd fds[FDS_COUNT] = {
      [SIGNALS] = {.fd = keeper->signals_fd, .events = POLLIN},
      [CONTROL] = {.fd = keeper->is_control_open ? STDIN_FILENO : -1, .events = POLLIN},
      [EVENTS] = {.fd = keeper->events.used > 0 ? keeper->events.fd : -1, .events = POLLOUT},
  };
  for (size_t i = 0; i < 2; i++) {
    int fd = is_flooded(keeper) ? -1 : keeper->outputs[i].fd;
    fds[OUTPUTS + i] = (struct pollfd){.fd = fd, .events = POLLIN};
  }
  if (poll(fds, FDS_COUNT, wait_ms(keeper, keeper_now_ms())) < 0) return;
  uint64_t now_ms = keeper_now_ms();
  allowance_renew(&keeper->allowance, now_ms, &keeper->events);
  for (size_t i = 0; i < 2; i++) {
    if (fds[OUTPUTS + i].revents != 0) lines_read(&keeper->outputs[i], &keeper->allowance, &keeper->events);
  }
  if (fds[CONTROL].revents != 0) read_control(keeper);
  if (fds[SIGNALS].revents != 0) read_signals(keeper);
  look(keeper, now_ms);
  if (keeper->phase == ASKED && now_ms >= keeper->deadline_ms) {
    keeper->is_overdue = true;
    kill_all(keeper);
  }
  if (keeper->phase == KILLED && now_ms >= keeper->deadline_ms) kill_all(keeper);
  events_flush(&keeper->events);
}

/* Signals as descriptors; a reader or a terminal that is gone ends nothing here. */
static int prepare(keeper *keeper) {
  setsid(); /* the keys of serve's terminal are for serve */
  signal(SIGPIPE, SIG_IGN);
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  sigset_t told;
  sigemptyset(&told);
  const int numbers[] = {SIGCHLD, SIGTERM, SIGINT, SIGHUP};
  for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
    signal(numbers[i], SIG_DFL);
    sigaddset(&told, numbers[i]);
  }
  sigprocmask(SIG_SETMASK, &told, NULL);
  keeper->signals_fd = signalfd(-1, &told, SFD_CLOEXEC | SFD_NONBLOCK);
  fcntl(STDOUT_FILENO, F_SETFL, O_NONBLOCK);
  events_open(&keeper->events, STDOUT_FILENO);
  keeper->is_control_open = true;
  return keeper->signals_fd < 0 ? -errno : 0;
}

static void limit_memory(keeper *keeper) {
  keeper->cgroup.fd = keeper->cgroup.procs_fd = -1;
  uint64_t memory_max = keeper->options->memory_max;
  if (memory_max == 0) return;
  if (cgroup_open(memory_max, &keeper->cgroup) == 0) {
    events_note(&keeper->events, "memory is limited by the cgroup %s", keeper->cgroup.path);
  } else {
    events_note(&keeper->events, "memory is limited by looking at it %d times a second: %s", 1000 / MEMORY_MS,
                tele_error_message());
  }
}

static void start(keeper *keeper) {
  const keeper_options *options = keeper->options;
  if (command_start(options, keeper->cgroup.procs_fd, &keeper->command) < 0) {
    events_ended(&keeper->events, "not-started", -1, NULL, tele_error_message());
    keeper->phase = GONE;
    return;
  }
  uint64_t now_ms = keeper_now_ms();
  allowance_open(&keeper->allowance, now_ms);
  lines_open(&keeper->outputs[0], keeper->command.stdout_fd, "stdout");
  lines_open(&keeper->outputs[1], keeper->command.stderr_fd, "stderr");
  keeper->usage_due_ms = now_ms + USAGE_MS;
  keeper->memory_due_ms = now_ms + MEMORY_MS;
  events_started(&keeper->events, keeper->command.pid);
}

/* What is still in the pipes: nobody writes any more. */
static void finish(keeper *keeper) {
  for (size_t i = 0; i < 2; i++) {
    lines *lines = &keeper->outputs[i];
    for (bool goes_on = true; goes_on && lines->fd >= 0;) {
      goes_on = lines_read(lines, &keeper->allowance, &keeper->events);
    }
    lines_close(lines, &keeper->allowance, &keeper->events);
  }
  allowance_settle(&keeper->allowance, &keeper->events);
  say_end(keeper);
}

static void hand_over(events *events) {
  for (events_flush(events); events->used > 0; events_flush(events)) {
    struct pollfd reader = {.fd = events->fd, .events = POLLOUT};
    poll(&reader, 1, -1);
  }
}

int keeper_run(const keeper_options *options) {
  static keeper keeper; /* its buffers are too large for a stack */
  keeper.options = options;
  if (prepare(&keeper) < 0) {
    perror("telebridge_keeper: cannot wait for signals");
    return 1;
  }
  limit_memory(&keeper);
  start(&keeper);
  if (keeper.phase != GONE) {
    while (keeper.phase != GONE) turn(&keeper);
    finish(&keeper);
  }
  cgroup_close(&keeper.cgroup);
  free(keeper.list.pids);
  hand_over(&keeper.events);
  return 0;
}
