/* patch.S: a guest that changes its own code. It writes another number into a MOV, and runs it, a thousand times; adds up what the MOV gave,
   and prints the sum (1 + 2 + ... + 1000 = 7a314h). */
#include "guest.inc"
    .set TIMES, 1000

    multiboot_header
    hexadecimal_digits

    .text
    .globl _start
_start:
    mov $stack, %esp
    xor %ebp, %ebp                  /* the sum so far */
    mov $1, %ebx
again:
    mov %ebx, patched + 1           /* the four bytes behind the opcode */
    call patched
    add %eax, %ebp
    inc %ebx
    cmp $TIMES, %ebx
    jbe again

    mov %ebp, %eax
    print_number
    cli
    hlt

    .balign 4096
patched:
    mov $0, %eax
    ret

    .bss
    .skip 256
stack:
