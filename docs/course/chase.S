/* chase.S: a guest that follows pointers: 256 words in a page, each with the address of another one, 50 million steps. Every load needs
   the one before, so it shows what a memory access costs. Prints a dot and halts. */
#include "guest.inc"
    .set STEPS, 50000000

    multiboot_header

    .bss
    .balign 4096
ring:
    .skip 1024

    .text
    .globl _start
_start:
    xor %ecx, %ecx                  /* word n points to word n + 97, modulo 256 */
1:  lea 97(%ecx), %eax
    and $255, %eax
    lea ring(, %eax, 4), %eax
    mov %eax, ring(, %ecx, 4)
    inc %ecx
    cmp $256, %ecx
    jb 1b

    mov $ring, %eax
    mov $STEPS, %ecx
2:  mov (%eax), %eax
    dec %ecx
    jnz 2b

    mov $'.', %al
    mov $0x3f8, %edx
    out %al, %dx
    cli
    hlt
