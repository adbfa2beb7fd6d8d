// Operations of the x87 unit, each run over many inputs in several sets; everything that the instruction leaves is
// hashed and compared with golden.h, which was recorded on a processor (record.c).
// An operation finds ST(0) and below as the case says, EDI at its memory operand and the case's flags; it is one x87
// instruction, so that an unmasked exception stays pending for FNSAVE to see. Intel SDM vol. 1, chapter 8.
#ifndef X87_H
#define X87_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Which status bits the manual defines behind the instruction.
enum x87_status {
    SW_ARITH = 0xbaff,   // C0, C2, C3 undefined
    SW_COMPARE = 0xffff, // all
};

enum x87_memory { M_NONE, M_F32, M_F64, M_F80, M_INT, M_BCD };

struct x87_op {
    const char *name;
    void (*code)(void);
    uint16_t status;
    uint8_t memory;
};

#define X87(id, memory_, status_, asm_text)                                                                            \
    __asm__(".pushsection .text\n.globl x87_" #id "\nx87_" #id ":\n" asm_text "\nret\n.popsection");                   \
    extern void x87_##id(void);                                                                                        \
    static const struct x87_op x87_entry_##id                                                                          \
        __attribute__((used, section("x87_ops"), aligned(4))) = {#id, x87_##id, status_, memory_};

extern const struct x87_op __start_x87_ops[], __stop_x87_ops[];

struct x87_case {
    uint16_t fcw;
    uint8_t depth; // registers in use
    uint8_t st[8][10];
    uint8_t memory[16];
    uint32_t flags;
};

struct x87_result {
    uint8_t image[108]; // FNSAVE
    uint32_t eax, flags;
    uint8_t memory[16];
};

typedef void (*x87_trace)(const struct x87_op *op, const struct x87_case *in, const struct x87_result *out);

enum x87_set {
    X87_MASKED,   // all values, precisions, roundings and stack depths, every exception masked
    X87_UNMASKED, // the same with one or more exceptions unmasked
    X87_PLAIN,    // what an emulator does in full as well: no denormals, unsupported values or signalling NaNs in
                  // memory, no stack faults, full precision; C1 and DE not looked at
    X87_SETS,
};

// Hash over all cases of a set. `where` is the address of the memory operand, 16 bytes. trace may be NULL.
uint32_t x87_hash(const struct x87_op *op, enum x87_set set, uint8_t *where, x87_trace trace);

#endif
