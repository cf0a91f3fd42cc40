#include "json_text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "error.h"

void text_append(text *text, const char *format, ...) {
  size_t used = text->length < text->bytes ? text->length : text->bytes;
  va_list arguments;
  va_start(arguments, format);
  int added = vsnprintf(text->at + used, text->bytes - used, format, arguments);
  va_end(arguments);
  text->length += added > 0 ? (size_t)added : 0;
}

void text_append_string(text *json, const char *value) {
  text_append(json, "\"");
  for (; *value != '\0'; value++) {
    if (*value == '"' || *value == '\\') text_append(json, "\\");
    text_append(json, "%c", (unsigned char)*value < ' ' ? ' ' : *value);
  }
  text_append(json, "\"");
}

int text_end(const text *text, const char *what) {
  if (text->length < text->bytes) return (int)text->length;
  return error_set(ENOSPC, "cannot list %s: %zu bytes are needed, the buffer has %zu", what, text->length + 1,
                   text->bytes);
}
