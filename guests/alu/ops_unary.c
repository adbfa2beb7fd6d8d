// INC DEC NEG NOT, CBW and relatives, LAHF SAHF SALC, CLC STC CMC CLD STD, SETcc, CMOVcc, Jcc on every flag pattern.
#include "alu.h"

#define UNARY(o, mask)                                                                                                 \
    OP(o##_al, K_UNARY, 8, mask, #o "b %al")                                                                           \
    OP(o##_bh, K_UNARY, 8, mask, #o "b %bh")                                                                           \
    OP(o##_cx, K_UNARY, 16, mask, #o "w %cx")                                                                          \
    OP(o##_edx, K_UNARY, 32, mask, #o "l %edx")                                                                        \
    OP(o##_ebp, K_UNARY, 32, mask, #o "l %ebp")                                                                        \
    OP(o##_m8, K_UNARY, 8, mask, #o "b 1(%edi)")                                                                       \
    OP(o##_m16, K_UNARY, 16, mask, #o "w (%edi)")                                                                      \
    OP(o##_m32, K_UNARY, 32, mask, #o "l (%edi)")                                                                      \
    OP(o##_lock_m8, K_UNARY, 8, mask, "lock " #o "b (%edi)")                                                           \
    OP(o##_lock_m16, K_UNARY, 16, mask, "lock " #o "w (%edi)")                                                         \
    OP(o##_lock_m32, K_UNARY, 32, mask, "lock " #o "l (%edi)")                                                         \
    OP(o##_stack, K_UNARY, 32, mask, "push %ebx\n" #o "l (%esp)\n pop %ebx")                                           \
    OP(o##_esp, K_UNARY, 32, mask,                                                                                     \
       "mov %esp, %esi\n mov %ebx, %esp\n" #o "l %esp\n mov %esp, %ebx\n mov %esi, %esp\n mov $0, %esi")
UNARY(inc, F_ALL)
UNARY(dec, F_ALL)
UNARY(neg, F_ALL)
UNARY(not, F_ALL)

// The one-byte forms 40h-4Fh, which are REX prefixes to a 64-bit processor, for each register.
#define SHORT(o, base, r, n)                                                                                           \
    OP(o##_short_##r, K_UNARY, 32, F_ALL, ".byte " #base " + " #n)                                                     \
    OP(o##_short16_##r, K_UNARY, 16, F_ALL, ".byte 0x66, " #base " + " #n)
#define SHORTS(o, base)                                                                                                \
    SHORT(o, base, eax, 0)                                                                                             \
    SHORT(o, base, ecx, 1) SHORT(o, base, edx, 2) SHORT(o, base, ebx, 3) SHORT(o, base, ebp, 5) SHORT(o, base, esi, 6)
SHORTS(inc, 0x40)
SHORTS(dec, 0x48)
OP(inc_short_esp, K_UNARY, 32, F_ALL,
   "mov %esp, %esi\n mov %ebx, %esp\n .byte 0x44\n mov %esp, %ebx\n mov %esi, %esp\n mov $0, %esi")
OP(dec_short_esp, K_UNARY, 32, F_ALL,
   "mov %esp, %esi\n mov %ebx, %esp\n .byte 0x4c\n mov %esp, %ebx\n mov %esi, %esp\n mov $0, %esi")

#define SHORT_EDI(o, code)                                                                                             \
    OP(o##_short_edi, K_UNARY, 32, F_ALL, "push %edi\n mov %eax, %edi\n .byte " #code "\n mov %edi, %ebx\n pop %edi")  \
    OP(o##_short16_edi, K_UNARY, 16, F_ALL,                                                                            \
       "push %edi\n mov %eax, %edi\n .byte 0x66, " #code "\n mov %edi, %ebx\n pop %edi")
SHORT_EDI(inc, 0x47)
SHORT_EDI(dec, 0x4f)

OP(cbw, K_UNARY, 16, F_ALL, "cbw")
OP(cwde, K_UNARY, 32, F_ALL, "cwde")
OP(cwd, K_UNARY, 16, F_ALL, "cwd")
OP(cdq, K_UNARY, 32, F_ALL, "cdq")
OP(lahf, K_UNARY, 8, F_ALL, "lahf")
OP(lahf_after_add, K_BINARY, 8, F_ALL, "add %bl, %al\n lahf")
OP(sahf, K_UNARY, 8, F_ALL, "sahf")
OP(sahf_bytes, K_UNARY, 8, F_ALL, "mov %al, %ah\n sahf")
OP(salc, K_UNARY, 8, F_ALL, ".byte 0xd6")
OP(salc_carry, K_BINARY, 8, F_ALL, "add %ebx, %edx\n .byte 0xd6")
OP(clc, K_UNARY, 32, F_ALL, "clc")
OP(stc, K_UNARY, 32, F_ALL, "stc")
OP(cmc, K_UNARY, 32, F_ALL, "cmc")
OP(std_cld, K_UNARY, 32, F_ALL, "std\n mov %eax, %ecx\n cld")
OP(std, K_UNARY, 32, F_ALL, "std")
OP(pushf_popf, K_BINARY, 32, F_ALL, "add %ebx, %eax\n pushf\n xor %edx, %edx\n popf")
OP(pushf_value, K_BINARY, 32, F_ALL, "sub %ebx, %eax\n pushf\n pop %edx\n and $0xcd7, %edx\n cmp %ebx, %ecx\n")
OP(popf_arith, K_UNARY, 32, F_ALL, "and $0x8d5, %eax\n push %eax\n popf")
OP(popf16, K_UNARY, 32, F_ALL, "and $0x8d5, %eax\n pushw %ax\n popfw")
OP(pushf16, K_BINARY, 32, F_ALL, "sub %ebx, %eax\n pushfw\n pop %dx\n and $0xcd7, %edx\n add %ebx, %ecx")

// Every condition after SAHF-like loads of every pattern of CF PF AF ZF SF, with OF from a real addition as well.
#define LOAD_FLAGS "push %eax\n andl $0x8d5, (%esp)\n popf\n"
#define CONDITION(cc)                                                                                                  \
    OP(set##cc##_bl, K_UNARY, 8, F_ALL, LOAD_FLAGS "set" #cc " %bl")                                                   \
    OP(set##cc##_dh, K_UNARY, 8, F_ALL, LOAD_FLAGS "set" #cc " %dh")                                                   \
    OP(set##cc##_m8, K_UNARY, 8, F_ALL, LOAD_FLAGS "set" #cc " 5(%edi)")                                               \
    OP(cmov##cc##_r32, K_UNARY, 32, F_ALL, LOAD_FLAGS "cmov" #cc " %ecx, %ebx")                                        \
    OP(cmov##cc##_r16, K_UNARY, 16, F_ALL, LOAD_FLAGS "cmov" #cc " %cx, %bx")                                          \
    OP(cmov##cc##_m32, K_UNARY, 32, F_ALL, LOAD_FLAGS "cmov" #cc " 8(%edi), %ebx")                                     \
    OP(j##cc##_short, K_UNARY, 32, F_ALL, LOAD_FLAGS "j" #cc " 1f\n mov $0x11, %ebx\n 1:")                             \
    OP(j##cc##_near, K_UNARY, 32, F_ALL, LOAD_FLAGS "j" #cc " 1f\n mov $0x22, %ebx\n .skip 140, 0x90\n 1:")            \
    OP(j##cc##_compare, K_BINARY, 32, F_ALL, "cmp %ebx, %eax\n j" #cc " 1f\n mov $0x33, %esi\n 1:")                    \
    OP(set##cc##_compare8, K_BINARY, 8, F_ALL, "cmp %bl, %al\n set" #cc " %ch")
CONDITION(o)
CONDITION(no)
CONDITION(b)
CONDITION(ae)
CONDITION(e)
CONDITION(ne)
CONDITION(be)
CONDITION(a)
CONDITION(s)
CONDITION(ns)
CONDITION(p)
CONDITION(np)
CONDITION(l)
CONDITION(ge)
CONDITION(le)
CONDITION(g)
