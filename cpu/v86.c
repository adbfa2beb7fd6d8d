// Virtual-8086 mode: the way in by IRET at CPL 0, IRET inside it, software interrupts with and without the extensions
// (VME), and what the interrupt flag is to code without IOPL. Intel SDM vol. 3B 20.2 and 20.3; vol. 2, IRET, INT n,
// POPF. What it shares with real-address mode is in realmode.c. Light code: general registers only, no library calls.
// Every access and check comes before the first change.
#include "cpu/semantics.h"

#define REDIRECTION 32u // bytes of the interrupt redirection bitmap, which ends where the I/O map begins
#define FLAGS16     0xffffu
#define FLAGS_FROM_RING0                                                                                               \
    (EFLAGS_TF | EFLAGS_IF | EFLAGS_IOPL | EFLAGS_NT | EFLAGS_RF | EFLAGS_VM | EFLAGS_AC | EFLAGS_VIF | EFLAGS_VIP |   \
     EFLAGS_ID)

static int protection(struct vcpu *v) {
    return cpu_raise_error(v, VECTOR_GP, 0);
}

int cpu_v86_enter(struct vcpu *v) {
    static const uint8_t order[] = {CPU_SEG_SS, CPU_SEG_ES, CPU_SEG_DS, CPU_SEG_FS, CPU_SEG_GS};
    uint32_t frame[9]; // EIP CS EFLAGS ESP SS ES DS FS GS
    if (cpu_stack_peek(v, 0, frame, 9, 4) < 0)
        return -1;
    v->abi.sys_flags |= EFLAGS_VM;
    cpu_load_base(v, CPU_SEG_CS, frame[1]);
    for (unsigned i = 0; i < sizeof order; i++)
        cpu_load_base(v, order[i], frame[4 + i]);
    v->abi.gpr[CPU_ESP] = frame[3];
    v->abi.eip = frame[0] & FLAGS16;
    cpu_real_flags(v, frame[2], EFLAGS_LIVE | FLAGS_FROM_RING0);
    cpu_mode_update(v);
    return 0;
}

bool cpu_virtual_if(const struct vcpu *v) {
    bool v86 = v->abi.sys_flags & EFLAGS_VM;
    return cpu_protected(v) && v->cpl == 3 && cpu_iopl(v) < 3 && (v->abi.cr4 & (v86 ? CR4_VME : CR4_PVI));
}

// The 16-bit flags image of code that sees VIF as IF, and IOPL 3.
static uint32_t virtual_image(const struct vcpu *v) {
    uint32_t image = (cpu_eflags(v) & ~EFLAGS_IF) | EFLAGS_IOPL;
    return v->abi.sys_flags & EFLAGS_VIF ? image | EFLAGS_IF : image;
}

// May such code take this image? An interrupt that waits must get to the monitor, and so must a single step.
static int check_virtual_image(struct vcpu *v, uint32_t image) {
    bool interrupt_waits = (image & EFLAGS_IF) && (v->abi.sys_flags & EFLAGS_VIP);
    return interrupt_waits || (image & EFLAGS_TF) ? protection(v) : 0;
}

static void set_virtual_image(struct vcpu *v, uint32_t image) {
    uint32_t vif = image & EFLAGS_IF ? EFLAGS_VIF : 0;
    cpu_set_eflags(v, (image & FLAGS16) | vif, EFLAGS_LIVE | EFLAGS_NT | EFLAGS_VIF);
}

int cpu_v86_pushf(struct vcpu *v, unsigned size, uint32_t *image) {
    *image = cpu_eflags(v) & ~(EFLAGS_VM | EFLAGS_RF);
    if (cpu_iopl(v) == 3)
        return 0;
    if (!(v->abi.cr4 & CR4_VME) || size != 2)
        return protection(v);
    *image = virtual_image(v);
    return 0;
}

enum callout_result callout_POPF_VME(struct vcpu *v, uint32_t r8, uint32_t r9, uint32_t word) {
    (void)r8, (void)r9;
    uint32_t image;
    if (!(v->abi.cr4 & CR4_VME) || CALLOUT_EXTRA(word) != 2) {
        protection(v);
        return CALLOUT_FAULT;
    }
    if (cpu_stack_peek(v, 0, &image, 1, 2) < 0 || check_virtual_image(v, image) < 0)
        return callout_failed(v);
    cpu_stack_release(v, 2);
    set_virtual_image(v, image);
    return CALLOUT_CONTINUE;
}

int cpu_v86_iret(struct vcpu *v, unsigned size) {
    uint32_t frame[3]; // EIP, CS, EFLAGS
    bool trusted = cpu_iopl(v) == 3;
    if (!trusted && (!(v->abi.cr4 & CR4_VME) || size != 2))
        return protection(v);
    if (cpu_stack_peek(v, 0, frame, 3, size) < 0)
        return -1;
    if (!cpu_limit_ok(&v->seg[CPU_SEG_CS], frame[0], 1))
        return protection(v);
    if (!trusted && check_virtual_image(v, frame[2]) < 0)
        return -1;
    cpu_stack_release(v, 3 * size);
    cpu_real_go(v, frame[1], frame[0]);
    uint32_t mask = EFLAGS_LIVE | EFLAGS_TF | EFLAGS_IF | EFLAGS_NT;
    if (!trusted)
        set_virtual_image(v, frame[2]);
    else
        cpu_real_flags(v, frame[2], size == 2 ? mask : mask | EFLAGS_RF | EFLAGS_AC | EFLAGS_ID);
    return 0;
}

// ---- Software interrupts (SDM vol. 3B table 20-2) ------------------------------------------------------------------

// Does the redirection bitmap of the TSS leave INT `vector` to the 8086 program? 1, 0, or -1.
static int is_redirected(struct vcpu *v, unsigned vector) {
    uint16_t map;
    uint8_t bits;
    if (!(v->abi.cr4 & CR4_VME))
        return 0;
    if (cpu_io_map_base(v, &map) < 0)
        return -1;
    uint32_t at = map - REDIRECTION + vector / 8;
    if (at > v->tr.limit)
        return protection(v);
    if (cpu_read_system(v, v->tr.base + at, &bits, 1) < 0)
        return -1;
    return !(bits >> (vector & 7) & 1);
}

// Through the 8086 program's own table at linear address 0, inside its mode and stack.
static int redirect(struct vcpu *v, unsigned vector, uint32_t next) {
    bool trusted = cpu_iopl(v) == 3;
    uint32_t entry;
    struct cpu_stack stack;
    if (cpu_read_linear(v, vector * 4, true, &entry, 4) < 0)
        return -1;
    const uint32_t items[3] = {trusted ? cpu_eflags(v) : virtual_image(v), v->seg[CPU_SEG_CS].selector, next};
    cpu_stack_current(v, &stack);
    if (cpu_stack_push(v, &stack, items, 3, 2) < 0)
        return -1;
    v->abi.gpr[CPU_ESP] = stack.esp;
    v->abi.sys_flags &= ~(EFLAGS_TF | EFLAGS_RF | (trusted ? EFLAGS_IF : EFLAGS_VIF));
    cpu_real_go(v, entry >> 16, entry & 0xffff);
    return 0;
}

int cpu_v86_software(struct vcpu *v, uint8_t vector, uint32_t next) {
    int redirected = is_redirected(v, vector);
    if (redirected < 0)
        return -1;
    if (redirected)
        return redirect(v, vector, next);
    return cpu_iopl(v) < 3 ? protection(v) : cpu_deliver_software(v, vector, next, false);
}
