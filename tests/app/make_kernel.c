// make_kernel KIND FILE: writes a synthetic kernel. Kinds: bzimage, elf, flat (none of them can run), and guests that
// do run: halt, exit VALUE (writes it to the debug-exit port), spin, reset, triple, print.
#include "tests/machine/kernel_builder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    uint8_t code[32];
} programs[] = {
    {"halt", {0xfa, 0xf4}},                          // cli; hlt
    {"exit", {0xb0, 0x00, 0xe6, 0xf4, 0xeb, 0xfe}},  // mov al, VALUE; out 0xf4, al; jmp $
    {"spin", {0xeb, 0xfe}},                          // jmp $
    {"reset", {0xb0, 0xfe, 0xe6, 0x64, 0xeb, 0xfe}}, // mov al, 0xfe; out 0x64, al; jmp $
    {"triple", {0x0f, 0x0b}},                        // ud2, with no IDT
    {"print", {0x66, 0xba, 0xf8, 0x03, 0xb0, 'o', 0xee, 0xb0, 'k', 0xee, 0xb0, '\n', 0xee, 0xfa, 0xf4}},
};

int main(int argc, char **argv) {
    static struct kernel_file file;
    if (argc < 3)
        return 2;
    const char *kind = argv[1];
    if (!strcmp(kind, "bzimage")) {
        build_bzimage(&file);
    } else if (!strcmp(kind, "elf")) {
        build_multiboot_elf(&file);
    } else {
        build_multiboot_flat(&file);
        for (size_t i = 0; i < sizeof programs / sizeof *programs; i++)
            if (!strcmp(kind, programs[i].name))
                memcpy(file.bytes + 0x80, programs[i].code, sizeof programs[i].code); // its entry
        if (!strcmp(kind, "exit") && argc > 3)
            file.bytes[0x81] = (uint8_t)atoi(argv[3]);
    }
    FILE *out = fopen(argv[2], "wb");
    return !out || fwrite(file.bytes, 1, file.size, out) != file.size || fclose(out);
}
