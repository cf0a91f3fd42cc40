/* The keeper's command line, and what it takes over from whoever started it. */
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "keeper.h"

#define GRACE_MS_DEFAULT 5000

static int usage(const char *wrong, const char *what) {
  fprintf(stderr,
          "telebridge_keeper: %s%s\n"
          "usage: telebridge_keeper [--grace-ms N] [--memory-max BYTES] [--cwd FOLDER] -- COMMAND [ARGUMENT...]\n",
          wrong, what);
  return 2;
}

static bool take_number(const char *text, uint64_t *number) {
  char *end;
  errno = 0;
  *number = strtoull(text, &end, 10);
  return errno == 0 && end != text && *end == '\0' && *text != '-';
}

/* What was left open for us by mistake would stay open as long as the command runs. */
static void close_inherited(void) {
  DIR *open_files = opendir("/proc/self/fd");
  if (open_files == NULL) return;
  for (struct dirent *entry; (entry = readdir(open_files)) != NULL;) {
    int fd = atoi(entry->d_name);
    if (fd > STDERR_FILENO && fd != dirfd(open_files)) close(fd);
  }
  closedir(open_files);
}

int main(int argc, char **argv) {
  keeper_options options = {.grace_ms = GRACE_MS_DEFAULT};
  int at = 1;
  for (; at < argc && strcmp(argv[at], "--") != 0; at += 2) {
    const char *name = argv[at], *value = argv[at + 1];
    if (value == NULL) return usage("what comes after ", name);
    if (strcmp(name, "--cwd") == 0) {
      options.directory = value;
    } else if (strcmp(name, "--grace-ms") == 0) {
      if (!take_number(value, &options.grace_ms)) return usage("--grace-ms is no number: ", value);
    } else if (strcmp(name, "--memory-max") == 0) {
      if (!take_number(value, &options.memory_max)) return usage("--memory-max is no number: ", value);
    } else {
      return usage("there is no option ", name);
    }
  }
  if (at + 1 >= argc) return usage("there is no command", "");
  options.words = argv + at + 1;
  close_inherited();
  return keeper_run(&options);
}
