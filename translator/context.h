// What the translation kinds share: the decoded instruction, the context of one block under construction, and the one
// way in which any kind touches guest memory (access_emit). Private to translator/.
#ifndef TRANSLATOR_CONTEXT_H
#define TRANSLATOR_CONTEXT_H

#include "translator/emit.h"
#include "translator/translator.h"

#include <stdbool.h>
#include <stdint.h>

enum guest_reg {
    GUEST_EAX,
    GUEST_ECX,
    GUEST_EDX,
    GUEST_EBX,
    GUEST_ESP,
    GUEST_EBP,
    GUEST_ESI,
    GUEST_EDI,
    GUEST_NONE = 0xff
};
enum guest_seg { SEG_ES, SEG_CS, SEG_SS, SEG_DS, SEG_FS, SEG_GS, SEG_NONE = 0xff };

// Vectors that the translator raises itself.
enum {
    VECTOR_DE = 0,
    VECTOR_DB = 1,
    VECTOR_BP = 3,
    VECTOR_OF = 4,
    VECTOR_BR = 5,
    VECTOR_UD = 6,
    VECTOR_NM = 7,
    VECTOR_GP = 13
};

// ---- The decoded instruction (decode.c) ----------------------------------------------------------------------------

// Raw fields as Zydis found them. Prefixes are already resolved: the last segment override and the last of F2/F3 count.
struct guest_insn {
    uint16_t mnemonic; // ZydisMnemonic; ZYDIS_MNEMONIC_INVALID for #UD
    uint16_t offset;   // of its first byte in the page
    uint8_t length;    // 1 to 15; the next instruction is at offset + length
    uint8_t map;       // enum host_map
    uint8_t opcode;
    uint8_t operand_size; // 2 or 4, by CS.D and 66h (what a non-byte operand has)
    uint8_t address_size; // 2 or 4, by CS.D and 67h
    uint8_t rep;          // 0, F2h or F3h
    bool lock;
    bool opsize_prefix;   // a 66h was there
    uint8_t seg_override; // enum guest_seg or SEG_NONE
    uint8_t seg;          // effective segment of the memory operand (ModRM, moffs, string source); DS or SS by default
    bool has_modrm, has_sib;
    uint8_t mod, reg, rm;
    uint8_t scale;                          // log2
    uint8_t index, base;                    // of the SIB byte, raw
    uint8_t disp_size, imm_size, imm2_size; // bytes; imm2 is the second immediate of ENTER and far pointers
    uint8_t imm_offset;                     // of the first immediate byte in bytes[]
    int32_t disp;                           // sign-extended; of moffs forms, the offset
    int32_t imm;                            // sign-extended from imm_size, also the relative displacement of a jump
    uint32_t imm2;
    bool vex;          // a VEX encoding: rep and opsize_prefix are what its pp field stands for
    bool vex_ymm;      // VEX.L
    bool vex_wide;     // VEX.W
    uint8_t vvvv;      // its register, 0 to 7; 0 too where it names none
    uint8_t bytes[16]; // the instruction itself
};

static inline bool insn_is_mem(const struct guest_insn *i) {
    return i->has_modrm && i->mod != 3;
}
static inline uint32_t insn_next(const struct guest_insn *i) {
    return (uint32_t)i->offset + i->length;
}
// A byte register number as an instruction without REX means it: 4 to 7 are AH CH DH BH.
static inline bool is_high_byte(unsigned reg) {
    return reg >= 4 && reg <= 7;
}

enum decode_status {
    DECODE_OK,       // insn is filled; an undecodable one has mnemonic ZYDIS_MNEMONIC_INVALID and length 1
    DECODE_TOO_LONG, // more than 15 bytes: #GP(0)
    DECODE_MORE,     // the bytes given end inside the instruction
};

// Decodes the instruction in bytes[0, size) that stands at `offset` of its page.
enum decode_status decode_insn(const uint8_t *bytes, size_t size, uint32_t offset, bool code32,
                               struct guest_insn *insn);

// Size in bytes and intent of the instruction's explicit memory operand. Fast for the integer instructions, through
// Zydis's operands for the rest. Size 0: the operand is an address only (LEA, NOP, INVLPG).
void decode_operand_shape(const struct guest_insn *insn, unsigned *size, enum operand_intent *intent);

// ---- A memory reference, before the form is chosen -----------------------------------------------------------------

// Offset = base + (index << scale) + disp, cut to address_size, plus the base of `seg`.
struct mem_ref {
    uint8_t seg;          // enum guest_seg
    uint8_t base, index;  // enum guest_reg or GUEST_NONE
    uint8_t scale;        // log2
    uint8_t address_size; // 2 or 4
    uint8_t add;          // HOST_NONE, or a host register (R10) added to the offset before it is cut; it may be lost
    uint8_t add_scale;    // log2
    int32_t disp;
};

struct tctx;
struct mem_ref ref_modrm(const struct guest_insn *insn);      // also of the moffs forms A0-A3
struct mem_ref ref_stack(const struct tctx *t, int32_t disp); // SS:[ESP + disp] or SS:[SP + disp]
struct mem_ref ref_register(const struct guest_insn *insn, unsigned seg, unsigned base); // by the address size

// r8d = offset in the segment, zero-extended (what RM callouts and LEA want). Leaves flags alone.
void ref_emit_offset(struct tctx *t, const struct mem_ref *ref);

// ---- Access to guest memory ----------------------------------------------------------------------------------------

struct access;
// Emits the host instruction(s) that use the operand *m, and everything up to the end of the guest instruction: the
// commit of registers, flags and ESP. For a soft or checked write it is called twice, the second time for the copy that
// works on the bounce buffer, when t->insn is again the instruction but the block has gone on. m uses r8 and r9 at
// most; r10 is free throughout, r8 and r9 once m is not needed any more. The flags are the guest's until the callback
// itself changes them. It must emit no access to other guest memory and no transfer.
typedef void access_op(struct tctx *t, const struct host_mem *m, const struct access *a);

struct access {
    struct mem_ref ref;
    uint16_t size;  // bytes, up to 512
    uint8_t intent; // enum operand_intent; an RMW is checked as a write from the start
    bool locked;    // LOCK prefix or XCHG
    bool unsure;    // WRITEBACK_UNSURE
    access_op *op;
    access_op *transfer; // NULL, or (writes only) what ends the block behind the access: m is NULL in it. On the
                         // bounced path it runs behind STUB_WRITEBACK with WRITEBACK_STAY, and t->stay is true: it
                         // must then go through the code map
    uint32_t arg[4];     // the callback's own
};

// One access of the current instruction: address, form (direct, soft, bounced by mode, soft map and segment), marks,
// tail. Several in a row make an instruction with several accesses: all but the last are reads whose op only moves the
// operand into the vCPU's tmp[] (flags, registers and ESP untouched), so that a fault at any of them finds the state of
// the instruction's start. Clobbers r8, r9, r10. Use {.ref=, .size=, .intent=, .op=}.
void access_emit(struct tctx *t, const struct access *a);

// An access whose op is the current instruction re-encoded with *m in place of its memory operand, high-byte registers
// looked after: the common case, also as a callback of its own.
void operand_emit(struct tctx *t);
void op_reencode(struct tctx *t, const struct host_mem *m, const struct access *a);
// The current instruction, re-encoded: with operand *m, or in its register form (ESP, AH.. looked after), or, without
// ModRM, as the traps of 64-bit mode ask.
void insn_emit_mem(struct tctx *t, const struct host_mem *m);
void insn_emit_reg(struct tctx *t);
// Ready-made reads into tmp[a->arg[0]], zero-extended to 32 bits; a->size 1, 2 or 4.
void op_load_tmp(struct tctx *t, const struct host_mem *m, const struct access *a);

static inline struct host_mem mem_tmp(unsigned i) {
    return mem_vcpu(ABI_OFFSET(tmp) + (int32_t)(4 * i));
}

// ESP += delta, or SP where the stack is 16-bit; leaves flags alone; clobbers r10 in the latter case. In a run of PUSH
// and POP it is put off (stack_run.c); ref_stack knows.
void stack_adjust(struct tctx *t, int32_t delta);
// r12d catches up with guest ESP.
void stack_commit(struct tctx *t);
// May the current instruction, a PUSH or POP, leave its change of ESP to the ones behind it?
bool stack_run_keeps(const struct tctx *t);
// Behind each instruction: makes up for what was put off if the run ends here.
void stack_run_settle(struct tctx *t);
// dst = guest register reg (may be ESP) with 2 or 4 bytes, zero-extended.
void guest_load(struct tctx *t, enum host_reg dst, unsigned reg, unsigned size);
// Guest register reg = low 2 or 4 bytes of src; 2 keep the upper half.
void guest_store(struct tctx *t, unsigned reg, enum host_reg src, unsigned size);

// ---- The block under construction (block.c) ------------------------------------------------------------------------

#define TAILS_MAX (3 * TRANSLATE_MAX_INSNS)

// Out-of-line code of one access, emitted behind the block.
struct tail {
    const struct guest_insn *insn;
    struct access access;
    struct host_label miss; // the jump that comes here
    uint32_t hit_done;      // offset in the block where [r9 + r8] is usable
    uint32_t next;          // offset in the block behind the instruction's access
    bool called;            // the block called STUB_SOFT_MISS itself: only the bounced path is here
};

struct tctx {
    const struct translate_input *in;
    struct translate_output *out;
    struct error *err;
    struct emitter e;
    uint32_t mode;                 // in->mode
    const struct guest_insn *insn; // the current one
    bool
        ended; // a kind sets it: nothing falls out of the code just emitted (transfer, or a callout that never returns)
    bool cut;  // a kind sets it: the block must end here, execution goes on at the next instruction
    bool last; // a kind sets it: no instruction may follow in this block, which goes on to the next by a jump
    bool open; // a kind sets it: though its row ends blocks, this one goes on behind the instruction
    bool wrote;       // the current instruction may write guest memory (access_emit sets it; callouts and strings too)
    bool stay;        // inside access.transfer: the transfer must go through the code map
    bool failed;      // an error of the monitor; err is filled
    int32_t esp_late; // what guest ESP is ahead of r12d, inside a run of PUSH and POP (stack_run.c)
    struct x87_pointers x87; // what a run of x87 instructions has not stored yet (x87_run.c); fip_at is a page offset
    unsigned insn_count, tail_count;
    struct guest_insn insns[TRANSLATE_MAX_INSNS];
    struct tail tails[TAILS_MAX];
};

// Has this instruction caused too many host signals as it was?
static inline bool tctx_is_softened_at(const struct tctx *t, unsigned offset) {
    const uint64_t *map = t->in->soft_map;
    unsigned at = offset & 4095u;
    return map && (map[at / 64] >> (at % 64) & 1) != 0;
}

static inline bool tctx_is_softened(const struct tctx *t) {
    return tctx_is_softened_at(t, t->insn->offset);
}

static inline bool tctx_is_soft(const struct tctx *t) {
    return (t->mode & MODE_SOFT) != 0 || tctx_is_softened(t);
}

// Begins a new entry of the side table at the current host position, for the current instruction. access_emit does it
// for every direct access; a direct REP string does it itself (string = true).
void mark_begin(struct tctx *t, enum mark_kind kind, unsigned access, bool string);

// ---- Transfers (control.c) -----------------------------------------------------------------------------------------

// Through the code map to the linear address in r8d; sets t->ended. In MODE_ONE, to STUB_EXIT.
void control_transfer(struct tctx *t);
// To page offset `target` (may lie outside the page, also negative): linked inside the page, else through the code map.
void control_jump(struct tctx *t, int64_t target);
// Leaves for the dispatcher at the next instruction: lea r8d,[r11+next]; jmp STUB_EXIT; sets t->ended.
void control_exit(struct tctx *t);

// ---- Callouts (callout.c) ------------------------------------------------------------------------------------------

// mov r10d, CALLOUT_WORD(this instruction, id, extra); call STUB_CALLOUT. r8d and r9d as the callout's row in abi.h
// says.
void callout_call(struct tctx *t, enum callout_id id, unsigned extra);
// A fault of this instruction, known at translation time; error < 0: without error code. Sets t->ended.
void callout_raise(struct tctx *t, unsigned vector, int error);

// ---- The kinds -----------------------------------------------------------------------------------------------------
// Each emits t->insn. block.c calls it by the kind of the instruction's row in table.h, and has already raised what the
// mode says about the row's unit (x87, WAIT, MMX, SSE: #NM or #UD).

void identity_emit(struct tctx *t); // identity.c
void control_emit(struct tctx *t);  // control.c: near transfers
void stack_emit(struct tctx *t);    // stack.c: PUSH POP LEAVE and so on (ENTER, PUSHA, POPA are callouts)
void string_emit(struct tctx *t);   // string.c
void removed_emit(struct tctx *t);  // removed.c: SALC, INTO, BCD and the rest that 64-bit mode lacks
void inline_emit(struct tctx *t);   // inline.c: CLI STI PUSHF POPF RDTSC, segment reads
void callout_emit(struct tctx *t);  // callout.c
void fpu_settle(struct tctx *t);    // fpu.c: behind each instruction, stores the pointers where a run ends
void fpu_emit(struct tctx *t);      // fpu.c: x87 (keeps fip, fdp)

// Of identity.c, beyond what ModRM says: XLAT, BT BTS BTR BTC, MASKMOVQ, MASKMOVDQU, LEA, NOP, PREFETCHh and CLFLUSH.

#endif
