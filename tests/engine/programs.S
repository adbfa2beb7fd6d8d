// Guest programs of the engine tests, and the handlers of their exceptions and interrupts. They run at PROGRAMS; every
// address in them is relative to programs_begin. Each leaves its results in registers and in [DATA, DATA_END), and ends by
// int 80h. A program keeps nothing below its stack pointer that it reads back. Most programs stand in the programs_*.inc files:
// a new one goes where its like are, and into the list of rig.h.

#include "layout.h"
#include "tests/exception_stubs.inc"

    .section .rodata
    .balign 4096
    .code32
    .globl programs_begin, programs_end
programs_begin:

#define A(label) (label - programs_begin + PROGRAMS)
    .macro program name
    .globl program_\name
    .balign 64
program_\name:
    .endm
    .macro done
    int $END_VECTOR
    .endm

// ---- Handlers: one 16-byte stub for each vector, then the common part -----------------------------------------------------

    .globl handler_stubs
handler_stubs:
    exception_stubs exception
    .balign 16
    .globl handler_irq
handler_irq:
    pusha
    incl %ss:VAR_IRQ_COUNT
    mov $0x11111111, %eax
    mov $0x22222222, %ecx
    mov $0x33333333, %edx
    mov $0x44444444, %ebx
    mov $0x55555555, %ebp
    mov $0x66666666, %esi
    mov $0x77777777, %edi
    add $0x7fffffff, %eax
    std
    cld
    cmpl $0, %ss:VAR_IRQ_ENDS
    jne 1f
    popa
    iret
1:  popa
    hlt
    .globl handler_done
handler_done:
    hlt
    jmp handler_done

exception:
    pusha
    cld
    cmpl $14, 32(%esp)
    jne 1f
    cmpl $0, %ss:VAR_DEMAND
    jne demand
1:  mov %ss:VAR_LOG_NEXT, %edi
    cmp $LOG_END, %edi
    jae handler_done
    mov 32(%esp), %eax
    mov %eax, %ss:(%edi)
    mov 36(%esp), %eax
    mov %eax, %ss:4(%edi)
    mov 40(%esp), %eax
    mov %eax, %ss:8(%edi)
    mov %cr2, %eax
    mov %eax, %ss:12(%edi)
    addl $16, %ss:VAR_LOG_NEXT
    cmpl $0, %ss:VAR_TRACE
    jne trace
    mov %ss:VAR_RESUME, %eax
    test %eax, %eax
    jz handler_done
    mov %eax, 40(%esp)
    popa
    add $8, %esp
    iret

demand:
    mov %cr2, %eax
    shr $12, %eax
    cmp $0x800, %eax
    jae 1b
    orl $7, %ss:PAGE_TABLE(,%eax,4)
    mov %cr2, %eax
    invlpg (%eax)
    popa
    add $8, %esp
    iret

// Random programs: on in the next piece of 64 bytes, wherever in this one the fault was; outside the program, or at its
// end, all is over.
trace:
    mov %ss:VAR_RESUME, %eax
    add $64, %eax
    mov %eax, %ss:VAR_RESUME
    cmp %ss:VAR_TRACE, %eax
    jae handler_done
    mov %eax, 40(%esp)
    andl $0x00000cd5, 48(%esp)      // no TF, no IF, no NT, no AC
    popa
    add $8, %esp
    iret
    .globl handler_end
handler_end:

#include "programs_plain.inc"
#include "programs_system.inc"
#include "programs_memory.inc"
#include "programs_spins.inc"

// ---- Across pages, all kinds of transfers ----------------------------------------------------------------------------------------

    .balign 4096
    .globl program_pages
program_pages:
    mov $12, %ebp
1:  jmp 2f
    .balign 4096
2:  add $3, %ebx
    test $1, %ebp
    jz 4f
    call 3f
    jmp 5f
    .balign 4096
3:  adc $5, %ebx
    ret $0
4:  mov $A(3b), %eax
    call *%eax
    jmp *A(6f)
5:  rcl $1, %ebx
7:  dec %ebp
    jnz 1b
    done
    .balign 4
6:  .long A(7b)

    .balign 4096
programs_end:
    .code64
    .section .note.GNU-stack,"",@progbits
