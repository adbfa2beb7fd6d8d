/* sum.S: the smallest guest that does some work. A Multiboot kernel that adds the numbers from 1 to 1,000,000, prints the
   sum in hexadecimal on the first serial port, and halts. The three instructions of the first loop are innocuous; CLI, OUT and HLT are
   privileged. */
    .section .multiboot
    .long 0x1badb002, 0, -0x1badb002
digits:
    .ascii "0123456789abcdef"

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

    mov $8, %ecx            /* eight digits, the highest first */
    mov $0x3f8, %edx        /* COM1 */
print_next:
    rol $4, %eax
    mov %eax, %ebx
    and $15, %eax
    mov digits(%eax), %al
    out %al, %dx
    mov %ebx, %eax
    dec %ecx
    jnz print_next
    mov $'\n', %al
    out %al, %dx

    cli
    hlt                     /* with interrupts off, this ends the run */

    .bss
    .skip 256
stack:
