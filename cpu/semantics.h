// What the files that emulate instructions share: descriptors, stacks that are not current yet, transfers between
// rings. Intel SDM vol. 3A, chapters 3, 5, 6 and 7. Private to cpu/; knows nothing of blocks, roots or signals.
#ifndef CPU_SEMANTICS_H
#define CPU_SEMANTICS_H

#include "cpu/vcpu.h"
#include "mmu/copy.h"

// struct cpu_segment.attr, the second descriptor word's bits 8-15 and 20-23 (SDM vol. 3A 3.4.5).
#define ATTR_TYPE        0x00fu
#define ATTR_ACCESSED    0x001u
#define ATTR_WRITABLE    0x002u // data; for code: readable
#define ATTR_READABLE    0x002u
#define ATTR_EXPAND_DOWN 0x004u // data; for code: conforming
#define ATTR_CONFORMING  0x004u
#define ATTR_CODE        0x008u
#define ATTR_S           0x010u // code or data, not a system descriptor
#define ATTR_DPL_SHIFT   5
#define ATTR_P           0x080u
#define ATTR_DB          0x400u
#define ATTR_G           0x800u

// System descriptor types (SDM vol. 3A table 3-2).
enum system_type {
    TYPE_TSS16 = 1,
    TYPE_LDT = 2,
    TYPE_TSS16_BUSY = 3,
    TYPE_CALL_GATE16 = 4,
    TYPE_TASK_GATE = 5,
    TYPE_INTERRUPT_GATE16 = 6,
    TYPE_TRAP_GATE16 = 7,
    TYPE_TSS32 = 9,
    TYPE_TSS32_BUSY = 11,
    TYPE_CALL_GATE32 = 12,
    TYPE_INTERRUPT_GATE32 = 14,
    TYPE_TRAP_GATE32 = 15,
};

static inline unsigned attr_dpl(unsigned attr) {
    return attr >> ATTR_DPL_SHIFT & 3;
}
static inline bool attr_is_code(unsigned attr) {
    return (attr & (ATTR_S | ATTR_CODE)) == (ATTR_S | ATTR_CODE);
}
static inline bool attr_is_conforming(unsigned attr) {
    return (attr & (ATTR_S | ATTR_CODE | ATTR_CONFORMING)) == (ATTR_S | ATTR_CODE | ATTR_CONFORMING);
}
static inline bool attr_is_writable_data(unsigned attr) {
    return (attr & (ATTR_S | ATTR_CODE | ATTR_WRITABLE)) == (ATTR_S | ATTR_WRITABLE);
}
static inline unsigned descriptor_attr(uint64_t descriptor) {
    return (unsigned)(descriptor >> 40 & 0xff) | (unsigned)(descriptor >> 44 & 0xf00);
}
static inline bool selector_is_null(uint32_t selector) {
    return (selector & 0xfffc) == 0;
}
static inline uint32_t descriptor_base(uint64_t descriptor) {
    return (uint32_t)(descriptor >> 16 & 0xffffff) | (uint32_t)(descriptor >> 32 & 0xff000000u);
}
// In bytes, of a segment: the last that lies within.
static inline uint32_t descriptor_limit(uint64_t descriptor) {
    uint32_t limit = (uint32_t)(descriptor & 0xffff) | (uint32_t)(descriptor >> 32 & 0xf0000);
    return descriptor >> 55 & 1 ? limit << 12 | 0xfff : limit;
}
// The selector part of an error code (SDM vol. 3A 6.13); `ext` is the EXT bit.
static inline uint32_t selector_error(uint32_t selector, uint32_t ext) {
    return (selector & 0xfffc) | ext;
}
static inline uint32_t offset_mask(unsigned size) {
    return size == 2 ? 0xffffu : 0xffffffffu;
}

// What a failed function's callout returns: the fault, or nothing when the run is being stopped.
static inline enum callout_result callout_failed(const struct vcpu *v) {
    return v->fault.vector == CPU_FAULT_STOP ? CALLOUT_LEAVE : CALLOUT_FAULT;
}

// Raises #GP(0) and says true unless the CPL is 0 (SDM vol. 2, the privileged instructions; real mode has CPL 0).
static inline bool cpu_needs_ring0(struct vcpu *v) {
    if (!cpu_protected(v) || v->cpl == 0)
        return false;
    cpu_raise_error(v, VECTOR_GP, 0);
    return true;
}

// engine.c: what seg_base_p of a null selector points to.
uint64_t engine_guard_page(struct vcpu *v);

// ---- stop.c --------------------------------------------------------------------------------------------------------

// The guest asked for something that is not there yet: the run stops with an error that names it. Returns -1 with
// v->fault.vector = CPU_FAULT_STOP.
int cpu_stop_unsupported(struct vcpu *v, const char *what);

// ---- state.c -------------------------------------------------------------------------------------------------------

void cpu_control_update(struct vcpu *v); // control_mode from CR0 and CR4
// CR4 or XCR0 is another now, which CPUID tells about.
static inline void cpu_forget_cpuid(struct vcpu *v) {
    for (unsigned i = 0; i < ABI_CPUID_LEAVES; i++)
        v->abi.cpuid[i].leaf = ABI_CPUID_NONE;
}
// SYSENTER_CS, or what modes follow from besides segments and privilege, is another now.
static inline void cpu_forget_crossings(struct vcpu *v) {
    for (unsigned i = 0; i < CROSSING_COUNT; i++)
        v->abi.crossing[i].from = CROSSING_NEVER;
}
// RF of flags that come from a stack or a TSS. Without enabled breakpoints it has no effect, and nothing would clear it
// after the next instruction; else the dispatcher does, so translated code must be left (cpu_heed_rf, once it is set).
static inline uint32_t cpu_effective_rf(const struct vcpu *v, uint32_t eflags) {
    return v->dr[7] & 0xff ? eflags : eflags & ~EFLAGS_RF;
}
static inline void cpu_heed_rf(struct vcpu *v) {
    if (v->abi.sys_flags & EFLAGS_RF)
        engine_arm(v);
}
static inline unsigned cpu_iopl(const struct vcpu *v) {
    return v->abi.sys_flags >> 12 & 3;
}

// ---- control.c -----------------------------------------------------------------------------------------------------

// CR3 and what follows from it. 0, or -1 with #GP(0) for a bad PDPTE and nothing changed. Parks nothing: heavy code, or
// light code that has parked the FPU state.
int cpu_load_cr3(struct vcpu *v, uint32_t value);
// MOV to CR0, CR3 or CR4 (#UD for others), with all that follows. Heavy.
enum callout_result cpu_change_cr(struct vcpu *v, unsigned cr, uint32_t value, uint32_t word);

// ---- access.c ------------------------------------------------------------------------------------------------------

// The operand in the monitor's mapping if the software TLB knows it and it does not cross a page; else NULL.
static inline uint8_t *cpu_tlb_lookup(struct vcpu *v, uint32_t linear, bool user, unsigned size, bool write) {
    struct abi_tlb *tlb = &v->abi.tlb[user];
    unsigned slot = linear >> 12 & (ABI_TLB_ENTRIES - 1);
    uint32_t ntag = write ? tlb->ntag_write[slot] : tlb->ntag_read[slot];
    if (ntag + linear + (size - 1) >= RAM_PAGE_SIZE)
        return NULL;
    return (uint8_t *)(uintptr_t)(tlb->addend[slot] + linear);
}
// The same for what the processor reads by itself: under SMAP, EFLAGS.AC opens no user page to that.
static inline const uint8_t *cpu_tlb_system(struct vcpu *v, uint32_t linear, unsigned size) {
    return v->user_open ? NULL : cpu_tlb_lookup(v, linear, false, size, false);
}
// Eight bytes of a descriptor table or the TSS, as a supervisor. 0 or -1.
static inline int cpu_read_eight(struct vcpu *v, uint32_t linear, uint64_t *value) {
    const uint8_t *host = cpu_tlb_system(v, linear, 8);
    if (!host)
        return cpu_read_system(v, linear, value, 8);
    *value = *(const copy_u64 *)host;
    return 0;
}
// Does [offset, offset+size) lie within the segment's limit? size 1 to 4096. Nothing else is checked.
bool cpu_limit_ok(const struct cpu_segment *segment, uint32_t offset, unsigned size);
int cpu_read_linear(struct vcpu *v, uint32_t linear, bool user, void *data, unsigned size);
int cpu_write_linear(struct vcpu *v, uint32_t linear, bool user, const void *data, unsigned size);
// cpu_read and cpu_write for operands whose alignment is not that of their size: pointers, table registers, bounds.
int cpu_read_aligned(struct vcpu *v, unsigned seg, uint32_t offset, void *data, unsigned size, unsigned align);
int cpu_write_aligned(struct vcpu *v, unsigned seg, uint32_t offset, const void *data, unsigned size, unsigned align);
// As a write through `seg` would fault, without writing.
int cpu_probe_write(struct vcpu *v, unsigned seg, uint32_t offset, unsigned size);

// The monitor's address of [linear, end of page) for in-place access at the current privilege, or NULL where that
// cannot be done (device, frame with code, fault): then cpu_read and cpu_write do it, or say why not. Nothing is
// raised.
uint8_t *cpu_host_span(struct vcpu *v, uint32_t linear, enum mmu_access access);

// ---- segment.c -----------------------------------------------------------------------------------------------------

enum fetch_result { FETCH_OK = 0, FETCH_OUTSIDE = 1, FETCH_FAULT = -1 };
// Reads the descriptor of a selector: FETCH_OUTSIDE beyond the table's limit, FETCH_FAULT with v->fault for a page
// fault.
enum fetch_result cpu_fetch_descriptor(struct vcpu *v, uint32_t selector, uint64_t *descriptor);
// The same, FETCH_OUTSIDE turned into `vector` with the selector and ext as error code. 0 or -1.
int cpu_need_descriptor(struct vcpu *v, uint32_t selector, enum cpu_vector vector, uint32_t ext, uint64_t *descriptor);
void cpu_unpack_segment(struct cpu_segment *segment, uint32_t selector, uint64_t descriptor);
// Sets the accessed bit in memory and in *descriptor if it is clear. 0 or -1.
int cpu_mark_accessed(struct vcpu *v, uint32_t selector, uint64_t *descriptor);
// Writes the register with its hidden part and what is derived from it; for CS also the CPL. No checks, no mode update.
void cpu_commit_segment(struct vcpu *v, unsigned seg, const struct cpu_segment *segment);
// The same from single values.
void cpu_commit_fields(struct vcpu *v, unsigned seg, uint32_t selector, uint32_t attr, uint32_t base, uint32_t limit);
// CS and SS as SYSENTER and SYSEXIT make them: 32-bit segments of 4 GiB in `ring`, whatever the tables say.
void cpu_commit_flat(struct vcpu *v, uint32_t code_selector, uint32_t stack_selector, unsigned ring);
// cpu_commit_fields from a descriptor, for a selector whose RPL may be another than the descriptor says.
void cpu_commit_descriptor(struct vcpu *v, unsigned seg, uint32_t selector, uint64_t descriptor);
// What segment loads remember is void: a descriptor table moved.
void cpu_forget_descriptors(struct vcpu *v);
// Nulls ES, DS, FS, GS where the new CPL may not use them (return to an outer ring).
void cpu_drop_inner_segments(struct vcpu *v);

// ---- stack.c -------------------------------------------------------------------------------------------------------

// A stack for pushes, current or not yet.
struct cpu_stack {
    struct cpu_segment segment;
    uint32_t esp;
    bool user;      // accesses are those of CPL 3
    uint32_t error; // code of the #SS that a limit violation raises
};
void cpu_stack_current(const struct vcpu *v, struct cpu_stack *stack);
// Pushes count items of `size` (2 or 4) bytes, items[0] first, all or none; advances stack->esp. 0 or -1.
int cpu_stack_push(struct vcpu *v, struct cpu_stack *stack, const uint32_t *items, unsigned count, unsigned size);
// Would all items lie within the stack's limit? 0, or -1 with #SS.
int cpu_stack_room(struct vcpu *v, const struct cpu_stack *stack, unsigned count, unsigned size);
// Reads count items from SS:ESP + skip upwards, without popping. 0 or -1.
int cpu_stack_peek(struct vcpu *v, uint32_t skip, uint32_t *items, unsigned count, unsigned size);
// ESP or SP plus `bytes`.
void cpu_stack_release(struct vcpu *v, uint32_t bytes);
// Sets ESP, or SP where SS.B is clear.
void cpu_stack_set_pointer(struct vcpu *v, uint32_t value);

// ---- tss.c ---------------------------------------------------------------------------------------------------------

// The stack of ring `dpl` from the TSS, with all checks (#TS, #NP, #SS); the descriptor is marked accessed. 0 or -1.
int cpu_inner_stack(struct vcpu *v, unsigned dpl, uint32_t ext, struct cpu_stack *stack);
static inline bool tss_is_wide(const struct cpu_segment *tss) { // 32-bit
    return tss->attr & 8;
}
// Where the I/O permission map begins in the current, 32-bit TSS. 0, or -1 with #GP(0) if it has none, or #PF.
int cpu_io_map_base(struct vcpu *v, uint16_t *base);
// May this privilege use the ports [port, port+size)? Looks at IOPL and the I/O map. 0, or -1 with #GP(0) or #PF.
int cpu_io_check(struct vcpu *v, uint32_t port, unsigned size);

// ---- task.c --------------------------------------------------------------------------------------------------------

// Hardware task switches. The caller has made the checks of the gate or, for a TSS named directly, of its DPL. `next`
// and `eip` are where the old task goes on. 0, or -1 with v->fault: of the instruction, or, with v->abi.eip already
// that of the new task, of its first instruction.
int cpu_task_transfer(struct vcpu *v, uint32_t selector, bool call, uint32_t next);
// An event through a task gate; `resume` is RF in the saved EFLAGS, *error what is pushed (NULL: nothing).
int cpu_task_event(struct vcpu *v, uint32_t selector, uint32_t ext, uint32_t eip, bool resume, const uint32_t *error);
// IRET with NT set.
int cpu_task_return(struct vcpu *v, uint32_t next);

// ---- exception.c ---------------------------------------------------------------------------------------------------

// A software interrupt, from INT n and its kin: checks the gate's DPL (unless icebp); EIP pushed is `next`. 0 or -1
// with v->fault, abi.eip being still that of the instruction.
int cpu_deliver_software(struct vcpu *v, uint8_t vector, uint32_t next, bool icebp);

// ---- known_gate.c --------------------------------------------------------------------------------------------------

// The interrupt or exception went through `gate` from ring `from`: what it found is remembered.
void cpu_known_gate_note(struct vcpu *v, unsigned vector, uint64_t gate, unsigned from);
// Delivers it as the last time, with the mode updated. `resume`: RF in the pushed image; *error is pushed unless NULL.
// False, with nothing changed, if anything is not as it was then.
bool cpu_known_gate(struct vcpu *v, unsigned vector, bool software, const uint32_t *error, uint32_t eip, bool resume);
// The same for a 32-bit IRET without NT, but for EFLAGS and the mode: *eflags is the image.
void cpu_known_back_note(struct vcpu *v, unsigned from);
bool cpu_known_back(struct vcpu *v, uint32_t *eflags);
// A descriptor table, its limit, or the TSS became another.
void cpu_known_forget(struct vcpu *v);

// ---- far.c, gate.c -------------------------------------------------------------------------------------------------

// Far JMP or CALL to selector:offset. `next` is the EIP behind the instruction. 0 or -1.
int cpu_far_transfer(struct vcpu *v, uint32_t selector, uint32_t offset, unsigned size, bool call, uint32_t next);
// The same through a call gate, whose descriptor is `gate`.
int cpu_call_gate(struct vcpu *v, uint32_t selector, uint64_t gate, bool call, uint32_t next);
// Loads CS:EIP in `ring` from a descriptor already checked and marked accessed, and updates the mode.
void cpu_enter_code(struct vcpu *v, uint32_t selector, unsigned ring, uint64_t descriptor, uint32_t eip);

// ---- realmode.c ----------------------------------------------------------------------------------------------------

// Protected mode proper: selectors name descriptors. Otherwise, in real-address and virtual-8086 mode, they are bases.
static inline bool cpu_uses_descriptors(const struct vcpu *v) {
    return cpu_protected(v) && !(v->abi.sys_flags & EFLAGS_VM);
}
// Loads a segment register, CS too, with a base of 16 times the selector. No mode update.
void cpu_load_base(struct vcpu *v, unsigned seg, uint32_t selector);
// CS so, and EIP; updates the mode. Checks nothing.
void cpu_real_go(struct vcpu *v, uint32_t selector, uint32_t eip);
// EFLAGS from an IRET frame: cpu_set_eflags, and RF for one instruction.
void cpu_real_flags(struct vcpu *v, uint32_t value, uint32_t mask);
// Interrupt or exception in real-address mode: pushes FLAGS, CS and IP `eip`. 0 or -1.
int cpu_real_interrupt(struct vcpu *v, uint8_t vector, uint32_t eip);
// Far JMP, CALL and RET in real-address and virtual-8086 mode, and IRET in real-address mode. 0 or -1.
int cpu_real_far(struct vcpu *v, uint32_t selector, uint32_t eip, unsigned size, bool call, uint32_t next);
int cpu_real_return(struct vcpu *v, uint32_t release, unsigned size);
int cpu_real_iret(struct vcpu *v, unsigned size);

// ---- v86.c ---------------------------------------------------------------------------------------------------------

// IRET from CPL 0 to virtual-8086 mode: nine doublewords on the stack. 0 or -1.
int cpu_v86_enter(struct vcpu *v);
// IRET, and INT n (not INT3, INTO and INT1), executed in virtual-8086 mode. 0 or -1.
int cpu_v86_iret(struct vcpu *v, unsigned size);
int cpu_v86_software(struct vcpu *v, uint8_t vector, uint32_t next);
// What PUSHF pushes there. 0 or -1.
int cpu_v86_pushf(struct vcpu *v, unsigned size, uint32_t *image);
// Do CLI and STI mean VIF here: CPL 3 without IOPL, under CR4.VME in virtual-8086 mode and under CR4.PVI elsewhere?
bool cpu_virtual_if(const struct vcpu *v);

// ---- iret.c --------------------------------------------------------------------------------------------------------

// The common part of IRET and far RET: loads CS:EIP with the checks of a return, and SS:ESP when the ring becomes an
// outer one. `skip` bytes of the frame are below SS:ESP of an outer return; `release` bytes are dropped on each stack.
// No mode update. 0 or -1.
int cpu_return_far(struct vcpu *v, uint32_t eip, uint32_t selector, uint32_t skip, uint32_t release, unsigned size);

// ---- operand.c -----------------------------------------------------------------------------------------------------

// A register-or-memory operand (RM_WORD); offset is r8. 0 or -1.
int cpu_read_rm(struct vcpu *v, uint32_t rm, uint32_t offset, unsigned size, uint32_t *value);
int cpu_write_rm(struct vcpu *v, uint32_t rm, uint32_t offset, unsigned size, uint32_t value);

// ---- string.c, string_io.c -----------------------------------------------------------------------------------------

// What the parts of one string instruction share.
struct string_run {
    enum string_op op;
    enum string_rep rep;
    unsigned size, seg;
    uint32_t mask; // of ESI, EDI and ECX
    uint32_t step; // added to ESI and EDI after each element
    bool down;     // DF
};
static inline uint32_t string_index(const struct vcpu *v, const struct string_run *run, unsigned reg) {
    return v->abi.gpr[reg] & run->mask;
}
// Moves ESI or EDI on by `count` elements, or counts ECX down: only the address size's half changes.
static inline void string_advance(struct vcpu *v, const struct string_run *run, unsigned reg, uint32_t by) {
    uint32_t *gpr = &v->abi.gpr[reg];
    *gpr = (*gpr & ~run->mask) | ((*gpr + by) & run->mask);
}
// One element of INS or OUTS. 0 or -1 with nothing changed.
int string_io_element(struct vcpu *v, const struct string_run *run);

// ---- debug.c, debugpoint.c -----------------------------------------------------------------------------------------

// Enables what DR0-DR3, DR7, CR4.DE and the debugger ask for, and nothing else. After each change of one of them.
void cpu_debug_arm(struct vcpu *v);
// #DB with these bits of DR6; the bits of breakpoints that were not met are cleared, and so is DR7.GD. Returns -1.
int cpu_debug_raise(struct vcpu *v, uint32_t bits);
// A task switch, for the task that is left: the local breakpoints are disabled (SDM vol. 3A 7.3).
void cpu_debug_task_switch(struct vcpu *v);
// The new task's T bit is set: #DB with BT before its first instruction.
void cpu_debug_task_trap(struct vcpu *v);
// The bits of data breakpoints that such an access meets, DEBUG_WATCH_FOUND among them. debug.data is set.
uint32_t cpu_debug_match(const struct vcpu *v, uint32_t linear, unsigned size, enum operand_intent intent);
// Notes what an access or a port access meets (debug.data, debug.io).
void cpu_debug_access(struct vcpu *v, uint32_t linear, unsigned size, enum operand_intent intent);
void cpu_debug_port(struct vcpu *v, uint32_t port, unsigned size);
// Does this page hold an instruction breakpoint (debug.exec)?
bool cpu_debug_page(const struct vcpu *v, uint32_t linear);
// The registers whose instruction breakpoint is at `linear`; *debugger: one of the debugger's is.
uint32_t cpu_debug_fetch(const struct vcpu *v, uint32_t linear, bool *debugger);

// ---- cpuid.c -------------------------------------------------------------------------------------------------------

bool cpuid_host_invariant_tsc(void);
// Whether the host has AVX and AVX2, and its system has enabled them.
bool cpuid_host_avx(void);

// ---- tsc_rate.c ----------------------------------------------------------------------------------------------------

void tsc_rate_start(struct vcpu *v);   // idempotent
uint32_t tsc_rate_khz(struct vcpu *v); // waits a few ms if asked at once; the same value ever after

// ---- io.c ----------------------------------------------------------------------------------------------------------

uint32_t cpu_port_read(struct vcpu *v, uint32_t port, unsigned size);
void cpu_port_write(struct vcpu *v, uint32_t port, unsigned size, uint32_t value);

#endif
