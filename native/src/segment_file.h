/*
 * Open segment files of this process, and the owner's lock.
 *
 * The producer holds a POSIX record lock on byte 0, because the kernel frees it on kill -9, does not hand it to forks
 * and knows it across pid namespaces. Two traps come with it: closing *any* descriptor of the file in the process
 * frees the lock, and F_GETLK never reports one's own lock. So every descriptor of a segment lives in one table here:
 * one descriptor per file and process, shared by count, closed by its last user.
 */
#ifndef TELE_SEGMENT_FILE_H
#define TELE_SEGMENT_FILE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct segment_file {
  struct segment_file *next;
  int fd;
  dev_t device;
  ino_t inode;
  unsigned users;
  bool owned; /* this process holds the owner's lock */
} segment_file;

/* Makes the file at path (-EEXIST when there is one) and takes the owner's lock. */
int segment_file_create(const char *path, segment_file **file);

/* Opens the file at path for reading and writing. -ENOENT, -EACCES and so on, without a text. */
int segment_file_open(const char *path, segment_file **file);

/* Gives the lock back; the file stays open for its other users. For the creator. */
void segment_file_unlock(segment_file *file);

/* Drops one user; the last one closes. */
void segment_file_release(segment_file *file);

/* Whether any process, this one included, holds the owner's lock. */
bool segment_file_locked(const segment_file *file);

/* The pid of who holds the owner's lock: 0 for nobody, and for a process of another pid namespace. */
pid_t segment_file_locker(const segment_file *file);

/* Unlinks path when it still leads to this file and nobody holds the owner's lock. The lock is taken meanwhile, so
 * that of two removers and a successor no one unlinks another's new segment. 1 removed, 0 left alone. */
int segment_file_remove_dead(const segment_file *file, const char *path);

/* Whether path leads to this file: 1 yes, 0 to another one, -errno (-ENOENT: to none). */
int segment_file_is_at(const segment_file *file, const char *path);

/* Counts the forks between this process and the one that loaded the library. A producer compares it with the count
 * at its creation: getpid() would be a system call in every publish. */
unsigned fork_generation(void);

#endif
