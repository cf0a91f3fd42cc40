/* The launcher of the one file: what is packed in it, and the cache that it is unpacked into. */
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cache.h"
#include "harness.h"
#include "launcher_world.h"
#include "place.h"
#include "tree.h"

#define AT_ONCE 8

static size_t names_in(int place) {
  size_t count = 0;
  DIR *listed = fdopendir(openat(place, ".", O_RDONLY | O_DIRECTORY));
  CHECK(listed != NULL);
  for (struct dirent *entry; (entry = readdir(listed)) != NULL;) {
    if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) count++;
  }
  closedir(listed);
  return count;
}

static const char *path_in(const archive *archive, const char *path) {
  static char whole[512];
  snprintf(whole, sizeof whole, "%s/%s", archive->id, path);
  return whole;
}

static void expect_text(int place, const archive *archive, const char *path, const char *text) {
  char found[256] = "";
  int fd = openat(place, path_in(archive, path), O_RDONLY | O_CLOEXEC);
  CHECK(fd >= 0 && read(fd, found, sizeof found - 1) >= 0);
  if (strcmp(found, text) != 0) fail_test(__FILE__, __LINE__, "%s holds \"%s\", expected \"%s\"", path, found, text);
  close(fd);
}

static ino_t inode_of(int place, const archive *archive, const char *path) {
  struct stat found;
  CHECK(fstatat(place, path_in(archive, path), &found, AT_SYMLINK_NOFOLLOW) == 0);
  return found.st_ino;
}

static void expect_whole(int place, const archive *archive) {
  struct stat found;
  CHECK(fstatat(place, archive->id, &found, AT_SYMLINK_NOFOLLOW) == 0);
  CHECK(S_ISDIR(found.st_mode) && (found.st_mode & 07777) == 0700);
  expect_text(place, archive, "bin/program", "one");
  expect_text(place, archive, "lib/deep/library", "two and two and two and two");
  expect_text(place, archive, "empty", "");
  CHECK_EQ(names_in(place), 1);
}

/* ---- The archive ------------------------------------------------------------------------------- */

/* What is unpacked without complaint is what was packed, whatever was changed: zstd has bits that say nothing. */
static int unpack_all(const archive *opened) {
  int result = 0;
  for (uint32_t i = 0; i < opened->entries_count && result == 0; i++) {
    char found[64] = "";
    int out = memfd_create("entry", MFD_CLOEXEC);
    result = archive_unpack(opened, &opened->entries[i], out);
    CHECK(pread(out, found, sizeof found - 1, 0) >= 0);
    CHECK(result < 0 || strcmp(found, world_texts[i]) == 0);
    close(out);
  }
  return result;
}

static int open_and_unpack(int fd) {
  archive opened;
  int result = archive_open(fd, &opened);
  if (result < 0) return result;
  result = unpack_all(&opened);
  archive_close(&opened);
  return result;
}

static void a_file_that_is_cut_says_so(void) {
  world world;
  world_make(&world);
  for (size_t bytes = 0; bytes < world.bytes_count; bytes++) {
    int fd = world_file(&world, bytes);
    CHECK_EQ(open_and_unpack(fd), -EBADMSG);
    CHECK_MESSAGE("damaged or not whole");
    close(fd);
  }
  world_end(&world);
}

static int open_changed(const world *world) {
  int fd = world_file(world, world->bytes_count);
  int result = open_and_unpack(fd);
  close(fd);
  return result;
}

static void every_changed_byte_is_found(void) {
  world world;
  world_make(&world);
  size_t unnoticed = 0;
  for (size_t at = world.payload_offset; at < world.bytes_count; at++) {
    world.bytes[at] ^= 0x40;
    int result = open_changed(&world);
    if (result == 0 && at < world.table_offset) {
      unnoticed++;
    } else if (result != -EBADMSG) {
      fail_test(__FILE__, __LINE__, "byte %zu of %zu changed: %d", at, world.bytes_count, result);
    }
    world.bytes[at] ^= 0x40;
  }
  CHECK(unnoticed < world.table_offset / 10);
  world.bytes_count++; /* and one more */
  CHECK_EQ(open_changed(&world), -EBADMSG);
  world_end(&world);
}

static void a_path_out_of_the_cache_is_refused(void) {
  world world;
  world_make(&world);
  const char *const refused[] = {"", "/etc/x", "../x", "a/../../x", "a//b", "a/", "./a", ".hidden", "a/.b"};
  for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
    world_pack(&world, refused[i]);
    int fd = world_file(&world, world.bytes_count);
    archive opened;
    CHECK_EQ(archive_open(fd, &opened), -EBADMSG);
    close(fd);
  }
  world_end(&world);
}

/* ---- The cache --------------------------------------------------------------------------------- */

static void a_cache_is_made_once(void) {
  world world;
  world_make(&world);
  const archive *archive = &world.archive;
  int place = world.place;
  umask(0777); /* whatever the caller's is */
  CHECK_EQ(cache_enter(archive, place), 0);
  umask(0022);
  expect_whole(place, archive);
  struct stat found;
  CHECK(fstatat(place, path_in(archive, "lib/deep/library"), &found, 0) == 0);
  CHECK_EQ(found.st_mode & 07777, 0500);
  ino_t first = inode_of(place, archive, "bin/program");
  CHECK_EQ(cache_enter(archive, place), 0);
  CHECK_EQ(inode_of(place, archive, "bin/program"), first);
  world_end(&world);
}

static void write_into(int place, const archive *archive) {
  const char *path = path_in(archive, "bin/program");
  CHECK(fchmodat(place, path, 0600, 0) == 0);
  int fd = openat(place, path, O_WRONLY | O_CLOEXEC);
  CHECK(fd >= 0 && write(fd, "bad", 3) == 3 && fchmod(fd, 0400) == 0);
  close(fd);
}

static void remove_one(int place, const archive *archive) { CHECK(unlinkat(place, path_in(archive, "empty"), 0) == 0); }

static void open_to_others(int place, const archive *archive) { CHECK(fchmodat(place, archive->id, 0770, 0) == 0); }

static void link_out(int place, const archive *archive) {
  CHECK(unlinkat(place, path_in(archive, "bin/program"), 0) == 0);
  CHECK(symlinkat("/etc/passwd", place, path_in(archive, "bin/program")) == 0);
}

static void a_cache_that_was_touched_is_made_anew(void) {
  void (*const touches[])(int, const archive *) = {write_into, remove_one, open_to_others, link_out};
  world world;
  world_make(&world);
  const archive *archive = &world.archive;
  int place = world.place;
  for (size_t i = 0; i < sizeof touches / sizeof touches[0]; i++) {
    CHECK_EQ(cache_enter(archive, place), 0);
    touches[i](place, archive);
    CHECK_EQ(cache_enter(archive, place), 0);
    expect_whole(place, archive);
  }
  world_end(&world);
}

static void what_lies_in_the_caches_place_gives_way(void) {
  world world;
  world_make(&world);
  const archive *archive = &world.archive;
  int place = world.place;
  CHECK(symlinkat("/etc", place, archive->id) == 0);
  CHECK_EQ(cache_enter(archive, place), 0);
  expect_whole(place, archive);
  write_into(place, archive);
  CHECK(renameat(place, archive->id, place, "folder") == 0);
  int file = openat(place, archive->id, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
  close(file);
  CHECK_EQ(cache_enter(archive, place), 0);
  CHECK_EQ(names_in(place), 2);
  expect_text(place, archive, "bin/program", "one");
  world_end(&world);
}

static void enter_in_child(void *argument) {
  const world *world = argument;
  CHECK_EQ(cache_enter(&world->archive, world->place), 0);
}

static void first_starts_at_once_all_succeed(void) {
  world world;
  world_make(&world);
  const archive *archive = &world.archive;
  int place = world.place;
  for (int round = 0; round < 20; round++) {
    pid_t children[AT_ONCE];
    for (int i = 0; i < AT_ONCE; i++) children[i] = start_child(enter_in_child, &world);
    for (int i = 0; i < AT_ONCE; i++) expect_child_done(children[i]);
    expect_whole(place, archive);
    /* For the next round: half of them find none, half a damaged one. */
    if (round % 2 == 0) {
      tree_remove(place, archive->id);
    } else {
      write_into(place, archive);
    }
  }
  world_end(&world);
}

static void a_full_disk_leaves_nothing(void) {
  world world;
  world_make(&world);
  enter_namespaces(CLONE_NEWNS);
  CHECK(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
  CHECK(mount("tmpfs", world.dir, "tmpfs", 0, "size=4k,mode=700") == 0);
  int place = place_open(world.dir);
  CHECK(place >= 0);
  CHECK_EQ(cache_enter(&world.archive, place), -ENOSPC);
  CHECK_EQ(names_in(place), 0);
  close(place);
  CHECK(umount(world.dir) == 0);
  world_end(&world);
}

/* ---- Removing old ones --------------------------------------------------------------------------- */

static void make_old(int place, const char *name, time_t age_s) {
  const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = time(NULL) - age_s}};
  CHECK(mkdirat(place, name, 0700) == 0 && utimensat(place, name, times, 0) == 0);
}

static bool is_there(int place, const char *name) { return faccessat(place, name, F_OK, 0) == 0; }

static void unused_caches_are_removed(void) {
  const char *unused = "00000000000000000000000000000001", *recent = "00000000000000000000000000000002",
             *held = "00000000000000000000000000000003";
  world world;
  world_make(&world);
  const archive *archive = &world.archive;
  int place = world.place;
  CHECK_EQ(cache_enter(archive, place), 0);
  make_old(place, unused, CACHE_UNUSED_S + 60);
  make_old(place, recent, CACHE_UNUSED_S - 60);
  make_old(place, held, CACHE_UNUSED_S + 60);
  make_old(place, ".made-killed", CACHE_HALF_MADE_S + 60);
  make_old(place, ".made-working", CACHE_HALF_MADE_S - 60);
  make_old(place, "somebody's", CACHE_UNUSED_S + 60);
  int holder = openat(place, held, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  CHECK(flock(holder, LOCK_SH) == 0);
  cache_sweep(archive, place);
  CHECK(!is_there(place, unused) && is_there(place, recent) && is_there(place, held));
  CHECK(!is_there(place, ".made-killed") && is_there(place, ".made-working") && is_there(place, "somebody's"));
  CHECK(is_there(place, archive->id));
  close(holder);
  cache_sweep(archive, place);
  CHECK(!is_there(place, held));
  world_end(&world);
}

/* ---- Places -------------------------------------------------------------------------------------- */

static void places_come_from_the_environment(void) {
  char places[PLACES_MAX][PATH_MAX];
  unsetenv("TELEBRIDGE_CACHE_DIR");
  setenv("XDG_CACHE_HOME", "relative", 1);
  setenv("HOME", "/home/somebody", 1);
  CHECK_EQ(place_list(places), 4);
  CHECK(strcmp(places[0], "/home/somebody/.cache/telebridge") == 0);
  CHECK(strncmp(places[1], "/var/tmp/telebridge-cache-", 26) == 0);
  setenv("XDG_CACHE_HOME", "/cache", 1);
  CHECK_EQ(place_list(places), 5);
  CHECK(strcmp(places[0], "/cache/telebridge") == 0);
  setenv("TELEBRIDGE_CACHE_DIR", "/chosen", 1);
  CHECK_EQ(place_list(places), 1);
  CHECK(strcmp(places[0], "/chosen") == 0);
  setenv("TELEBRIDGE_CACHE_DIR", "chosen", 1);
  CHECK_EQ(place_list(places), 0);
}

static void expect_refused(const char *path, int code, const char *why) {
  CHECK_EQ(place_open(path), code);
  CHECK_MESSAGE(why);
}

static void a_place_that_is_not_safe_is_refused(void) {
  world world;
  world_make(&world);
  char path[PATH_MAX + 16];
  snprintf(path, sizeof path, "%s/a/b/c", world.dir);
  int place = place_open(path);
  CHECK(place >= 0);
  close(place);
  CHECK(chmod(path, 0770) == 0);
  expect_refused(path, -EPERM, "others may write to it");
  CHECK(chmod(path, 0755) == 0); /* to read there is no harm */
  CHECK(chmod(world.dir, 0777) == 0);
  expect_refused(path, -EPERM, "others may write to");
  CHECK(chmod(world.dir, 01777) == 0); /* as /tmp is */
  place = place_open(path);
  CHECK(place >= 0);
  close(place);
  snprintf(path, sizeof path, "%s/link", world.dir);
  CHECK(symlink("a", path) == 0);
  expect_refused(path, -ENOTDIR, "a link or no folder");
  world_end(&world);
}

static void a_place_of_somebody_else_is_refused(void) {
  if (geteuid() != 0) skip_test("only root can make a folder that is somebody else's");
  world world;
  world_make(&world);
  CHECK(chown(world.dir, 65534, 65534) == 0);
  expect_refused(world.dir, -EPERM, "belongs to user 65534");
  world_end(&world);
}

static void a_place_without_programs_is_refused(void) {
  world world;
  world_make(&world);
  enter_namespaces(CLONE_NEWNS);
  CHECK(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
  CHECK(mount("tmpfs", world.dir, "tmpfs", MS_NOEXEC, "mode=700") == 0);
  expect_refused(world.dir, -EACCES, "noexec");
  CHECK(umount(world.dir) == 0);
  world_end(&world);
}

static const test tests[] = {
    {"a_file_that_is_cut_says_so", a_file_that_is_cut_says_so},
    {"every_changed_byte_is_found", every_changed_byte_is_found},
    {"a_path_out_of_the_cache_is_refused", a_path_out_of_the_cache_is_refused},
    {"a_cache_is_made_once", a_cache_is_made_once},
    {"a_cache_that_was_touched_is_made_anew", a_cache_that_was_touched_is_made_anew},
    {"what_lies_in_the_caches_place_gives_way", what_lies_in_the_caches_place_gives_way},
    {"first_starts_at_once_all_succeed", first_starts_at_once_all_succeed},
    {"a_full_disk_leaves_nothing", a_full_disk_leaves_nothing},
    {"unused_caches_are_removed", unused_caches_are_removed},
    {"places_come_from_the_environment", places_come_from_the_environment},
    {"a_place_that_is_not_safe_is_refused", a_place_that_is_not_safe_is_refused},
    {"a_place_of_somebody_else_is_refused", a_place_of_somebody_else_is_refused},
    {"a_place_without_programs_is_refused", a_place_without_programs_is_refused},
};

SUITE(launcher, tests);
