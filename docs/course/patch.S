/* patch.S: a guest that changes its own code. It writes another number into a MOV, and runs it, a thousand times; adds up what the MOV gave,
   and prints the sum (1 + 2 + ... + 1000 = 7a314h). */
    .set TIMES, 1000

    .section .multiboot
    .long 0x1badb002, 0, -0x1badb002
digits:
    .ascii "0123456789abcdef"

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
    mov $8, %ecx
    mov $0x3f8, %edx
next_digit:
    rol $4, %eax
    mov %eax, %ebx
    and $15, %eax
    mov digits(%eax), %al
    out %al, %dx
    mov %ebx, %eax
    dec %ecx
    jnz next_digit
    mov $'\n', %al
    out %al, %dx
    cli
    hlt

    .balign 4096
patched:
    mov $0, %eax
    ret

    .bss
    .skip 256
stack:
