#include "segment_file.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static pthread_mutex_t table_mutex = PTHREAD_MUTEX_INITIALIZER;
static segment_file *table;
static atomic_uint generation;

static void before_fork(void) { pthread_mutex_lock(&table_mutex); }
static void after_fork_in_parent(void) { pthread_mutex_unlock(&table_mutex); }

/* Record locks stay with the parent. */
static void after_fork_in_child(void) {
  for (segment_file *file = table; file != NULL; file = file->next) file->owned = false;
  atomic_fetch_add_explicit(&generation, 1, memory_order_relaxed);
  pthread_mutex_unlock(&table_mutex);
}

static void watch_forks(void) { pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child); }

static void lock_table(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, watch_forks);
  pthread_mutex_lock(&table_mutex);
}

static void unlock_table(void) { pthread_mutex_unlock(&table_mutex); }

unsigned fork_generation(void) { return atomic_load_explicit(&generation, memory_order_relaxed); }

static segment_file *find(dev_t device, ino_t inode) {
  for (segment_file *file = table; file != NULL; file = file->next) {
    if (file->device == device && file->inode == inode) return file;
  }
  return NULL;
}

/* Sets (F_WRLCK, F_UNLCK) or asks for (F_GETLK) the lock on byte 0. */
static int byte_lock(int fd, int command, struct flock *lock) {
  lock->l_whence = SEEK_SET;
  lock->l_start = 0;
  lock->l_len = 1;
  lock->l_pid = 0;
  return fcntl(fd, command, lock) < 0 ? -errno : 0;
}

static int set_lock(int fd, short type) {
  struct flock lock = {.l_type = type};
  return byte_lock(fd, F_SETLK, &lock);
}

/* Takes the descriptor over into the table, which must be locked; closes it on failure. */
static int adopt(int fd, segment_file **file) {
  struct stat found;
  if (fstat(fd, &found) < 0) {
    int code = errno;
    close(fd);
    return -code;
  }
  segment_file *same = find(found.st_dev, found.st_ino);
  if (same != NULL) {
    /* Somebody renamed the file between our lstat() and open(). Closing this descriptor could drop the owner's
     * lock, so it is left open for the life of the process. */
    same->users++;
    *file = same;
    return 0;
  }
  segment_file *made = malloc(sizeof *made);
  if (made == NULL) {
    close(fd);
    return -ENOMEM;
  }
  *made = (segment_file){.next = table, .fd = fd, .device = found.st_dev, .inode = found.st_ino, .users = 1};
  table = made;
  *file = made;
  return 0;
}

int segment_file_create(const char *path, segment_file **file) {
  lock_table();
  segment_file *made = NULL;
  int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  int result = fd < 0 ? -errno : adopt(fd, &made);
  if (result == 0) {
    result = set_lock(fd, F_WRLCK);
    made->owned = result == 0;
  }
  if (fd >= 0 && result < 0) unlink(path);
  unlock_table();
  if (result == 0) {
    *file = made;
  } else if (made != NULL) {
    segment_file_release(made);
  }
  return result;
}

int segment_file_open(const char *path, segment_file **file) {
  lock_table();
  int result = 0;
  struct stat found;
  segment_file *same = lstat(path, &found) == 0 ? find(found.st_dev, found.st_ino) : NULL;
  if (same != NULL) {
    same->users++;
    *file = same;
  } else {
    int fd = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    result = fd < 0 ? -errno : adopt(fd, file);
  }
  unlock_table();
  return result;
}

void segment_file_unlock(segment_file *file) {
  lock_table();
  if (file->owned) {
    set_lock(file->fd, F_UNLCK);
    file->owned = false;
  }
  unlock_table();
}

void segment_file_release(segment_file *file) {
  lock_table();
  if (--file->users == 0) {
    segment_file **link = &table;
    while (*link != file) link = &(*link)->next;
    *link = file->next;
    close(file->fd);
    free(file);
  }
  unlock_table();
}

static bool locked_by_anyone(const segment_file *file) {
  struct flock lock = {.l_type = F_WRLCK};
  return file->owned || byte_lock(file->fd, F_GETLK, &lock) < 0 || lock.l_type != F_UNLCK;
}

bool segment_file_locked(const segment_file *file) {
  lock_table();
  bool locked = locked_by_anyone(file);
  unlock_table();
  return locked;
}

pid_t segment_file_locker(const segment_file *file) {
  lock_table();
  struct flock lock = {.l_type = F_WRLCK};
  pid_t pid = file->owned                                                          ? getpid()
              : byte_lock(file->fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK ? lock.l_pid
                                                                                   : 0;
  unlock_table();
  return pid;
}

int segment_file_is_at(const segment_file *file, const char *path) {
  struct stat found;
  if (lstat(path, &found) < 0) return -errno;
  return found.st_dev == file->device && found.st_ino == file->inode;
}

int segment_file_remove_dead(const segment_file *file, const char *path) {
  lock_table();
  int removed = 0;
  if (!file->owned && set_lock(file->fd, F_WRLCK) == 0) {
    removed = segment_file_is_at(file, path) == 1 && unlink(path) == 0;
    set_lock(file->fd, F_UNLCK);
  }
  unlock_table();
  return removed;
}
