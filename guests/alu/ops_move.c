// MOV in all forms, MOVZX MOVSX, XCHG, XADD, CMPXCHG, CMPXCHG8B, BSWAP, XLAT, the accumulator's absolute forms.
#include "alu.h"

OP(movzx_r32_r8, K_UNARY, 32, F_ALL, "movzbl %al, %ebx")
OP(movzx_r32_ah, K_UNARY, 32, F_ALL, "movzbl %ah, %ebx")
OP(movzx_r16_bh, K_UNARY, 16, F_ALL, "movzbw %bh, %bx")
OP(movzx_r32_r16, K_UNARY, 32, F_ALL, "movzwl %ax, %ebp")
OP(movzx_r32_m8, K_UNARY, 32, F_ALL, "movzbl 1(%edi), %eax")
OP(movzx_r32_m16, K_UNARY, 32, F_ALL, "movzwl 1(%edi), %eax")
OP(movzx_r16_m8, K_UNARY, 16, F_ALL, "movzbw (%edi), %ax")
OP(movsx_r32_r8, K_UNARY, 32, F_ALL, "movsbl %al, %ebx")
OP(movsx_r32_dh, K_UNARY, 32, F_ALL, "movsbl %dh, %ebx")
OP(movsx_r16_ch, K_UNARY, 16, F_ALL, "movsbw %ch, %si")
OP(movsx_r32_r16, K_UNARY, 32, F_ALL, "movswl %ax, %ebx")
OP(movsx_r32_m8, K_UNARY, 32, F_ALL, "movsbl (%edi), %eax")
OP(movsx_r32_m16, K_UNARY, 32, F_ALL, "movswl (%edi), %eax")
OP(movsx_r16_m8, K_UNARY, 16, F_ALL, "movsbw 3(%edi), %ax")
OP(movzx_esp, K_UNARY, 32, F_ALL, "mov %esp, %esi\n movzbl %ah, %esp\n mov %esp, %ebx\n mov %esi, %esp\n mov $0, %esi")
OP(movsx_from_sp, K_UNARY, 32, F_ALL,
   "mov %esp, %esi\n mov %eax, %esp\n movswl %sp, %ebx\n mov %esi, %esp\n mov $0, %esi")

OP(mov_r8_imm, K_UNARY, 8, F_ALL,
   "mov $0x11, %al\n mov $0x22, %ah\n mov $0x33, %bl\n mov $0x44, %bh\n mov $0x55, %cl\n"
   "mov $0x66, %ch\n mov $0x77, %dl\n mov $0x88, %dh")
OP(mov_r8_r8, K_UNARY, 8, F_ALL, "mov %ah, %al\n mov %bl, %ah\n mov %dh, %ch\n mov %ch, %bl")
OP(mov_r16_imm, K_UNARY, 16, F_ALL, "mov $0x8001, %ax\n mov $0x1234, %bp")
OP(mov_r8_m8, K_UNARY, 8, F_ALL, "mov (%edi), %ah\n mov 1(%edi), %ch\n mov 2(%edi), %bl\n mov 3(%edi), %dh")
OP(mov_m8_r8, K_UNARY, 8, F_ALL, "mov %ah, 9(%edi)\n mov %ch, 8(%edi)\n mov %bh, -7(%edi)\n mov %dh, 5(%edi)")
OP(mov_stack_high, K_UNARY, 8, F_ALL,
   "push %ebx\n mov %ah, (%esp)\n mov %dh, 1(%esp)\n mov 2(%esp), %ch\n mov 3(%esp), %bh\n pop %edx")
OP(mov_modrm_c6, K_UNARY, 8, F_ALL, ".byte 0xc6, 0xc4, 0x99") // MOV AH, imm8 by the memory form's code
OP(mov_modrm_c7, K_UNARY, 32, F_ALL, ".byte 0xc7, 0xc3\n .long 0x81234567")
OP(mov_moffs, K_UNARY, 32, F_ALL,
   "mov %al, alu_fixed\n mov %ax, alu_fixed+1\n mov %eax, alu_fixed+4\n mov alu_fixed+5, %al\n mov alu_fixed+3, %ax\n"
   "mov %eax, %ebx\n mov alu_fixed+1, %eax")
OP(mov_absolute, K_UNARY, 32, F_ALL,
   "mov %ebx, alu_fixed\n mov %ch, alu_fixed+3\n mov alu_fixed+1, %edx\n mov alu_fixed, %bp\n movl $5, alu_fixed\n"
   "add %ebx, alu_fixed\n mov alu_fixed, %esi")
__asm__(".pushsection .data\n.balign 16\nalu_fixed: .skip 16\n.popsection");

OP(xchg_eax_ebx, K_UNARY, 32, F_ALL, "xchg %eax, %ebx")
OP(xchg_ax_bp, K_UNARY, 16, F_ALL, "xchg %ax, %bp")
OP(xchg_al_ah, K_UNARY, 8, F_ALL, "xchg %al, %ah")
OP(xchg_ch_dl, K_UNARY, 8, F_ALL, "xchg %ch, %dl")
OP(xchg_m8, K_UNARY, 8, F_ALL, "xchg %ah, 1(%edi)\n xchg %cl, (%edi)")
OP(xchg_m16, K_UNARY, 16, F_ALL, "xchg %ax, 1(%edi)")
OP(xchg_m32, K_UNARY, 32, F_ALL, "xchg %eax, (%edi)")
OP(xchg_stack, K_UNARY, 32, F_ALL, "push %ebx\n xchg %eax, (%esp)\n xchg %ah, 2(%esp)\n pop %ebx")
OP(xchg_esp, K_UNARY, 32, F_ALL,
   "mov %esp, %esi\n xchg %eax, %esp\n xchg %esp, %ebx\n mov %esp, %edx\n mov %esi, %esp\n"
   "sub %esi, %eax\n xor %esi, %esi")
OP(nop_forms, K_UNARY, 32, F_ALL, "nop\n xchg %ax, %ax\n nopl (%eax)\n nopw 0x1234(%eax,%ebx,8)\n pause")

OP(xadd_al_bl, K_BINARY, 8, F_ALL, "xadd %al, %bl")
OP(xadd_ah_ch, K_BINARY, 8, F_ALL, "xadd %ah, %ch")
OP(xadd_ax_bx, K_BINARY, 16, F_ALL, "xadd %ax, %bx")
OP(xadd_eax_ebx, K_BINARY, 32, F_ALL, "xadd %eax, %ebx")
OP(xadd_same, K_BINARY, 32, F_ALL, "xadd %eax, %eax")
OP(xadd_m8, K_BINARY, 8, F_ALL, "xadd %ah, (%edi)")
OP(xadd_m16, K_BINARY, 16, F_ALL, "xadd %ax, (%edi)")
OP(xadd_m32, K_BINARY, 32, F_ALL, "lock xadd %eax, (%edi)")

OP(cmpxchg_bl_cl, K_BINARY, 8, F_ALL, "cmpxchg %cl, %bl")
OP(cmpxchg_bh_ch, K_BINARY, 8, F_ALL, "cmpxchg %ch, %bh")
OP(cmpxchg_bx_cx, K_BINARY, 16, F_ALL, "cmpxchg %cx, %bx")
OP(cmpxchg_ebx_ecx, K_BINARY, 32, F_ALL, "cmpxchg %ecx, %ebx")
OP(cmpxchg_m8, K_BINARY, 8, F_ALL, "cmpxchg %ch, (%edi)")
OP(cmpxchg_m16, K_BINARY, 16, F_ALL, "cmpxchg %cx, (%edi)")
OP(cmpxchg_m32, K_BINARY, 32, F_ALL, "cmpxchg %ecx, (%edi)")
OP(cmpxchg_lock, K_BINARY, 32, F_ALL, "lock cmpxchg %ecx, (%edi)")
OP(cmpxchg_hit, K_BINARY, 32, F_ALL, "mov (%edi), %eax\n lock cmpxchg %ecx, (%edi)")
OP(cmpxchg8b_miss, K_BINARY, 32, F_ALL, "lock cmpxchg8b (%edi)")
OP(cmpxchg8b_hit, K_BINARY, 32, F_ALL, "mov (%edi), %eax\n mov 4(%edi), %edx\n lock cmpxchg8b (%edi)")
OP(cmpxchg8b_plain, K_BINARY, 32, F_ALL, "mov 4(%edi), %edx\n cmpxchg8b (%edi)")

OP(bswap_eax, K_UNARY, 32, F_ALL, "bswap %eax\n bswap %ebp\n bswap %ebx\n bswap %ecx\n bswap %edx")
OP(bswap_esp, K_UNARY, 32, F_ALL,
   "mov %esp, %esi\n mov %eax, %esp\n bswap %esp\n mov %esp, %ebx\n mov %esi, %esp\n mov $0, %esi")
OP(xlat, K_UNARY, 8, F_ALL, "lea -8(%edi), %ebx\n and $31, %al\n xlat\n xor %ebx, %ebx")
OP(xlat_wrap, K_UNARY, 8, F_ALL, "movzbl %al, %ecx\n lea 16(%edi), %ebx\n sub %ecx, %ebx\n xlat\n xor %ebx, %ebx")
