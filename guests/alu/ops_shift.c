// ROL ROR RCL RCR SHL SHR SAL SAR by one, by CL and by an immediate; SHLD and SHRD.
#include "alu.h"

#define SHIFT(o, kind)                                                                                                 \
    OP(o##_al_cl, kind, 8, F_ALL, #o "b %cl, %al")                                                                     \
    OP(o##_bh_cl, kind, 8, F_ALL, #o "b %cl, %bh")                                                                     \
    OP(o##_ax_cl, kind, 16, F_ALL, #o "w %cl, %ax")                                                                    \
    OP(o##_eax_cl, kind, 32, F_ALL, #o "l %cl, %eax")                                                                  \
    OP(o##_m8_cl, kind, 8, F_ALL, #o "b %cl, (%edi)")                                                                  \
    OP(o##_m16_cl, kind, 16, F_ALL, #o "w %cl, (%edi)")                                                                \
    OP(o##_m32_cl, kind, 32, F_ALL, #o "l %cl, (%edi)")                                                                \
    OP(o##_esp_cl, kind, 32, F_ALL,                                                                                    \
       "mov %esp, %esi\n mov %ebx, %esp\n" #o "l %cl, %esp\n mov %esp, %ebx\n mov %esi, %esp\n mov $0, %esi")          \
    OP(o##_al_1, K_UNARY, 8, F_##kind##_1, #o "b $1, %al")                                                             \
    OP(o##_eax_1, K_UNARY, 32, F_##kind##_1, #o "l $1, %eax")                                                          \
    OP(o##_m16_1, K_UNARY, 16, F_##kind##_1, #o "w $1, (%edi)")                                                        \
    OP(o##_al_3, K_UNARY, 8, F_##kind##_N, #o "b $3, %al")                                                             \
    OP(o##_bx_9, K_UNARY, 16, F_##kind##_N, #o "w $9, %bx")                                                            \
    OP(o##_eax_13, K_UNARY, 32, F_##kind##_N, #o "l $13, %eax")                                                        \
    OP(o##_eax_32, K_UNARY, 32, F_ALL, #o "l $32, %eax")                                                               \
    OP(o##_ch_7, K_UNARY, 8, F_##kind##_N, #o "b $7, %ch")                                                             \
    OP(o##_m32_31, K_UNARY, 32, F_##kind##_N, #o "l $31, (%edi)")
enum {
    F_K_SHIFT_1 = F_LOGIC,
    F_K_SHIFT_N = F_LOGIC & ~F_OF,
    F_K_ROTATE_1 = F_ALL,
    F_K_ROTATE_N = F_ALL & ~F_OF,
};
SHIFT(rol, K_ROTATE)
SHIFT(ror, K_ROTATE)
SHIFT(rcl, K_ROTATE)
SHIFT(rcr, K_ROTATE)
SHIFT(shl, K_SHIFT)
SHIFT(shr, K_SHIFT)
SHIFT(sar, K_SHIFT)

// The sixth code of the group, SAL's alias.
OP(sal_alias_eax_cl, K_SHIFT, 32, F_ALL, ".byte 0xd3, 0xf0")
OP(sal_alias_al_3, K_UNARY, 8, F_LOGIC & ~F_OF, ".byte 0xc0, 0xf0, 3")
OP(shift_by_own_count, K_SHIFT, 32, F_ALL, "shll %cl, %ecx")
OP(rotate_carry_chain, K_BINARY, 32, F_LOGIC, "shll $1, %eax\n rcll $1, %ebx\n rcll $1, %edx")

#define DOUBLE(o)                                                                                                      \
    OP(o##_eax_ebx_cl, K_DOUBLE, 32, F_ALL, #o "l %cl, %ebx, %eax")                                                    \
    OP(o##_ax_bx_cl, K_DOUBLE, 16, F_ALL, #o "w %cl, %bx, %ax")                                                        \
    OP(o##_m32_eax_cl, K_DOUBLE, 32, F_ALL, #o "l %cl, %eax, (%edi)")                                                  \
    OP(o##_m16_ax_cl, K_DOUBLE, 16, F_ALL, #o "w %cl, %ax, (%edi)")                                                    \
    OP(o##_eax_edx_1, K_BINARY, 32, F_LOGIC, #o "l $1, %edx, %eax")                                                    \
    OP(o##_eax_edx_17, K_BINARY, 32, F_LOGIC & ~F_OF, #o "l $17, %edx, %eax")                                          \
    OP(o##_m32_edx_5, K_BINARY, 32, F_LOGIC & ~F_OF, #o "l $5, %edx, (%edi)")                                          \
    OP(o##_esp_edx_5, K_BINARY, 32, F_LOGIC & ~F_OF,                                                                   \
       "mov %esp, %esi\n mov %ebx, %esp\n" #o "l $5, %edx, %esp\n mov %esp, %ebx\n mov %esi, %esp\n mov $0, %esi")
DOUBLE(shld)
DOUBLE(shrd)
