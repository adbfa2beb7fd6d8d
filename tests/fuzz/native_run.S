// Into a case, out of it, and through the model. rsp is the guest's ESP while a case runs: signals have a stack of their
// own.
#include "native_context.h"

    .text
    .macro load
    mov CONTEXT_EFLAGS(%r15), %r8d
    push %r8
    popfq
    mov CONTEXT_GPR(%r15), %eax
    mov CONTEXT_GPR + 4(%r15), %ecx
    mov CONTEXT_GPR + 8(%r15), %edx
    mov CONTEXT_GPR + 12(%r15), %ebx
    mov CONTEXT_GPR + 20(%r15), %ebp
    mov CONTEXT_GPR + 24(%r15), %esi
    mov CONTEXT_GPR + 28(%r15), %edi
    mov CONTEXT_GPR + 16(%r15), %esp
    .endm
    .macro save
    mov %eax, CONTEXT_GPR(%r15)
    mov %ecx, CONTEXT_GPR + 4(%r15)
    mov %edx, CONTEXT_GPR + 8(%r15)
    mov %ebx, CONTEXT_GPR + 12(%r15)
    mov %esp, CONTEXT_GPR + 16(%r15)
    mov %ebp, CONTEXT_GPR + 20(%r15)
    mov %esi, CONTEXT_GPR + 24(%r15)
    mov %edi, CONTEXT_GPR + 28(%r15)
    mov CONTEXT_RSP(%r15), %rsp
    pushfq
    pop %r8
    mov %r8d, CONTEXT_EFLAGS(%r15)
    cld
    .endm

    .globl native_enter, native_resume, native_model_entry, native_end
native_enter:
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    sub $8, %rsp
    mov %rdi, %r15
    mov %rsp, CONTEXT_RSP(%r15)
    fxrstor CONTEXT_FX(%r15)
    cmpl $0, CONTEXT_AVX(%r15)
    je 1f
    .irp i, 0, 1, 2, 3, 4, 5, 6, 7
    vinsertf128 $1, CONTEXT_YMM + 16 * \i(%r15), %ymm\i, %ymm\i
    .endr
1:  load
    jmp *CONTEXT_RESUME(%r15)

native_model_entry:
    save
    mov %r15, %rdi
    call native_model
    load
    jmp *CONTEXT_RESUME(%r15)

native_end:
    save
    fxsave CONTEXT_FX(%r15)
    cmpl $0, CONTEXT_AVX(%r15)
    je 1f
    .irp i, 0, 1, 2, 3, 4, 5, 6, 7
    vextractf128 $1, %ymm\i, CONTEXT_YMM + 16 * \i(%r15)
    .endr
    vzeroupper
1:  fninit
    movl $0x1f80, -4(%rsp)
    ldmxcsr -4(%rsp)
    add $8, %rsp
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    ret

    .section .note.GNU-stack,"",@progbits
