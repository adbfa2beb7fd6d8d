// The fuzzer's guest: a driver at CPL 0 that runs the cases of a batch one after the other at CPL 3, exception handlers
// that log what happened and go on behind the instruction, and the end of a case (UD2 at a place marked in its table).
#include "layout.h"
#include "tests/exception_stubs.inc"

    .section .rodata
    .balign 4096
    .code32
    .globl fuzz_guest_begin, fuzz_guest_end, fuzz_guest_stubs, fuzz_guest_start
fuzz_guest_begin:

fuzz_guest_stubs:
    exception_stubs exception

    .balign 16
fuzz_guest_start:
    cmpl $0, FUZZ_VAR_AVX
    je fuzz_driver
    xor %ecx, %ecx
    xor %edx, %edx
    mov $7, %eax // x87, SSE, AVX
    xsetbv
fuzz_driver:
    movl $0, FUZZ_VAR_INDEX
    movl $FUZZ_CASES, FUZZ_VAR_CASE
    movl $FUZZ_RESULTS, FUZZ_VAR_RESULT
next_case:
    cld
    mov FUZZ_VAR_INDEX, %eax
    cmp FUZZ_VAR_COUNT, %eax
    jae finished
    mov $FUZZ_PRISTINE, %esi
    mov $FUZZ_DATA_FRAMES, %edi
    mov $2048, %ecx
    rep movsl
    mov $FUZZ_DATA_FRAMES + 0x4000, %edi
    mov $1024, %ecx
    rep movsl
    mov FUZZ_VAR_RESULT, %edi
    movl $0, FUZZ_RESULT_FAULTS(%edi)
    add $FUZZ_RESULT_LOG, %edi
    mov %edi, FUZZ_VAR_LOG
    mov FUZZ_VAR_CASE, %ebx
    fxrstor FUZZ_CASE_FX(%ebx)
    cmpl $0, FUZZ_VAR_AVX
    je 1f
    .irp i, 0, 1, 2, 3, 4, 5, 6, 7
    vinsertf128 $1, FUZZ_CASE_YMM + 16 * \i(%ebx), %ymm\i, %ymm\i
    .endr
1:
    mov $FUZZ_STACK_TOP, %esp
    push $FUZZ_SEL_DATA3
    push FUZZ_CASE_GPR + 16(%ebx)
    push FUZZ_CASE_EFLAGS(%ebx)
    push $FUZZ_SEL_CODE3
    push FUZZ_CASE_EIP(%ebx)
    mov FUZZ_CASE_GPR(%ebx), %eax
    mov FUZZ_CASE_GPR + 4(%ebx), %ecx
    mov FUZZ_CASE_GPR + 8(%ebx), %edx
    mov FUZZ_CASE_GPR + 20(%ebx), %ebp
    mov FUZZ_CASE_GPR + 24(%ebx), %esi
    mov FUZZ_CASE_GPR + 28(%ebx), %edi
    mov FUZZ_CASE_GPR + 12(%ebx), %ebx
user_segments:
    push %eax
    mov $FUZZ_SEL_BASED, %eax
    mov %eax, %fs
    mov %eax, %gs
    mov $FUZZ_SEL_DATA3, %eax
    mov %eax, %es
    mov %eax, %ds
    pop %eax
    iret
finished:
    hlt
    jmp fuzz_driver

    // PUSHA: EDI ESI EBP ESP EBX EDX ECX EAX at 0..28, vector 32, error 36, EIP 40, CS 44, EFLAGS 48, ESP 52, SS 56
exception:
    pusha
    cld
    mov $FUZZ_SEL_DATA0, %eax
    mov %eax, %ds
    mov %eax, %es
    mov FUZZ_VAR_CASE, %ebx
    mov 40(%esp), %esi
    sub FUZZ_CASE_CODE(%ebx), %esi
    cmp $FUZZ_LENGTHS, %esi
    jae case_end
    movzbl FUZZ_CASE_LENGTHS(%ebx,%esi), %ecx
    cmp $255, %ecx
    je case_end
    mov FUZZ_VAR_RESULT, %ebp
    cmpl $FUZZ_FAULTS, FUZZ_RESULT_FAULTS(%ebp)
    jae case_end
    incl FUZZ_RESULT_FAULTS(%ebp)
    mov FUZZ_VAR_LOG, %edi
    mov 32(%esp), %eax
    mov %eax, (%edi)
    mov 36(%esp), %edx
    mov %edx, 4(%edi)
    mov 40(%esp), %edx
    mov %edx, 8(%edi)
    movl $0, 12(%edi)
    cmp $14, %eax
    jne 1f
    mov %cr2, %edx
    mov %edx, 12(%edi)
1:  mov 48(%esp), %edx
    mov %edx, 16(%edi)
    mov 28(%esp), %edx
    mov %edx, 20(%edi)
    mov 24(%esp), %edx
    mov %edx, 24(%edi)
    mov 20(%esp), %edx
    mov %edx, 28(%edi)
    mov 16(%esp), %edx
    mov %edx, 32(%edi)
    mov 52(%esp), %edx
    mov %edx, 36(%edi)
    mov 8(%esp), %edx
    mov %edx, 40(%edi)
    mov 4(%esp), %edx
    mov %edx, 44(%edi)
    mov (%esp), %edx
    mov %edx, 48(%edi)
    addl $FUZZ_FAULT, FUZZ_VAR_LOG
    cmp $3, %eax          // INT3 and INTO point behind the instruction already
    je 2f
    cmp $4, %eax
    je 2f
    add %ecx, 40(%esp)
2:  popa
    add $8, %esp
    jmp user_segments

case_end:
    mov FUZZ_VAR_RESULT, %edi
    mov 28(%esp), %eax
    mov %eax, FUZZ_RESULT_GPR(%edi)
    mov 24(%esp), %eax
    mov %eax, FUZZ_RESULT_GPR + 4(%edi)
    mov 20(%esp), %eax
    mov %eax, FUZZ_RESULT_GPR + 8(%edi)
    mov 16(%esp), %eax
    mov %eax, FUZZ_RESULT_GPR + 12(%edi)
    mov 52(%esp), %eax
    mov %eax, FUZZ_RESULT_GPR + 16(%edi)
    mov 8(%esp), %eax
    mov %eax, FUZZ_RESULT_GPR + 20(%edi)
    mov 4(%esp), %eax
    mov %eax, FUZZ_RESULT_GPR + 24(%edi)
    mov (%esp), %eax
    mov %eax, FUZZ_RESULT_GPR + 28(%edi)
    mov 48(%esp), %eax
    mov %eax, FUZZ_RESULT_EFLAGS(%edi)
    mov 40(%esp), %eax
    mov %eax, FUZZ_RESULT_EIP(%edi)
    fxsave FUZZ_RESULT_FX(%edi)
    cmpl $0, FUZZ_VAR_AVX
    je 1f
    .irp i, 0, 1, 2, 3, 4, 5, 6, 7
    vextractf128 $1, %ymm\i, FUZZ_RESULT_YMM + 16 * \i(%edi)
    .endr
1:
    add $FUZZ_RESULT_MEMORY, %edi
    mov $FUZZ_DATA_FRAMES, %esi
    mov $2048, %ecx
    rep movsl
    mov $FUZZ_DATA_FRAMES + 0x4000, %esi
    mov $1024, %ecx
    rep movsl
    incl FUZZ_VAR_INDEX
    addl $FUZZ_CASE_STRIDE, FUZZ_VAR_CASE
    addl $FUZZ_RESULT_STRIDE, FUZZ_VAR_RESULT
    jmp next_case
fuzz_guest_end:

    .section .note.GNU-stack,"",@progbits
