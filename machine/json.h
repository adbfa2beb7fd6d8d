// A writer of JSON (RFC 8259): one value after the other to a stream, with commas, indents and escapes in place.
#ifndef MACHINE_JSON_H
#define MACHINE_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct json {
    FILE *out;
    unsigned depth;
    bool has_members; // the object that is open has a member already
};

// Objects. name is NULL for the outermost one, which ends with a newline.
void json_begin(struct json *json, const char *name);
void json_end(struct json *json);

// Members of the object that is open.
void json_u64(struct json *json, const char *name, uint64_t value);
void json_real(struct json *json, const char *name, double value); // 0 to 1e12 with six decimals, else null
void json_bool(struct json *json, const char *name, bool value);
void json_null(struct json *json, const char *name);
void json_text(struct json *json, const char *name, const char *value); // bytes that are not UTF-8 become U+FFFD

#endif
