/* paging.S: a guest that pages on demand. 256 pages at 4 MiB are missing at first; its page-fault handler gives each a frame.
   The program writes all of them, reads all of them, then moves one page to another frame and back a thousand times, with
   INVLPG. It prints the number of page faults that its handler saw, and halts. */
    .set PAGES, 256
    .set AREA, 0x400000             /* linear address of the pages on demand */
    .set FRAMES, 0x200000           /* physical address of the frames for them */
    .set MOVES, 1000
    .set KERNEL_CODE, 0x08
    .set KERNEL_DATA, 0x10
    .set PRESENT_WRITABLE, 3

    .section .multiboot
    .long 0x1badb002, 0, -0x1badb002

    .data
    .balign 8
gdt:
    .quad 0, 0x00cf9a000000ffff, 0x00cf92000000ffff
gdtr:
    .word . - gdt - 1
    .long gdt
idtr:
    .word 15 * 8 - 1
    .long idt
faults:
    .long 0
next_frame:
    .long FRAMES
digits:
    .ascii "0123456789abcdef"

    .bss
    .balign 4096
directory:
    .skip 4096
identity_table:                     /* 0 to 4 MiB: linear is physical */
    .skip 4096
area_table:                         /* 4 to 8 MiB: empty at first */
    .skip 4096
idt:
    .skip 15 * 8
    .skip 512
stack:

    .text
    .globl _start
_start:
    mov $stack, %esp
    lgdt gdtr
    lidt idtr
    ljmp $KERNEL_CODE, $1f
1:  mov $KERNEL_DATA, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    mov $page_fault, %eax
    mov %ax, idt + 14 * 8
    movw $KERNEL_CODE, idt + 14 * 8 + 2
    movw $0x8e00, idt + 14 * 8 + 4
    shr $16, %eax
    mov %ax, idt + 14 * 8 + 6

    xor %ecx, %ecx
1:  mov %ecx, %eax
    shl $12, %eax
    or $PRESENT_WRITABLE, %eax
    mov %eax, identity_table(, %ecx, 4)
    inc %ecx
    cmp $1024, %ecx
    jb 1b
    movl $identity_table + PRESENT_WRITABLE, directory
    movl $area_table + PRESENT_WRITABLE, directory + 4
    mov $directory, %eax
    mov %eax, %cr3
    mov %cr0, %eax
    or $0x80000000, %eax
    mov %eax, %cr0

write_all:
    mov $AREA, %edi
    mov $PAGES, %ecx
1:  mov %ecx, (%edi)
    add $4096, %edi
    loop 1b

read_all:
    mov $AREA, %esi
    mov $PAGES, %ecx
    xor %ebx, %ebx
1:  add (%esi), %ebx
    add $4096, %esi
    loop 1b

move_one:
    mov $MOVES, %ecx
1:  xorl $0x1000, area_table        /* frame 200h or 201h */
    invlpg AREA
    add AREA, %ebx
    loop 1b

    mov faults, %eax
    mov $8, %ecx
    mov $0x3f8, %edx
1:  rol $4, %eax
    mov %eax, %ebx
    and $15, %eax
    mov digits(%eax), %al
    out %al, %dx
    mov %ebx, %eax
    loop 1b
    mov $'\n', %al
    out %al, %dx
    cli
    hlt

page_fault:
    push %eax
    push %ebx
    incl faults
    mov %cr2, %ebx
    shr $12, %ebx
    mov next_frame, %eax
    addl $4096, next_frame
    or $PRESENT_WRITABLE, %eax
    mov %eax, area_table - (AREA >> 12) * 4(, %ebx, 4)
    pop %ebx
    pop %eax
    add $4, %esp                    /* the error code */
    iret
