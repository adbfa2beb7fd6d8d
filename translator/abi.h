// The contract between translated code and the monitor: register roles, the part of the vCPU structure that translated
// code may touch, block modes, stubs and callouts. The translator, the stubs, the verifier and cpu/ all read this file
// and nothing else of each other.
//
// Register convention inside translated code
//   eax ecx edx ebx ebp esi edi   the guest's, upper halves zero
//   r12d                          guest ESP (rsp stays a host stack, always at host_rsp inside a block)
//   gs base, r14                  the current window (linear X is host address window + X)
//   r11d                          linear address of the page in which the current block starts
//   r13                           root of the current code map, or the empty root while a request is pending
//   r15                           struct vcpu_abi + ABI_BIAS. Its low five bits are 12, so that shrx reg,reg,r15d is a
//                                 page-number shift that needs no flag and no register.
//   r8 r9 r10                     scratch inside one guest instruction's translation
//   rflags                        the guest's arithmetic flags and DF, live
//   x87, MMX, SSE, AVX            the guest's, live (the upper halves of YMM only where the guest has enabled them)
#ifndef TRANSLATOR_ABI_H
#define TRANSLATOR_ABI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ABI_BIAS        140 // r15 - address of struct vcpu_abi; the structure is 64-byte aligned
#define ABI_TLB_ENTRIES 256 // indexed by the low 8 bits of the linear page number
#define ABI_BOUNCE_SIZE 640 // 64 of alignment and the largest operand (FXSAVE, 512)
#define ABI_CALLOUT_MAX 128

// A software TLB. ntag is minus the linear page address (so that ntag + address + size - 1 is below 4096 exactly on a
// hit that does not cross the page); an empty entry holds minus a page address that belongs to another slot. The
// operand is at host address addend + linear (64-bit sum, linear zero-extended).
struct abi_tlb {
    uint32_t ntag_read[ABI_TLB_ENTRIES];
    uint32_t ntag_write[ABI_TLB_ENTRIES]; // a write or read-modify-write needs this one
    uint64_t addend[ABI_TLB_ENTRIES];
};

enum abi_request {
    ABI_REQUEST_NONE = 0,
    ABI_REQUEST_NEW = 1,   // set by the kick handler; the gate's slow path cuts the block it returns to
    ABI_REQUEST_ARMED = 2, // block cut and live_root empty: the next transfer leaves for the dispatcher
};

// Where the guest's FPU state is. C code may use vector registers when those are parked; x87 and MMX registers it never
// uses, so they stay in the processor, live and at no cost, until somebody wants to see them.
enum abi_parked {
    PARKED_NOTHING = 0, // all in the host registers
    PARKED_VECTORS = 1, // XMM (and YMM) registers and MXCSR in `fx` and `ymm`; the x87 state in the processor
    PARKED_ALL = 2,     // everything in `fx` and `ymm`
};

// How long code of CPL 3 runs at a time, kept by the mmu for its policy (mmu/view.c).
struct abi_stay {
    uint64_t since;   // host TSC since which it runs, 0 if this stay is not timed
    uint32_t untimed; // how many of the next stays are not timed
    bool user;        // it runs
    bool kept;        // the policy asks for it
};

// A SYSENTER or SYSEXIT that has been made before, for a stub to make it again without C (cpu/stubs.S). It holds from
// one mode, while nothing has changed of what `to` and the root follow from.
struct abi_crossing {
    uint32_t from; // mode, or CROSSING_NEVER
    uint32_t to;
    uint32_t changes;     // of view_changes
    uint32_t flags;       // IOPL and AC of sys_flags
    uint64_t root_serves; // view | mode << 32 of struct root, as long as it serves them
    uint64_t root, map;
    uint64_t window;      // 0: soft code, which leaves gs base as it is
    uint64_t selectors;   // CS, and SS in the upper half
    uint32_t code, stack; // selector | attributes << 16 of CS and SS
    uint32_t segment_mode;
};
#define CROSSING_NEVER 0xffffffffu
enum { CROSSING_SYSENTER, CROSSING_SYSEXIT, CROSSING_COUNT };

// An answer of CPUID that depends on EAX alone, by its low bits (cpu/cpuid.c).
struct abi_cpuid {
    uint32_t leaf; // ABI_CPUID_NONE: no answer
    uint32_t reserved[3];
    uint32_t eax, ebx, ecx, edx;
};
#define ABI_CPUID_LEAVES 8
#define ABI_CPUID_NONE   0x7fffffffu // what no entry answers

// A load of a data segment register that passed all checks (cpu/segment.c). It passes again while the GDT holds the
// same eight bytes, at the same privilege; and blocks stay valid if the mode has these bits before.
struct abi_segment_load {
    uint64_t descriptor;
    uint32_t key;  // selector | CPL << 16, or SEGMENT_LOAD_NONE
    uint32_t code; // selector | attributes << 16
    uint32_t base, limit;
    uint32_t mask, bits; // of the mode
};
#define SEGMENT_LOAD_NONE 0xffffffffu
#define SEGMENT_LOADS     2 // for each register, by bit 3 of the selector

struct vcpu_abi {
    uint8_t reserved[16];
    // Saved by every stub on the way out of translated code, loaded by the gate on the way in.
    uint32_t gpr[8];          // guest EAX ECX EDX EBX ESP EBP ESI EDI
    uint32_t flags;           // arithmetic flags and DF (bits 0, 2, 4, 6, 7, 10, 11), as pushfq gave them
    uint32_t page;            // r11d
    uint32_t r8, r9, r10;     // scratch at the exit; r8 and r9 are loaded again by the gate
    uint32_t eip;             // guest EIP, written by C; translated code keeps it implicit
    uint32_t sys_flags;       // virtual EFLAGS outside `flags`: TF IF IOPL NT RF VM AC VIF VIP ID
    uint8_t request;          // enum abi_request
    uint8_t pending;          // non-zero: an interrupt waits for IF=1 (tested by inline STI and POPF)
    uint8_t fpu_parked;       // enum abi_parked
    uint8_t shadow;           // interrupt shadow is open for the instruction at eip
    uint64_t gate_r9;         // r9 on return from a soft miss: addend for [r9 + r8]
    uint64_t host_rsp;        // rsp inside blocks; the return slot is at host_rsp - 8
    uint64_t live_root;       // what the gate loads into r13
    uint64_t window;          // what the gate loads into r14; gs base is kept equal to it by cpu/
    uint64_t seg_base_p[6];   // ES CS SS DS FS GS: address of a 32-bit base, or of the guard page for a null selector
    uint32_t seg_base[6];     // the bases themselves, for rows that need them inline
    uint32_t seg_selector[6]; // visible selectors, zero-extended (inline segment reads)
    uint32_t tmp[4];          // scratch that survives a second operand's lookup
    uint32_t fip, fdp;        // guest EIP and operand offset of the last x87 instruction that is not a control one
    uint32_t fop;             // what an environment loaded last, for images without a pending exception
    uint8_t exit_reason;      // enum abi_exit, written by the stub that left
    uint8_t ymm_live;         // the guest's XCR0 enables AVX: parking and the gate move `ymm` too
    uint64_t exit_site;       // host address behind the call instruction of a link exit
    int64_t tsc_offset;       // guest TSC - host TSC
    uint64_t callout_entry;   // uint64_t (*)(struct vcpu_abi *): all stubs that reach C go through these pointers
    uint64_t soft_miss_entry;
    uint64_t writeback_entry;
    uint64_t gate_slow_entry;
    uint64_t exit_entry;
    int64_t budget;      // MODE_COUNTED: instructions that blocks may still begin; see charge.h
    int64_t trace_room;  // MODE_TRACED: records that blocks may still write; see record.h
    uint64_t trace_ring; // where they go: record trace_room - 1 comes next
    uint8_t fx[512] __attribute__((aligned(64)));
    struct abi_tlb tlb[2] __attribute__((aligned(64)));           // [0] CPL 0-2, [1] CPL 3
    uint8_t bounce[ABI_BOUNCE_SIZE] __attribute__((aligned(64))); // an operand lies at bounce + (address mod 64)
    uint8_t ymm[8][16] __attribute__((aligned(64)));              // upper halves of YMM0 to YMM7, beside fx
    uint32_t cr0, cr2, cr3, cr4;                                  // the guest's, which blocks of CPL 0 read
    // What a change of privilege looks at. Translated code does not touch it.
    uint32_t view_changes; // counted by the mmu: what it says of views and their windows may be another now
    struct abi_stay stay;
    uint64_t empty_root;     // what live_root is while a request is pending
    uint64_t root_slot;      // where the engine keeps the struct root that live_root is the map of
    uint64_t callout_counts; // uint64_t [CALLOUT_COUNT]: what a stub does without C is counted too
    struct abi_crossing crossing[CROSSING_COUNT];
    uint64_t guard_page;    // what seg_base_p of a null selector points to
    uint64_t segment_loads; // uint64_t *: counted like callouts
    struct abi_cpuid cpuid[ABI_CPUID_LEAVES];
    struct abi_segment_load loads[6][SEGMENT_LOADS];
};

#define ABI_OFFSET(field) ((int32_t)offsetof(struct vcpu_abi, field) - ABI_BIAS) // displacement from r15

// ---- Block mode: what a translation depends on besides the bytes and their offset in the page -----------------------

enum mode_bit {
    MODE_SOFT = 1 << 0,        // memory operands are soft; else direct unless the soft map says otherwise
    MODE_CPL_SHIFT = 1,        // two bits
    MODE_CODE32 = 1 << 3,      // CS.D
    MODE_STACK32 = 1 << 4,     // SS.B
    MODE_ONE = 1 << 5,         // one instruction, then STUB_EXIT (TF, interrupt shadow, debug, checked code)
    MODE_X87_NM = 1 << 6,      // CR0.EM or CR0.TS: x87 raises #NM
    MODE_WAIT_NM = 1 << 7,     // CR0.MP and CR0.TS: WAIT raises #NM
    MODE_SSE_UD = 1 << 8,      // CR0.EM, or CR4.OSFXSR clear: SSE raises #UD
    MODE_SIMD_NM = 1 << 9,     // CR0.TS: MMX and SSE raise #NM
    MODE_ALIGN = 1 << 10,      // #AC is on: CPL 3, CR0.AM and EFLAGS.AC
    MODE_IOPL_OK = 1 << 11,    // CPL <= IOPL: CLI, STI, POPF change IF
    MODE_TSC_GP = 1 << 12,     // CR4.TSD and CPL 3: RDTSC raises #GP
    MODE_CS_CHECKED = 1 << 13, // CS has a base, a limit or 16-bit code: near transfers that leave the page are
                               // callouts. Without MODE_ONE the page lies inside the limit, and IP does not wrap in it
    MODE_MMX_UD = 1 << 14,     // CR0.EM: MMX raises #UD
    MODE_AVX = 1 << 28,        // CR0.PE, CR4.OSXSAVE and XCR0 let VEX instructions run; V86 mode still has none
    MODE_TRACED = 1 << 29,     // blocks record that they run (--trace)
    MODE_COUNTED = 1 << 30,    // blocks charge the guest's budget of instructions (the virtual clock)
    MODE_V86 = 1 << 15,        // virtual-8086 mode: POPF needs IOPL, LLDT and LTR are #UD
    MODE_SEG_SHIFT = 16,       // two bits (enum mode_seg) for each of ES, (CS unused), SS, DS, FS, GS
};

// A record of a traced block is its number with the linear address of its page in the upper half; the number is below
// this bit, which marks records of other kinds (cpu/trace.h).
#define TRACE_EVENT 0x80000000u

enum mode_seg {
    MODE_SEG_FLAT,    // base 0, limit 4 GiB, readable and writable
    MODE_SEG_BASED,   // limit 4 GiB, readable and writable, or null; the base is read through seg_base_p (a null
                      // selector's pointer faults on the guard page: #GP(0), or #SS(0) for SS)
    MODE_SEG_CHECKED, // anything else: operands are bounced with full checks
};

static inline unsigned mode_cpl(uint32_t mode) {
    return (mode >> MODE_CPL_SHIFT) & 3;
}
static inline enum mode_seg mode_seg_kind(uint32_t mode, unsigned seg) {
    return (enum mode_seg)((mode >> (MODE_SEG_SHIFT + 2 * seg)) & 3);
}

// ---- Stubs: hand-written code at the start of the arena
// ----------------------------------------------------------------

enum abi_stub {
    STUB_MISS,      // jmp: no block at r8d (linear) in the code map; what empty slice entries hold
    STUB_EXIT,      // jmp: leave for the dispatcher; r8d = linear address to go on at
    STUB_LINK,      // call: an exit not yet linked; r8d = linear target; the return address names the exit
    STUB_FAULT,     // where a host signal handler sends translated code that raised a guest fault (never emitted)
    STUB_CALLOUT,   // call: r10d = callout word, r8d and r9d arguments. Guest registers and flags are visible to C
                    // and may be changed by it. Returns behind the call, or never (another EIP, or the dispatcher)
    STUB_SOFT_MISS, // call: r8d = linear address (or offset, with the CHECKED bit), r10d = operand word. Returns with
                    // [r9 + r8] usable and all else intact: behind the call if the operand lies in RAM as a whole and
                    // may be accessed in place, and always for reads; 5 bytes further (behind a jmp rel32) if a write
                    // or read-modify-write was bounced into the buffer and STUB_WRITEBACK must follow the instruction
    STUB_WRITEBACK, // call: r10d = offset of the next instruction | WRITEBACK_* : commits the bounced operand. Returns,
                    // or leaves for the dispatcher at the next instruction when it hit translated code (never leaves
                    // with WRITEBACK_STAY: then the block's transfer that follows must go through the code map)
    // call: as STUB_CALLOUT, each for one callout, which it makes itself where it can. Not in blocks with MODE_ONE,
    // MODE_TRACED or MODE_COUNTED, whose callouts somebody looks at.
    STUB_SYSENTER,
    STUB_SYSEXIT,
    STUB_CPUID,
    STUB_LOAD_SEG,
    STUB_COUNT,
};

#define WRITEBACK_STAY   0x80000000u
#define WRITEBACK_UNSURE 0x40000000u // nothing is stored if the x87 instruction met an unmasked exception

enum abi_exit { EXIT_MISS, EXIT_EXIT, EXIT_LINK, EXIT_FAULT, EXIT_CALLOUT };

// Operand word for STUB_SOFT_MISS (r10d).
enum operand_intent { INTENT_READ = 0, INTENT_WRITE = 1, INTENT_RMW = 2 };
#define OPERAND_WORD(offset, size, intent, seg, checked)                                                               \
    ((uint32_t)(offset) | (uint32_t)(size) << 12 | (uint32_t)(intent) << 22 | (uint32_t)(seg) << 24 |                  \
     (uint32_t)(checked) << 27)
#define OPERAND_OFFSET(w)  ((w)&0xfffu) // of the instruction in its page (r11 + this = its linear address)
#define OPERAND_SIZE(w)    ((w) >> 12 & 0x3ffu)
#define OPERAND_INTENT(w)  ((enum operand_intent)((w) >> 22 & 3u))
#define OPERAND_SEG(w)     ((w) >> 24 & 7u) // ES CS SS DS FS GS
#define OPERAND_CHECKED(w) ((w) >> 27 & 1u) // r8d is an offset in the segment: check limit and type, add the base
#define OPERAND_LOCKED     (1u << 28)       // LOCK prefix or XCHG: commit by compare-exchange

// Callout word for STUB_CALLOUT (r10d).
#define CALLOUT_WORD(offset, length, id, extra)                                                                        \
    ((uint32_t)(offset) | (uint32_t)(length) << 12 | (uint32_t)(id) << 16 | (uint32_t)(extra) << 24)
#define CALLOUT_OFFSET(w) ((w)&0xfffu)
#define CALLOUT_LENGTH(w) ((w) >> 12 & 0xfu) // of the instruction, 1 to 15
#define CALLOUT_ID(w)     ((w) >> 16 & 0xffu)
#define CALLOUT_EXTRA(w)  ((w) >> 24 & 0xffu) // operand size in bytes unless said otherwise

// A register-or-memory operand given to a callout: r9d = RM word, r8d = offset in the segment (memory form).
#define RM_WORD(is_register, reg_or_seg, other)                                                                        \
    ((uint32_t)(reg_or_seg) | (uint32_t)((is_register) ? 8u : 0u) | (uint32_t)(other) << 4)
#define RM_IS_REGISTER(w) ((w) >> 3 & 1u)
#define RM_INDEX(w)       ((w)&7u)   // general register, or segment ES CS SS DS FS GS
#define RM_OTHER(w)       ((w) >> 4) // ModRM.reg, or what the row says

// Callouts: id, name, and arguments beyond the words above. "heavy" ones run with the FPU state parked.
#define ABI_CALLOUTS(X)                                                                                                \
    X(RAISE, light) /* r9 = vector | has_error << 8 | error << 16: a fault at this instruction */                      \
    X(INT, light)   /* r9 = vector | kind << 8 (0 INT n, 1 INT3, 2 INTO taken only when OF, 3 INT1) */                 \
    X(HLT, heavy)                                                                                                      \
    X(IN, heavy) /* r8 = port; extra = size; result in AL, AX, EAX */                                                  \
    X(OUT, heavy)                                                                                                      \
    X(STRING, light)   /* r9 = STRING_WORD: any of MOVS CMPS STOS LODS SCAS INS OUTS */                                \
    X(IRET, light)     /* extra = operand size */                                                                      \
    X(FAR_JMP, heavy)  /* r9 = selector, r8 = offset; extra = operand size */                                          \
    X(FAR_CALL, heavy) /* likewise */                                                                                  \
    X(FAR_MEM, heavy)  /* r9 = RM word, other = 0 jmp, 1 call; extra = operand size */                                 \
    X(FAR_RET, heavy)  /* r9 = bytes to release; extra = operand size */                                               \
    X(NEAR, light)     /* MODE_CS_CHECKED only: r9 = NEAR_WORD, r8 = displacement, or the target if indirect */        \
    X(LOAD_SEG, light) /* r9 = selector, extra = segment; continues if the mode is the same */                         \
    X(POP_SEG, light)  /* extra = segment | size << 4 (2 or 4): pops and loads. STUB_LOAD_SEG: r9 = what is popped */  \
    X(LOAD_FAR, heavy) /* LDS LES LSS LFS LGS: r9 = RM word, other = register | segment << 3; extra = size */          \
    X(LGDT, heavy)     /* r9 = RM word, extra = size */                                                                \
    X(LIDT, heavy)                                                                                                     \
    X(SGDT, heavy)                                                                                                     \
    X(SIDT, heavy)                                                                                                     \
    X(LLDT, heavy) /* r9 = RM word */                                                                                  \
    X(LTR, heavy)                                                                                                      \
    X(SLDT, heavy)                                                                                                     \
    X(STR, heavy)                                                                                                      \
    X(SMSW, heavy)                                                                                                     \
    X(LMSW, heavy)                                                                                                     \
    X(VERR, heavy)                                                                                                     \
    X(VERW, heavy)                                                                                                     \
    X(LAR, heavy) /* r9 = RM word, other = destination register */                                                     \
    X(LSL, heavy)                                                                                                      \
    X(ARPL, heavy)      /* r9 = RM word, other = source register */                                                    \
    X(DIVIDE, heavy)    /* DIV, IDIV: r9 = RM word; extra = operand size, DIVIDE_SIGNED */                             \
    X(MOV_TO_CR, light) /* r9 = control register | general register << 8 */                                            \
    X(MOV_FROM_DR, heavy)                                                                                              \
    X(MOV_TO_DR, heavy)                                                                                                \
    X(CLTS, heavy)                                                                                                     \
    X(INVLPG, heavy) /* r9 = RM word */                                                                                \
    X(INVD, heavy)   /* INVD and WBINVD */                                                                             \
    X(RDMSR, heavy)                                                                                                    \
    X(WRMSR, heavy)                                                                                                    \
    X(RDTSC, light) /* where it cannot be done in line */                                                              \
    X(RDPMC, heavy)                                                                                                    \
    X(CPUID, heavy)                                                                                                    \
    X(SYSENTER, light)                                                                                                 \
    X(SYSEXIT, light)                                                                                                  \
    X(CLI, light)   /* where IOPL does not allow it in line */                                                         \
    X(STI, light)   /* every STI with IF clear before, or without IOPL: opens the shadow */                            \
    X(PUSHF, light) /* V86 or checked stack only */                                                                    \
    X(POPF, light)  /* r9 = the popped value, extra = size; ESP is already past it if it returns or leaves */          \
    X(BOUND, heavy) /* r9 = RM word, other = register */                                                               \
    X(ENTER, heavy) /* r9 = frame size | level << 16; extra = operand size */                                          \
    X(PUSHA, heavy) /* extra = operand size */                                                                         \
    X(POPA, heavy)                                                                                                     \
    X(BCD, light)     /* r9 = the opcode byte (27 2F 37 3F D4 D5 D6) | immediate << 8 */                               \
    X(FPU_ENV, heavy) /* FNSTENV FLDENV FNSAVE FRSTOR FXSAVE FXRSTOR LDMXCSR: r9 = RM word, other = enum fpu_env */    \
    X(FPU_MF, heavy)  /* WAIT-checked x87 exception pending: #MF or IRQ 13 */                                          \
    X(SLOW, heavy)    /* an instruction left to C whole, by its bytes: none today */                                   \
    X(STAC, light)    /* asks itself for SMAP and CPL 0 */                                                             \
    X(CLAC, light)                                                                                                     \
    X(POPF_VME, light)   /* virtual-8086 mode without IOPL: the whole instruction */                                   \
    X(XSTATE, heavy)     /* XSAVE, XRSTOR: r9 = RM word, other = enum xstate_op */                                     \
    X(XCR, heavy)        /* r9 = 0 XGETBV, 1 XSETBV */                                                                 \
    X(AVX_MASKED, heavy) /* VMASKMOV, VPMASKMOV, gathers: r9 = AVX_MASKED_WORD, r8 = offset without the index */       \
    X(HYPERCALL, heavy)  /* VMCALL; asks itself for --hypercalls and CPL 0. r8 = EAX and r9 = EBX, for the trace */

#define DIVIDE_SIGNED 0x10

enum fpu_env { FPU_FNSTENV, FPU_FLDENV, FPU_FNSAVE, FPU_FRSTOR, FPU_FXSAVE, FPU_FXRSTOR, FPU_LDMXCSR };

enum xstate_op { XSTATE_XSAVE, XSTATE_XRSTOR };

// An AVX instruction that accesses only those elements which a mask selects. `reg` is ModRM.reg, `mask` VEX.vvvv;
// elements and indices have 4 or 8 bytes (wide).
enum avx_masked_kind { AVX_MASKED_LOAD, AVX_MASKED_STORE, AVX_GATHER };
#define AVX_MASKED_WORD(seg, kind, reg, mask, ymm, wide, index, scale, wide_index)                                     \
    ((uint32_t)(seg) | (uint32_t)(kind) << 3 | (uint32_t)(reg) << 5 | (uint32_t)(mask) << 8 | (uint32_t)(ymm) << 11 |  \
     (uint32_t)(wide) << 12 | (uint32_t)(index) << 13 | (uint32_t)(scale) << 16 | (uint32_t)(wide_index) << 18)
#define AVX_MASKED_SEG(w)        ((w)&7u)
#define AVX_MASKED_KIND(w)       ((w) >> 3 & 3u)
#define AVX_MASKED_REG(w)        ((w) >> 5 & 7u)
#define AVX_MASKED_MASK(w)       ((w) >> 8 & 7u)
#define AVX_MASKED_YMM(w)        ((w) >> 11 & 1u)
#define AVX_MASKED_WIDE(w)       ((w) >> 12 & 1u)
#define AVX_MASKED_INDEX(w)      ((w) >> 13 & 7u)
#define AVX_MASKED_SCALE(w)      ((w) >> 16 & 3u) // log2
#define AVX_MASKED_WIDE_INDEX(w) ((w) >> 18 & 1u)
#define AVX_MASKED_BITS          19

enum callout_id {
#define ABI_CALLOUT_ENUM(name, weight) CALLOUT_##name,
    ABI_CALLOUTS(ABI_CALLOUT_ENUM)
#undef ABI_CALLOUT_ENUM
        CALLOUT_COUNT
};

// The stub that a block calls for a callout.
static inline enum abi_stub abi_callout_stub(uint32_t mode, unsigned id) {
    if (mode & (MODE_ONE | MODE_TRACED | MODE_COUNTED))
        return STUB_CALLOUT;
    switch (id) {
    case CALLOUT_SYSENTER: return STUB_SYSENTER;
    case CALLOUT_SYSEXIT: return STUB_SYSEXIT;
    case CALLOUT_CPUID: return STUB_CPUID;
    case CALLOUT_LOAD_SEG: return mode & MODE_V86 ? STUB_CALLOUT : STUB_LOAD_SEG;
    case CALLOUT_POP_SEG: // with what is popped in r9
        return !(mode & MODE_V86) && mode & MODE_STACK32 && mode_seg_kind(mode, 2) == MODE_SEG_FLAT ? STUB_LOAD_SEG
                                                                                                    : STUB_CALLOUT;
    default: return STUB_CALLOUT;
    }
}

// String instructions handed to C.
enum string_op { STRING_MOVS, STRING_CMPS, STRING_STOS, STRING_LODS, STRING_SCAS, STRING_INS, STRING_OUTS };
enum string_rep { STRING_ONCE, STRING_REP /* or REPE */, STRING_REPNE };
#define STRING_WORD(op, size, rep, address16, seg)                                                                     \
    ((uint32_t)(op) | (uint32_t)(size) << 4 | (uint32_t)(rep) << 8 | (uint32_t)(address16) << 10 |                     \
     (uint32_t)(seg) << 12)
#define STRING_OP(w)        ((enum string_op)((w)&0xfu))
#define STRING_SIZE(w)      ((w) >> 4 & 0xfu)
#define STRING_REP_KIND(w)  ((enum string_rep)((w) >> 8 & 3u))
#define STRING_ADDRESS16(w) ((w) >> 10 & 1u)
#define STRING_SEG(w)       ((w) >> 12 & 7u) // of the source (ESI) operand

// Near transfers of checked code.
enum near_kind {
    NEAR_JMP,
    NEAR_JCC,
    NEAR_CALL,
    NEAR_RET,
    NEAR_JMP_IND,
    NEAR_CALL_IND,
    NEAR_LOOP,
    NEAR_LOOPE,
    NEAR_LOOPNE,
    NEAR_JCXZ
};
#define NEAR_WORD(kind, condition, operand16, address16)                                                               \
    ((uint32_t)(kind) | (uint32_t)(condition) << 4 | (uint32_t)(operand16) << 8 | (uint32_t)(address16) << 9)
#define NEAR_KIND(w)      ((enum near_kind)((w)&0xfu))
#define NEAR_CONDITION(w) ((w) >> 4 & 0xfu)
#define NEAR_OPERAND16(w) ((w) >> 8 & 1u)
#define NEAR_ADDRESS16(w) ((w) >> 9 & 1u)
// NEAR_RET: r8d = bytes to release besides the return address. NEAR_*_IND: r8d = target, already zero-extended.

#endif
