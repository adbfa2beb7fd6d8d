// See lab_verdict.h. What the kernel answers under UMIP is Linux's (arch/x86/kernel/umip.c): SGDT and SIDT give a limit
// of 0 and a base that no table of the kernel can have.
#include "app/lab_verdict.h"

#include <string.h>

#define FAKE_GDT_BASE 0xfffffffffffe0000ull

const char *lab_verdict_name(enum lab_verdict verdict) {
    static const char *const names[] = {"-", "traps", "wrong", "leaks", "right"};
    return names[verdict];
}

enum lab_umip lab_umip_seen(const struct lab_run *sgdt) {
    uint16_t limit;
    uint64_t base = 0;
    if (sgdt->end == LAB_TRAPPED)
        return LAB_UMIP_TRAPS;
    memcpy(&limit, sgdt->state.data, 2);
    memcpy(&base, sgdt->state.data + 2, sgdt->state.wide ? 8 : 4);
    bool fake = limit == 0 && base == (sgdt->state.wide ? FAKE_GDT_BASE : (uint32_t)FAKE_GDT_BASE);
    return sgdt->end == LAB_ENDED && fake ? LAB_UMIP_FAKED : LAB_UMIP_UNSEEN;
}

enum lab_verdict lab_verdict_of_child(const struct lab_program *program, const struct lab_run *bare,
                                      const struct lab_run *child, enum lab_umip umip) {
    switch (child->end) {
    case LAB_NOT_RUN: return LAB_NO_VERDICT;
    case LAB_TRAPPED: return LAB_TRAPS;
    case LAB_STRAYED: return LAB_WRONG;
    case LAB_ENDED: break;
    }
    if (lab_program_same(program, &bare->state, &child->state))
        return LAB_RIGHT;
    if (program->umip && umip == LAB_UMIP_FAKED)
        return LAB_WRONG;
    return program->reads ? LAB_LEAKS : LAB_WRONG;
}

enum lab_verdict lab_verdict_of_guest(const struct lab_run *bare, const struct lab_run *guest) {
    if (guest->end == LAB_NOT_RUN || bare->end == LAB_NOT_RUN)
        return LAB_NO_VERDICT;
    return memcmp(bare->output, guest->output, LAB_OUTPUT_SIZE) ? LAB_WRONG : LAB_RIGHT;
}
