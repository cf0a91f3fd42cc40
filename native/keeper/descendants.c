#include "descendants.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* Reads as much of the file as there is room for, closed by a 0; the length, 0 where there is nothing. */
static size_t read_file(const char *path, char *text, size_t room) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  size_t length = 0;
  for (ssize_t got; length < room - 1 && (got = read(fd, text + length, room - 1 - length)) > 0;) length += (size_t)got;
  close(fd);
  text[length] = '\0';
  return length;
}

static void append(descendants *list, pid_t pid) {
  if (list->count == list->room) {
    size_t room = list->room == 0 ? 64 : 2 * list->room;
    pid_t *pids = realloc(list->pids, room * sizeof *pids);
    if (pids == NULL) return; /* the next look finds it, once others have ended */
    list->pids = pids;
    list->room = room;
  }
  list->pids[list->count++] = pid;
}

/* The children that one thread of a process has. The file may be longer than the buffer. */
static void append_children(descendants *list, pid_t pid, const char *thread) {
  char path[64], text[1024];
  snprintf(path, sizeof path, "/proc/%d/task/%.16s/children", (int)pid, thread);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return;
  pid_t child = 0;
  for (ssize_t length; (length = read(fd, text, sizeof text)) > 0;) {
    for (ssize_t i = 0; i < length; i++) {
      if (isdigit((unsigned char)text[i])) {
        child = 10 * child + (text[i] - '0');
      } else if (child != 0) {
        append(list, child);
        child = 0;
      }
    }
  }
  close(fd);
}

static void append_children_of(descendants *list, pid_t pid) {
  char path[32];
  snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
  DIR *threads = opendir(path);
  if (threads == NULL) return;
  for (struct dirent *entry; (entry = readdir(threads)) != NULL;) {
    if (entry->d_name[0] != '.') append_children(list, pid, entry->d_name);
  }
  closedir(threads);
}

void descendants_list(descendants *list) {
  list->count = 0;
  append_children_of(list, getpid());
  for (size_t i = 0; i < list->count; i++) append_children_of(list, list->pids[i]);
}

/* Adds what the process uses, and what its ended children have used. */
static void add_usage(usage *usage, pid_t pid) {
  char path[32], text[1024];
  snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
  if (read_file(path, text, sizeof text) == 0) return;
  const char *after_name = strrchr(text, ')');
  unsigned long user_ticks, system_ticks;
  long ended_user_ticks, ended_system_ticks, resident_pages;
  char state;
  int fields =
      after_name == NULL
          ? 0
          : sscanf(after_name + 2,
                   "%c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %ld %ld %*d %*d %*d %*d %*u %*u %ld", &state,
                   &user_ticks, &system_ticks, &ended_user_ticks, &ended_system_ticks, &resident_pages);
  if (fields != 6) return;
  double ticks = (double)(user_ticks + system_ticks) + (double)(ended_user_ticks + ended_system_ticks);
  usage->cpu_seconds += ticks / (double)sysconf(_SC_CLK_TCK);
  usage->resident_bytes += (uint64_t)resident_pages * (uint64_t)sysconf(_SC_PAGESIZE);
  if (state != 'Z') usage->processes_count++;
}

static double seconds_of(struct timeval time) { return (double)time.tv_sec + 1e-6 * (double)time.tv_usec; }

void descendants_usage(const descendants *list, usage *usage) {
  struct rusage ended;
  memset(usage, 0, sizeof *usage);
  getrusage(RUSAGE_CHILDREN, &ended);
  usage->cpu_seconds = seconds_of(ended.ru_utime) + seconds_of(ended.ru_stime);
  for (size_t i = 0; i < list->count; i++) add_usage(usage, list->pids[i]);
}

/* Where the kernel does not tell, as of those with rights of their own, it is all that the process has resident. */
static uint64_t proportional_bytes(pid_t pid) {
  char path[40], text[2048];
  snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)pid);
  const char *line = read_file(path, text, sizeof text) == 0 ? NULL : strstr(text, "\nPss:");
  if (line != NULL) return 1024 * strtoull(line + strlen("\nPss:"), NULL, 10);
  usage usage = {.processes_count = 0};
  add_usage(&usage, pid);
  return usage.resident_bytes;
}

uint64_t descendants_proportional_bytes(const descendants *list) {
  uint64_t sum = 0;
  for (size_t i = 0; i < list->count; i++) sum += proportional_bytes(list->pids[i]);
  return sum;
}

void descendants_signal(const descendants *list, int signal_number, pid_t group_spared) {
  for (size_t i = 0; i < list->count; i++) {
    if (group_spared == 0 || getpgid(list->pids[i]) != group_spared) kill(list->pids[i], signal_number);
  }
}
