// make_kernel KIND FILE [VALUE]: writes a synthetic kernel. bzimage, elf and flat are right but do nothing of use; the
// programs below run, at the entry of the flat one.
#include "tests/machine/kernel_builder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    uint8_t code[32];
} programs[] = {
    // cli; hlt
    {"halt", {0xfa, 0xf4}},
    // mov al, VALUE; out 0xf4, al; jmp $
    {"exit", {0xb0, 0x00, 0xe6, 0xf4, 0xeb, 0xfe}},
    // mov dx, 0x3f8; "." to the serial port; jmp $
    {"spin", {0x66, 0xba, 0xf8, 0x03, 0xb0, '.', 0xee, 0xeb, 0xfe}},
    // mov ecx, 1000; dec ecx; jnz to the dec; cli; hlt
    {"count", {0xb9, 0xe8, 0x03, 0x00, 0x00, 0x49, 0x75, 0xfd, 0xfa, 0xf4}},
    // mov ecx, 3000000; out 0x80, al; dec ecx; jnz to the out; cli; hlt
    {"flood", {0xb9, 0xc0, 0xc6, 0x2d, 0x00, 0xe6, 0x80, 0x49, 0x75, 0xfb, 0xfa, 0xf4}},
    // mov dx, 0x3f8; "." to the serial port; sti; hlt; jmp to the hlt: sleeps for ever, with every interrupt masked
    {"idle", {0x66, 0xba, 0xf8, 0x03, 0xb0, '.', 0xee, 0xfb, 0xf4, 0xeb, 0xfd}},
    // mov al, 0xfe; out 0x64, al; jmp $
    {"reset", {0xb0, 0xfe, 0xe6, 0x64, 0xeb, 0xfe}},
    // CMOS cell 40h outlives a reset: if it is not 1, set it and reset, else write 5 to the debug-exit port
    {"reset-once", {0xb0, 0x40, 0xe6, 0x70, 0xe4, 0x71, 0x3c, 0x01, 0x74, 0x0a, 0xb0, 0x01, 0xe6,
                    0x71, 0xb0, 0xfe, 0xe6, 0x64, 0xeb, 0xfe, 0xb0, 0x05, 0xe6, 0xf4, 0xeb, 0xfe}},
    // ud2, with no IDT
    {"triple", {0x0f, 0x0b}},
    // mov dx, 0x3f8; "ok\n" to the serial port; cli; hlt
    {"print", {0x66, 0xba, 0xf8, 0x03, 0xb0, 'o', 0xee, 0xb0, 'k', 0xee, 0xb0, '\n', 0xee, 0xfa, 0xf4}},
    // polls the serial port and sends back what comes
    {"echo", {0x66, 0xba, 0xfd, 0x03, 0xec, 0xa8, 0x01, 0x74, 0xfb, 0x66, 0xba, 0xf8, 0x03, 0xec, 0xee, 0xeb, 0xef}},
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
