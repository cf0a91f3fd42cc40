/* The keeper's parts: text that may be anything, bounds, readers that do not read, and cgroups. */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "cgroup.h"
#include "descendants.h"
#include "events.h"
#include "harness.h"
#include "lines.h"
#include "utf8.h"

static const struct {
  const char *bytes;
  size_t length, sequence;
} sequences[] = {
    {"a", 1, 1},
    {"\x7f", 1, 1},
    {"\xc3\xbc", 2, 2},
    {"\xe2\x82\xac", 3, 3},
    {"\xf0\x9f\x98\x80", 4, 4},
    {"\xf4\x8f\xbf\xbf", 4, 4},
    {"", 0, 0},
    {"\x80", 1, 0},     /* goes on with nothing */
    {"\xc0\x80", 2, 0}, /* longer than it need be */
    {"\xc1\xbf", 2, 0},
    {"\xe0\x9f\xbf", 3, 0},
    {"\xf0\x8f\xbf\xbf", 4, 0},
    {"\xed\xa0\x80", 3, 0},     /* a surrogate */
    {"\xf4\x90\x80\x80", 4, 0}, /* beyond U+10FFFF */
    {"\xf5\x80\x80\x80", 4, 0},
    {"\xe2\x82", 2, 0}, /* cut */
    {"\xc3(", 2, 0},
};

static void utf8_sequences(void) {
  for (size_t i = 0; i < sizeof sequences / sizeof sequences[0]; i++) {
    size_t found = utf8_sequence(sequences[i].bytes, sequences[i].length);
    if (found != sequences[i].sequence) fail_test(__FILE__, __LINE__, "row %zu is %zu long", i, found);
  }
  CHECK_EQ(utf8_whole_length("ab\xe2\x82\xac", 5), 5);
  CHECK_EQ(utf8_whole_length("ab\xe2\x82", 4), 2);
  CHECK_EQ(utf8_whole_length("ab\xe2", 3), 2);
  CHECK_EQ(utf8_whole_length("\x80\x80\x80\x80\x80", 5), 5);
  CHECK_EQ(utf8_whole_length("", 0), 0);
}

static events *open_events(int fd) {
  events *opened = malloc(sizeof *opened);
  CHECK(opened != NULL);
  events_open(opened, fd);
  return opened;
}

static void a_reader_that_does_not_read_is_not_waited_for(void) {
  int pipe_fds[2];
  CHECK(pipe2(pipe_fds, O_NONBLOCK) == 0);
  events *events = open_events(pipe_fds[1]);
  char line[EVENTS_LINE_BYTES_MAX];
  memset(line, 1, sizeof line); /* six bytes each when escaped */
  size_t said = 0;
  while (events_line(events, "stdout", line, sizeof line, 7)) {
    events_flush(events);
    said++;
  }
  CHECK(said >= 5);
  while (events_note(events, "shorter")) said++;
  size_t used = events->used;
  events_ended(events, "exited", 3, NULL, "its end \"finds\" room\n");
  CHECK(events->used > used);
  static char read_back[EVENTS_BYTES_MAX + 64 * 1024];
  size_t length = 0;
  for (ssize_t got; events_flush(events), (got = read(pipe_fds[0], read_back + length, sizeof read_back - length)) > 0;)
    length += (size_t)got;
  const char *end =
      "{\"event\":\"ended\",\"reason\":\"exited\",\"code\":3,\"signal\":null,"
      "\"text\":\"its end \\\"finds\\\" room\\u000a\"}\n";
  CHECK(length > strlen(end));
  CHECK(memcmp(read_back + length - strlen(end), end, strlen(end)) == 0);

  close(pipe_fds[0]);
  signal(SIGPIPE, SIG_IGN);
  CHECK(events_line(events, "stdout", "x", 1, 0));
  events_flush(events);
  CHECK(events->is_broken);
  CHECK_EQ(events->used, 0);
  free(events);
}

/* How long the lines are that a terminal would show, byte by byte. */
typedef struct expectation {
  size_t lines;
  uint64_t hash; /* of their lengths */
  size_t length;
  bool has_return;
} expectation;

static void expect_end(expectation *expected) {
  expected->lines++;
  expected->hash = expected->hash * 31 + expected->length;
  expected->length = 0;
  expected->has_return = false;
}

static void expect_byte(expectation *expected, char byte) {
  if (byte == '\n') {
    expect_end(expected);
    return;
  }
  if (expected->has_return) expected->length = 0;
  expected->has_return = byte == '\r';
  if (!expected->has_return) expected->length++;
}

/* The sum over the lines that were said, of their length with what was left out: all bytes are single ones here. */
static uint64_t said_hash(const char *text, size_t length, size_t *lines) {
  uint64_t hash = 0;
  *lines = 0;
  static const char begin[] = "\"text\":\"";
  for (const char *at = text; at < text + length; at++) {
    const char *end = memchr(at, '\n', (size_t)(text + length - at));
    CHECK(end != NULL);
    const char *said = (const char *)memmem(at, (size_t)(end - at), begin, sizeof begin - 1) + sizeof begin - 1;
    const char *cut = memmem(said, (size_t)(end - said), " \xe2\x80\xa6 [", 6);
    uint64_t left_out = cut == NULL ? 0 : strtoull(cut + 6, NULL, 10);
    size_t kept = cut == NULL ? (size_t)(end - said) - 2 : (size_t)(cut - said);
    hash = hash * 31 + kept + left_out;
    (*lines)++;
    at = end;
  }
  return hash;
}

static void random_output_becomes_the_lines_that_a_terminal_shows(void) {
  uint64_t state = (uint64_t)getpid() * 2654435761u + 1;
  printf("seed %llu\n", (unsigned long long)state);
  static char said[EVENTS_BYTES_MAX];
  for (int round = 0; round < 200; round++) {
    int pipe_fds[2];
    CHECK(pipe2(pipe_fds, O_NONBLOCK) == 0);
    events *events = open_events(-1); /* what is said stays in it */
    allowance allowance;
    allowance_open(&allowance, 0);
    lines lines;
    expectation expected = {0};
    lines_open(&lines, pipe_fds[0], "stdout");
    size_t chunks = random_next(&state) % 20;
    for (size_t i = 0; i < chunks; i++) {
      char chunk[3000];
      size_t length = 1 + random_next(&state) % sizeof chunk;
      for (size_t at = 0; at < length; at++) {
        uint64_t dice = random_next(&state) % 400;
        chunk[at] = dice == 0 ? '\n' : dice == 1 ? '\r' : 'a';
        if (round % 2 == 0 && dice < 4) chunk[at] = 'b'; /* long lines */
        expect_byte(&expected, chunk[at]);
      }
      CHECK_EQ(write(pipe_fds[1], chunk, length), (ssize_t)length);
      CHECK(lines_read(&lines, &allowance, events));
    }
    if (expected.length > 0) expect_end(&expected);
    lines_close(&lines, &allowance, events);
    close(pipe_fds[1]);
    memcpy(said, events->bytes, events->used);
    size_t lines_count;
    uint64_t hash = said_hash(said, events->used, &lines_count);
    CHECK_EQ(lines_count, expected.lines);
    CHECK_EQ(hash, expected.hash);
    free(events);
  }
}

static void lines_beyond_the_allowance_are_counted(void) {
  int pipe_fds[2];
  CHECK(pipe2(pipe_fds, O_NONBLOCK) == 0);
  events *events = open_events(-1);
  allowance allowance;
  allowance_open(&allowance, 1000);
  lines lines;
  lines_open(&lines, pipe_fds[0], "stdout");
  char newlines[LINES_SAVED_MAX + 30];
  memset(newlines, '\n', sizeof newlines);
  CHECK(write(pipe_fds[1], newlines, sizeof newlines) > 0);
  CHECK(lines_read(&lines, &allowance, events));
  CHECK_EQ(allowance.lines_left_out, 30);
  allowance_renew(&allowance, 1999, events);
  CHECK_EQ(allowance.lines, 0);
  events->used = 0;
  allowance_renew(&allowance, 2000, events);
  CHECK_EQ(allowance.lines, LINES_PER_SECOND);
  CHECK(memmem(events->bytes, events->used, "30 lines left out", 17) != NULL);
  allowance_renew(&allowance, 100000, events);
  CHECK_EQ(allowance.lines, LINES_SAVED_MAX);
  CHECK_EQ(allowance.bytes, OUTPUT_BYTES_PER_SECOND);
  lines_close(&lines, &allowance, events);
  close(pipe_fds[1]);
  free(events);
}

static void sleep_long(void *unused) {
  (void)unused;
  for (;;) pause();
}

static void descendants_have_those_of_children(void) {
  pid_t child = start_child(sleep_long, NULL);
  descendants list = {0};
  descendants_list(&list);
  bool is_listed = false;
  for (size_t i = 0; i < list.count; i++) is_listed |= list.pids[i] == child;
  CHECK(is_listed);
  usage usage;
  descendants_usage(&list, &usage);
  CHECK(usage.processes_count >= 1 && usage.resident_bytes > 0);
  CHECK(descendants_proportional_bytes(&list) > 0);
  CHECK(descendants_proportional_bytes(&list) <= usage.resident_bytes + (1 << 20));
  kill_child(child);
  descendants_list(&list);
  CHECK_EQ(list.count, 0);
  free(list.pids);
}

static const char mounts[] =
    "22 1 0:21 / /proc rw - proc proc rw\n"
    "29 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n";

static void our_cgroup_is_found(void) {
  char path[PATH_MAX];
  CHECK_EQ(cgroup_find_own(mounts, "0::/user.slice/user@1000.service/app.slice/telebridge.service\n", path), 0);
  CHECK(strcmp(path, "/sys/fs/cgroup/user.slice/user@1000.service/app.slice/telebridge.service") == 0);
  CHECK_EQ(cgroup_find_own(mounts, "4:memory:/x\n0::/\n", path), 0);
  CHECK(strcmp(path, "/sys/fs/cgroup") == 0);
  CHECK_EQ(cgroup_find_own(mounts, "4:memory:/x\n", path), -ENOENT);
  CHECK_EQ(cgroup_find_own("22 1 0:21 / /proc rw - proc proc rw\n", "0::/a\n", path), -ENOENT);
  CHECK_EQ(cgroup_find_own(mounts, "0::/../elsewhere\n", path), -ENOENT);
  CHECK_EQ(cgroup_find_own("29 23 0:26 /part /mnt rw - cgroup2 cgroup2 rw\n", "0::/a\n", path), -ENOENT);
}

static void without_a_delegated_cgroup_none_is_touched(void) {
  cgroup made;
  CHECK(cgroup_open(1 << 30, &made) < 0);
  CHECK_EQ(made.fd, -1);
  CHECK(!cgroup_ran_out(&made));
  cgroup_kill(&made);
  cgroup_close(&made);
}

static const test tests[] = {
    {"utf8_sequences", utf8_sequences},
    {"a_reader_that_does_not_read_is_not_waited_for", a_reader_that_does_not_read_is_not_waited_for},
    {"random_output_becomes_the_lines_that_a_terminal_shows", random_output_becomes_the_lines_that_a_terminal_shows},
    {"lines_beyond_the_allowance_are_counted", lines_beyond_the_allowance_are_counted},
    {"descendants_have_those_of_children", descendants_have_those_of_children},
    {"our_cgroup_is_found", our_cgroup_is_found},
    {"without_a_delegated_cgroup_none_is_touched", without_a_delegated_cgroup_none_is_touched},
};
SUITE(keeper, tests);
