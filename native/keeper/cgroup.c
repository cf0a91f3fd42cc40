#include "cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "error.h"

#define SERVER_NAME "serve"
#define AGENT_PREFIX "agent-"
/* A process that is started in the delegated cgroup while we move those that are there must be moved too. */
#define ATTEMPTS_MAX 20

static int read_at(int folder, const char *name, char *text, size_t room) {
  int fd = openat(folder, name, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -errno;
  size_t length = 0;
  ssize_t got;
  while (length < room - 1 && (got = read(fd, text + length, room - 1 - length)) > 0) length += (size_t)got;
  close(fd);
  text[length] = '\0';
  return 0;
}

static int write_at(int folder, const char *name, const char *text) {
  int fd = openat(folder, name, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return -errno;
  int result = write(fd, text, strlen(text)) < 0 ? -errno : 0;
  close(fd);
  return result;
}

/* "... ID PARENT DEVICE ROOT MOUNT_POINT OPTIONS ... - cgroup2 ...": proc_pid_mountinfo(5). */
static bool is_version_2(const char *line, char mount_point[PATH_MAX]) {
  const char *type = strstr(line, " - cgroup2 ");
  const char *end = strchr(line, '\n');
  if (type == NULL || (end != NULL && type > end)) return false;
  char root[PATH_MAX];
  return sscanf(line, "%*s %*s %*s %4095s %4095s", root, mount_point) == 2 && strcmp(root, "/") == 0;
}

int cgroup_find_own(const char *mountinfo, const char *own, char path[PATH_MAX]) {
  const char *place = strncmp(own, "0::/", 4) == 0 ? own : strstr(own, "\n0::/");
  if (place == NULL) return error_set(ENOENT, "this machine has no cgroup v2");
  place = strchr(place, '/');
  char mount_point[PATH_MAX];
  for (const char *line = mountinfo; line != NULL && *line != '\0'; line = strchr(line, '\n')) {
    if (*line == '\n') line++;
    if (!is_version_2(line, mount_point)) continue;
    int length = (int)strcspn(place, "\n");
    if (strncmp(place, "/../", 4) == 0) break; /* outside of our namespace */
    if (snprintf(path, PATH_MAX, "%s%.*s", mount_point, length == 1 ? 0 : length, place) < PATH_MAX) return 0;
  }
  return error_set(ENOENT, "cgroup v2 is not mounted here");
}

static bool has_mark(const char *path, const char *attribute) {
  char value[8];
  return getxattr(path, attribute, value, sizeof value) == 1 && value[0] == '1';
}

static bool is_delegated(const char *path) {
  if (has_mark(path, "user.delegate") || has_mark(path, "trusted.delegate")) return true;
  const char *told = getenv(CGROUP_VARIABLE);
  struct stat found;
  return told != NULL && strcmp(told, "delegated") == 0 && stat(path, &found) == 0 && found.st_uid == geteuid();
}

static bool has_word(const char *words, const char *word) {
  size_t length = strlen(word);
  for (const char *at = words; (at = strstr(at, word)) != NULL; at += length) {
    bool begins = at == words || at[-1] == ' ';
    if (begins && strchr(" \n", at[length]) != NULL) return true;
  }
  return false;
}

/* The delegated cgroup that we are in, or that the one named SERVER_NAME is in that we are in. */
static int find_delegated(char path[PATH_MAX]) {
  static char mountinfo[256 * 1024];
  char own[4096];
  int result = read_at(AT_FDCWD, "/proc/self/mountinfo", mountinfo, sizeof mountinfo);
  if (result == 0) result = read_at(AT_FDCWD, "/proc/self/cgroup", own, sizeof own);
  if (result < 0) return error_set(-result, "cannot read which cgroup this is: %s", strerror(-result));
  result = cgroup_find_own(mountinfo, own, path);
  if (result < 0) return result;
  char *last = strrchr(path, '/');
  if (strcmp(last + 1, SERVER_NAME) == 0) *last = '\0';
  if (is_delegated(path)) return 0;
  return error_set(EPERM, "no cgroup was delegated to this server (a systemd unit does it with Delegate=memory)");
}

/* Kills and removes what a keeper left that is no more. */
static void sweep(int delegated, const char *name) {
  pid_t keeper = (pid_t)atoi(name + strlen(AGENT_PREFIX));
  bool is_former = keeper <= 0 || keeper == getpid(); /* ours is not made yet */
  if (!is_former && (kill(keeper, 0) == 0 || errno != ESRCH)) return;
  int folder = openat(delegated, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return;
  write_at(folder, "cgroup.kill", "1");
  close(folder);
  unlinkat(delegated, name, AT_REMOVEDIR); /* who is still dying is waited for by the next keeper */
}

static void sweep_all(int delegated) {
  DIR *listed = fdopendir(openat(delegated, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (listed == NULL) return;
  for (struct dirent *entry; (entry = readdir(listed)) != NULL;) {
    if (strncmp(entry->d_name, AGENT_PREFIX, strlen(AGENT_PREFIX)) == 0) sweep(delegated, entry->d_name);
  }
  closedir(listed);
}

static int move_processes(int from, int to) {
  char pids[16 * 1024];
  int result = read_at(from, "cgroup.procs", pids, sizeof pids);
  if (result < 0) return error_set(-result, "cannot read cgroup.procs: %s", strerror(-result));
  char *rest = pids;
  for (char *pid; (pid = strsep(&rest, "\n")) != NULL;) {
    result = *pid == '\0' ? 0 : write_at(to, "cgroup.procs", pid);
    if (result < 0 && result != -ESRCH) {
      return error_set(-result, "cannot move process %s into %s: %s", pid, SERVER_NAME, strerror(-result));
    }
  }
  return 0;
}

/* Has the delegated cgroup give the memory controller to its children. */
static int give_memory(int delegated) {
  char words[1024];
  if (read_at(delegated, "cgroup.controllers", words, sizeof words) < 0 || !has_word(words, "memory")) {
    return error_set(EOPNOTSUPP, "the delegated cgroup has no memory controller");
  }
  if (mkdirat(delegated, SERVER_NAME, 0755) != 0 && errno != EEXIST) {
    return error_set(errno, "cannot make a cgroup: %s", strerror(errno));
  }
  int server = openat(delegated, SERVER_NAME, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (server < 0) return error_set(errno, "cannot open a cgroup: %s", strerror(errno));
  int result = -EBUSY;
  for (int attempt = 0; attempt < ATTEMPTS_MAX && result == -EBUSY; attempt++) {
    result = move_processes(delegated, server);
    if (result == 0) result = write_at(delegated, "cgroup.subtree_control", "+memory");
  }
  close(server);
  if (result < 0) error_set(-result, "cannot give its memory controller to agents: %s", strerror(-result));
  return result;
}

static int set_limit(const cgroup *cgroup, uint64_t memory_max) {
  char text[24];
  snprintf(text, sizeof text, "%llu", (unsigned long long)memory_max);
  int result = write_at(cgroup->fd, "memory.max", text);
  if (result < 0) return error_set(-result, "cannot write memory.max: %s", strerror(-result));
  write_at(cgroup->fd, "memory.swap.max", "0"); /* is not there without swap */
  write_at(cgroup->fd, "memory.oom.group", "1");
  return 0;
}

static int make_in(int delegated, const char *delegated_path, uint64_t memory_max, cgroup *made) {
  char name[32];
  snprintf(name, sizeof name, AGENT_PREFIX "%d", (int)getpid());
  if (snprintf(made->path, sizeof made->path, "%s/%s", delegated_path, name) >= (int)sizeof made->path) {
    return error_set(ENAMETOOLONG, "the path of its cgroup is too long");
  }
  if (mkdirat(delegated, name, 0755) != 0 && errno != EEXIST) {
    return error_set(errno, "cannot make the cgroup %s: %s", made->path, strerror(errno));
  }
  made->fd = openat(delegated, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  made->procs_fd = made->fd < 0 ? -1 : openat(made->fd, "cgroup.procs", O_WRONLY | O_CLOEXEC);
  if (made->procs_fd < 0) return error_set(errno, "cannot open the cgroup %s: %s", made->path, strerror(errno));
  return set_limit(made, memory_max);
}

int cgroup_open(uint64_t memory_max, cgroup *made) {
  char path[PATH_MAX];
  made->fd = made->procs_fd = -1;
  made->path[0] = '\0';
  int result = find_delegated(path);
  if (result < 0) return result;
  int delegated = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (delegated < 0) return error_set(errno, "cannot open %s: %s", path, strerror(errno));
  sweep_all(delegated);
  result = give_memory(delegated);
  if (result == 0) result = make_in(delegated, path, memory_max, made);
  close(delegated);
  if (result < 0) cgroup_close(made);
  return result;
}

bool cgroup_ran_out(const cgroup *cgroup) {
  char events[1024];
  if (cgroup->fd < 0 || read_at(cgroup->fd, "memory.events", events, sizeof events) < 0) return false;
  const char *kills = strstr(events, "\noom_kill ");
  return kills != NULL && strtoull(kills + strlen("\noom_kill "), NULL, 10) > 0;
}

void cgroup_kill(const cgroup *cgroup) {
  if (cgroup->fd >= 0) write_at(cgroup->fd, "cgroup.kill", "1");
}

void cgroup_close(cgroup *cgroup) {
  if (cgroup->procs_fd >= 0) close(cgroup->procs_fd);
  if (cgroup->fd >= 0) close(cgroup->fd);
  cgroup->fd = cgroup->procs_fd = -1;
  if (cgroup->path[0] != '\0') rmdir(cgroup->path);
}
