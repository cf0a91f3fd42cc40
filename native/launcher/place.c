#include "place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "error.h"

#define OTHERS_WRITE 0022

static bool add_place(char place[PATH_MAX], const char *base, const char *rest) {
  /* The XDG base directory specification: a relative path is to be ignored. */
  return base != NULL && base[0] == '/' && snprintf(place, PATH_MAX, "%s%s", base, rest) < PATH_MAX;
}

size_t place_list(char places[PLACES_MAX][PATH_MAX]) {
  const char *chosen = getenv("TELEBRIDGE_CACHE_DIR");
  if (chosen != NULL && chosen[0] != '\0') return add_place(places[0], chosen, "") ? 1 : 0;
  char ours[32];
  snprintf(ours, sizeof ours, "/telebridge-cache-%u", (unsigned)geteuid());
  size_t count = 0;
  count += add_place(places[count], getenv("XDG_CACHE_HOME"), "/telebridge");
  count += add_place(places[count], getenv("HOME"), "/.cache/telebridge");
  count += add_place(places[count], "/var/tmp", ours);
  count += add_place(places[count], "/tmp", ours);
  count += add_place(places[count], "/dev/shm", ours);
  return count;
}

static int make_parents(const char *path) {
  char parent[PATH_MAX];
  snprintf(parent, sizeof parent, "%s", path);
  for (char *slash = strchr(parent + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
    *slash = '\0';
    if (mkdir(parent, 0700) < 0 && errno != EEXIST && access(parent, F_OK) < 0) {
      return error_set(errno, "cannot make %s: %s", parent, strerror(errno));
    }
    *slash = '/';
  }
  return 0;
}

/* Who may write to a folder above ours could put another in its place; in a sticky one (/tmp) only its owner may. The
 * folders' owners say nothing: in a container root's folders often seem to be nobody's. */
static int check_parents(const char *path) {
  char real[PATH_MAX];
  if (realpath(path, real) == NULL) return error_set(errno, "cannot use %s: %s", path, strerror(errno));
  for (char *slash = strrchr(real, '/'); slash != NULL; slash = strrchr(real, '/')) {
    *slash = '\0';
    const char *parent = real[0] == '\0' ? "/" : real;
    struct stat found;
    if (stat(parent, &found) < 0) return error_set(errno, "cannot look at %s: %s", parent, strerror(errno));
    if ((found.st_mode & OTHERS_WRITE) != 0 && (found.st_mode & S_ISVTX) == 0) {
      return error_set(EPERM, "cannot use %s: others may write to %s", path, parent);
    }
  }
  return 0;
}

static int check_folder(const char *path, int fd) {
  struct stat found;
  struct statvfs system;
  if (fstat(fd, &found) < 0 || fstatvfs(fd, &system) < 0) {
    return error_set(errno, "cannot look at %s: %s", path, strerror(errno));
  }
  if (found.st_uid != geteuid()) {
    return error_set(EPERM, "cannot use %s: it belongs to user %u, not to you (%u)", path, (unsigned)found.st_uid,
                     (unsigned)geteuid());
  }
  if ((found.st_mode & OTHERS_WRITE) != 0) {
    return error_set(EPERM, "cannot use %s: others may write to it; chmod go-w %s", path, path);
  }
  if ((system.f_flag & ST_NOEXEC) != 0) {
    return error_set(EACCES, "cannot use %s: no program may be started from that file system (noexec)", path);
  }
  return check_parents(path);
}

int place_open(const char *path) {
  int result = make_parents(path);
  if (result < 0) return result;
  if (mkdir(path, 0700) < 0 && errno != EEXIST) {
    return error_set(errno, "cannot make %s: %s", path, strerror(errno));
  }
  int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) {
    bool is_other = errno == ELOOP || errno == ENOTDIR;
    return error_set(errno, "cannot use %s: %s", path, is_other ? "it is a link or no folder" : strerror(errno));
  }
  result = check_folder(path, fd);
  if (result == 0) return fd;
  close(fd);
  return result;
}
