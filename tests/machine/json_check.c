// Recursive descent over the grammar of RFC 8259; accepts nothing beyond it.
#include "tests/machine/json_check.h"

#include <stddef.h>
#include <string.h>

#define DEPTH_MAX 16

static const char *value(const char *at, int depth);

static const char *blanks(const char *at) {
    return at + strspn(at, " \t\r\n");
}

static const char *digits(const char *at) {
    size_t count = strspn(at, "0123456789");
    return count ? at + count : NULL;
}

static const char *number(const char *at) {
    at += *at == '-';
    if (at[0] == '0' && at[1] >= '0' && at[1] <= '9')
        return NULL;
    at = digits(at);
    if (at && *at == '.')
        at = digits(at + 1);
    if (at && (*at == 'e' || *at == 'E'))
        at = digits(at + 1 + (at[1] == '+' || at[1] == '-'));
    return at;
}

static const char *string(const char *at) {
    if (*at++ != '"')
        return NULL;
    while (*at != '"') {
        if ((unsigned char)*at < 0x20)
            return NULL;
        if (*at == '\\') {
            at++;
            if (*at == 'u' && strspn(at + 1, "0123456789abcdefABCDEF") >= 4)
                at += 4;
            else if (!*at || !strchr("\"\\/bfnrt", *at))
                return NULL;
        }
        at++;
    }
    return at + 1;
}

static const char *object(const char *at, int depth) {
    at = blanks(at + 1);
    if (*at == '}')
        return at + 1;
    for (;;) {
        at = string(blanks(at));
        if (!at || *(at = blanks(at)) != ':')
            return NULL;
        at = value(blanks(at + 1), depth);
        if (!at)
            return NULL;
        at = blanks(at);
        if (*at == '}')
            return at + 1;
        if (*at++ != ',')
            return NULL;
    }
}

static const char *array(const char *at, int depth) {
    at = blanks(at + 1);
    if (*at == ']')
        return at + 1;
    for (;;) {
        at = value(blanks(at), depth);
        if (!at)
            return NULL;
        at = blanks(at);
        if (*at == ']')
            return at + 1;
        if (*at++ != ',')
            return NULL;
    }
}

static const char *value(const char *at, int depth) {
    static const char *const words[] = {"true", "false", "null"};
    if (depth == DEPTH_MAX)
        return NULL;
    if (*at == '{')
        return object(at, depth + 1);
    if (*at == '[')
        return array(at, depth + 1);
    if (*at == '"')
        return string(at);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (!strncmp(at, words[i], strlen(words[i])))
            return at + strlen(words[i]);
    return number(at);
}

bool json_is_valid(const char *text) {
    const char *at = value(blanks(text), 0);
    return at && !*blanks(at);
}
