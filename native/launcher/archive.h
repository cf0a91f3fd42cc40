/*
 * The files that are packed behind the launcher in one file, as tools/dist/archive.ts writes them (docs/dist.md): each
 * in zstd frames of its own, then a table of fixed rows, then a trailer. Integers are little-endian.
 */
#ifndef LAUNCHER_ARCHIVE_H
#define LAUNCHER_ARCHIVE_H

#include <stdint.h>

#define ARCHIVE_MAGIC "TELEDIST"
#define ARCHIVE_VERSION 1
#define ARCHIVE_SHA256_BYTES 32
/* The archive's name: the first 16 bytes of the table's SHA-256 in hexadecimal digits. */
#define ARCHIVE_ID_CHARS 32
#define ARCHIVE_ENTRIES_MAX 4096

/* A row of the table. */
typedef struct archive_entry {
  uint64_t offset; /* of its zstd frames, from the file's start */
  uint64_t packed_bytes;
  uint64_t plain_bytes;
  uint32_t mode; /* permissions: 0400 or 0500 */
  uint32_t reserved;
  uint8_t sha256[ARCHIVE_SHA256_BYTES]; /* of the plain bytes */
  char path[128];                       /* relative, '/' between names, closed by a 0 */
} archive_entry;

/* The file's last bytes. */
typedef struct archive_trailer {
  uint64_t file_bytes; /* of the whole file, this included */
  uint64_t table_offset;
  uint32_t table_bytes;
  uint32_t version;
  uint8_t table_sha256[ARCHIVE_SHA256_BYTES];
  char magic[8];
} archive_trailer;

typedef struct archive {
  int fd; /* the caller's */
  uint32_t entries_count;
  archive_entry *entries;
  char id[ARCHIVE_ID_CHARS + 1];
} archive;

/* Reads and checks the table of the file behind fd, which must stay open. -EBADMSG: the file is damaged. */
int archive_open(int fd, archive *opened);
void archive_close(archive *archive);

/* Writes the entry's plain bytes to out_fd. -EBADMSG: they are not those that were packed. */
int archive_unpack(const archive *archive, const archive_entry *entry, int out_fd);

#endif
