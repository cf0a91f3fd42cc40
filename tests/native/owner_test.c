/* Who owns a segment, when its owner counts as dead, and what is removed then. */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"
#include "reader.h"

static tele_status status_of(tele_reader *reader) {
  tele_status status;
  CHECK_EQ(tele_reader_status(reader, &status), 0);
  return status;
}

static bool segment_exists(void) { return access(test_segment_path(), F_OK) == 0; }

typedef struct producing {
  gate ready;
  gate go_on;
  pid_t inner;
} producing;

static void publish_and_wait(void *argument) {
  producing *channel = argument;
  tele_producer *producer = open_producer(200, 4);
  publish_value(producer, 1);
  gate_open(&channel->ready);
  gate_pass(&channel->go_on);
  tele_producer_close(producer);
}

static void a_live_run_is_not_taken_over(void) {
  producing channel = {.ready = gate_make(), .go_on = gate_make()};
  pid_t pid = start_child(publish_and_wait, &channel);
  gate_pass(&channel.ready);
  tele_producer_options options = {.payload_bytes_max = 100};
  tele_producer *producer;
  CHECK_EQ(tele_producer_open(test_run(), &options, &producer), -EEXIST);
  char expected[64];
  snprintf(expected, sizeof expected, "already published by pid %d", (int)pid);
  CHECK_MESSAGE(expected);
  tele_reader *reader = open_reader();
  CHECK_EQ(status_of(reader).owner, TELE_OWNER_ALIVE);
  CHECK_EQ(tele_reader_remove_stale(reader), 0);
  CHECK_EQ(tele_segment_remove_stale(test_run()), 0);
  gate_open(&channel.go_on);
  expect_child_done(pid);
  CHECK_EQ(status_of(reader).owner, TELE_OWNER_CLOSED);
  CHECK_EQ(status_of(reader).replaced, 1);
  CHECK(!segment_exists());
  tele_reader_close(reader);
}

static void a_killed_run_is_dead_and_is_replaced(void) {
  producing channel = {.ready = gate_make(), .go_on = gate_make()};
  pid_t pid = start_child(publish_and_wait, &channel);
  gate_pass(&channel.ready);
  tele_reader *before = open_reader();
  kill_child(pid);
  CHECK_EQ(status_of(before).owner, TELE_OWNER_DEAD);
  CHECK(segment_exists());
  tele_producer *producer = open_producer(200, 4);
  tele_status status = status_of(before);
  CHECK(status.owner == TELE_OWNER_DEAD && status.replaced == 1);
  /* The name leads to the successor now, which is left alone. */
  CHECK_EQ(tele_reader_remove_stale(before), 0);
  CHECK(segment_exists());
  tele_reader *after = open_reader();
  CHECK(status_of(after).owner == TELE_OWNER_ALIVE && status_of(after).replaced == 0);
  CHECK(status_of(after).inode != status.inode);
  tele_reader_close(before);
  tele_reader_close(after);
  tele_producer_close(producer);
}

static void a_dead_run_is_removed(void) {
  for (int by_name = 0; by_name < 2; by_name++) {
    producing channel = {.ready = gate_make(), .go_on = gate_make()};
    pid_t pid = start_child(publish_and_wait, &channel);
    gate_pass(&channel.ready);
    tele_reader *reader = open_reader();
    kill_child(pid);
    CHECK_EQ(by_name ? tele_segment_remove_stale(test_run()) : tele_reader_remove_stale(reader), 1);
    CHECK(!segment_exists());
    CHECK_EQ(tele_reader_remove_stale(reader), 0);
    CHECK_EQ(tele_segment_remove_stale(test_run()), 0);
    tele_reader_close(reader);
  }
}

static void lock_and_wait(void *argument) {
  producing *channel = argument;
  int fd = open(test_segment_path(), O_RDWR);
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
  CHECK(fd >= 0 && fcntl(fd, F_SETLK, &lock) == 0);
  gate_open(&channel->ready);
  gate_pass(&channel->go_on);
}

/* Whoever removes a dead segment holds its lock meanwhile: a second one keeps off, and so never unlinks what a
 * successor has put in its place. */
static void two_do_not_remove_at_the_same_time(void) {
  producing channel = {.ready = gate_make(), .go_on = gate_make()};
  pid_t pid = start_child(publish_and_wait, &channel);
  gate_pass(&channel.ready);
  tele_reader *reader = open_reader();
  kill_child(pid);
  CHECK_EQ(status_of(reader).owner, TELE_OWNER_DEAD);
  /* As when the other one came between our look and our removal. */
  FILE *file = fopen(test_segment_path(), "r+");
  uint32_t flags = TELE_FLAG_CLOSED;
  CHECK(fseek(file, TELE_OFFSET_FLAGS, SEEK_SET) == 0 && fwrite(&flags, 4, 1, file) == 1 && fclose(file) == 0);
  pid_t other = start_child(lock_and_wait, &channel);
  gate_pass(&channel.ready);
  CHECK_EQ(tele_reader_remove_stale(reader), 0);
  CHECK(segment_exists());
  gate_open(&channel.go_on);
  expect_child_done(other);
  CHECK_EQ(tele_reader_remove_stale(reader), 1);
  tele_reader_close(reader);
}

static void expect_taken(void *argument) {
  (void)argument;
  tele_producer_options options = {.payload_bytes_max = 100};
  tele_producer *producer;
  CHECK_EQ(tele_producer_open(test_run(), &options, &producer), -EEXIST);
  tele_reader *reader = open_reader();
  CHECK_EQ(status_of(reader).owner, TELE_OWNER_ALIVE);
  tele_reader_close(reader);
}

/* POSIX drops the lock when any descriptor of the file is closed: readers in the owner's process must not do that. */
static void readers_in_the_owners_process_keep_its_lock(void) {
  tele_producer *producer = open_producer(200, 4);
  for (int i = 0; i < 3; i++) {
    tele_reader *reader = open_reader();
    CHECK_EQ(status_of(reader).owner, TELE_OWNER_ALIVE);
    CHECK_EQ(tele_reader_remove_stale(reader), 0);
    tele_reader_close(reader);
  }
  tele_producer *second;
  tele_producer_options options = {.payload_bytes_max = 100};
  CHECK_EQ(tele_producer_open(test_run(), &options, &second), -EEXIST);
  expect_child_done(start_child(expect_taken, NULL)); /* seen from outside */
  tele_reader *reader = open_reader();
  publish_value(producer, 1);
  tele_producer_close(producer);
  CHECK_EQ(status_of(reader).owner, TELE_OWNER_CLOSED);
  tele_reader_close(reader);
}

static void publish_in_fork(void *argument) {
  tele_producer *producer = argument;
  uint8_t pixel[3] = {0};
  tele_frame frame = {.pixels = pixel, .width = 1, .height = 1, .format = TELE_FORMAT_RGB8};
  tele_hud hud = {.step = 1};
  CHECK_EQ(tele_producer_publish(producer, &frame), -ECHILD);
  CHECK_MESSAGE("is a fork");
  CHECK_EQ(tele_producer_set_hud(producer, &hud), -ECHILD);
  tele_reader *reader = open_reader();
  CHECK_EQ(status_of(reader).owner, TELE_OWNER_ALIVE);
  CHECK_EQ(tele_segment_remove_stale(test_run()), 0);
  tele_reader_close(reader);
  tele_producer_close(producer);
}

static void a_fork_of_the_owner_neither_publishes_nor_closes(void) {
  tele_producer *producer = open_producer(200, 4);
  publish_value(producer, 1);
  expect_child_done(start_child(publish_in_fork, producer));
  tele_reader *reader = open_reader();
  tele_status status = status_of(reader);
  CHECK(status.owner == TELE_OWNER_ALIVE && status.head == 1 && status.replaced == 0);
  publish_value(producer, 2);
  CHECK_EQ(status_of(reader).head, 2);
  tele_reader_close(reader);
  tele_producer_close(producer);
}

static void judge_from_outside(void *argument) {
  (void)argument;
  tele_reader *reader = open_reader();
  CHECK_EQ(status_of(reader).owner, TELE_OWNER_ALIVE);
  CHECK_EQ(tele_reader_remove_stale(reader), 0);
  CHECK_EQ(tele_segment_remove_stale(test_run()), 0);
  tele_reader_close(reader);
}

static void publish_and_wait_as_pid_1(void *argument) {
  publish_and_wait(argument);
  _exit(0); /* without the leak check, which fails where a thread cannot be made in the own pid namespace */
}

/* Its pid is 1 there, and 1 is somebody else here: only the lock tells. */
static void publish_in_namespace(void *argument) {
  enter_namespaces(CLONE_NEWPID);
  expect_child_done(start_child(publish_and_wait_as_pid_1, argument));
  _exit(0); /* the same */
}

static void a_run_in_another_pid_namespace_is_alive(void) {
  producing channel = {.ready = gate_make(), .go_on = gate_make()};
  pid_t pid = start_child(publish_in_namespace, &channel);
  close(channel.ready.fds[1]);
  char byte;
  if (read(channel.ready.fds[0], &byte, 1) == 1) {
    tele_reader *reader = open_reader();
    CHECK_EQ(status_of(reader).producer_pid, 1);
    tele_reader_close(reader);
    expect_child_done(start_child(judge_from_outside, NULL));
    CHECK(segment_exists());
    gate_open(&channel.go_on);
  }
  expect_child_done(pid);
}

/* A segment as another program would write it: no lock, so no bit 3. */
static segment *make_foreign(uint32_t pid) {
  int fd = open(test_segment_path(), O_RDWR | O_CREAT | O_EXCL, 0600);
  CHECK(fd >= 0 && ftruncate(fd, TELE_HEADER_BYTES + 4 * 192) == 0);
  segment *mapped = mmap(NULL, TELE_HEADER_BYTES + 4 * 192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  CHECK(mapped != MAP_FAILED);
  close(fd);
  mapped->version = 1;
  mapped->header_bytes = TELE_HEADER_BYTES;
  mapped->capacity = 4;
  mapped->slot_bytes = 192;
  mapped->payload_bytes_max = 64;
  mapped->producer_pid = pid;
  atomic_store(&mapped->flags, TELE_FLAG_RUNNING);
  atomic_store(&mapped->magic, TELE_MAGIC);
  return mapped;
}

/* What a killed producer that had the lock leaves behind. */
static void leave_dead(void) {
  segment *mapped = make_foreign((uint32_t)INT32_MAX);
  atomic_store(&mapped->flags, TELE_FLAG_RUNNING | TELE_FLAG_OWNER_LOCK);
  munmap(mapped, TELE_HEADER_BYTES + 4 * 192);
}

static void lock_a_while_and_remove(void *argument) {
  gate *locked = argument;
  int fd = open(test_segment_path(), O_RDWR);
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
  CHECK(fd >= 0 && fcntl(fd, F_SETLK, &lock) == 0);
  gate_open(locked);
  usleep(20 * 1000);
  CHECK(unlink(test_segment_path()) == 0);
}

/* The remover's lock looks like a living owner's. */
static void a_start_waits_for_a_remover(void) {
  leave_dead();
  gate locked = gate_make();
  pid_t pid = start_child(lock_a_while_and_remove, &locked);
  gate_pass(&locked);
  tele_producer_close(open_producer(200, 4));
  expect_child_done(pid);
}

static void remove_all_the_time(void *argument) {
  (void)argument;
  for (;;) tele_segment_remove_stale(test_run());
}

/* It may be gone between our two looks, too. */
static void a_start_is_never_refused_for_a_dead_run(void) {
  pid_t pid = start_child(remove_all_the_time, NULL);
  for (int start = 0; start < 2000; start++) {
    leave_dead();
    tele_producer_close(open_producer(200, 4));
  }
  kill_child(pid);
}

static void expect_no_producer(int code) {
  tele_producer_options options = {.payload_bytes_max = 100};
  tele_producer *producer;
  CHECK_EQ(tele_producer_open(test_run(), &options, &producer), -code);
  CHECK(!segment_exists());
}

static void a_lock_that_cannot_be_taken_is_an_error(void) {
  refuse_call(SYS_fcntl, F_SETLK, ENOLCK);
  expect_no_producer(ENOLCK);
}

static void a_file_that_cannot_be_looked_at_is_an_error(void) {
  refuse_call(SYS_newfstatat, ANY_ARGUMENT, ENOMEM);
  expect_no_producer(ENOMEM);
}

/* Whoever is paused publishes nothing, and in another pid namespace its pid tells nothing. */
static void a_paused_foreign_run_is_not_dead(void) {
  segment *mapped = make_foreign((uint32_t)INT32_MAX);
  tele_reader *reader = open_reader();
  tele_controller *controller;
  CHECK_EQ(tele_controller_open(reader, &controller), 0);
  head_watch watch = {.head = 0, .since_ns = 1};
  CHECK_EQ(tele_controller_set_pause(controller, 1), 0);
  CHECK_EQ(reader_owner(reader, &watch), TELE_OWNER_ALIVE);
  CHECK_EQ(tele_controller_set_pause(controller, 0), 0);
  CHECK_EQ(reader_owner(reader, &watch), TELE_OWNER_ALIVE); /* it has its time to go on */
  watch.since_ns = 1;
  CHECK_EQ(reader_owner(reader, &watch), TELE_OWNER_DEAD);
  tele_controller_close(controller);
  tele_reader_close(reader);
  munmap(mapped, TELE_HEADER_BYTES + 4 * 192);
}

static void do_nothing(void *argument) { (void)argument; }

static void a_foreign_run_is_dead_after_ten_still_seconds(void) {
  pid_t gone = start_child(do_nothing, NULL);
  expect_child_done(gone);
  segment *mapped = make_foreign((uint32_t)gone);
  tele_reader *reader = open_reader();
  CHECK_EQ(status_of(reader).owner, TELE_OWNER_ALIVE);
  CHECK_EQ(tele_reader_remove_stale(reader), 0);
  sleep(2);
  atomic_store(&mapped->head, 1); /* it lives, in another pid namespace: the ten seconds start anew */
  CHECK_EQ(status_of(reader).owner, TELE_OWNER_ALIVE);
  uint64_t moved_ns = tele_clock_mono_ns();
  mapped->producer_pid = (uint32_t)getpid();
  tele_reader *other = open_reader(); /* a pid that is there is never dead */
  CHECK_EQ(status_of(other).owner, TELE_OWNER_ALIVE);
  while (status_of(reader).owner == TELE_OWNER_ALIVE) usleep(100 * 1000);
  CHECK(tele_clock_mono_ns() - moved_ns >= FOREIGN_DEAD_NS);
  CHECK_EQ(status_of(other).owner, TELE_OWNER_ALIVE);
  CHECK_EQ(tele_reader_remove_stale(other), 0);
  CHECK_EQ(tele_reader_remove_stale(reader), 1);
  CHECK(!segment_exists());
  tele_reader_close(reader);
  tele_reader_close(other);
}

static void a_half_made_segment_is_given_time(void) {
  int fd = open(test_segment_path(), O_RDWR | O_CREAT | O_EXCL, 0600);
  CHECK(fd >= 0);
  tele_reader *reader;
  CHECK_EQ(tele_reader_open(test_run(), &reader), -EAGAIN);
  CHECK(ftruncate(fd, TELE_HEADER_BYTES) == 0);
  CHECK_EQ(tele_reader_open(test_run(), &reader), -EAGAIN);
  CHECK_EQ(tele_segment_remove_stale(test_run()), 0);
  struct timespec long_ago[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
  CHECK(futimens(fd, long_ago) == 0);
  CHECK_EQ(tele_segment_remove_stale(test_run()), 1);
  CHECK(!segment_exists());
  CHECK_EQ(tele_reader_open(test_run(), &reader), -ENOENT);
  close(fd);
}

/* Killed between the two stores of seq: the frame before is whole, the one that was begun is never seen. */
static void a_writer_killed_in_a_slot_leaves_whole_frames(void) {
  producing channel = {.ready = gate_make(), .go_on = gate_make()};
  pid_t pid = start_child(publish_and_wait, &channel);
  gate_pass(&channel.ready);
  tele_reader *reader = open_reader();
  CHECK_EQ(kill(pid, SIGSTOP), 0);
  int fd = open(test_segment_path(), O_RDWR);
  segment *mapped = mmap(NULL, TELE_HEADER_BYTES + 4 * 512, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  CHECK(mapped != MAP_FAILED);
  slot *begun = segment_slot(mapped, mapped->slot_bytes, 1);
  atomic_store(&begun->words[0], 3);
  memset(begun->payload, 0xee, 100);
  kill_child(pid);
  uint8_t buffer[1024];
  uint64_t bytes;
  CHECK_EQ(tele_reader_read(reader, 0, TELE_READ_NEWEST, buffer, sizeof buffer, &bytes), 1);
  CHECK_EQ(((tele_slot_header *)(void *)buffer)->frame, 1);
  CHECK_EQ(buffer[TELE_SLOT_HEADER_BYTES + 100], 1);
  CHECK_EQ(tele_reader_read(reader, 1, TELE_READ_NEWEST, buffer, sizeof buffer, &bytes), 0);
  /* Killed right after seq, before head: the same. */
  atomic_store(&begun->words[0], 4);
  CHECK_EQ(tele_reader_read(reader, 1, TELE_READ_NEXT, buffer, sizeof buffer, &bytes), 0);
  /* A head that no honest writer stores: its slot does not hold the frame. */
  atomic_store(&mapped->head, 5);
  CHECK_EQ(tele_reader_read(reader, 1, TELE_READ_NEWEST, buffer, sizeof buffer, &bytes), -EPROTO);
  tele_reader_close(reader);
}

static const test tests[] = {
    {"a live run is not taken over", a_live_run_is_not_taken_over},
    {"a killed run is dead and is replaced", a_killed_run_is_dead_and_is_replaced},
    {"a dead run is removed", a_dead_run_is_removed},
    {"two do not remove at the same time", two_do_not_remove_at_the_same_time},
    {"readers in the owner's process keep its lock", readers_in_the_owners_process_keep_its_lock},
    {"a fork of the owner neither publishes nor closes", a_fork_of_the_owner_neither_publishes_nor_closes},
    {"a run in another pid namespace is alive", a_run_in_another_pid_namespace_is_alive},
    {"a foreign run is dead after ten still seconds", a_foreign_run_is_dead_after_ten_still_seconds},
    {"a start waits for a remover", a_start_waits_for_a_remover},
    {"a start is never refused for a dead run", a_start_is_never_refused_for_a_dead_run},
    {"a lock that cannot be taken is an error", a_lock_that_cannot_be_taken_is_an_error},
    {"a file that cannot be looked at is an error", a_file_that_cannot_be_looked_at_is_an_error},
    {"a paused foreign run is not dead", a_paused_foreign_run_is_not_dead},
    {"a half-made segment is given time", a_half_made_segment_is_given_time},
    {"a writer killed in a slot leaves whole frames", a_writer_killed_in_a_slot_leaves_whole_frames},
};
SUITE(owner, tests);
