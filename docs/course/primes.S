/* primes.S: a guest that counts the primes below 20,000 with the function that Adams and Agesen (2006) take for their example,
   is_prime, called once for each number; prints the count in hexadecimal, and halts. */
#include "guest.inc"
    .set LIMIT, 20000

    multiboot_header
    hexadecimal_digits

    .text
    .globl _start
_start:
    mov $stack, %esp
    xor %ebp, %ebp                  /* how many so far */
    mov $2, %ebx
next_number:
    mov %ebx, %edi
    call is_prime
    add %eax, %ebp
    inc %ebx
    cmp $LIMIT, %ebx
    jb next_number

    mov %ebp, %eax
    print_number
    cli
    hlt

is_prime:                           /* EDI: the number. EAX: 1 if it is prime, else 0 */
    mov $2, %ecx
next_divisor:
    cmp %edi, %ecx
    jae prime
    mov %edi, %eax
    xor %edx, %edx
    div %ecx
    test %edx, %edx
    je not_prime
    inc %ecx
    jmp next_divisor
prime:
    mov $1, %eax
    ret
not_prime:
    xor %eax, %eax
    ret

    .bss
    .skip 256
stack:
