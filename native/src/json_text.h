/* A text that grows in a buffer of the caller's, and is cut where that ends. */
#ifndef TELE_JSON_TEXT_H
#define TELE_JSON_TEXT_H

#include <stddef.h>

typedef struct text {
  char *at;
  size_t bytes, length; /* length may pass bytes: what was cut is counted */
} text;

__attribute__((format(printf, 2, 3))) void text_append(text *text, const char *format, ...);

/* As a JSON string; control characters become spaces. */
void text_append_string(text *json, const char *value);

/* Its length; -ENOSPC with a text that says how much room "listing WHAT" needs. */
int text_end(const text *text, const char *what);

#endif
