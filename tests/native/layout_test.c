/* The layout that bindings compare with is the compiler's, and its text is one whole JSON object. */
#include <stdlib.h>

#include "harness.h"

static void sizes_and_offsets_are_told(void) {
  char text[16384];
  int chars = tele_layout_json(text, sizeof text);
  CHECK(chars > 0 && strlen(text) == (size_t)chars);
  CHECK(text[0] == '{' && text[chars - 1] == '}');
  int depth = 0;
  for (int i = 0; i < chars; i++) depth += (text[i] == '{') - (text[i] == '}');
  CHECK_EQ(depth, 0);
  char expected[128];
#define TELLS(...)                                                                                          \
  do {                                                                                                      \
    snprintf(expected, sizeof expected, __VA_ARGS__);                                                       \
    if (strstr(text, expected) == NULL) fail_test(__FILE__, __LINE__, "%s is not in the layout", expected); \
  } while (0)
  TELLS("\"tele_frame\":{\"bytes\":%zu,", sizeof(tele_frame));
  TELLS("\"overlay_format\":{\"offset\":%zu,\"bytes\":4}", offsetof(tele_frame, overlay_format));
  TELLS("\"tele_status\":{\"bytes\":%zu,", sizeof(tele_status));
  TELLS("\"controls\":{\"offset\":%zu,\"bytes\":%zu}", offsetof(tele_status, controls), sizeof(tele_controls));
  TELLS("\"tele_stream_settings\":{\"bytes\":%zu,", sizeof(tele_stream_settings));
  TELLS("\"note\":{\"offset\":%zu,\"bytes\":160}", offsetof(tele_stream_status, note));
  TELLS("\"INPUT_EVENTS\":4224}}");
}

static void a_buffer_that_is_too_small_is_an_error(void) {
  char text[64];
  CHECK_EQ(tele_layout_json(text, sizeof text), -ENOSPC);
  CHECK_EQ(tele_segment_name("a-run", text, 10), -ENOSPC);
}

static const test tests[] = {
    {"sizes and offsets are told", sizes_and_offsets_are_told},
    {"a buffer that is too small is an error", a_buffer_that_is_too_small_is_an_error},
};
SUITE(layout, tests);
