/* Names of runs, the directory for sockets, and a shared memory file system that is full. */
#include <limits.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.h"

static void run_ids_are_checked(void) {
  char name[128];
  CHECK_EQ(tele_segment_name("cart.pole_v1-7", name, sizeof name), 0);
  CHECK(strcmp(name, "/mosaic.run.cart.pole_v1-7.fastlane") == 0);
  char longest[66];
  memset(longest, 'a', sizeof longest);
  longest[64] = '\0';
  CHECK_EQ(tele_segment_name(longest, name, sizeof name), 0);
  longest[64] = 'a';
  longest[65] = '\0';
  const char *refused[] = {"", ".hidden", "-x", "_x", "a/b", "../x", "a b", "caf\xc3\xa9", longest};
  for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
    CHECK_EQ(tele_segment_name(refused[i], name, sizeof name), -EINVAL);
  }
  CHECK_EQ(tele_segment_name(NULL, name, sizeof name), -EINVAL);
}

static void the_environment_chooses_the_directory(void) {
  char found[PATH_MAX], dir[PATH_MAX];
  snprintf(dir, sizeof dir, "%s/given/", getenv("TELEBRIDGE_RUNTIME_DIR"));
  setenv("TELEBRIDGE_RUNTIME_DIR", dir, 1);
  CHECK_EQ(tele_runtime_dir(found, sizeof found), 0);
  dir[strlen(dir) - 1] = '\0';
  CHECK(strcmp(found, dir) == 0);
  struct stat made;
  CHECK(stat(dir, &made) == 0 && (made.st_mode & 07777) == 0700);
  unsetenv("TELEBRIDGE_RUNTIME_DIR");
  setenv("XDG_RUNTIME_DIR", dir, 1);
  CHECK_EQ(tele_runtime_dir(found, sizeof found), 0);
  strcat(dir, "/telebridge");
  CHECK(strcmp(found, dir) == 0);
  CHECK(rmdir(dir) == 0);
  *strrchr(dir, '/') = '\0';
  CHECK(rmdir(dir) == 0);
}

/* /tmp is everybody's: a directory that somebody else laid there for us is refused. */
static void a_directory_that_is_not_safe_is_refused(void) {
  char found[PATH_MAX], dir[PATH_MAX], target[PATH_MAX];
  snprintf(dir, sizeof dir, "%s/link", getenv("TELEBRIDGE_RUNTIME_DIR"));
  snprintf(target, sizeof target, "%s/target", getenv("TELEBRIDGE_RUNTIME_DIR"));
  CHECK(mkdir(target, 0700) == 0 && symlink(target, dir) == 0);
  setenv("TELEBRIDGE_RUNTIME_DIR", dir, 1);
  CHECK_EQ(tele_runtime_dir(found, sizeof found), -EPERM);
  CHECK_MESSAGE("it is a link");
  strcat(dir, "/");
  setenv("TELEBRIDGE_RUNTIME_DIR", dir, 1);
  CHECK_EQ(tele_runtime_dir(found, sizeof found), -EPERM);
  CHECK(chmod(target, 0750) == 0);
  setenv("TELEBRIDGE_RUNTIME_DIR", target, 1);
  CHECK_EQ(tele_runtime_dir(found, sizeof found), -EPERM);
  CHECK_MESSAGE("mode 0750");
  /* The producer goes on without datagrams; only the controller needs the directory. */
  tele_producer *producer = open_producer(200, 4);
  tele_reader *reader = open_reader();
  tele_controller *controller;
  CHECK_EQ(tele_controller_open(reader, &controller), -EPERM);
  publish_value(producer, 1);
  tele_reader_close(reader);
  tele_producer_close(producer);
  dir[strlen(dir) - 1] = '\0';
  CHECK(unlink(dir) == 0 && rmdir(target) == 0);
}

/* Longer than a socket address: datagrams come all the same. */
static void a_long_directory_works(void) {
  char dir[1024], deeper[2048];
  snprintf(dir, sizeof dir, "%s/%0200d", getenv("TELEBRIDGE_RUNTIME_DIR"), 0);
  CHECK(mkdir(dir, 0700) == 0);
  snprintf(deeper, sizeof deeper, "%s/%0100d", dir, 0);
  setenv("TELEBRIDGE_RUNTIME_DIR", deeper, 1);
  tele_producer *producer = open_producer(200, 4);
  tele_reader *reader = open_reader();
  tele_controller *controller;
  tele_hub *hub;
  CHECK_EQ(tele_controller_open(reader, &controller), 0);
  CHECK_EQ(tele_hub_create(&hub), 0);
  CHECK_EQ(tele_hub_add(hub, 1, reader, controller), 0);
  /* A stream without datagrams would be polled after three frames, and say so. */
  for (uint64_t frame = 1; frame <= 8; frame++) {
    tele_hub_event event;
    CHECK_EQ(tele_hub_arm(hub, 1, frame - 1, 0), 0);
    CHECK_EQ(tele_hub_next(hub, 2, &event, 1), 0);
    publish_value(producer, frame);
    usleep(2000);
    CHECK_EQ(tele_hub_next(hub, 1000, &event, 1), 1);
    CHECK_EQ(event.kind, TELE_HUB_FRAME);
  }
  tele_hub_destroy(hub);
  tele_controller_close(controller);
  tele_reader_close(reader);
  tele_producer_close(producer);
  CHECK(rmdir(deeper) == 0 && rmdir(dir) == 0);
}

static void a_full_file_system_is_an_error_at_once(void) {
  enter_namespaces(CLONE_NEWNS);
  if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
      mount("tmpfs", "/dev/shm", "tmpfs", 0, "size=1m") < 0) {
    skip_test("no file system can be mounted here: %s", strerror(errno));
  }
  tele_producer_options options = {.payload_bytes_max = 1 << 20, .capacity = 4};
  tele_producer *producer;
  CHECK_EQ(tele_producer_open(test_run(), &options, &producer), -ENOSPC);
  CHECK_MESSAGE("cannot reserve");
  CHECK(access(test_segment_path(), F_OK) < 0);
  options.payload_bytes_max = 1000;
  CHECK_EQ(tele_producer_open(test_run(), &options, &producer), 0);
  tele_producer_close(producer);
}

static const test tests[] = {
    {"run ids are checked", run_ids_are_checked},
    {"the environment chooses the directory", the_environment_chooses_the_directory},
    {"a directory that is not safe is refused", a_directory_that_is_not_safe_is_refused},
    {"a long directory works", a_long_directory_works},
    {"a full file system is an error at once", a_full_file_system_is_an_error_at_once},
};
SUITE(paths, tests);
