// The real-mode kit: state, vector table, code in low memory.
#include "rm.h"

extern const u8 rm_kit[], rm_kit_end[], rm_stubs[];
extern void rm_enter(void);

void rm_vector(u8 vector, u16 segment, u16 offset) {
    volatile u16 *entry = (volatile u16 *)(vector * 4u);
    __asm__("" : "+r"(entry)); // the table lies at address 0
    entry[0] = offset;
    entry[1] = segment;
}

void rm_init(struct rm *rm) {
    memset(rm, 0, sizeof *rm);
    rm->ds = RM_DATA_SEG;
    rm->es = RM_DATA_SEG;
    rm->ss = RM_STACK_SEG;
    rm->cs = RM_CODE_SEG;
    rm->esp = RM_STACK_TOP;
    rm->flags = 2;
    rm->selector = rm->stack = SEL_RM_DATA;
    rm->table_limit = 0x3ff;
    gdt_set(SEL_RM_CODE, RM_KIT, 0xffff, SEG_CODE, 0);
    gdt_set(SEL_RM_DATA, 0, 0xffff, SEG_DATA, 0);
    memcpy((void *)RM_KIT, rm_kit, (size_t)(rm_kit_end - rm_kit));
    for (unsigned vector = 0; vector < 256; vector++)
        rm_vector((u8)vector, RM_KIT >> 4, (u16)(rm_stubs - rm_kit + vector * 8));
}

void rm_code(const u8 *from, const u8 *end, u16 at) {
    memcpy((void *)(RM_CODE + at), from, (size_t)(end - from));
}

void rm_go(struct rm *rm) {
    struct rm *state = (struct rm *)RM_STATE;
    memcpy(state, rm, sizeof *rm);
    barrier();
    rm_enter();
    barrier();
    memcpy(rm, state, sizeof *rm);
    rm->vector &= 0xff; // PUSH imm8 extends its sign
}

struct rm rm_run(const u8 *from, const u8 *end, struct rm in) {
    rm_code(from, end, in.ip);
    rm_go(&in);
    return in;
}
