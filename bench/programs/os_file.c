// System rows: files, in memory where the system has such a folder.
#include "os.h"
#include "timing.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum { NAME_BYTES = 64 };

static void file_name(char name[NAME_BYTES]) {
    snprintf(name, NAME_BYTES, "%s/bench-os-%d", scratch_folder(), (int)getpid());
}

void run_file(uint32_t times) {
    char name[NAME_BYTES];
    file_name(name);
    for (uint32_t i = 0; i < times; i++) {
        int file = open(name, O_CREAT | O_EXCL | O_WRONLY, 0600);
        if (file < 0 || close(file) || unlink(name))
            fail(name);
    }
}

void run_open(uint32_t times) {
    for (uint32_t i = 0; i < times; i++) {
        int file = open("/dev/null", O_RDONLY);
        if (file < 0 || close(file))
            fail("/dev/null");
    }
}

void run_read(uint32_t times) {
    char byte;
    int file = open("/dev/zero", O_RDONLY);
    for (uint32_t i = 0; i < times; i++)
        if (read(file, &byte, 1) != 1)
            fail("/dev/zero");
    close(file);
}
