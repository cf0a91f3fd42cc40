/* Names of a run in the file system: its segment, its socket, and the directory for sockets. */
#ifndef TELE_PATHS_H
#define TELE_PATHS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "telebridge.h"

/* "/dev/shm/mosaic.run.<64>.fastlane" and a zero. */
#define SEGMENT_PATH_BYTES 112
/* "mosaic.run.<64>.sock.lock" and a zero. */
#define SOCKET_NAME_BYTES 96

/* -EINVAL with a text when run_id does not match [A-Za-z0-9][A-Za-z0-9._-]{0,63}. */
int run_id_check(const char *run_id);

/* run_id must have been checked. */
void segment_path(const char *run_id, char path[SEGMENT_PATH_BYTES]);
void socket_name(const char *run_id, char name[SOCKET_NAME_BYTES]);

/* The path of the directory for sockets from the environment; -ENAMETOOLONG. Touches no file. */
int runtime_dir_path(char *buffer, size_t buffer_bytes);

/* Opens the directory for sockets (O_PATH) when it is ours, 0700 and no link; makes it first if asked to.
 * Returns a descriptor or -errno. */
int runtime_dir_open(const char *path, bool make);

/* The address of the socket `name` in the directory. A path too long for a socket address goes through
 * /proc/self/fd/<dir_fd>. Returns its length, or -ENAMETOOLONG. */
int socket_address(const char *dir_path, int dir_fd, const char *name, struct sockaddr_un *address);

#endif
