#include "launcher_world.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define OPENSSL_API_COMPAT 0x10100000L
#include <openssl/sha.h>
#include <zstd.h>

#include "harness.h"
#include "place.h"
#include "tree.h"

const char *const world_texts[WORLD_ENTRIES] = {"one", "two and two and two and two", ""};

static void digest(const void *bytes, size_t bytes_count, uint8_t out[ARCHIVE_SHA256_BYTES]) {
  SHA256_CTX work;
  SHA256_Init(&work);
  SHA256_Update(&work, bytes, bytes_count);
  SHA256_Final(out, &work);
}

static void append(world *world, const void *bytes, size_t bytes_count) {
  CHECK(world->bytes_count + bytes_count <= sizeof world->bytes);
  memcpy(world->bytes + world->bytes_count, bytes, bytes_count);
  world->bytes_count += bytes_count;
}

/* In two frames, as large files are. */
static void append_entry(world *world, archive_entry *entry, const char *path, uint32_t mode, const char *text) {
  uint8_t packed[4096];
  size_t chars = strlen(text), half = chars / 2;
  *entry = (archive_entry){.offset = world->bytes_count, .plain_bytes = chars, .mode = mode};
  snprintf(entry->path, sizeof entry->path, "%s", path);
  digest(text, chars, entry->sha256);
  append(world, packed, ZSTD_compress(packed, sizeof packed, text, half, 3));
  append(world, packed, ZSTD_compress(packed, sizeof packed, text + half, chars - half, 3));
  entry->packed_bytes = world->bytes_count - entry->offset;
}

void world_pack(world *world, const char *path) {
  world->bytes_count = 0;
  append(world, "launcher", 8);
  world->payload_offset = world->bytes_count;
  append_entry(world, &world->entries[0], path, 0400, world_texts[0]);
  append_entry(world, &world->entries[1], "lib/deep/library", 0500, world_texts[1]);
  append_entry(world, &world->entries[2], "empty", 0400, world_texts[2]);
  world->table_offset = world->bytes_count;
  archive_trailer trailer = {
      .table_offset = world->bytes_count, .table_bytes = sizeof world->entries, .version = ARCHIVE_VERSION};
  append(world, world->entries, sizeof world->entries);
  trailer.file_bytes = world->bytes_count + sizeof trailer;
  digest(world->entries, sizeof world->entries, trailer.table_sha256);
  memcpy(trailer.magic, ARCHIVE_MAGIC, sizeof trailer.magic);
  append(world, &trailer, sizeof trailer);
}

void world_make(world *world) {
  memset(world, 0, sizeof *world);
  snprintf(world->dir, sizeof world->dir, "%s/world", getenv("TELEBRIDGE_RUNTIME_DIR"));
  CHECK(mkdir(world->dir, 0700) == 0);
  world->place = place_open(world->dir);
  CHECK(world->place >= 0);
  world_pack(world, "bin/program");
  CHECK_EQ(archive_open(world_file(world, world->bytes_count), &world->archive), 0);
}

void world_end(world *world) {
  close(world->archive.fd);
  archive_close(&world->archive);
  close(world->place);
  tree_remove(AT_FDCWD, world->dir);
}

int world_file(const world *world, size_t bytes_count) {
  int fd = open(world->dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  CHECK(fd >= 0 && write(fd, world->bytes, bytes_count) == (ssize_t)bytes_count);
  return fd;
}
