/* The text behind tele_error_message(). */
#ifndef TELE_ERROR_H
#define TELE_ERROR_H

/* Keeps the text for this thread and returns -code, so that a failure is one statement:
 *   return error_set(EPROTO, "cannot open run \"%s\": ...", run_id); */
__attribute__((format(printf, 2, 3))) int error_set(int code, const char *format, ...);

#endif
