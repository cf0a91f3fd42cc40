/*
 * telebridge as one file: unpacks what is behind it into a cache at the first start, and becomes Deno, which runs the
 * server's bundle from there. No process of its own remains.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "archive.h"
#include "cache.h"
#include "error.h"
#include "place.h"
#include "telebridge.h"

#define RUNTIME "bin/telebridge"
#define PROGRAM "server/main.mjs"

/* As tools/telebridge.sh gives them, for a bundle: it needs no configuration, no packages, no network. */
static const char *const runtime_flags[] = {
    "run",
    "--quiet",
    "--no-prompt",
    "--no-remote",
    "--no-npm",
    "--no-config",
    "--no-lock",
    "--no-code-cache", /* tried: it makes no start quicker */
    "--unstable-net",
    "--allow-all",
};
#define RUNTIME_FLAGS_COUNT (sizeof runtime_flags / sizeof runtime_flags[0])

static void complain(void) { fprintf(stderr, "telebridge: %s\n", tele_error_message()); }

/* Makes the cache in the first place that will have it. Complains about all of them when none will. */
static bool find_cache(const archive *archive, char cache[PATH_MAX]) {
  static char places[PLACES_MAX][PATH_MAX];
  size_t count = place_list(places);
  char reasons[PLACES_MAX][512];
  for (size_t i = 0; i < count; i++) {
    int place = place_open(places[i]);
    int result = place < 0 ? place : cache_enter(archive, place);
    if (result == 0) cache_sweep(archive, place);
    if (place >= 0) close(place);
    if (result == 0) return snprintf(cache, PATH_MAX, "%s/%s", places[i], archive->id) < PATH_MAX;
    if (result == -EBADMSG) {
      complain();
      return false;
    }
    snprintf(reasons[i], sizeof reasons[i], "%s", tele_error_message());
  }
  fprintf(stderr,
          "telebridge: there is no folder to unpack into; name one of yours: TELEBRIDGE_CACHE_DIR=/its/full/path\n");
  for (size_t i = 0; i < count; i++) fprintf(stderr, "  %s\n", reasons[i]);
  return false;
}

/* What Deno and the program are told. The program hides DENO_DIR from what it starts (core/packed.ts). */
static void set_environment(const char *cache) {
  char executable[PATH_MAX] = "", deno_dir[PATH_MAX + 8];
  if (readlink("/proc/self/exe", executable, sizeof executable - 1) > 0) {
    setenv("TELEBRIDGE_EXECUTABLE", executable, 1);
  }
  const char *own = getenv("DENO_DIR");
  if (own != NULL) {
    setenv("TELEBRIDGE_DENO_DIR", own, 1);
  } else {
    unsetenv("TELEBRIDGE_DENO_DIR");
  }
  snprintf(deno_dir, sizeof deno_dir, "%s/deno", cache);
  setenv("DENO_DIR", deno_dir, 1);
  setenv("DENO_NO_UPDATE_CHECK", "1", 1);
}

/* Returns only on failure. */
static void become_runtime(const char *cache, int argc, char **argv) {
  char runtime[PATH_MAX + 32], program[PATH_MAX + 32];
  snprintf(runtime, sizeof runtime, "%s/" RUNTIME, cache);
  snprintf(program, sizeof program, "%s/" PROGRAM, cache);
  char **args = calloc((size_t)argc + RUNTIME_FLAGS_COUNT + 3, sizeof *args);
  if (args == NULL) {
    error_set(ENOMEM, "no memory for %d arguments", argc);
    return;
  }
  size_t count = 0;
  args[count++] = argc > 0 ? argv[0] : runtime;
  for (size_t i = 0; i < RUNTIME_FLAGS_COUNT; i++) args[count++] = (char *)runtime_flags[i];
  args[count++] = program;
  for (int i = 1; i < argc; i++) args[count++] = argv[i];
  execv(runtime, args);
  int code = errno;
  free(args);
  if (code == ENOENT && access(runtime, X_OK) == 0) {
    error_set(code, "this system has no glibc, which Deno needs: the loader that %s names is missing", runtime);
  } else {
    error_set(code, "cannot start %s: %s", runtime, strerror(code));
  }
}

int main(int argc, char **argv) {
  int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  if (file < 0) {
    fprintf(stderr, "telebridge: cannot open its own file by /proc/self/exe: %s; /proc must be mounted\n",
            strerror(errno));
    return 1;
  }
  archive archive;
  char cache[PATH_MAX];
  if (archive_open(file, &archive) < 0) {
    complain();
    return 1;
  }
  if (!find_cache(&archive, cache)) return 1;
  set_environment(cache);
  become_runtime(cache, argc, argv);
  complain();
  return 1;
}
