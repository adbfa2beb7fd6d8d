// See impossible.h.
#include "impossible.h"

#include <stddef.h>
#include <string.h>

enum { NO_FAULT, FAULT };
enum { REGISTER, MEMORY };

static const struct {
    const char *row;
    unsigned char memory, size, fault;
    const char *why;
} impossible[] = {
    {"HLT", REGISTER, 0, NO_FAULT, "privileged: #GP at CPL 3"},
    {"CLTS", REGISTER, 0, NO_FAULT, "privileged: #GP at CPL 3"},
    {"INVD", REGISTER, 0, NO_FAULT, "privileged: #GP at CPL 3"},
    {"WBINVD", REGISTER, 0, NO_FAULT, "privileged: #GP at CPL 3"},
    {"RDMSR", REGISTER, 0, NO_FAULT, "privileged: #GP at CPL 3"},
    {"WRMSR", REGISTER, 0, NO_FAULT, "privileged: #GP at CPL 3"},
    {"XSETBV", REGISTER, 0, NO_FAULT, "privileged: #GP at CPL 3"},
    {"CLI", REGISTER, 0, NO_FAULT, "IOPL 0: #GP at CPL 3"},
    {"STI", REGISTER, 0, NO_FAULT, "IOPL 0: #GP at CPL 3"},
    {"CLAC", REGISTER, 0, NO_FAULT, "#UD at CPL 3"},
    {"VMCALL", REGISTER, 0, NO_FAULT, "#UD at CPL 3"},
    {"STAC", REGISTER, 0, NO_FAULT, "#UD at CPL 3"},
    {"INT", REGISTER, 0, NO_FAULT, "#GP by the gate's DPL, or the trap itself"},
    {"INT3", REGISTER, 0, NO_FAULT, "traps always"},
    {"IN", REGISTER, 1, NO_FAULT, "no port is allowed"},
    {"IN", REGISTER, 2, NO_FAULT, "no port is allowed"},
    {"IN", REGISTER, 4, NO_FAULT, "no port is allowed"},
    {"OUT", REGISTER, 1, NO_FAULT, "no port is allowed"},
    {"OUT", REGISTER, 2, NO_FAULT, "no port is allowed"},
    {"OUT", REGISTER, 4, NO_FAULT, "no port is allowed"},
    {"INSB", MEMORY, 1, NO_FAULT, "no port is allowed"},
    {"INSW", MEMORY, 2, NO_FAULT, "no port is allowed"},
    {"INSD", MEMORY, 4, NO_FAULT, "no port is allowed"},
    {"OUTSB", MEMORY, 1, NO_FAULT, "no port is allowed"},
    {"OUTSW", MEMORY, 2, NO_FAULT, "no port is allowed"},
    {"OUTSD", MEMORY, 4, NO_FAULT, "no port is allowed"},
    {"INVLPG", MEMORY, 1, NO_FAULT, "privileged: #GP at CPL 3"},
    {"LGDT", MEMORY, 6, NO_FAULT, "privileged: #GP at CPL 3"},
    {"LIDT", MEMORY, 6, NO_FAULT, "privileged: #GP at CPL 3"},
    {"LLDT", REGISTER, 2, NO_FAULT, "privileged: #GP at CPL 3"},
    {"LLDT", MEMORY, 2, NO_FAULT, "privileged: #GP at CPL 3"},
    {"LMSW", REGISTER, 2, NO_FAULT, "privileged: #GP at CPL 3"},
    {"LMSW", MEMORY, 2, NO_FAULT, "privileged: #GP at CPL 3"},
    {"LTR", REGISTER, 2, NO_FAULT, "privileged: #GP at CPL 3"},
    {"LTR", MEMORY, 2, NO_FAULT, "privileged: #GP at CPL 3"},
    {"MOV r, CRn", REGISTER, 4, NO_FAULT, "privileged: #GP at CPL 3"},
    {"MOV CRn, r", REGISTER, 4, NO_FAULT, "privileged: #GP at CPL 3"},
    {"MOV r, DRn", REGISTER, 4, NO_FAULT, "privileged: #GP at CPL 3"},
    {"MOV DRn, r", REGISTER, 4, NO_FAULT, "privileged: #GP at CPL 3"},
};

const char *fuzz_impossible(const char *row, bool memory, unsigned size, bool fault) {
    for (unsigned i = 0; i < sizeof impossible / sizeof *impossible; i++)
        if (impossible[i].memory == memory && impossible[i].size == size && impossible[i].fault == fault &&
            strcmp(impossible[i].row, row) == 0)
            return impossible[i].why;
    return NULL;
}
