/* calls.S: one guest, built twice. It prints a line, then moves 256 pages to other frames and reads from each, a hundred
   times over, and halts. As it is, it does so as on any PC: OUT for each character, a store and INVLPG for each page. Built with
   -DPARAVIRT it knows its monitor: one call prints the line, and one call a round moves all pages (docs/hypercalls.md). */
#include "guest.inc"
    .set PAGES, 256
    .set ROUNDS, 100
    .set FRAMES, 0x200000           /* physical address of the frames: page n has frame n or n + 256 */
    .set CONSOLE_WRITE, 1           /* numbers of calls */
    .set PTE_BATCH, 3
    .set MONITOR, 1 << 31           /* CPUID leaf 1, ECX */

    multiboot_header

    .data
    flat_segments
hello:
    .ascii "a line from the guest\n"
hello_end:
    .byte 0
alone:
    .asciz "no monitor that I know\n"

    .bss
    page_tables
items:                              /* of the batch, 16 bytes each */
    .skip PAGES * 16
    .skip 512
stack:

    .text
    .globl _start
_start:
    mov $stack, %esp
    load_flat_segments
#ifdef PARAVIRT
    mov $1, %eax                    /* is there a monitor, and is it this one? */
    cpuid
    test $MONITOR, %ecx
    jz not_here
    mov $0x40000000, %eax
    cpuid
    cmp $0x676e6952, %ebx           /* "Ring" */
    jne not_here

    mov $CONSOLE_WRITE, %eax
    mov $hello, %ebx
    mov $hello_end - hello, %ecx
    vmcall
#else
    mov $hello, %esi
    call print
#endif

    xor %ecx, %ecx
1:  mov %ecx, %eax
    shl $12, %eax
    add $FRAMES + PRESENT_WRITABLE, %eax
    mov %eax, area_table(, %ecx, 4)
    inc %ecx
    cmp $PAGES, %ecx
    jb 1b
    paging_on

    mov $ROUNDS, %ebp
round:
    xor %ecx, %ecx
#ifdef PARAVIRT
1:  mov %ecx, %edi
    shl $4, %edi
    add $items, %edi
    lea area_table(, %ecx, 4), %eax
    mov %eax, (%edi)                /* which entry */
    mov area_table(, %ecx, 4), %eax
    xor $PAGES << 12, %eax
    mov %eax, 8(%edi)               /* its new value; bits 32 to 63 are 0 */
    mov %ecx, %eax
    shl $12, %eax
    add $AREA + 1, %eax
    mov %eax, 4(%edi)               /* of which page; bit 0: forget what you know of it */
    inc %ecx
    cmp $PAGES, %ecx
    jb 1b
    mov $PTE_BATCH, %eax
    mov $items, %ebx
    mov $4, %edx                    /* bytes of an entry; ECX is their number */
    vmcall
#else
1:  mov %ecx, %eax
    shl $12, %eax
    xorl $PAGES << 12, area_table(, %ecx, 4)
    invlpg AREA(%eax)
    inc %ecx
    cmp $PAGES, %ecx
    jb 1b
#endif
    mov $AREA, %esi
    mov $PAGES, %ecx
2:  mov (%esi), %eax
    add $4096, %esi
    loop 2b
    dec %ebp
    jnz round
    cli
    hlt

not_here:
    mov $alone, %esi
    call print
    cli
    hlt

    print_function
