/*
 * A small harness. Every test runs in a process of its own, so that a crash, a sanitizer's report or a hang is that
 * test's failure alone, with a runtime directory and run ids of its own, so that several test runs share a machine.
 */
#ifndef HARNESS_H
#define HARNESS_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>

#include "telebridge.h"

typedef struct test {
  const char *name;
  void (*run)(void);
} test;

typedef struct suite {
  const char *name;
  const test *tests;
  size_t tests_count;
  bool is_on_request; /* runs only when it is named */
} suite;

#define SUITE(suite_name, tests_array) \
  const suite suite_name = {#suite_name, tests_array, sizeof(tests_array) / sizeof(tests_array)[0], false}
#define SUITE_ON_REQUEST(suite_name, tests_array) \
  const suite suite_name = {#suite_name, tests_array, sizeof(tests_array) / sizeof(tests_array)[0], true}

/* End the test. */
__attribute__((noreturn, format(printf, 3, 4))) void fail_test(const char *file, int line, const char *format, ...);
__attribute__((noreturn, format(printf, 1, 2))) void skip_test(const char *format, ...);
/* Ends it well, without the leak checker: for those that call a driver of somebody else's, which leaks, and unloads
 * itself before the checker has looked (it crashed there, too). */
__attribute__((noreturn)) void pass_test(void);

#define CHECK(condition)                                                                                      \
  do {                                                                                                        \
    if (!(condition)) fail_test(__FILE__, __LINE__, "%s (last error: %s)", #condition, tele_error_message()); \
  } while (0)

/* Compares integers and shows both. */
#define CHECK_EQ(found, expected)                                                                            \
  do {                                                                                                       \
    long long found_ = (long long)(found), expected_ = (long long)(expected);                                \
    if (found_ != expected_) {                                                                               \
      fail_test(__FILE__, __LINE__, "%s is %lld, expected %lld (last error: %s)", #found, found_, expected_, \
                tele_error_message());                                                                       \
    }                                                                                                        \
  } while (0)

/* Whether the last error's text holds all of this. */
#define CHECK_MESSAGE(part)                                                                                      \
  do {                                                                                                           \
    if (strstr(tele_error_message(), part) == NULL)                                                              \
      fail_test(__FILE__, __LINE__, "the message is \"%s\", expected \"%s\" in it", tele_error_message(), part); \
  } while (0)

/* A run id of this test alone; static, the same in its child processes. */
const char *test_run(void);

/* The path of its segment. */
const char *test_segment_path(void);

/* Runs body in a child process and returns its pid; its failures are the test's. */
pid_t start_child(void (*body)(void *), void *argument);

/* Waits for a child that should have ended by itself, well. */
void expect_child_done(pid_t pid);

/* Moves this process into namespaces of its own (CLONE_NEW*), as root or through a user namespace in which our user
 * stays what it is. Skips the test where neither is allowed. */
void enter_namespaces(int flags);

/* From now on this process gets the error code from the system call `number` when its second argument is `argument`,
 * or any with ANY_ARGUMENT. Skips the test where no filter is allowed. */
#define ANY_ARGUMENT UINT32_MAX
void refuse_call(unsigned number, uint32_t argument, int code);

/* Kills with SIGKILL and waits. */
void kill_child(pid_t pid);

/* A channel between processes, to wait for one another. */
typedef struct gate {
  int fds[2];
} gate;

gate gate_make(void);
void gate_open(gate *gate);
void gate_pass(gate *gate);

/* xorshift64*, for tests that print their seed. */
uint64_t random_next(uint64_t *state);

/* A producer of RGB8 frames of the given size, with the given capacity (0 = default). */
tele_producer *open_producer(uint64_t payload_bytes_max, uint64_t capacity);
tele_reader *open_reader(void);

/* Publishes a grey RGB8 frame of 8 x 8 whose pixels and step are both `value`. */
void publish_value(tele_producer *producer, uint64_t value);

#endif
