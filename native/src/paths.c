#include "paths.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "segment.h"

static bool is_alphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

int run_id_check(const char *run_id) {
  if (run_id == NULL) return error_set(EINVAL, "a run needs an id, found none");
  size_t chars = 0;
  for (; run_id[chars] != '\0' && chars <= TELE_RUN_ID_CHARS_MAX; chars++) {
    char c = run_id[chars];
    if (is_alphanumeric(c) || (chars > 0 && (c == '.' || c == '_' || c == '-'))) continue;
    return error_set(EINVAL,
                     "run id \"%.*s\" has the byte 0x%02x at position %zu; letters, digits and, after the first, . _ - "
                     "are allowed",
                     (int)TELE_RUN_ID_CHARS_MAX, run_id, (unsigned char)c, chars + 1);
  }
  if (chars == 0 || chars > TELE_RUN_ID_CHARS_MAX) {
    return error_set(EINVAL, "run id \"%.*s\" has %s characters, expected 1 to %u", (int)TELE_RUN_ID_CHARS_MAX, run_id,
                     chars == 0 ? "no" : "too many", TELE_RUN_ID_CHARS_MAX);
  }
  return 0;
}

void segment_path(const char *run_id, char path[SEGMENT_PATH_BYTES]) {
  snprintf(path, SEGMENT_PATH_BYTES, SEGMENT_DIR "/mosaic.run.%.64s.fastlane", run_id);
}

void socket_name(const char *run_id, char name[SOCKET_NAME_BYTES]) {
  snprintf(name, SOCKET_NAME_BYTES, "mosaic.run.%.64s.sock", run_id);
}

int tele_segment_name(const char *run_id, char *buffer, size_t buffer_bytes) {
  int result = run_id_check(run_id);
  if (result < 0) return result;
  int chars = snprintf(buffer, buffer_bytes, "/mosaic.run.%s.fastlane", run_id);
  if ((size_t)chars >= buffer_bytes) {
    return error_set(ENOSPC, "the segment name of run \"%s\" needs %d bytes, the buffer has %zu", run_id, chars + 1,
                     buffer_bytes);
  }
  return 0;
}

int runtime_dir_path(char *buffer, size_t buffer_bytes) {
  const char *chosen = getenv("TELEBRIDGE_RUNTIME_DIR");
  const char *session = getenv("XDG_RUNTIME_DIR");
  int chars;
  if (chosen != NULL && chosen[0] != '\0') {
    chars = snprintf(buffer, buffer_bytes, "%s", chosen);
  } else if (session != NULL && session[0] != '\0') {
    chars = snprintf(buffer, buffer_bytes, "%s/telebridge", session);
  } else {
    chars = snprintf(buffer, buffer_bytes, "/tmp/telebridge-%u", (unsigned)geteuid());
  }
  if ((size_t)chars >= buffer_bytes) {
    return error_set(ENAMETOOLONG, "the runtime directory's path has %d bytes, at most %zu fit", chars,
                     buffer_bytes - 1);
  }
  /* O_NOFOLLOW looks at the last name only, and "link/" would name what the link leads to. */
  while (chars > 1 && buffer[chars - 1] == '/') buffer[--chars] = '\0';
  return 0;
}

int runtime_dir_open(const char *path, bool make) {
  if (make && mkdir(path, 0700) < 0 && errno != EEXIST) {
    return error_set(errno, "cannot make the runtime directory \"%s\": %s", path, strerror(errno));
  }
  int fd = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) {
    bool link_or_file = errno == ELOOP || errno == ENOTDIR;
    return error_set(link_or_file ? EPERM : errno, "cannot use the runtime directory \"%s\": %s", path,
                     link_or_file ? "it is a link or no directory" : strerror(errno));
  }
  struct stat found;
  if (fstat(fd, &found) < 0) {
    int code = errno;
    close(fd);
    return error_set(code, "cannot look at the runtime directory \"%s\": %s", path, strerror(code));
  }
  if (found.st_uid != geteuid() || (found.st_mode & 0077) != 0) {
    close(fd);
    return error_set(EPERM,
                     "cannot use the runtime directory \"%s\": it belongs to user %u with mode %04o, expected user %u "
                     "and 0700",
                     path, (unsigned)found.st_uid, (unsigned)(found.st_mode & 07777), (unsigned)geteuid());
  }
  return fd;
}

int tele_runtime_dir(char *buffer, size_t buffer_bytes) {
  int result = runtime_dir_path(buffer, buffer_bytes);
  if (result < 0) return result;
  int fd = runtime_dir_open(buffer, true);
  if (fd < 0) return fd;
  close(fd);
  return 0;
}

int socket_address(const char *dir_path, int dir_fd, const char *name, struct sockaddr_un *address) {
  memset(address, 0, sizeof *address);
  address->sun_family = AF_UNIX;
  int chars = snprintf(address->sun_path, sizeof address->sun_path, "%s/%s", dir_path, name);
  if ((size_t)chars >= sizeof address->sun_path) {
    chars = snprintf(address->sun_path, sizeof address->sun_path, "/proc/self/fd/%d/%s", dir_fd, name);
  }
  if ((size_t)chars >= sizeof address->sun_path) {
    return error_set(ENAMETOOLONG, "the socket name \"%s\" has %d bytes, at most %zu fit", name, chars,
                     sizeof address->sun_path - 1);
  }
  return (int)(offsetof(struct sockaddr_un, sun_path) + (size_t)chars + 1);
}
