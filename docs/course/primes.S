/* primes.S: a guest that counts the primes below 20,000 with the function that Adams and Agesen (2006) take for their example,
   is_prime, called once for each number; prints the count in hexadecimal, and halts. */
    .set LIMIT, 20000

    .section .multiboot
    .long 0x1badb002, 0, -0x1badb002
digits:
    .ascii "0123456789abcdef"

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
