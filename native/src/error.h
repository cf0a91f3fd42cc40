/* The text behind tele_error_message(). */
#ifndef TELE_ERROR_H
#define TELE_ERROR_H

/* Keeps the text for this thread and returns -code, so that a failure is one statement:
 *   return error_set(EPROTO, "cannot open run \"%s\": ...", run_id); */
__attribute__((format(printf, 2, 3))) int error_set(int code, const char *format, ...);

/* For cleaning up after a failure, whose text is the one to tell: what is in between may set others. */
typedef struct error_text {
  char text[512];
} error_text;
error_text error_save(void);
void error_restore(const error_text *saved);

#endif
