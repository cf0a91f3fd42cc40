/* Segments that lie or vanish: an error for that run, never a crash, and never a hang. */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"
#include "segment.h"

#define SLOT_BYTES 512u
#define CAPACITY 4u
#define SEGMENT_BYTES (TELE_HEADER_BYTES + CAPACITY * SLOT_BYTES)

static segment *map_segment_file(void) {
  int fd = open(test_segment_path(), O_RDWR | O_CREAT, 0600);
  CHECK(fd >= 0 && ftruncate(fd, SEGMENT_BYTES) == 0);
  segment *mapped = mmap(NULL, SEGMENT_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  CHECK(mapped != MAP_FAILED);
  close(fd);
  return mapped;
}

/* A segment with one good frame of 8 x 8 with an overlay. */
static void write_good(segment *mapped) {
  memset((void *)mapped, 0, SEGMENT_BYTES);
  mapped->version = 1;
  mapped->header_bytes = TELE_HEADER_BYTES;
  mapped->capacity = CAPACITY;
  mapped->slot_bytes = SLOT_BYTES;
  mapped->payload_bytes_max = SLOT_BYTES - TELE_SLOT_HEADER_BYTES;
  mapped->producer_pid = (uint32_t)getpid();
  tele_slot_header header = {.seq = 2,
                             .frame = 1,
                             .width = 8,
                             .height = 8,
                             .format = TELE_FORMAT_RGB8,
                             .stride = 24,
                             .bytes = 192 + 16,
                             .overlay_width = 4,
                             .overlay_height = 4,
                             .overlay_format = 1,
                             .overlay_bytes = 16,
                             .overlay_offset = 192};
  memcpy((void *)segment_slot(mapped, SLOT_BYTES, 0), &header, sizeof header);
  atomic_store(&mapped->head, 1);
  atomic_store(&mapped->flags, TELE_FLAG_RUNNING);
  atomic_store(&mapped->magic, TELE_MAGIC);
}

static void a_header_that_lies_is_named(void) {
  segment *mapped = map_segment_file();
  tele_reader *reader;
#define REFUSED(change, message)                              \
  do {                                                        \
    write_good(mapped);                                       \
    change;                                                   \
    CHECK_EQ(tele_reader_open(test_run(), &reader), -EPROTO); \
    CHECK_MESSAGE(message);                                   \
  } while (0)
  REFUSED(atomic_store(&mapped->magic, 7), "magic is 7, expected 1095978829");
  REFUSED(mapped->version = 3, "layout version is 3, expected 1");
  REFUSED(mapped->header_bytes = 4096, "header_bytes is 4096, expected 16384");
  REFUSED(mapped->capacity = 1, "capacity is 1, expected 2");
  REFUSED(mapped->capacity = 0, "capacity is 0, expected 2");
  REFUSED(mapped->capacity = UINT64_MAX, "capacity is 18446744073709551615, expected 4096");
  REFUSED(mapped->capacity = 5, "slot_bytes, for the segment's size and capacity, is 512, expected 409");
  REFUSED(mapped->slot_bytes = UINT64_MAX / 2, "slot_bytes");
  REFUSED(mapped->slot_bytes = 500, "slot_bytes is 500");
  REFUSED(mapped->slot_bytes = 64, "slot_bytes is 64");
  REFUSED(mapped->slot_bytes = 0, "slot_bytes is 0");
  REFUSED(mapped->payload_bytes_max = 4096, "payload_bytes_max is 4096, expected 384");
#undef REFUSED
  CHECK(truncate(test_segment_path(), 8192) == 0);
  CHECK_EQ(tele_reader_open(test_run(), &reader), -EPROTO);
  CHECK_MESSAGE("the segment's size is 8192, expected 16384");
  CHECK_EQ(tele_segment_remove_stale(test_run()), -EPROTO);
}

static void a_slot_that_lies_is_named(void) {
  uint8_t buffer[1024];
  uint64_t bytes;
  segment *mapped = map_segment_file();
  write_good(mapped);
  tele_reader *reader = open_reader();
  tele_slot_header *header = (void *)segment_slot(mapped, SLOT_BYTES, 0);
  CHECK_EQ(tele_reader_read(reader, 0, TELE_READ_NEWEST, buffer, sizeof buffer, &bytes), 1);
#define REFUSED(change, message)                                                                     \
  do {                                                                                               \
    write_good(mapped);                                                                              \
    change;                                                                                          \
    CHECK_EQ(tele_reader_read(reader, 0, TELE_READ_NEWEST, buffer, sizeof buffer, &bytes), -EPROTO); \
    CHECK_MESSAGE(message);                                                                          \
    tele_slot_header seen;                                                                           \
    const void *payload;                                                                             \
    CHECK_EQ(tele_reader_begin(reader, 0, TELE_READ_NEWEST, &seen, &payload), -EPROTO);              \
  } while (0)
  REFUSED(header->frame = 2, "its number is 2, expected 1");
  REFUSED(header->bytes = 385, "bytes is 385, expected 384");
  REFUSED(header->bytes = UINT32_MAX, "bytes is 4294967295");
  REFUSED(header->bytes = 191, "bytes is 191, expected 192");
  REFUSED(header->format = 0, "format is 0");
  REFUSED(header->format = 15, "format is 15");
  REFUSED(header->width = 0, "width is 0");
  REFUSED(header->width = UINT32_MAX, "width is 4294967295");
  REFUSED(header->height = 70000, "height is 70000");
  REFUSED(header->height = 60000, "bytes is 208, expected 1440000");
  REFUSED(header->stride = 23, "stride is 23, expected 24");
  REFUSED(header->stride = UINT32_MAX, "bytes is 208");
  REFUSED(header->overlay_format = 2, "overlay_format is 2");
  REFUSED(header->overlay_height = 0, "overlay_bytes is 16, expected 0");
  REFUSED((header->overlay_width = 65536, header->overlay_height = 65536, header->overlay_bytes = 0), "overlay_bytes");
  REFUSED(header->overlay_offset = 64, "overlay_offset is 64, expected 192");
  REFUSED(header->overlay_offset = 200, "overlay_offset is 200");
  REFUSED(header->overlay_offset = 256, "the overlay's end is 272, expected 208");
  REFUSED(header->overlay_offset = UINT32_MAX - 63, "the overlay's end is");
#undef REFUSED
  tele_reader_close(reader);
}

/* Head says more than its slot: not "nothing new", which would be asked for again and again. */
static void a_head_that_lies_is_named(void) {
  uint8_t buffer[1024];
  uint64_t bytes;
  tele_slot_header header;
  const void *payload;
  segment *mapped = map_segment_file();
  write_good(mapped);
  tele_reader *reader = open_reader();
  slot *first = segment_slot(mapped, SLOT_BYTES, 0);
  atomic_store(&first->words[0], 1); /* being written */
  CHECK_EQ(tele_reader_read(reader, 0, TELE_READ_NEWEST, buffer, sizeof buffer, &bytes), -EPROTO);
  CHECK_MESSAGE("its seq is 1, expected 2");
  CHECK_EQ(tele_reader_begin(reader, 0, TELE_READ_NEXT, &header, &payload), -EPROTO);
  atomic_store(&first->words[0], 10); /* already overwritten by one that head does not tell yet: no lie */
  CHECK_EQ(tele_reader_read(reader, 0, TELE_READ_NEWEST, buffer, sizeof buffer, &bytes), 0);
  tele_reader_close(reader);
}

static void an_overlay_without_a_width_is_none(void) {
  uint8_t buffer[1024];
  uint64_t bytes;
  segment *mapped = map_segment_file();
  write_good(mapped);
  tele_reader *reader = open_reader();
  tele_slot_header *header = (void *)segment_slot(mapped, SLOT_BYTES, 0), seen;
  header->overlay_width = 0;
  header->overlay_bytes = header->overlay_offset = UINT32_MAX;
  CHECK_EQ(tele_reader_read(reader, 0, TELE_READ_NEWEST, buffer, sizeof buffer, &bytes), 1);
  memcpy(&seen, buffer, sizeof seen);
  CHECK(seen.overlay_height == 0 && seen.overlay_format == 0 && seen.overlay_bytes == 0 && seen.overlay_offset == 0);
  tele_reader_close(reader);
}

/* A producer killed amid its numbers leaves them half-written. */
static void numbers_that_stay_half_written_are_none(void) {
  tele_hud hud;
  segment *mapped = map_segment_file();
  write_good(mapped);
  tele_reader *reader = open_reader();
  CHECK_EQ(tele_reader_hud(reader, &hud), 0);
  atomic_store(&mapped->hud_seq, 3);
  CHECK_EQ(tele_reader_hud(reader, &hud), -EAGAIN);
  tele_reader_close(reader);
}

/* Random words over a good segment, everywhere that a reader looks: whatever comes, it comes back. */
static void random_bytes_never_crash(void) {
  uint64_t seed = 20261121;
  fprintf(stderr, "# seed %llu\n", (unsigned long long)seed);
  static uint8_t buffer[8192];
  segment *mapped = map_segment_file();
  uint8_t *all = (uint8_t *)mapped;
  unsigned opened = 0, read = 0;
  for (int round = 0; round < 20000; round++) {
    write_good(mapped);
    uint64_t writes = random_next(&seed) % 6;
    for (uint64_t i = 0; i < writes; i++) {
      /* Most into the two headers, with values near the limits as often as any other. */
      uint64_t places[] = {random_next(&seed) % 56, 64, TELE_HEADER_BYTES + random_next(&seed) % 104,
                           random_next(&seed) % (SEGMENT_BYTES - 8)};
      uint64_t values[] = {random_next(&seed), random_next(&seed) % 600, UINT64_MAX, UINT64_C(1) << 32, 0};
      memcpy(all + places[random_next(&seed) % 4], &values[random_next(&seed) % 5],
             (size_t[]){1, 4, 8}[random_next(&seed) % 3]);
    }
    tele_reader *reader;
    if (tele_reader_open(test_run(), &reader) < 0) continue;
    opened++;
    uint64_t bytes = 0;
    tele_hud hud;
    tele_status status;
    tele_slot_header header;
    const void *payload;
    for (uint32_t mode = TELE_READ_NEWEST; mode <= TELE_READ_NEXT; mode++) {
      uint64_t after = random_next(&seed) % 4 == 0 ? random_next(&seed) : 0;
      if (tele_reader_read(reader, after, mode, buffer, sizeof buffer, &bytes) == 1) {
        read++;
        CHECK(bytes <= SLOT_BYTES);
        uint64_t jpeg_bytes;
        tele_jpeg_encode(buffer, bytes, 50, buffer + SLOT_BYTES, sizeof buffer - SLOT_BYTES, &jpeg_bytes);
      }
    }
    if (tele_reader_begin(reader, 0, TELE_READ_NEWEST, &header, &payload) == 1) {
      memcpy(buffer, payload, header.bytes);
      CHECK(tele_reader_end(reader, &header) >= 0);
    }
    tele_reader_hud(reader, &hud);
    tele_reader_status(reader, &status);
    tele_reader_close(reader);
  }
  CHECK(opened > 1000 && read > 1000);
}

/* ---- Truncation ------------------------------------------------------------------------------- */

static void every_call_reports(tele_reader *reader, int expected) {
  uint8_t buffer[1024];
  uint64_t bytes;
  tele_hud hud;
  tele_status status;
  CHECK_EQ(tele_reader_read(reader, 0, TELE_READ_NEWEST, buffer, sizeof buffer, &bytes), expected);
  CHECK_EQ(tele_reader_hud(reader, &hud), expected);
  CHECK_EQ(tele_reader_request_keyframe(reader), expected);
  CHECK_EQ(tele_reader_status(reader, &status), expected);
}

static void a_truncated_segment_is_an_error(void) {
  segment *mapped = map_segment_file();
  write_good(mapped);
  munmap(mapped, SEGMENT_BYTES);
  tele_reader *reader = open_reader(), *other = open_reader();
  tele_controller *controller;
  CHECK_EQ(tele_controller_open(reader, &controller), 0);
  CHECK(truncate(test_segment_path(), 0) == 0);
  tele_status status;
  CHECK_EQ(tele_reader_status(other, &status), -EFAULT);
  CHECK_MESSAGE("truncated to 0 bytes");
  every_call_reports(reader, -EFAULT);
  CHECK_MESSAGE("truncated while it was read");
  tele_input event = {.kind = TELE_INPUT_KEY};
  CHECK_EQ(tele_controller_send_inputs(controller, &event, 1), -EFAULT);
  CHECK_EQ(tele_controller_renew(controller), -EFAULT);
  CHECK_EQ(tele_controller_set_pause(controller, 1), -EFAULT);
  tele_controller_close(controller);
  tele_reader_close(reader);
  tele_reader_close(other);
}

/* Only the slots are gone: the control words are there, and the read that touches a payload tells. */
static void a_segment_truncated_behind_its_header_is_an_error(void) {
  uint8_t buffer[1024];
  uint64_t bytes;
  segment *mapped = map_segment_file();
  write_good(mapped);
  tele_reader *reader = open_reader();
  CHECK(truncate(test_segment_path(), TELE_HEADER_BYTES) == 0);
  CHECK_EQ(tele_reader_read(reader, 0, TELE_READ_NEWEST, buffer, sizeof buffer, &bytes), -EFAULT);
  tele_reader_close(reader);
}

static atomic_bool stop;

static void *read_all_the_time(void *argument) {
  tele_reader *reader = argument;
  uint8_t buffer[1024];
  uint64_t bytes;
  tele_hud hud;
  while (!atomic_load(&stop)) {
    int result = tele_reader_read(reader, 0, TELE_READ_NEWEST, buffer, sizeof buffer, &bytes);
    if (result < 0) {
      CHECK_EQ(result, -EFAULT);
      return NULL;
    }
    tele_reader_hud(reader, &hud);
  }
  fail_test(__FILE__, __LINE__, "the reader did not notice");
}

static void truncated_while_threads_read(void) {
  for (int round = 0; round < 50; round++) {
    segment *mapped = map_segment_file();
    write_good(mapped);
    tele_reader *readers[3];
    pthread_t threads[3];
    for (int i = 0; i < 3; i++) {
      readers[i] = open_reader();
      CHECK(pthread_create(&threads[i], NULL, read_all_the_time, readers[i]) == 0);
    }
    usleep(500);
    CHECK(truncate(test_segment_path(), round % 2 == 0 ? 0 : TELE_HEADER_BYTES) == 0);
    for (int i = 0; i < 3; i++) {
      CHECK(pthread_join(threads[i], NULL) == 0);
      tele_reader_close(readers[i]);
    }
    munmap(mapped, SEGMENT_BYTES);
    CHECK(unlink(test_segment_path()) == 0);
  }
}

static _Noreturn void on_other_bus_error(int signal) {
  (void)signal;
  _exit(23);
}

static void fault_elsewhere(void *argument) {
  bool handled = *(bool *)argument;
  signal(SIGBUS, handled ? on_other_bus_error : SIG_DFL);
  segment *mapped = map_segment_file();
  write_good(mapped);
  tele_reader *reader = open_reader(); /* installs the guard */
  CHECK(truncate(test_segment_path(), 0) == 0);
  *(volatile uint8_t *)mapped = 1; /* our own mapping: none of the guard's business */
  tele_reader_close(reader);
}

static void faults_elsewhere_go_to_the_handler_before(void) {
  int status;
  for (int handled = 0; handled < 2; handled++) {
    bool argument = handled != 0;
    pid_t pid = start_child(fault_elsewhere, &argument);
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK(handled ? WIFEXITED(status) && WEXITSTATUS(status) == 23 : WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
    CHECK(unlink(test_segment_path()) == 0);
  }
}

static void another_users_segment_is_refused(void) {
  if (geteuid() != 0) skip_test("only root can give a file to another user");
  segment *mapped = map_segment_file();
  write_good(mapped);
  CHECK(chown(test_segment_path(), 12345, 12345) == 0);
  tele_reader *reader;
  CHECK_EQ(tele_reader_open(test_run(), &reader), -EPERM);
  CHECK_MESSAGE("belongs to user 12345");
}

static const test tests[] = {
    {"a header that lies is named", a_header_that_lies_is_named},
    {"a slot that lies is named", a_slot_that_lies_is_named},
    {"a head that lies is named", a_head_that_lies_is_named},
    {"an overlay without a width is none", an_overlay_without_a_width_is_none},
    {"numbers that stay half-written are none", numbers_that_stay_half_written_are_none},
    {"random bytes never crash", random_bytes_never_crash},
    {"a truncated segment is an error", a_truncated_segment_is_an_error},
    {"a segment truncated behind its header is an error", a_segment_truncated_behind_its_header_is_an_error},
    {"truncated while threads read", truncated_while_threads_read},
    {"faults elsewhere go to the handler before", faults_elsewhere_go_to_the_handler_before},
    {"another user's segment is refused", another_users_segment_is_refused},
};
SUITE(hostile, tests);
