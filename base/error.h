// Error texts: functions that can fail return a status and fill one of these; only app/ prints them and exits.
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#define ERROR_TEXT_MAX 256

struct error {
    char text[ERROR_TEXT_MAX]; // one line, no newline, names what was wrong
};

// Formats a message into err (which may be NULL) and returns -1, so that callers can `return error_set(err, ...)`.
int error_set(struct error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
