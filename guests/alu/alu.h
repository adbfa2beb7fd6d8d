// Operations of the integer unit, each run over many inputs; the results are hashed and compared with golden.h.
// An operation sees EAX = a, EBX = b, ECX = c, EDX = d, ESI and EBP fixed patterns, EDI = the address of a buffer that
// begins with b, c, d, a; it may change all of them and 64 bytes either side of EDI. Flags that the manual leaves
// undefined are masked out (Intel SDM vol. 2 and vol. 1 appendix A).
#ifndef ALU_H
#define ALU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum alu_flags {
    F_CF = 0x001,
    F_PF = 0x004,
    F_AF = 0x010,
    F_ZF = 0x040,
    F_SF = 0x080,
    F_DF = 0x400,
    F_OF = 0x800,
    F_ALL = F_CF | F_PF | F_AF | F_ZF | F_SF | F_OF | F_DF,
    F_LOGIC = F_ALL & ~F_AF,
    F_MUL = F_CF | F_OF | F_DF,
    F_BIT = F_CF | F_ZF | F_DF,
    F_NONE = F_DF,
};

// Which inputs an operation gets, and the mask that depends on them.
enum alu_kind {
    K_BINARY, // all pairs of interesting values
    K_UNARY,  // interesting values, and every low byte
    K_SHIFT,  // values and counts in CL; AF and OF are undefined for most counts
    K_ROTATE,
    K_DOUBLE, // SHLD, SHRD
    K_BITS,   // b is a bit offset that stays within the buffer
    K_DIV,    // d:a / b without overflow, unsigned
    K_IDIV,
    K_DECIMAL, // every AL, several AH, CF and AF in all combinations
};

struct alu_op {
    const char *name;
    const char *text; // assembly source
    void (*code)(void);
    uint32_t mask;
    uint16_t kind;
    uint16_t width; // operand size in bits, where the kind asks for it
};

#define ALU_STR2(x) #x
#define ALU_STR(x)  ALU_STR2(x)
#define OP(id, kind_, width_, mask_, asm_text)                                                                         \
    __asm__(".pushsection .text\n.globl op_" #id "\nop_" #id ":\n" asm_text "\nret\n.popsection");                     \
    extern void op_##id(void);                                                                                         \
    static const struct alu_op op_entry_##id                                                                           \
        __attribute__((used, section("alu_ops"), aligned(4))) = {#id, asm_text, op_##id, mask_, kind_, width_};

extern const struct alu_op __start_alu_ops[], __stop_alu_ops[];

struct alu_case {
    uint32_t a, b, c, d, flags;
};

typedef void (*alu_trace)(const struct alu_op *op, const struct alu_case *in, const uint32_t out[8]);

// Hash over all cases. `where` is the address for EDI, with 128 bytes either side free to use. trace may be NULL.
uint32_t alu_hash(const struct alu_op *op, uint8_t *where, alu_trace trace);

#endif
