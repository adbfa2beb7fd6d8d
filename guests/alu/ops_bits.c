// BT BTS BTR BTC (PITFALLS 3: a register offset reaches beyond the memory operand, in both directions), BSF, BSR.
#include "alu.h"

#define BITS(o)                                                                                                        \
    OP(o##_eax_ebx, K_BITS, 32, F_BIT, #o "l %ebx, %eax")                                                              \
    OP(o##_ax_bx, K_BITS, 16, F_BIT, #o "w %bx, %ax")                                                                  \
    OP(o##_eax_imm, K_UNARY, 32, F_BIT, #o "l $19, %eax")                                                              \
    OP(o##_ax_imm, K_UNARY, 16, F_BIT, #o "w $27, %ax")                                                                \
    OP(o##_m32_imm, K_UNARY, 32, F_BIT, #o "l $37, (%edi)")                                                            \
    OP(o##_m16_imm, K_UNARY, 16, F_BIT, #o "w $19, 2(%edi)")                                                           \
    OP(o##_m32_ebx, K_BITS, 32, F_BIT, #o "l %ebx, (%edi)")                                                            \
    OP(o##_m16_bx, K_BITS, 16, F_BIT, #o "w %bx, (%edi)")                                                              \
    OP(o##_stack_imm, K_UNARY, 32, F_BIT, "push %ebx\n" #o "l $5, (%esp)\n pop %ebx")                                  \
    OP(o##_stack_ecx, K_BITS, 32, F_BIT, "push %ebx\n" #o "l %ecx, (%esp)\n pop %ebx")                                 \
    OP(o##_m32_esi, K_BITS, 32, F_BIT, "mov %ebx, %esi\n" #o "l %esi, 4(%edi)")                                        \
    OP(o##_esp_ecx, K_BITS, 32, F_BIT,                                                                                 \
       "mov %esp, %esi\n mov %ebx, %esp\n" #o "l %ecx, %esp\n mov %esp, %ebx\n mov %esi, %esp\n mov $0, %esi")         \
    OP(o##_own_base, K_BITS, 32, F_BIT,                                                                                \
       "push %edi\n sar $5, %ebx\n neg %ebx\n mov %edi, %edx\n and $31, %edx\n lea (%edi,%ebx,4), %esi\n shl $5, "     \
       "%ebx\n neg %ebx\n xor %edx, %edx\n" #o "l %ebx, (%esi)\n mov $0, %esi\n pop %edi")
BITS(bt)
BITS(bts)
BITS(btr)
BITS(btc)
OP(bts_lock_m32_ebx, K_BITS, 32, F_BIT, "lock btsl %ebx, (%edi)")
OP(btr_lock_m32_ebx, K_BITS, 32, F_BIT, "lock btrl %ebx, (%edi)")
OP(btc_lock_m16_bx, K_BITS, 16, F_BIT, "lock btcw %bx, (%edi)")
OP(btc_lock_m32_imm, K_UNARY, 32, F_BIT, "lock btcl $9, (%edi)")

#define SCAN(o)                                                                                                        \
    OP(o##_eax_ebx, K_BINARY, 32, F_ZF | F_DF, #o "l %ebx, %eax")                                                      \
    OP(o##_ax_bx, K_BINARY, 16, F_ZF | F_DF, #o "w %bx, %ax")                                                          \
    OP(o##_eax_m32, K_BINARY, 32, F_ZF | F_DF, #o "l (%edi), %eax")                                                    \
    OP(o##_ax_m16, K_BINARY, 16, F_ZF | F_DF, #o "w (%edi), %ax")
SCAN(bsf)
SCAN(bsr)
