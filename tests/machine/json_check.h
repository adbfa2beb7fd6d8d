// A strict, small reader of JSON (RFC 8259) for tests: is a text one JSON value, and nothing else?
#ifndef TESTS_MACHINE_JSON_CHECK_H
#define TESTS_MACHINE_JSON_CHECK_H

#include <stdbool.h>

bool json_is_valid(const char *text);

#endif
