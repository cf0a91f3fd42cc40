#include "cache.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "tree.h"

/* The file as it was unpacked? */
static bool is_untouched(int cache, const archive_entry *entry) {
  struct stat found;
  return fstatat(cache, entry->path, &found, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(found.st_mode) &&
         found.st_uid == geteuid() && (found.st_mode & 07777) == entry->mode &&
         (uint64_t)found.st_size == entry->plain_bytes && found.st_mtim.tv_sec == CACHE_FILE_TIME_S &&
         found.st_mtim.tv_nsec == 0;
}

static bool is_whole(int cache, const archive *archive) {
  struct stat found;
  if (fstat(cache, &found) < 0 || found.st_uid != geteuid() || (found.st_mode & 07777) != 0700) return false;
  for (uint32_t i = 0; i < archive->entries_count; i++) {
    if (!is_untouched(cache, &archive->entries[i])) return false;
  }
  return true;
}

/* Whether there is a whole cache; if so, it counts as used now. */
static bool use_cache(const archive *archive, int place) {
  int cache = openat(place, archive->id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (cache < 0) return false;
  bool is_usable = is_whole(cache, archive);
  if (is_usable) futimens(cache, NULL); /* for cache_sweep() */
  close(cache);
  return is_usable;
}

static int finish_file(int file, const archive_entry *entry) {
  const struct timespec times[2] = {{.tv_sec = CACHE_FILE_TIME_S}, {.tv_sec = CACHE_FILE_TIME_S}};
  if (fchmod(file, entry->mode) < 0 || futimens(file, times) < 0 || fsync(file) < 0) {
    return error_set(errno, "cannot write %s: %s", entry->path, strerror(errno));
  }
  return 0;
}

static int unpack_file(int cache, const archive *archive, const archive_entry *entry) {
  int result = tree_make_parents(cache, entry->path);
  if (result < 0) return result;
  int file = openat(cache, entry->path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (file < 0) return error_set(errno, "cannot make %s: %s", entry->path, strerror(errno));
  result = archive_unpack(archive, entry, file);
  if (result == 0) result = finish_file(file, entry);
  if (close(file) < 0 && result == 0) result = error_set(errno, "cannot write %s: %s", entry->path, strerror(errno));
  return result;
}

static int unpack_all(int cache, const archive *archive) {
  for (uint32_t i = 0; i < archive->entries_count; i++) {
    int result = unpack_file(cache, archive, &archive->entries[i]);
    if (result < 0) return result;
  }
  for (uint32_t i = 0; i < archive->entries_count; i++) {
    int result = tree_sync_parents(cache, archive->entries[i].path);
    if (result < 0) return result;
  }
  return fsync(cache) < 0 ? error_set(errno, "cannot sync the cache: %s", strerror(errno)) : 0;
}

/* Gives the new folder the cache's name. Another start may have been quicker, and what has the name may be damaged. */
static int put_in_place(const archive *archive, int place, const char *made) {
  if (renameat(place, made, place, archive->id) == 0) return 0;
  if (use_cache(archive, place)) return 0;
  /* Whatever it is, a file or a link too, goes under the new folder's name and is removed there. */
  if (renameat2(place, made, place, archive->id, RENAME_EXCHANGE) == 0) return 0;
  tree_remove(place, archive->id); /* a file system that cannot exchange names: NFS */
  unlinkat(place, archive->id, 0);
  if (renameat(place, made, place, archive->id) == 0 || use_cache(archive, place)) return 0;
  return error_set(errno, "cannot put the cache %s in its place: %s", archive->id, strerror(errno));
}

static int make_cache(const archive *archive, int place, const char *name) {
  if (mkdirat(place, name, 0700) < 0 || fchmodat(place, name, 0700, 0) < 0) {
    return error_set(errno, "cannot make a folder: %s", strerror(errno));
  }
  int cache = openat(place, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (cache < 0) return error_set(errno, "cannot open a folder just made: %s", strerror(errno));
  int result = unpack_all(cache, archive);
  close(cache);
  return result;
}

int cache_enter(const archive *archive, int place) {
  if (use_cache(archive, place)) return 0;
  uint64_t number;
  if (getrandom(&number, sizeof number, 0) != sizeof number) return error_set(EIO, "the kernel gives no random number");
  char name[64];
  snprintf(name, sizeof name, ".made-%016llx", (unsigned long long)number);
  int result = make_cache(archive, place, name);
  if (result == 0) result = put_in_place(archive, place, name);
  if (result == 0 && fsync(place) < 0) result = error_set(errno, "cannot sync the cache: %s", strerror(errno));
  tree_remove(place, name); /* where it has not become the cache */
  unlinkat(place, name, 0);
  return result;
}
