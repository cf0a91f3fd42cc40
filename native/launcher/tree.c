#include "tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"

static int make_folder(int fd, const char *path) {
  /* What the umask takes away, fchmodat gives. */
  if (mkdirat(fd, path, 0700) == 0 && fchmodat(fd, path, 0700, 0) == 0) return 0;
  return errno == EEXIST ? 0 : error_set(errno, "cannot make the folder %s: %s", path, strerror(errno));
}

static int sync_folder(int fd, const char *path) {
  int folder = openat(fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  int result = folder < 0 || fsync(folder) < 0 ? error_set(errno, "cannot sync %s: %s", path, strerror(errno)) : 0;
  if (folder >= 0) close(folder);
  return result;
}

static int for_parents(int fd, const char *path, int (*act)(int fd, const char *path)) {
  char parent[PATH_MAX];
  snprintf(parent, sizeof parent, "%s", path);
  for (char *slash = strchr(parent, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
    *slash = '\0';
    int result = act(fd, parent);
    if (result < 0) return result;
    *slash = '/';
  }
  return 0;
}

int tree_make_parents(int fd, const char *path) { return for_parents(fd, path, make_folder); }
int tree_sync_parents(int fd, const char *path) { return for_parents(fd, path, sync_folder); }

void tree_remove(int fd, const char *name) {
  int folder = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  DIR *listed = folder < 0 ? NULL : fdopendir(folder);
  for (struct dirent *entry; listed != NULL && (entry = readdir(listed)) != NULL;) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    if (unlinkat(folder, entry->d_name, 0) < 0 && errno == EISDIR) tree_remove(folder, entry->d_name);
  }
  if (listed != NULL) closedir(listed);
  unlinkat(fd, name, AT_REMOVEDIR);
}
