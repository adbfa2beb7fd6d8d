// PUSH and POP of everything, PUSHA and POPA, ENTER and LEAVE, on a 32-bit stack. Absolute stack addresses are made
// relative before they end in a register, and stack words that hold one are cleared.
#include "alu.h"

OP(push_pop_registers, K_UNARY, 32, F_ALL,
   "push %eax\n push %ebx\n push %ecx\n push %edx\n pop %esi\n pop %ebp\n pop %ecx\n pop %edx")
OP(push_imm, K_UNARY, 32, F_ALL, "push $-5\n pop %ebx\n push $0x81234567\n pop %ecx")
OP(push_imm16, K_UNARY, 16, F_ALL, "pushw $-5\n pushw $0x1234\n pop %ebx")
OP(push_pop_16, K_UNARY, 16, F_ALL, "push %ax\n push %bx\n pop %ecx\n push %ecx\n pop %bp\n pop %dx")
OP(push_memory, K_UNARY, 32, F_ALL, "pushl (%edi)\n pushw 4(%edi)\n pushw 8(%edi)\n pop %ebx\n pop %ecx")
OP(pop_memory, K_UNARY, 32, F_ALL, "push %eax\n push %edx\n popl 8(%edi)\n popw 1(%edi)\n popw -6(%edi)")
OP(push_stack_memory, K_UNARY, 32, F_ALL,
   "push %eax\n push %ebx\n pushl 4(%esp)\n pop %ecx\n pushl (%esp)\n pop %edx\n pop %esi\n pop %ebp")
// POP's address is computed with the incremented ESP.
OP(pop_esp_relative, K_UNARY, 32, F_ALL, "push $1\n push $2\n push %ebx\n popl (%esp)\n pop %ecx\n pop %edx")
OP(pop_esp_relative4, K_UNARY, 32, F_ALL, "push $1\n push $2\n push %eax\n popl 4(%esp)\n pop %ecx\n pop %edx")
OP(pop_esp_relative16, K_UNARY, 16, F_ALL, "push $1\n push $2\n push %ax\n popw 2(%esp)\n pop %ecx\n pop %edx")
OP(pop_esp_index, K_UNARY, 32, F_ALL,
   "push $1\n push $2\n push %ebx\n mov $1, %esi\n popl (%esp,%esi,4)\n pop %ecx\n pop %edx")
OP(push_esp, K_UNARY, 32, F_ALL, "push %esp\n pop %ebx\n sub %esp, %ebx")
OP(push_esp_again, K_UNARY, 32, F_ALL,
   "mov %esp, %ecx\n push %ebx\n push %esp\n mov (%esp), %edx\n sub %esp, %edx\n add $8, %esp\n sub %esp, %ecx")
OP(push_sp_16, K_UNARY, 32, F_ALL, "mov %esp, %ecx\n push %sp\n pop %dx\n sub %cx, %dx\n sub %esp, %ecx")
OP(pop_esp, K_UNARY, 32, F_ALL,
   "mov %esp, %esi\n push %eax\n pop %esp\n mov %esp, %ebx\n mov %esi, %esp\n mov $0, %esi")
OP(pop_sp, K_UNARY, 32, F_ALL,
   "mov %esp, %esi\n push %ax\n pop %sp\n mov %esp, %ebx\n mov %esi, %esp\n xor %ebx, %esi\n"
   "and $0xffff0000, %esi\n movzwl %bx, %ebx")
OP(push_esp_memory, K_UNARY, 32, F_ALL, "push %eax\n pushl (%esp)\n pushl 4(%esp)\n pop %ebx\n pop %ecx\n pop %edx")
OP(pusha_popa, K_UNARY, 32, F_ALL, "pusha\n add $1, %eax\n mov $7, %ebx\n xor %ecx, %ecx\n mov %ecx, %ebp\n popa")
OP(pusha_frame, K_UNARY, 32, F_ALL,
   "pusha\n mov 28(%esp), %ebx\n mov 8(%esp), %ecx\n mov 12(%esp), %edx\n sub %esp, %edx\n mov 4(%esp), %esi\n"
   "mov %edi, %ebp\n sub (%esp), %ebp\n lea 32(%esp), %esp")
OP(popa_frame, K_UNARY, 32, F_ALL,
   "push %eax\n push $2\n push $3\n push $4\n push $0x55555555\n push $6\n push $7\n push %edi\n popa")
OP(pusha16, K_UNARY, 16, F_ALL,
   "pushaw\n pop %ecx\n pop %edx\n sub %di, %cx\n movzwl %dx, %edx\n pop %ebx\n pop %esi\n")
OP(popa16, K_UNARY, 16, F_ALL, "push %eax\n push $0x22223333\n push $0x44445555\n pushw %bx\n pushw %di\n popaw")
OP(enter_leave, K_UNARY, 32, F_ALL,
   "mov %esp, %ecx\n enter $24, $0\n mov %ebp, %edx\n sub %esp, %edx\n mov (%ebp), %ebx\n leave\n sub %esp, %ecx")
OP(enter_1, K_UNARY, 32, F_ALL,
   "mov %esp, %ecx\n enter $8, $1\n mov %ebp, %edx\n sub %esp, %edx\n mov -4(%ebp), %ebx\n sub %ebp, %ebx\n mov "
   "(%ebp), %esi\n leave\n sub %esp, %ecx")
OP(enter_3, K_UNARY, 32, F_ALL,
   "lea 8(%edi), %ebp\n mov %esp, %ecx\n enter $12, $3\n mov %ebp, %edx\n sub %esp, %edx\n mov -4(%ebp), %eax\n mov "
   "-8(%ebp), %ebx\n mov -12(%ebp), %esi\n"
   "sub %ebp, %esi\n leave\n sub %esp, %ecx\n sub %edi, %ebp\n test %ebp, %ebp")
OP(enter_32, K_UNARY, 32, F_ALL,
   "lea 8(%edi), %ebp\n mov %esp, %ecx\n enter $4, $0x23\n mov %ebp, %edx\n sub %esp, %edx\n mov -8(%ebp), %ebx\n "
   "leave\n sub %esp, %ecx\n sub %edi, %ebp\n test %ebp, %ebp")
OP(enter_16, K_UNARY, 16, F_ALL,
   "mov %esp, %ecx\n mov %esp, %ebp\n enterw $6, $0\n mov %esp, %edx\n sub %ebp, %edx\n leavew\n sub %esp, %ecx\n sub "
   "%esp, %ebp")
OP(leave_32, K_UNARY, 32, F_ALL,
   "mov %esp, %ecx\n push %eax\n mov %esp, %ebp\n push %ebx\n push %ebx\n leave\n sub %esp, %ecx")
OP(call_pushes, K_UNARY, 32, F_ALL, "call 1f\n 2: nop\n 1: pop %ecx\n sub $2b, %ecx")
OP(call_memory, K_UNARY, 32, F_ALL,
   "movl $1f, (%edi)\n call *(%edi)\n mov $5, %ebx\n movl $0, (%edi)\n jmp 2f\n 1: mov $6, %ecx\n ret\n 2:")
OP(call_register, K_UNARY, 32, F_ALL,
   "mov $1f, %ebp\n push $9\n call *%ebp\n mov $5, %ebx\n xor %ebp, %ebp\n jmp 2f\n 1: mov 4(%esp), %ecx\n ret $4\n 2:")
OP(call_esp_memory, K_UNARY, 32, F_ALL,
   "push $1f\n call *(%esp)\n pop %edx\n xor %edx, %edx\n jmp 2f\n 1: mov $6, %ecx\n ret\n 2:")
OP(jump_esp_memory, K_UNARY, 32, F_ALL, "push $1f\n jmp *(%esp)\n mov $5, %ebx\n 1: pop %edx\n mov $0, %edx")
OP(flags_over_calls, K_BINARY, 32, F_ALL, "add %ebx, %eax\n call 1f\n jmp 2f\n 1: jnc 3f\n inc %edx\n 3: ret\n 2:")
