// The way into real-address mode and back. Intel SDM vol. 3A, 9.9.1 and 9.9.2 (switching modes).
    .set STATE, 0x20000
    .set KIT, 0x21000
    .set KIT_SEG, 0x2100
    .set SEL_RM_CODE, 0x40
    // offsets in struct rm
    .set R_EAX, 0
    .set R_ECX, 4
    .set R_EDX, 8
    .set R_EBX, 12
    .set R_ESP, 16
    .set R_EBP, 20
    .set R_ESI, 24
    .set R_EDI, 28
    .set R_DS, 32
    .set R_ES, 34
    .set R_FS, 36
    .set R_GS, 38
    .set R_SS, 40
    .set R_CS, 42
    .set R_IP, 44
    .set R_FLAGS, 46
    .set R_VECTOR, 48
    .set R_SELECTOR, 50
    .set R_STACK, 52
    .set R_LIMIT, 54
    .set R_SAVED_ESP, 56
    .set R_SAVED_CR0, 60
    .set R_IDTR, 64 // the kit's own, behind struct rm
    .set R_RM_IDTR, 72

    .text
    .globl rm_enter
rm_enter:
    pushal
    mov %esp, STATE + R_SAVED_ESP
    mov %cr0, %eax
    mov %eax, STATE + R_SAVED_CR0
    sidt STATE + R_IDTR
    mov STATE + R_LIMIT, %ax
    mov %ax, STATE + R_RM_IDTR
    movl $0, STATE + R_RM_IDTR + 2
    ljmp $SEL_RM_CODE, $rm_leave_protected - rm_kit
rm_back:
    mov $0x10, %ax
    mov %ax, %ds
    mov %ax, %es
    mov %ax, %fs
    mov %ax, %gs
    mov %ax, %ss
    mov STATE + R_SAVED_ESP, %esp
    lidt STATE + R_IDTR
    cld
    popal
    ret

    .globl rm_kit, rm_kit_end, rm_stubs
    .section .rodata
    .code16
    .set S, STATE >> 4
rm_kit:
rm_leave_protected:
    mov $0x10, %ax // flat
    mov %ax, %ds
    addr32 mov STATE + R_STACK, %bx
    addr32 mov STATE + R_SELECTOR, %cx
    addr32 lidtl STATE + R_RM_IDTR
    mov %bx, %ss
    mov %cx, %ds
    mov %cx, %es
    mov %cx, %fs
    mov %cx, %gs
    mov %cr0, %eax
    and $~1, %al
    mov %eax, %cr0
    ljmp $KIT_SEG, $rm_real - rm_kit
rm_real:
    mov $S, %ax
    mov %ax, %ds
    mov R_SS, %ss
    mov R_ESP, %esp
    mov R_ES, %es
    mov R_FS, %fs
    mov R_GS, %gs
    pushw R_FLAGS
    pushw R_CS
    pushw R_IP
    mov R_EAX, %eax
    mov R_ECX, %ecx
    mov R_EDX, %edx
    mov R_EBX, %ebx
    mov R_EBP, %ebp
    mov R_ESI, %esi
    mov R_EDI, %edi
    mov R_DS, %ds
    iret
// Four bytes a vector: what every vector of the table leads to.
    .balign 4
rm_stubs:
    .set n, 0
    .rept 256
    .byte 0x6a, n & 255 // push imm8
    jmp rm_caught
    .balign 8
    .set n, n + 1
    .endr
rm_caught:
    push %ds
    pushl %eax
    mov $S, %ax
    mov %ax, %ds
    popl R_EAX
    popw R_DS
    popw R_VECTOR
    popw R_IP
    popw R_CS
    popw R_FLAGS
    mov %ecx, R_ECX
    mov %edx, R_EDX
    mov %ebx, R_EBX
    mov %esp, R_ESP
    mov %ebp, R_EBP
    mov %esi, R_ESI
    mov %edi, R_EDI
    mov %es, R_ES
    mov %fs, R_FS
    mov %gs, R_GS
    mov %ss, R_SS
    mov R_SAVED_CR0, %eax
    mov %eax, %cr0
    ljmpl $0x08, $rm_back
rm_kit_end:
    .section .note.GNU-stack, "", @progbits
