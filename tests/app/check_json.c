// check_json FILE: exit status 0 if the file holds one JSON value and nothing else.
#include "tests/machine/json_check.h"

#include <stdio.h>

int main(int argc, char **argv) {
    static char text[1 << 20];
    FILE *file = argc > 1 ? fopen(argv[1], "r") : NULL;
    if (!file)
        return 2;
    size_t size = fread(text, 1, sizeof text - 1, file);
    text[size] = '\0';
    fclose(file);
    return !json_is_valid(text);
}
