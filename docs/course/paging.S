/* paging.S: a guest that pages on demand. 256 pages at 4 MiB are missing at first; its page-fault handler gives each a frame.
   The program writes all of them, reads all of them, then moves one page to another frame and back a thousand times, with
   INVLPG. It prints the number of page faults that its handler saw, and halts. */
#include "guest.inc"
    .set PAGES, 256
    .set FRAMES, 0x200000           /* physical address of the frames for them */
    .set MOVES, 1000

    multiboot_header

    .data
    flat_segments
idtr:
    .word 15 * 8 - 1
    .long idt
faults:
    .long 0
next_frame:
    .long FRAMES
    hexadecimal_digits

    .bss
    page_tables
idt:
    .skip 15 * 8
    .skip 512
stack:

    .text
    .globl _start
_start:
    mov $stack, %esp
    load_flat_segments
    lidt idtr
    mov $page_fault, %eax
    mov %ax, idt + 14 * 8
    movw $KERNEL_CODE, idt + 14 * 8 + 2
    movw $0x8e00, idt + 14 * 8 + 4
    shr $16, %eax
    mov %ax, idt + 14 * 8 + 6

    paging_on

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
    print_number
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
