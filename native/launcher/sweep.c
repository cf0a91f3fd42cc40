/* Removing the caches of versions that nobody starts any more. */
#include "cache.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tree.h"

static bool is_half_made(const char *name) { return strncmp(name, ".made-", 6) == 0; }

static bool is_id(const char *name) {
  return strlen(name) == ARCHIVE_ID_CHARS && strspn(name, "0123456789abcdef") == ARCHIVE_ID_CHARS;
}

static bool is_older_than(int folder, time_t seconds) {
  struct stat found;
  return fstat(folder, &found) == 0 && time(NULL) - found.st_mtim.tv_sec > seconds;
}

/* Renamed first: a start at this moment finds no cache and makes one, instead of one that is being emptied. */
static void remove_cache(int place, const char *name) {
  char removed[64];
  snprintf(removed, sizeof removed, ".made-%.8s-%d", name, (int)getpid());
  if (renameat(place, name, place, removed) == 0) tree_remove(place, removed);
}

static void sweep_folder(int place, const char *name) {
  int folder = openat(place, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (folder < 0) return;
  if (is_half_made(name)) {
    if (is_older_than(folder, CACHE_HALF_MADE_S)) tree_remove(place, name);
  } else if (flock(folder, LOCK_EX | LOCK_NB) == 0 && is_older_than(folder, CACHE_UNUSED_S)) {
    remove_cache(place, name);
  }
  close(folder);
}

void cache_sweep(const archive *archive, int place) {
  int copy = openat(place, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *listed = copy < 0 ? NULL : fdopendir(copy);
  for (struct dirent *entry; listed != NULL && (entry = readdir(listed)) != NULL;) {
    if (strcmp(entry->d_name, archive->id) == 0) continue;
    if (is_half_made(entry->d_name) || is_id(entry->d_name)) sweep_folder(place, entry->d_name);
  }
  if (listed != NULL) closedir(listed);
}
