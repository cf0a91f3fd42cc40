#include "archive.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The digest alone: what comes after it in OpenSSL (EVP, and SHA256() by it) is 4 MB when linked statically. */
#define OPENSSL_API_COMPAT 0x10100000L
#include <openssl/sha.h>
#include <zstd.h>

#include "error.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the table is read as it lies in the file");
_Static_assert(sizeof(archive_entry) == 192, "a row is as docs/dist.md has it");
_Static_assert(sizeof(archive_trailer) == 64, "the trailer is as docs/dist.md has it");

#define CHUNK_BYTES (256 * 1024)

static int damaged(const char *found) {
  return error_set(EBADMSG, "this file is damaged or not whole: %s; copy it again", found);
}

static int read_at(int fd, void *buffer, size_t bytes, uint64_t offset) {
  for (size_t done = 0; done < bytes;) {
    ssize_t got = pread(fd, (char *)buffer + done, bytes - done, (off_t)(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return error_set(errno, "cannot read this program's own file: %s", strerror(errno));
    if (got == 0) return damaged("it ends too early");
    done += (size_t)got;
  }
  return 0;
}

/* Without "..", empty names and the like: nothing is ever written outside of the folder that it is unpacked into. */
static bool is_path_within(const char path[static 128]) {
  if (memchr(path, '\0', 128) == NULL || path[0] == '\0') return false;
  for (const char *name = path;; name++) {
    size_t chars = strcspn(name, "/");
    if (chars == 0 || name[0] == '.') return false;
    name += chars;
    if (*name == '\0') return true;
  }
}

static bool is_entry_sound(const archive_entry *entry, uint64_t table_offset) {
  return is_path_within(entry->path) && (entry->mode & ~0500u) == 0 && entry->offset <= table_offset &&
         entry->packed_bytes <= table_offset - entry->offset;
}

static int check_trailer(const archive_trailer *trailer, uint64_t file_bytes) {
  if (memcmp(trailer->magic, ARCHIVE_MAGIC, sizeof trailer->magic) != 0) return damaged("its last part is missing");
  if (trailer->version != ARCHIVE_VERSION) return damaged("its table is of another version");
  if (trailer->file_bytes != file_bytes) return damaged("something is missing or added in its middle");
  uint64_t table_end = trailer->table_offset + trailer->table_bytes;
  if (trailer->table_offset > file_bytes || table_end != file_bytes - sizeof *trailer || trailer->table_bytes == 0 ||
      trailer->table_bytes % sizeof(archive_entry) != 0 ||
      trailer->table_bytes > ARCHIVE_ENTRIES_MAX * sizeof(archive_entry)) {
    return damaged("its table is not where it should be");
  }
  return 0;
}

static int check_table(archive *opened, const archive_trailer *trailer) {
  uint8_t digest[ARCHIVE_SHA256_BYTES];
  SHA256_CTX work;
  SHA256_Init(&work);
  SHA256_Update(&work, opened->entries, trailer->table_bytes);
  SHA256_Final(digest, &work);
  if (memcmp(digest, trailer->table_sha256, sizeof digest) != 0) return damaged("its table has changed");
  opened->entries_count = trailer->table_bytes / sizeof(archive_entry);
  for (uint32_t i = 0; i < opened->entries_count; i++) {
    if (!is_entry_sound(&opened->entries[i], trailer->table_offset)) return damaged("its table makes no sense");
  }
  for (int i = 0; i < ARCHIVE_ID_CHARS / 2; i++) snprintf(opened->id + 2 * i, 3, "%02x", digest[i]);
  return 0;
}

int archive_open(int fd, archive *opened) {
  struct stat found;
  if (fstat(fd, &found) < 0) return error_set(errno, "cannot look at this program's own file: %s", strerror(errno));
  uint64_t file_bytes = (uint64_t)found.st_size;
  archive_trailer trailer;
  if (file_bytes < sizeof trailer) return damaged("it ends too early");
  int result = read_at(fd, &trailer, sizeof trailer, file_bytes - sizeof trailer);
  if (result == 0) result = check_trailer(&trailer, file_bytes);
  if (result < 0) return result;
  *opened = (archive){.fd = fd, .entries = malloc(trailer.table_bytes)};
  if (opened->entries == NULL) return error_set(ENOMEM, "no memory for a table of %u bytes", trailer.table_bytes);
  result = read_at(fd, opened->entries, trailer.table_bytes, trailer.table_offset);
  if (result == 0) result = check_table(opened, &trailer);
  if (result < 0) archive_close(opened);
  return result;
}

void archive_close(archive *archive) {
  free(archive->entries);
  archive->entries = NULL;
}

static int write_all(int fd, const uint8_t *from, size_t bytes, const char *path) {
  for (size_t done = 0; done < bytes;) {
    ssize_t put = write(fd, from + done, bytes - done);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return error_set(errno, "cannot write %s: %s", path, strerror(errno));
    done += (size_t)put;
  }
  return 0;
}

typedef struct unpacking {
  ZSTD_DStream *stream;
  uint8_t *packed, *plain; /* CHUNK_BYTES each */
  SHA256_CTX digest;
  uint64_t plain_bytes;
} unpacking;

static int entry_damaged(const archive_entry *entry) {
  char found[192];
  snprintf(found, sizeof found, "%s in it is not what was packed", entry->path);
  return damaged(found);
}

/* Unpacks what zstd makes of one chunk of the file. */
static int unpack_chunk(unpacking *work, const archive_entry *entry, size_t packed_bytes, int out_fd) {
  ZSTD_inBuffer in = {work->packed, packed_bytes, 0};
  for (bool more = true; more || in.pos < in.size;) {
    ZSTD_outBuffer out = {work->plain, CHUNK_BYTES, 0};
    if (ZSTD_isError(ZSTD_decompressStream(work->stream, &out, &in))) return entry_damaged(entry);
    more = out.pos == out.size; /* it may hold back more than fitted */
    work->plain_bytes += out.pos;
    if (work->plain_bytes > entry->plain_bytes) return entry_damaged(entry);
    SHA256_Update(&work->digest, work->plain, out.pos);
    int result = write_all(out_fd, work->plain, out.pos, entry->path);
    if (result < 0) return result;
  }
  return 0;
}

static int unpack_with(unpacking *work, const archive *archive, const archive_entry *entry, int out_fd) {
  SHA256_Init(&work->digest);
  for (uint64_t done = 0; done < entry->packed_bytes;) {
    uint64_t left = entry->packed_bytes - done;
    size_t bytes = left < CHUNK_BYTES ? (size_t)left : CHUNK_BYTES;
    int result = read_at(archive->fd, work->packed, bytes, entry->offset + done);
    if (result == 0) result = unpack_chunk(work, entry, bytes, out_fd);
    if (result < 0) return result;
    done += bytes;
  }
  uint8_t digest[ARCHIVE_SHA256_BYTES];
  SHA256_Final(digest, &work->digest);
  bool is_same = work->plain_bytes == entry->plain_bytes && memcmp(digest, entry->sha256, sizeof digest) == 0;
  return is_same ? 0 : entry_damaged(entry);
}

int archive_unpack(const archive *archive, const archive_entry *entry, int out_fd) {
  unpacking work = {
      .stream = ZSTD_createDStream(),
      .packed = malloc(CHUNK_BYTES),
      .plain = malloc(CHUNK_BYTES),
  };
  int result = work.stream == NULL || work.packed == NULL || work.plain == NULL
                   ? error_set(ENOMEM, "no memory to unpack %s", entry->path)
                   : unpack_with(&work, archive, entry, out_fd);
  ZSTD_freeDStream(work.stream);
  free(work.packed);
  free(work.plain);
  return result;
}
