// ADD ADC SUB SBB CMP AND OR XOR TEST MOV-like two-operand forms: registers, memory both ways, immediates of all sizes,
// high-byte registers, ESP as operand and as address, LOCK.
#include "alu.h"

#define SWAP_STACK(text) "mov %esp, %esi\n mov %ebx, %esp\n" text "\n mov %esp, %ebx\n mov %esi, %esp\n mov $0, %esi"
#define FAMILY(o, mask)                                                                                                \
    OP(o##_al_bl, K_BINARY, 8, mask, #o "b %bl, %al")                                                                  \
    OP(o##_ax_bx, K_BINARY, 16, mask, #o "w %bx, %ax")                                                                 \
    OP(o##_eax_ebx, K_BINARY, 32, mask, #o "l %ebx, %eax")                                                             \
    OP(o##_ah_bl, K_BINARY, 8, mask, #o "b %ah, %bl")                                                                  \
    OP(o##_dh_ch, K_BINARY, 8, mask, #o "b %dh, %ch")                                                                  \
    OP(o##_bh_bh, K_BINARY, 8, mask, #o "b %bh, %bh")                                                                  \
    OP(o##_m8_al, K_BINARY, 8, mask, #o "b %al, (%edi)")                                                               \
    OP(o##_m8_ah, K_BINARY, 8, mask, #o "b %ah, 3(%edi)")                                                              \
    OP(o##_m16_ax, K_BINARY, 16, mask, #o "w %ax, (%edi)")                                                             \
    OP(o##_m32_eax, K_BINARY, 32, mask, #o "l %eax, (%edi)")                                                           \
    OP(o##_al_imm8, K_UNARY, 8, mask, #o "b $0x85, %al")                                                               \
    OP(o##_ax_imm16, K_UNARY, 16, mask, #o "w $0x8123, %ax")                                                           \
    OP(o##_eax_imm32, K_UNARY, 32, mask, #o "l $0x81234567, %eax")                                                     \
    OP(o##_ch_imm8, K_UNARY, 8, mask, #o "b $0x7f, %ch")                                                               \
    OP(o##_m8_imm8, K_UNARY, 8, mask, #o "b $0xa5, 1(%edi)")                                                           \
    OP(o##_m16_imm16, K_UNARY, 16, mask, #o "w $0x7fff, 2(%edi)")                                                      \
    OP(o##_m32_imm32, K_UNARY, 32, mask, #o "l $0x80000001, -4(%edi)")                                                 \
    OP(o##_stack_eax, K_BINARY, 32, mask, "push %ebx\n" #o "l %eax, (%esp)\n pop %ebx")                                \
    OP(o##_stack_ah, K_BINARY, 8, mask, "push %ebx\n" #o "b %ah, 1(%esp)\n pop %ebx")                                  \
    OP(o##_stack_index, K_BINARY, 32, mask,                                                                            \
       "push %ebx\n push %ebx\n mov $1, %esi\n" #o "l %eax, (%esp,%esi,4)\n pop %edx\n pop %ebx")                      \
    OP(o##_esp_eax, K_BINARY, 32, mask, SWAP_STACK(#o "l %eax, %esp"))                                                 \
    OP(o##_eax_esp, K_BINARY, 32, mask, SWAP_STACK(#o "l %esp, %eax"))                                                 \
    OP(o##_sp_ax, K_BINARY, 16, mask, SWAP_STACK(#o "w %ax, %sp"))                                                     \
    OP(o##_esp_m32, K_BINARY, 32, mask, SWAP_STACK(#o "l %esp, 4(%edi)"))                                              \
    OP(o##_esp_imm32, K_UNARY, 32, mask, SWAP_STACK(#o "l $0x12345, %esp"))
#define FAMILY_TO_REGISTER(o, mask)                                                                                    \
    OP(o##_al_m8, K_BINARY, 8, mask, #o "b (%edi), %al")                                                               \
    OP(o##_dh_m8, K_BINARY, 8, mask, #o "b 2(%edi), %dh")                                                              \
    OP(o##_ax_m16, K_BINARY, 16, mask, #o "w (%edi), %ax")                                                             \
    OP(o##_eax_m32, K_BINARY, 32, mask, #o "l (%edi), %eax")                                                           \
    OP(o##_esp_from_m32, K_BINARY, 32, mask, SWAP_STACK(#o "l (%edi), %esp"))                                          \
    OP(o##_eax_imm8, K_UNARY, 32, mask, #o "l $-3, %eax")                                                              \
    OP(o##_bx_imm8, K_UNARY, 16, mask, #o "w $-128, %bx")                                                              \
    OP(o##_m32_imm8, K_UNARY, 32, mask, #o "l $-1, (%edi)")                                                            \
    OP(o##_m16_imm8, K_UNARY, 16, mask, #o "w $127, (%edi)")                                                           \
    OP(o##_rm_form_82, K_UNARY, 8, mask, ".byte 0x82, 0xc3 + (8 * " #o "_digit), 0x91")
#define FAMILY_LOCK(o, mask)                                                                                           \
    OP(o##_lock_m8, K_BINARY, 8, mask, "lock " #o "b %ch, (%edi)")                                                     \
    OP(o##_lock_m16, K_BINARY, 16, mask, "lock " #o "w %ax, (%edi)")                                                   \
    OP(o##_lock_m32, K_BINARY, 32, mask, "lock " #o "l %eax, (%edi)")                                                  \
    OP(o##_lock_m32_imm8, K_UNARY, 32, mask, "lock " #o "l $-7, (%edi)")

__asm__(".set add_digit, 0\n.set or_digit, 1\n.set adc_digit, 2\n.set sbb_digit, 3\n.set and_digit, 4\n"
        ".set sub_digit, 5\n.set xor_digit, 6\n.set cmp_digit, 7");

FAMILY(add, F_ALL)
FAMILY_TO_REGISTER(add, F_ALL)
FAMILY_LOCK(add, F_ALL)
FAMILY(adc, F_ALL)
FAMILY_TO_REGISTER(adc, F_ALL)
FAMILY_LOCK(adc, F_ALL)
FAMILY(sub, F_ALL)
FAMILY_TO_REGISTER(sub, F_ALL)
FAMILY_LOCK(sub, F_ALL)
FAMILY(sbb, F_ALL)
FAMILY_TO_REGISTER(sbb, F_ALL)
FAMILY_LOCK(sbb, F_ALL)
FAMILY(cmp, F_ALL)
FAMILY_TO_REGISTER(cmp, F_ALL)
FAMILY(and, F_LOGIC)
FAMILY_TO_REGISTER(and, F_LOGIC)
FAMILY_LOCK(and, F_LOGIC)
FAMILY(or, F_LOGIC)
FAMILY_TO_REGISTER(or, F_LOGIC)
FAMILY_LOCK(or, F_LOGIC)
FAMILY(xor, F_LOGIC)
FAMILY_TO_REGISTER(xor, F_LOGIC)
FAMILY_LOCK(xor, F_LOGIC)
FAMILY(test, F_LOGIC)
FAMILY(mov, F_ALL)

// The opposite direction bits of the register forms (02h, 03h and so on) and chains that consume flags.
OP(add_direction, K_BINARY, 32, F_ALL, ".byte 0x03, 0xc3")
OP(sub_direction, K_BINARY, 8, F_ALL, ".byte 0x2a, 0xc3")
OP(add_adc_chain, K_BINARY, 32, F_ALL, "add %ebx, %eax\n adc %edx, %ecx\n adc $0, %esi")
OP(sub_sbb_chain, K_BINARY, 32, F_ALL, "sub %ebx, %eax\n sbb %edx, %ecx\n sbb %esi, %esi")
