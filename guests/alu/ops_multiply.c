// MUL IMUL DIV IDIV with quotients that fit; the divide errors are in faults.c.
#include "alu.h"

#define MUL(o)                                                                                                         \
    OP(o##_bl, K_BINARY, 8, F_MUL, #o "b %bl")                                                                         \
    OP(o##_ah, K_BINARY, 8, F_MUL, #o "b %ah")                                                                         \
    OP(o##_bx, K_BINARY, 16, F_MUL, #o "w %bx")                                                                        \
    OP(o##_ebx, K_BINARY, 32, F_MUL, #o "l %ebx")                                                                      \
    OP(o##_m8, K_BINARY, 8, F_MUL, #o "b (%edi)")                                                                      \
    OP(o##_m16, K_BINARY, 16, F_MUL, #o "w (%edi)")                                                                    \
    OP(o##_m32, K_BINARY, 32, F_MUL, #o "l (%edi)")                                                                    \
    OP(o##_esp, K_BINARY, 32, F_MUL,                                                                                   \
       "mov %esp, %esi\n mov %ebx, %esp\n" #o "l %esp\n mov %esp, %ebx\n mov %esi, %esp\n mov $0, %esi")
MUL(mul)
MUL(imul)
OP(imul_eax_ebx, K_BINARY, 32, F_MUL, "imull %ebx, %eax")
OP(imul_ax_bx, K_BINARY, 16, F_MUL, "imulw %bx, %ax")
OP(imul_eax_m32, K_BINARY, 32, F_MUL, "imull (%edi), %eax")
OP(imul_ax_m16, K_BINARY, 16, F_MUL, "imulw (%edi), %ax")
OP(imul_imm8, K_UNARY, 32, F_MUL, "imull $-5, %ebx, %eax")
OP(imul_imm32, K_UNARY, 32, F_MUL, "imull $0x12345, %ebx, %eax")
OP(imul_imm8_16, K_UNARY, 16, F_MUL, "imulw $100, %bx, %ax")
OP(imul_imm16, K_UNARY, 16, F_MUL, "imulw $0x7001, %bx, %ax")
OP(imul_m32_imm32, K_UNARY, 32, F_MUL, "imull $0x10001, (%edi), %eax")
OP(imul_m32_imm8, K_UNARY, 32, F_MUL, "imull $7, 4(%edi), %ebp")

#define DIVIDE(o, kind)                                                                                                \
    OP(o##_bl, kind, 8, F_NONE, #o "b %bl")                                                                            \
    OP(o##_bx, kind, 16, F_NONE, #o "w %bx")                                                                           \
    OP(o##_ebx, kind, 32, F_NONE, #o "l %ebx")                                                                         \
    OP(o##_m8, kind, 8, F_NONE, #o "b (%edi)")                                                                         \
    OP(o##_m16, kind, 16, F_NONE, #o "w (%edi)")                                                                       \
    OP(o##_m32, kind, 32, F_NONE, #o "l (%edi)")                                                                       \
    OP(o##_esp, kind, 32, F_NONE,                                                                                      \
       "mov %esp, %esi\n mov %ebx, %esp\n" #o "l %esp\n mov %esp, %ebx\n mov %esi, %esp\n mov $0, %esi")
DIVIDE(div, K_DIV)
DIVIDE(idiv, K_IDIV)
