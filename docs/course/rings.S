/* rings.S: a guest with a kernel in ring 0 and a program in ring 3. The program executes CLI, which traps into the guest's
   kernel; the kernel says so, skips it and goes back. Then the program calls the kernel with INT 30h, which ends the run. */
#include "guest.inc"
    .set USER_CODE, 0x18 | 3
    .set USER_DATA, 0x20 | 3
    .set TASK, 0x28

    multiboot_header

    .data
    .balign 8
gdt:
    .quad 0
    .quad 0x00cf9a000000ffff        /* code and data of 4 GiB, ring 0 */
    .quad 0x00cf92000000ffff
    .quad 0x00cffa000000ffff        /* the same, ring 3 */
    .quad 0x00cff2000000ffff
    .word 103, 0, 0x8900, 0         /* the task segment; its base is filled in below */
gdtr:
    .word . - gdt - 1
    .long gdt
idtr:
    .word 0x31 * 8 - 1
    .long idt
task:
    .long 0, kernel_stack, KERNEL_DATA      /* link, ESP0, SS0: the stack that an exception in ring 3 switches to */
    .skip 92
in_ring_3:
    .asciz "CLI in ring 3: the guest's kernel gets #GP\n"
at_the_end:
    .asciz "INT 30h: back in ring 0\n"

    .bss
    .balign 8
idt:
    .skip 0x31 * 8
    .skip 512
kernel_stack:
    .skip 512
user_stack:

    .text
    /* gate NUMBER, HANDLER, DPL: an interrupt gate of the kernel's code segment */
    .macro gate number, handler, dpl
    mov $\handler, %eax
    mov %ax, idt + \number * 8
    movw $KERNEL_CODE, idt + \number * 8 + 2
    movw $0x8e00 | \dpl << 13, idt + \number * 8 + 4
    shr $16, %eax
    mov %ax, idt + \number * 8 + 6
    .endm

    .globl _start
_start:
    mov $kernel_stack, %esp
    lgdt gdtr
    lidt idtr
    ljmp $KERNEL_CODE, $1f
1:  mov $KERNEL_DATA, %eax
    mov %eax, %ss
    mov $task, %eax
    mov %ax, gdt + TASK + 2
    shr $16, %eax
    mov %al, gdt + TASK + 4
    mov $TASK, %eax
    ltr %ax
    gate 13, general_protection, 0
    gate 0x30, system_call, 3
    mov $USER_DATA, %eax
    mov %eax, %ds
    push $USER_DATA                 /* the frame of an IRET to ring 3: SS, ESP, EFLAGS, CS, EIP */
    push $user_stack
    push $2
    push $USER_CODE
    push $program
    iret

program:
    cli
    int $0x30

general_protection:
    mov $in_ring_3, %esi
    call print
    add $4, %esp                    /* the error code */
    incl (%esp)                     /* CLI is one byte long */
    iret

system_call:
    mov $at_the_end, %esi
    call print
    hlt                             /* IF is clear here */

    print_function
