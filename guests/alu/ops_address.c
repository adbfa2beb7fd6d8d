// Effective addresses: LEA and loads through every base, index, scale and displacement size. A fold of all results goes
// to EAX. ESP as base is in the pushes and in ops_arith.c; 16-bit forms of LEA are here, of loads in address16.c.
#include "alu.h"

// LEA of every base with every index and scale (values do not matter, so registers hold the inputs themselves; EDI and
// ESP are pointers that differ between runs and get a value first).
#define FOLD                          "xor %edx, %eax\n rol $3, %eax\n"
#define FIXED                         "push %edi\n mov $0x89abcdef, %edi\n"
#define UNFIXED                       "pop %edi\n xor %edx, %edx"
#define LEA(base, index, scale, disp) "lea " #disp "(%" #base ",%" #index "," #scale "), %edx\n" FOLD
#define SCALES(b, i)                  LEA(b, i, 1, 0) LEA(b, i, 2, 0x12) LEA(b, i, 4, -0x70) LEA(b, i, 8, 0x12345678)
#define INDICES(b)                                                                                                     \
    SCALES(b, eax) SCALES(b, ecx) SCALES(b, edx) SCALES(b, ebx) SCALES(b, ebp) SCALES(b, esi) SCALES(b, edi)
#define LEA_BASE(b) OP(lea_##b, K_UNARY, 32, F_NONE, FIXED INDICES(b) UNFIXED)
LEA_BASE(eax)
LEA_BASE(ecx)
LEA_BASE(edx)
LEA_BASE(ebx)
LEA_BASE(ebp)
LEA_BASE(esi)
LEA_BASE(edi)
OP(lea_esp, K_UNARY, 32, F_NONE,
   FIXED "mov %esp, %ebp\n mov %ebx, %esp\n" SCALES(esp, eax) SCALES(esp, ecx) SCALES(esp, ebx)
       SCALES(esp, esi) "mov %ebp, %esp\n mov $0, %ebp\n" UNFIXED)
#define NO_BASE(i)                                                                                                     \
    "lea (,%" #i ",4), %edx\n" FOLD "lea 0x81234567(,%" #i ",8), %edx\n" FOLD "lea 0x33(%" #i "), %edx\n" FOLD
OP(lea_no_base, K_UNARY, 32, F_NONE,
   FIXED NO_BASE(eax) NO_BASE(ecx) NO_BASE(edx) NO_BASE(ebx) NO_BASE(ebp) NO_BASE(esi)
       NO_BASE(edi) "lea 0x12345678, %edx\n" FOLD UNFIXED)
// SIB with no index (100b) and every base, and with scale bits that mean nothing.
OP(lea_sib_no_index, K_UNARY, 32, F_NONE,
   FIXED ".byte 0x8d, 0x14, 0x20\n" FOLD ".byte 0x8d, 0x54, 0x63, 0x11\n" FOLD
         ".byte 0x8d, 0x94, 0xe6\n .long 0x1000\n" FOLD ".byte 0x8d, 0x14, 0x25\n .long 0x77777777\n" FOLD UNFIXED)
OP(lea_16_destination, K_UNARY, 16, F_ALL, "leaw 0x1234(%ebx,%ecx,2), %ax\n leaw 5(%eax), %bp")
OP(lea_flags, K_BINARY, 32, F_ALL, "add %ebx, %eax\n lea 1(%eax,%ebx), %ecx\n lea -1(%esi), %esi")

#define LEA16(text) "lea " text ", %dx\n" FOLD "leal " text ", %edx\n" FOLD
OP(lea_16_bit, K_UNARY, 16, F_NONE,
   FIXED LEA16("(%bx,%si)") LEA16("(%bx,%di)") LEA16("(%bp,%si)") LEA16("(%bp,%di)") LEA16("(%si)") LEA16("(%di)")
       LEA16("(%bx)") LEA16("0x7f(%bx,%si)") LEA16("-0x80(%bp,%di)") LEA16("0(%bp)") LEA16("0x8000(%bx,%di)")
           LEA16("0x1234(%bp,%si)") LEA16("-2(%si)") LEA16("0x7fff(%di)") LEA16("0xffff(%bp)") UNFIXED)

// Loads and stores through every pair of registers: the address is always EDI's buffer, taken apart.
#define PAIR(b, i, s, save)                                                                                            \
    save "mov $3, %" #i "\n lea -3*" #s "(%edi), %" #b "\n addl $5, (%" #b ",%" #i "," #s ")\n xorb %al, 1(%" #b       \
         ",%" #i "," #s ")\n"
OP(pair_addresses, K_UNARY, 32, F_ALL,
   PAIR(ebx, ecx, 1, "") PAIR(ebx, esi, 2, "") PAIR(ecx, ebx, 4, "") PAIR(edx, ebp, 8, "") PAIR(ebp, edx, 4, "")
       PAIR(esi, ebp, 2, "") PAIR(ebp, ecx, 1, "")
           PAIR(esi, edx, 8, "") "xor %ebx, %ebx\n mov %ebx, %ecx\n mov %ebx, %edx\n mov %ebx, %ebp\n mov %ebx, %esi")
// An effective address wraps at 4 GiB, and scale and displacement with it.
OP(address_wraps, K_UNARY, 32, F_ALL,
   "lea 0x80000000(%edi), %esi\n mov 0x80000000(%esi), %ebx\n mov $0x40000000, %ecx\n add %ebx, 4(%edi,%ecx,4)\n"
   "mov $-1, %ecx\n sub %ebx, 16(%edi,%ecx,8)\n mov $0, %esi")
OP(base_is_destination, K_UNARY, 32, F_ALL,
   "mov %edi, %ebx\n mov (%ebx), %ebx\n mov %edi, %esi\n xor 4(%esi), %esi\n xor %edi, %esi")
OP(flat_segments, K_UNARY, 32, F_ALL,
   "mov %ss:(%edi), %ebx\n add %ebx, %ds:4(%edi)\n mov %edi, %ebp\n xor %cs:8(%edi), %eax\n"
   "mov %ebx, %es:12(%edi)\n add (%ebp), %eax\n sub %ds:4(%ebp), %eax\n xor %ebp, %ebp")
