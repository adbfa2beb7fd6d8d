// See lab_image.h. 32-bit code as data of the monitor: never run where it lies, so everything is addressed by where the
// copy will be. Multiboot 1 with the address fields of its header (flag 16).
#include "app/lab_image.h"

    .section .rodata
    .balign 16
    .code32
    .globl lab_image, lab_image_end, lab_handlers, lab_handler_syscall
#define AT(label) ((label) - lab_image + LAB_BASE)

lab_image:
    .long 0x1badb002, 0x10000, -(0x1badb002 + 0x10000)
    .long LAB_BASE, LAB_BASE, LAB_BASE + LAB_SIZE, LAB_BASE + LAB_SIZE, AT(entry)

// ---- Into the program -----------------------------------------------------------------------------------------------

gdtr:
    .word LAB_GDT_SIZE - 1
    .long LAB_GDT
idtr:
    .word LAB_IDT_SIZE - 1
    .long LAB_IDT

entry:
    cli
    lgdt AT(gdtr)
    lidt AT(idtr)
    ljmp $LAB_CODE, $AT(1f)
1:  mov $LAB_KDATA, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %fs
    mov %eax, %gs
    mov %eax, %ss
    mov $LAB_CR0, %eax
    mov %eax, %cr0
    mov $LAB_LDT, %eax
    lldt %ax
    mov $LAB_TASK, %eax
    ltr %ax
    mov $0xff, %al
    out %al, $0x21
    out %al, $0xa1
    mov $LAB_START, %esp
    popa
    popf
    mov $LAB_STACK, %esp
    jmp *LAB_START + 36

// ---- Out of it ------------------------------------------------------------------------------------------------------

    .balign 16
lab_handlers:
    .set vector, 0
    .rept 32
    .balign 16
    .if (vector != 8) && (vector < 10 || vector > 14) && (vector != 17)
    push $0
    .endif
    push $vector
    jmp common
    .set vector, vector + 1
    .endr

common:
    pusha
    push %ds
    push %es
    push %fs
    push %gs
    mov $LAB_KDATA, %eax
    mov %eax, %ds
    mov %eax, %es
    cld
    mov %esp, %esi
    mov $LAB_RESULT, %edi
    mov $LAB_FRAME_WORDS, %ecx
    rep movsl
    mov $LAB_DATA, %esi
    mov $LAB_DATA_SIZE / 4, %ecx
    rep movsl
    mov $LAB_RESULT, %esi
    mov $LAB_OUTPUT_SIZE, %ecx
2:  mov $0x3fd, %edx
    in (%dx), %al
    test $0x20, %al
    jz 2b
    lodsb
    mov $0x3f8, %edx
    out %al, (%dx)
    loop 2b
3:  in (%dx), %al               // until the last byte has left
    mov $0x3fd, %edx
    in (%dx), %al
    test $0x40, %al
    jz 3b
    xor %eax, %eax
    out %al, $0xf4
4:  hlt
    jmp 4b

lab_handler_syscall:
    mov $LAB_SYSCALL_ANSWER, %eax
    iret

// ---- The programs ---------------------------------------------------------------------------------------------------
// Each stands between NAME and NAME_end and ends with INT3; NAME_at is the instruction in question. They know EBX = the
// data area, EDX = the host's selector of user code; the rest as lab_programs.c sets it. Everything but the far direct
// transfers and the pushes and pops of CS, DS, ES and SS means the same in 64-bit mode, where PUSH and POP move eight
// bytes and the values of interest are the low four.

    .macro program name
    .globl lab_\name, lab_\name\()_at, lab_\name\()_end
lab_\name:
    .endm
    .macro at name
lab_\name\()_at:
    .endm
    .macro done name
lab_\name\()_end:
    int3
    .endm
    .macro single name, text:vararg
    program \name
    at \name
    \text
    done \name
    .endm

    single sgdt, sgdt (%ebx)
    single sidt, sidt (%ebx)
    single sldt, sldt %eax
    single str, str %eax
    single smsw, smsw %eax

    program pushf
    at pushf
    pushf
    pop %eax
    done pushf

    program popf
    push $0x3002                // IF off, IOPL 3
    at popf
    popf
    pushf
    pop %eax
    done popf

    single lar, lar %esi, %eax
    single lsl, lsl %esi, %eax
    single verr, verr %si
    single verw, verw %si

    program push_fs
    at push_fs
    push %fs
    pop %eax
    done push_fs

    program push_cs
    at push_cs
    push %cs
    pop %eax
    done push_cs

    program pop_fs
    push $LAB_DATA_3
    at pop_fs
    pop %fs
    mov %fs:(%ecx), %eax
    done pop_fs

    program pop_ds
    push $LAB_DATA_3
    at pop_ds
    pop %ds
    mov (%ecx), %eax
    done pop_ds

    single mov_from, mov %cs, %eax

    program mov_to
    at mov_to
    mov %esi, %fs
    mov %fs:(%ecx), %eax
    done mov_to

    program call
    at call
    lcall $LAB_CODE_32, $AT(1f)
1:  mov 4(%esp), %eax
    done call

    program call_mem
    movl $AT(1f), %ecx
    mov %ecx, (%ebx)
    mov %dx, 4(%ebx)
    at call_mem
    lcall *(%ebx)
1:  mov 4(%esp), %eax
    done call_mem

    program jmp
    at jmp
    ljmp $LAB_CODE_32, $AT(1f)
    ud2
1:  mov %cs, %eax
    done jmp

    program jmp_mem
    movl $AT(1f), %ecx
    mov %ecx, (%ebx)
    mov %dx, 4(%ebx)
    at jmp_mem
    ljmp *(%ebx)
    ud2
1:  mov %cs, %eax
    done jmp_mem

    program int
    mov $20, %eax
    at int
    int $0x80
    done int

    program ret
    movl $AT(1f), %ecx
    sub $16, %esp
    mov %ecx, (%esp)
    mov %edx, 4(%esp)
    mov %edi, 8(%esp)
    mov %esi, 12(%esp)
    at ret
    lret
    ud2
1:
    done ret

    program iret
    movl $AT(1f), %ecx
    sub $20, %esp
    mov %ecx, (%esp)
    mov %edx, 4(%esp)
    movl $0x3002, 8(%esp)       // IF off, IOPL 3
    mov %edi, 12(%esp)
    mov %esi, 16(%esp)
    at iret
    iret
    ud2
1:
    done iret

lab_image_end:
    .section .note.GNU-stack,"",@progbits
