/* sum.S: the smallest guest that does some work. A Multiboot kernel that adds the numbers from 1 to 1,000,000, prints the
   sum in hexadecimal on the first serial port, and halts. The three instructions of the first loop are innocuous; CLI, OUT and HLT are
   privileged. */
#include "guest.inc"
    multiboot_header
    hexadecimal_digits

    .text
    .globl _start
_start:
    mov $stack, %esp
    mov $1000000, %ecx
    xor %eax, %eax
add_next:
    add %ecx, %eax
    dec %ecx
    jnz add_next

    print_number

    cli
    hlt                     /* with interrupts off, this ends the run */

    .bss
    .skip 256
stack:
