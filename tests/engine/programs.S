// Guest programs of the engine tests, and the handlers of their exceptions and interrupts. They run at PROGRAMS; every
// address in them is relative to programs_begin. Each leaves its results in registers and in [DATA, DATA_END), and ends by
// int 80h. A program keeps nothing below its stack pointer that it reads back.

#include "layout.h"

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
    .set vector, 0
    .rept 32
    .balign 16
    .if (vector == 8) || (vector >= 10 && vector <= 14) || (vector == 17)
    .else
    push $0
    .endif
    push $vector
    jmp exception
    .set vector, vector + 1
    .endr
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

// ---- Linked loops with live flags ----------------------------------------------------------------------------------------

    program loops
    xor %eax, %eax
    xor %edx, %edx
    mov $12, %ebx
1:  mov $9, %ecx
    stc
2:  adc $0x12345671, %eax
    rcl $3, %edx
    lea (%edx,%eax,2), %esi
    sbb %esi, %edi
    setc %dl
    inc %ebp
    loop 2b
    pushf
    pop %esi
    and $0x8d5, %esi
    add %esi, %edi
    dec %ebx
    jnz 1b
    done

// ---- Calls and returns -----------------------------------------------------------------------------------------------------

    program recursion
    mov $9, %eax
    call fib
    mov %eax, DATA
    mov $A(fib), %edx
    mov $6, %eax
    call *%edx
    movl $A(fib), DATA + 8
    push %eax
    mov $5, %eax
    call *DATA + 8
    pop %ecx
    add %ecx, %eax
    done
fib:
    cmp $2, %eax
    jb 1f
    push %eax
    dec %eax
    call fib
    xchg (%esp), %eax
    sub $2, %eax
    call fib
    pop %ecx
    add %ecx, %eax
1:  ret

// ---- Memory operands of every kind, with misses -----------------------------------------------------------------------------

    program memory
    mov $DATA, %esi
    mov $20, %ecx
    xor %eax, %eax
1:  add %ecx, (%esi)
    adc 4(%esi), %eax
    mov %al, 9(%esi)
    xor %ah, 10(%esi)
    mov 9(%esi), %dx
    shld $5, %edx, 12(%esi)
    incl 16(%esi)
    lock xaddl %eax, 20(%esi)
    xchg %edx, 24(%esi)
    bts %ecx, 28(%esi)
    rcr %ebx
    cmpxchg %ecx, 32(%esi)
    push 20(%esi)
    pop 36(%esi)
    notl 4090(%esi)                 // crosses into the next page
    imul $77, 16(%esi), %edi
    lea 0x1004(%esi), %esi          // 20 pages and more
    loop 1b
    mov %edi, %ebp
    mov $0xf00, %ecx
    mov $DATA, %edi
2:  rol $1, %eax
    add (%edi), %eax
    add $32, %edi
    loop 2b
    done

// ---- Strings, both directions, across pages ----------------------------------------------------------------------------------

    program strings
    cld
    mov $DATA, %edi
    mov $0x11223344, %eax
    mov $1500, %ecx
    rep stosl
    mov $DATA + 3, %esi
    mov $DATA + 0x2801, %edi
    mov $4100, %ecx
    rep movsb
    std
    mov $DATA + 0x1ffd, %esi
    mov $DATA + 0x5ffd, %edi
    mov $1200, %ecx
    rep movsl
    cld
    mov $DATA, %esi
    mov $DATA + 0x2800, %edi
    mov $5000, %ecx
    repe cmpsb
    pushf
    pop %ebx
    and $0x8d5, %ebx
    mov %ecx, %ebp
    movb $0x99, DATA + 0x4f00
    mov $DATA + 0x3000, %edi
    mov $0x99, %al
    mov $0x3000, %ecx
    repne scasb
    lodsb
    lodsl
    stosw
    movsw
    cmpsl
    mov $3, %ecx
    rep lodsw
    done

// ---- What the monitor does itself --------------------------------------------------------------------------------------------

    program callouts
    mov $5, %ebp
1:  push %ebp
    xor %eax, %eax
    cpuid
    push %ebx
    pusha
    pushf
    popf
    popa
    enter $16, $1
    mov %ebp, %edx
    leave
    mov $0x1234, %eax
    daa
    aam
    aad
    das
    movl $0, DATA
    movl $100, DATA + 4
    mov $50, %eax
    bound %eax, DATA
    sidt DATA + 16
    smsw %ax
    push %ds
    push %es
    pop %es
    pop %ds
    mov $SEL_BASED, %eax
    mov %eax, %fs
    mov %fs:DATA, %ecx
    add %ebp, %fs:DATA + 4
    mov $SEL_SMALL, %eax
    mov %eax, %gs
    mov %gs:DATA + 8, %edi
    incl %gs:DATA + 8
    xor %eax, %eax
    mov %eax, %gs
    in $0x90, %al
    out %al, $0x90
    lar %ax, %esi
    mov $SEL_DATA3, %eax
    lsl %eax, %esi
    pop %ebx
    pop %ebp
    dec %ebp
    jnz 1b
    done

// ---- Returns from interrupts, EFLAGS, system calls. CPL 0 or IOPL 3 ----------------------------------------------------------

    program flags
    mov $7, %ecx
1:  pushf
    orl $0x8d5, (%esp)
    push %cs
    push $A(2f)
    iret
2:  cli
    pushf
    popf
    sti
    nop
    sti
    sti
    cli
    pushf
    pop %edx
    sti
    pushf
    xorl $0x200, (%esp)
    popf
    pushf
    orl $0x200, (%esp)
    popf
    cld
    mov %ss, %eax
    mov %eax, %ss
    lahf
    add %eax, %ebx
    loop 1b
    done

// From CPL 3 to CPL 0 and back; EDX and ECX are the way back.
    program sysenter
    mov $9, %ebx
1:  mov %esp, %ecx
    mov $A(2f), %edx
    sysenter
2:  dec %ebx
    jnz 1b
    done
    .globl sysenter_entry
sysenter_entry:
    add $3, %esi
    sti
    imul $3, %esi, %esi
    sysexit

// ---- Code that changes code -----------------------------------------------------------------------------------------------------

    program self
    mov $10, %ecx
1:  incl A(2f) + 1 - 0              // the immediate of the next but one
    nop
2:  mov $0x100, %eax
    add %eax, %ebx
    addb $3, A(3f) + 2
    jmp 3f
3:  lea 1(%ebx), %ebx
    mov $A(4f) + 1, %edi
    mov %cl, %al
    stosb
4:  mov $0x77, %dl
    add %dl, %bh
    lock incl A(5f) + 1
5:  mov $0x55, %esi
    pushl $0x909090bb               // mov $0x90909090 with a push into the code, below
    mov %esp, %ebp
    cli                             // an interrupt would push its frame over the program
    mov $A(6f) + 4, %esp
    pushl %ecx
    mov %ebp, %esp
    sti
    pop %ebp
    jmp 7f
    .balign 4
6:  .long 0
7:  add A(6b), %ebx
    loop 1b
    done

// A function in a page of its own is written anew before each call.
    program generate
    mov $15, %ebp
1:  mov $DATA + 0x8000, %edi
    movb $0xb8, (%edi)              // mov $, %eax
    mov %ebp, 1(%edi)
    movb $0xc3, 5(%edi)             // ret
    call *%edi
    add %eax, %ebx
    mov $A(2f), %esi
    mov $DATA + 0x8ffe, %edi        // across a page
    mov $6, %ecx
    rep movsb
    mov $DATA + 0x8ffe, %edx
    call *%edx
    add %eax, %ebx
    dec %ebp
    jnz 1b
    done
2:  mov $0x1234567, %eax
    ret

// ---- Faults ------------------------------------------------------------------------------------------------------------------

    program faults
    mov $6, %ebp
1:  movl $A(2f), VAR_RESUME
    xor %ecx, %ecx
    mov $7, %eax
    div %ecx
2:  movl $A(3f), VAR_RESUME
    ud2
3:  movl $A(4f), VAR_RESUME
    add %eax, 0x700000
4:  movl $A(5f), VAR_RESUME
    push 0x700004
5:  movl $A(6f), VAR_RESUME
    mov $0x68, %eax
    mov %eax, %ds
6:  movl $A(7f), VAR_RESUME
    int3
7:  movl $A(8f), VAR_RESUME
    xor %eax, %eax
    mov %eax, %fs
    mov %fs:DATA, %eax
8:  movl $A(9f), VAR_RESUME
    movaps DATA + 4, %xmm0
9:  adc %ebp, %ebx
    dec %ebp
    jnz 1b
    done

// Pages that are not present are made so by the handler; the instruction runs again.
    program demand
    mov $DATA + 0x1000, %esi
    mov $10, %ecx
1:  push %ecx
    add %ecx, (%esi)
    mov %esi, %edi
    add $0x1ffa, %edi
    mov $12, %ecx
    mov $0x5a, %al
    rep stosb                       // into the next page
    pop %ecx
    add $0x2000, %esi
    loop 1b
    mov $DATA, %esi
    mov $0x4000, %ecx
2:  add (%esi), %eax
    add $4, %esi
    loop 2b
    done

// ---- x87 and SSE with misses ---------------------------------------------------------------------------------------------------

    program floating
    fninit
    fldz
    mov $DATA, %esi
    mov $12, %ecx
    pxor %xmm0, %xmm0
    pcmpeqd %xmm1, %xmm1
1:  mov %ecx, 0x100(%esi)
    fildl 0x100(%esi)
    fmuls A(2f)
    fadd %st, %st(1)
    fstps 0x104(%esi)
    movss 0x104(%esi), %xmm2
    addss %xmm2, %xmm0
    paddd %xmm1, %xmm3
    movups %xmm3, 0xff8(%esi)       // crosses a page
    movups 0xff8(%esi), %xmm4
    pxor %xmm4, %xmm5
    add $0x1000, %esi
    loop 1b
    fstpl DATA + 8
    movss %xmm0, DATA + 16
    movups %xmm5, DATA + 32
    emms
    done
    .balign 4
2:  .float 1.625

// ---- Operands of every kind at (%esi) and, 16 bytes long, at (%edi), which may cross into another page: RAM, a device, or
// both. The results tell what was read; what was written is in the memory.

    program split_locks
    lock addl $5, (%esi)
    mov $0x11223344, %eax
    mov $0x55667788, %edx
    lock xadd %eax, 0x40(%esi)
    xchg %edx, 0x80(%esi)
    lock incw 0x82(%esi)
    mov $37, %ecx
    lock btsl %ecx, 0xbc(%esi)
    mov %edx, %eax
    lock cmpxchg %ecx, 0x100(%esi)
    lock cmpxchg8b 0x13c(%esi)
    mov 0x13c(%esi), %eax
    mov 0x140(%esi), %edx
    lock cmpxchg8b 0x13c(%esi)
    lock xorl $-1, (%edi)
    lock cmpxchg8b -3(%edi)
    xchg %ax, (%edi)
    lock decb (%edi)
    done

    program operands
    mov $0x11223344, %eax
    mov $0x55667788, %edx
    mov %eax, (%esi)
    mov %dx, 5(%esi)
    mov %ah, 8(%esi)
    add %eax, (%esi)
    adc 1(%esi), %ebx
    lock addl $5, (%esi)
    xchg %edx, 4(%esi)
    bts $7, 8(%esi)
    mov $40, %ecx
    btc %ecx, 8(%esi)
    lock incw 10(%esi)
    mov (%esi), %eax
    mov $0x99aabbcc, %ecx
    cmpxchg %ecx, (%esi)
    lock cmpxchg8b 16(%esi)
    shll $3, 20(%esi)
    imul $3, 4(%esi), %ebp
    push (%esi)
    pop 24(%esi)
    call 1f
1:  pop %ecx
    movsbl 3(%esi), %ecx
    add %ecx, %ebp
    xadd %ebp, 28(%esi)
    fildl (%esi)
    fistpll 32(%esi)
    fldt 40(%esi)
    fstpt 50(%esi)
    movq (%esi), %mm1
    paddb 8(%esi), %mm1
    movq %mm1, 64(%esi)
    emms
    movups (%esi), %xmm1
    movups %xmm1, 80(%esi)
    mov %eax, (%edi)
    mov %eax, 4(%edi)
    incl 1(%edi)
    notl 2(%edi)
    xchg %eax, 3(%edi)
    lock orl $0x80000001, 1(%edi)
    movups %xmm1, (%edi)
    movups 1(%edi), %xmm2
    movups %xmm2, 96(%esi)
    push %esi
    push %edi
    mov $3, %ecx
    rep movsl
    std
    mov $7, %ecx
    rep movsb
    cld
    pop %edi
    pop %esi
    push %edi
    mov $10, %ecx
    mov $0x3c, %al
    repne scasb
    stosw
    pop %edi
    add 2(%edi), %ebx
    add (%edi), %ebp
    done

// ---- Registers that the translator exchanges around an instruction: a fault in it must show them as they were. ESI and EDI
// point to a page that is not there; DATA gets the registers that the second fault left.

    program exchanged
    movl $A(1f), VAR_RESUME
    mov $0x12345678, %eax
    mov %esp, %ebp
    mov %edi, %esp
    add %ah, (%esp)
1:  mov %ebp, %esp
    mov %eax, DATA
    movl $A(2f), VAR_RESUME
    mov %edi, %esp
    xchg %ch, (%esp)
2:  mov %ebp, %esp
    mov %ecx, DATA + 4
    movl $A(3f), VAR_RESUME
    mov $0x87654321, %edx
    mov %edi, %esp
    cmpxchg %dh, (%esp)
3:  mov %ebp, %esp
    mov %edx, DATA + 8
    mov %eax, DATA + 12
    movl $A(4f), VAR_RESUME
    pcmpeqd %mm0, %mm0
    mov $SEL_BASED, %eax
    mov %eax, %fs
    mov $1, %ebx
    fs maskmovq %mm0, %mm0          // EDI and the base
4:  mov %edi, DATA + 16
    movl $A(5f), VAR_RESUME
    mov $0x55550000 + 0x8000, %edi
    addr16 maskmovq %mm0, %mm0      // DI, to a page that CPL 3 may not touch
5:  mov %edi, DATA + 20
    mov $DATA + 0x2000, %edi
    fs maskmovq %mm0, %mm0          // to be made present, and run again
    mov %edi, DATA + 24
    emms
    done

// ---- Pages that change under the code. CPL 0 ----------------------------------------------------------------------------------

// A 4 MiB page becomes a page table; INVLPG names another address of the large page.
    program large_page
    movl $0x83, PAGE_DIRECTORY + 8
    movl $0x0001b8, DATA + 0x100            // mov $1, %eax; ret
    movb $0xc3, DATA + 0x105
    movl $0x0002b8, DATA + 0x1100
    movb $0xc3, DATA + 0x1105
    mov $0x800000 + DATA + 0x100, %edx
    call *%edx
    mov %eax, %ebx
    movl $DATA + 0x1003, SPECIAL_TABLE + (DATA >> 12) * 4
    movl $SPECIAL_TABLE + 3, PAGE_DIRECTORY + 8
    invlpg 0xbff000
    call *%edx
    done

// The instruction at 2ffeh lies in a page table and runs into the page that an entry of the same table maps. Fetching it
// sets the A bit there, which is a write to the page of its first bytes.
    program own_table
    movw $0x44b8, 0x2ffe                    // mov $0x11223344, %eax, across pages
    movl $0xc3112233, 0x3000                // ret
    andl $~0x20, PAGE_TABLE + 3 * 4
    mov %cr3, %eax
    mov %eax, %cr3
    mov $0x2ffe, %edx
    call *%edx
    mov %eax, %ebx
    movb $0x55, 0x2fff
    call *%edx
    done

// The same with a block that is there already, made under other tables: DATA+1d000h is code, and under the second
// directory the table that maps it and the page behind it.
    program other_table
    mov $PAGE_DIRECTORY, %esi
    mov $DATA + 0x1c000, %edi
    mov $1024, %ecx
    rep movsl
    movl $DATA + 0x1d003, DATA + 0x1c004
    movl $DATA + 0x1d063, DATA + 0x1d000
    movl $DATA + 0x1e003, DATA + 0x1d004
    movl $DATA + 0x1d063, SPECIAL_TABLE
    movl $DATA + 0x1e063, SPECIAL_TABLE + 4
    movw $0x44b8, DATA + 0x1dffe
    movl $0xc3112233, DATA + 0x1e000
    mov $SPECIAL + 0xffe, %edx
    call *%edx
    mov %eax, %ebx
    mov $DATA + 0x1c000, %eax
    mov %eax, %cr3
    call *%edx
    done

// An instruction runs from RAM into a device, whose bytes change.
    program into_device
    movl $DATA + 0x3, SPECIAL_TABLE
    movl $DEVICE_GPA + 3, SPECIAL_TABLE + 4
    movw $0x44b8, DATA + 0xffe
    movl $0xc3112233, SPECIAL + 0x1000
    mov $SPECIAL + 0xffe, %edx
    call *%edx
    mov %eax, %ebx
    movl $0xc3665577, SPECIAL + 0x1000
    call *%edx
    done

// The page that runs is mapped elsewhere: its PTE changes, INVLPG, and what follows comes from the other frame.
    program remap_running
    movl $DATA + 0x3, SPECIAL_TABLE
    mov $A(2f), %esi
    mov $DATA, %edi
    mov $64, %ecx
    rep movsb
    mov $A(2f), %esi
    mov $DATA + 0x1000, %edi
    mov $64, %ecx
    rep movsb
    movb $0x22, DATA + 0x1000 + 4f - 2f + 1
    mov $SPECIAL, %edx
    call *%edx
    done
2:  movl $DATA + 0x1003, SPECIAL_TABLE
    invlpg SPECIAL
4:  mov $0x11, %al
    ret

// The same by a load of CR3 with a second directory.
    program switch_running
    mov $PAGE_DIRECTORY, %esi
    mov $DATA + 0x1c000, %edi
    mov $1024, %ecx
    rep movsl
    movl $DATA + 0x1d003, DATA + 0x1c004
    movl $DATA + 0x1003, DATA + 0x1d000
    movl $DATA + 0x3, SPECIAL_TABLE
    mov $A(2f), %esi
    mov $DATA, %edi
    mov $64, %ecx
    rep movsb
    mov $A(2f), %esi
    mov $DATA + 0x1000, %edi
    mov $64, %ecx
    rep movsb
    movb $0x22, DATA + 0x1000 + 4f - 2f + 1
    mov $SPECIAL, %edx
    call *%edx
    done
2:  mov $DATA + 0x1c000, %eax
    mov %eax, %cr3
4:  mov $0x11, %al
    ret

// ---- Loops that only an interrupt ends -----------------------------------------------------------------------------------------

    program spin_one
1:  inc %ebx
    jmp 1b

    program spin_blocks
1:  inc %ebx
    test $1, %bl
    jnz 2f
    nop
2:  jc 3f
    jmp 1b
3:  clc
    jmp 1b

    program spin_memory
1:  incl DATA
    incl DATA + 0x1000
    inc %ebx
    jmp 1b

    program spin_call
1:  call 2f
    inc %ebx
    jmp 1b
2:  ret

    program spin_callout
1:  pusha
    popa
    push %ds
    pop %ds
    inc %ebx
    jmp 1b

    program spin_string
    mov $DATA, %esi
1:  mov $DATA, %edi
    mov $5, %ecx
    rep stosb
    inc %ebx
    jmp 1b

    program spin_shadow
1:  sti
    nop
    cli
    inc %ebx
    jmp 1b

    program spin_popf
1:  cli
    pushf
    orl $0x200, (%esp)
    popf
    inc %ebx
    jmp 1b

// Its two halves lie in two pages, so every jump goes through the code map.
    .balign 4096
    .skip 4096 - 8
    .globl program_spin_pages
program_spin_pages:
1:  inc %ebx
    jmp 2f
    .balign 4096
2:  inc %edx
    mov $A(1b), %eax
    jmp *%eax

// An instruction that crosses from one page into the next.
    .balign 4096
    .globl program_spin_crossing
program_spin_crossing:
    jmp 1f
    .skip 4096 - 2 - 3
1:  inc %ebx
    mov $0x12345678, %eax
    jmp 1b

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
