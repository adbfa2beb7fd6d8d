// Trap stubs for the 256 vectors, and the entry to and return from a snippet. Intel SDM vol. 3A, 6.12.
    .text
    .align 16
    .globl trap_stubs
trap_stubs:
    .set vector, 0
    .rept 256
    .align 16
    .if (vector == 8) || (vector >= 10 && vector <= 14) || (vector == 17)
    .else
    push $0
    .endif
    .byte 0x68 // push imm32, so that every stub has room
    .long vector
    .byte 0xe9
    .long trap_common - . - 4
    .set vector, vector + 1
    .endr

trap_common:
    pusha
    push %ds
    push %es
    push %fs
    push %gs
    cld
    mov $0x10, %eax
    mov %ax, %ds
    mov %ax, %es
    mov %esp, %eax
    push %eax
    call trap_dispatch
    add $4, %esp
    pop %gs
    pop %fs
    pop %es
    pop %ds
    popa
    add $8, %esp
    iret

    .set EDI, 0
    .set ESI, 4
    .set EBP, 8
    .set ESP, 12
    .set EBX, 16
    .set EDX, 20
    .set ECX, 24
    .set EAX, 28
    .set EIP, 32
    .set EFLAGS, 36
    .set CS, 40
    .set SS, 44
    .set DS, 48
    .set ES, 52
    .set FS, 56
    .set GS, 60

    .macro load_general // all but EAX, which points to the registers
    mov EDI(%eax), %edi
    mov ESI(%eax), %esi
    mov EBP(%eax), %ebp
    mov EBX(%eax), %ebx
    mov EDX(%eax), %edx
    mov ECX(%eax), %ecx
    .endm

// void exec_enter(const struct regs *in): comes back through exec_leave.
    .globl exec_enter
exec_enter:
    push %ebp
    push %ebx
    push %esi
    push %edi
    mov 20(%esp), %eax
    mov %esp, exec_saved_esp
    testl $0x20000, EFLAGS(%eax)
    jnz exec_enter_v86
    testl $3, CS(%eax)
    jz 1f
    pushl SS(%eax)
    pushl ESP(%eax)
    jmp 2f
1:  mov SS(%eax), %ss
    mov ESP(%eax), %esp
2:  pushl EFLAGS(%eax)
    pushl CS(%eax)
    pushl EIP(%eax)
    mov ES(%eax), %es
    mov FS(%eax), %fs
    mov GS(%eax), %gs
    load_general
    pushl DS(%eax)
    mov EAX(%eax), %eax
    pop %ds
    iret

exec_enter_v86: // the segment registers are part of the frame
    pushl GS(%eax)
    pushl FS(%eax)
    pushl DS(%eax)
    pushl ES(%eax)
    pushl SS(%eax)
    pushl ESP(%eax)
    pushl EFLAGS(%eax)
    pushl CS(%eax)
    pushl EIP(%eax)
    load_general
    mov EAX(%eax), %eax
    iret

// void exec_leave(void): called on the trap's stack; returns to the caller of exec_enter.
    .globl exec_leave
exec_leave:
    mov $0x10, %eax
    mov %ax, %ss
    mov exec_saved_esp, %esp
    mov %ax, %fs
    mov %ax, %gs
    pop %edi
    pop %esi
    pop %ebx
    pop %ebp
    ret

    .section .bss
    .globl exec_saved_esp
exec_saved_esp:
    .skip 4
    .section .udata, "aw"
    .align 4096
    .globl user_stack_top, user_buffer
    .skip 16384
user_stack_top:
user_buffer:
    .skip 16384
    .section .note.GNU-stack, "", @progbits
