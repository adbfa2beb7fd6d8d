// Entry of every test guest: the Multiboot 1 header (Multiboot specification 0.6.96, 3.1), a stack, and the call of
// rt_main. The loader leaves flat 32-bit protected mode without paging or interrupts; nothing else may be assumed.
    .set MULTIBOOT_MAGIC, 0x1badb002
    .set MULTIBOOT_FLAGS, 0x3 // modules on page boundaries, memory map wanted

    .section .multiboot, "a"
    .align 4
    .long MULTIBOOT_MAGIC
    .long MULTIBOOT_FLAGS
    .long -(MULTIBOOT_MAGIC + MULTIBOOT_FLAGS)

    .text
    .globl _start
_start:
    cli
    cld
    mov $rt_stack_top, %esp
    xor %ebp, %ebp
    push $0
    popf
    push %ebx // the Multiboot information structure
    push %eax // the loader's magic number
    call rt_main
1:  cli
    hlt
    jmp 1b

    .section .bss
    .align 4096
    .skip 65536
    .globl rt_stack_top
rt_stack_top:
    .skip 16384
    .globl rt_trap_stack_top
rt_trap_stack_top:
    .section .note.GNU-stack, "", @progbits
