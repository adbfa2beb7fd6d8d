// The stubs: every way into translated code and out of it. They are copied to the start of the arena, so they are
// position-independent and reach C only through pointers in the vCPU structure (r15).
//
// Inside a block rsp is host_rsp. A stub that is called finds its return address at host_rsp - 8, the return slot. C
// functions called from here get the address of struct vcpu_abi and return 0 to go on at the return slot's address
// through the gate, 1 to leave for the dispatcher, or 2 to go on at the return slot's address, which is not behind the
// call that led here.
//
// The gate is the only way into translated code. It reads everything from memory, so that the kick handler may send
// it back to its first instruction from any other (PITFALLS 1 of the design). It stands here twice: a RET is predicted
// where it goes behind the block's own call, and nowhere else, so the other way on is a jump.

#include "cpu/stubs.h"

#define BIAS 140
#define AT(offset) [r15 + (offset) - BIAS]

    .intel_syntax noprefix
    .section .rodata
    .balign 64

    .macro save_guest
    mov AT(STUB_GPR + 0), eax
    mov AT(STUB_GPR + 4), ecx
    mov AT(STUB_GPR + 8), edx
    mov AT(STUB_GPR + 12), ebx
    mov AT(STUB_GPR + 16), r12d
    mov AT(STUB_GPR + 20), ebp
    mov AT(STUB_GPR + 24), esi
    mov AT(STUB_GPR + 28), edi
    pushfq
    pop rax
    mov AT(STUB_FLAGS), eax
    mov AT(STUB_PAGE), r11d
    mov AT(STUB_R8), r8d
    mov AT(STUB_R9), r9d
    mov AT(STUB_R10), r10d
    cld
    .endm

    // Calls C with the stack aligned (rsp is host_rsp - 8 here) and goes where it says.
    .macro call_c entry
    lea rdi, [r15 - BIAS]
    sub rsp, 8
    call qword ptr AT(\entry)
    test eax, eax
    jz stub_gate
    cmp eax, 2
    je stub_gate_jump
    jmp stub_leave
    .endm

    // \go: how it ends, with the return slot at rsp
    .macro gate go
    mov rsp, AT(STUB_HOST_RSP)
    sub rsp, 8
    cmp byte ptr AT(STUB_REQUEST), 1
    je gate_slow
    cmp byte ptr AT(STUB_FPU_PARKED), 0
    jne gate_fpu_\go
    mov eax, AT(STUB_FLAGS)         // POPFQ would cost more than all the rest of the gate
    test eax, 0x40400               // DF; AC, which only a test sets
    jnz 2f
    mov ecx, eax
    shr ecx, 11
    and ecx, 1
    add cl, 0x7f                    // overflows if OF was set
    mov ah, al
    sahf                            // SF ZF AF PF CF
1:  mov r12d, AT(STUB_GPR + 16)
    mov r11d, AT(STUB_PAGE)
    mov r8d, AT(STUB_R8)
    mov r9, AT(STUB_GATE_R9)
    mov r13, AT(STUB_LIVE_ROOT)
    mov r14, AT(STUB_WINDOW)
    mov eax, AT(STUB_GPR + 0)
    mov ecx, AT(STUB_GPR + 4)
    mov edx, AT(STUB_GPR + 8)
    mov ebx, AT(STUB_GPR + 12)
    mov ebp, AT(STUB_GPR + 20)
    mov esi, AT(STUB_GPR + 24)
    mov edi, AT(STUB_GPR + 28)
    gate_\go
2:  push rax
    popfq
    jmp 1b
    .endm
    .macro gate_return
    ret
    .endm
    .macro gate_jump
    lea rsp, [rsp + 8]
    jmp qword ptr [rsp - 8]
    .endm

    // Loads the parked vector registers, and goes back to the gate that came here: a kick may have come.
    .macro gate_fpu gate
    cmp byte ptr AT(STUB_FPU_PARKED), STUB_PARKED_ALL
    je 3f
    ldmxcsr AT(STUB_FX + STUB_FX_MXCSR)
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7
    movaps xmm\n, AT(STUB_FX + STUB_FX_XMM + 16 * \n)
    .endr
    jmp 4f
3:  fxrstor64 AT(STUB_FX)
4:  cmp byte ptr AT(STUB_YMM_LIVE), 0
    je 5f
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7
    vinsertf128 ymm\n, ymm\n, AT(STUB_YMM + 16 * \n), 1
    .endr
5:  mov byte ptr AT(STUB_FPU_PARKED), 0
    jmp \gate
    .endm

    .globl stubs_begin, stubs_end
    .globl stub_enter, stub_miss, stub_exit, stub_link, stub_fault
    .globl stub_cpuid, stub_load_seg, stub_quick, stub_quick_end
    .globl stub_sysenter, stub_sysexit, stub_cross, stub_cross_end
    .globl stub_callout, stub_soft_miss, stub_writeback, stub_gate, stub_gate_end
stubs_begin:

// void stub_enter(struct vcpu_abi *): from the dispatcher, through the gate, to the host address in abi.exit_site.
// Returns when translated code leaves, with the guest's vector registers parked.
stub_enter:
    push rbx
    push rbp
    push r12
    push r13
    push r14
    push r15
    sub rsp, 8                      // host_rsp is a multiple of 16
    lea r15, [rdi + BIAS]
    mov AT(STUB_HOST_RSP), rsp
    mov rax, AT(STUB_EXIT_SITE)
    mov [rsp - 8], rax
    jmp stub_gate_jump

stub_gate:
    gate return
stub_gate_jump:
    gate jump
stub_gate_end:

gate_fpu_return:
    gate_fpu stub_gate
gate_fpu_jump:
    gate_fpu stub_gate_jump

gate_slow:
    cld                             // a kick behind gate_popfq
    lea rdi, [r15 - BIAS]
    sub rsp, 8
    call qword ptr AT(STUB_SLOW_ENTRY)
    jmp stub_gate

stub_leave:
    cmp byte ptr AT(STUB_FPU_PARKED), 0
    jne leave_parked
    stmxcsr AT(STUB_FX + STUB_FX_MXCSR)
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7
    movaps AT(STUB_FX + STUB_FX_XMM + 16 * \n), xmm\n
    .endr
    cmp byte ptr AT(STUB_YMM_LIVE), 0
    je leave_saved
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7
    vextractf128 AT(STUB_YMM + 16 * \n), ymm\n, 1
    .endr
    vzeroupper                      // C must not pay for upper halves that are not zero, nor lose them
leave_saved:
    mov byte ptr AT(STUB_FPU_PARKED), STUB_PARKED_VECTORS
leave_parked:
    push 0x1f80                     // the monitor's own MXCSR
    ldmxcsr [rsp]
    mov rsp, AT(STUB_HOST_RSP)
    add rsp, 8
    pop r15
    pop r14
    pop r13
    pop r12
    pop rbp
    pop rbx
    ret

// Exits by jump: rsp is host_rsp, so the return slot is made here.
    .macro exit_jump reason
    save_guest
    mov byte ptr AT(STUB_EXIT_REASON), \reason
    sub rsp, 8
    call_c STUB_EXIT_ENTRY
    .endm

stub_miss:
    exit_jump 0
stub_exit:
    exit_jump 1
stub_fault:
    exit_jump 3

stub_link:
    pop qword ptr AT(STUB_EXIT_SITE)
    exit_jump 2

stub_callout:
    save_guest
    call_c STUB_CALLOUT_ENTRY

// SYSENTER and SYSEXIT as callouts, but where nothing has changed since C made one from the same mode, all that C would
// do is done here (cpu/sysenter.c, cpu_mode_update). Nothing is changed before the last check, and a request that comes
// later finds the empty root, or puts it there.
    .macro put_flags_away
    mov AT(STUB_GPR + 0), eax       // waits there
    lahf
    seto al
    movzx eax, ax
    shl rax, 32
    or r10, rax                     // flags above the word
    .endm
    .macro get_flags_back           // as in the gate
    mov rax, r10
    shr rax, 32
    add al, 0x7f
    sahf
    .endm
    .macro crossing which, ring, id
    put_flags_away
    mov eax, AT(STUB_V_MODE)
    cmp eax, AT(\which + CROSSING_FROM)
    jne cross_slow
    mov eax, AT(STUB_VIEW_CHANGES)
    cmp eax, AT(\which + CROSSING_CHANGES)
    jne cross_slow
    mov eax, AT(STUB_SYS_FLAGS)
    and eax, STUB_FLAGS_KEY
    cmp eax, AT(\which + CROSSING_FLAGS)
    jne cross_slow
    mov r9, AT(\which + CROSSING_ROOT)
    mov rax, [r9 + ROOT_SERVES]
    cmp rax, AT(\which + CROSSING_ROOT_SERVES)
    jne cross_slow
    .if \ring == 0                  // window_crossed
    cmp byte ptr AT(STUB_STAY_USER), 0
    je 1f
    cmp qword ptr AT(STUB_STAY_SINCE), 0
    jne cross_slow
    mov byte ptr AT(STUB_STAY_USER), 0
    .else
    cmp byte ptr AT(STUB_STAY_KEPT), 0
    je 1f
    cmp byte ptr AT(STUB_STAY_USER), 0
    jne 1f
    mov eax, AT(STUB_STAY_UNTIMED)
    sub eax, 1
    jc cross_slow
    mov AT(STUB_STAY_UNTIMED), eax
    mov qword ptr AT(STUB_STAY_SINCE), 0
    mov byte ptr AT(STUB_STAY_USER), 1
    .endif
1:  mov rax, AT(STUB_CALLOUT_COUNTS)
    inc qword ptr [rax + 8 * \id]
    .if \ring == 0
    and dword ptr AT(STUB_SYS_FLAGS), ~STUB_FLAGS_ENTER
    .endif
    mov eax, AT(\which + CROSSING_CODE)
    mov AT(STUB_V_CS), eax
    mov eax, AT(\which + CROSSING_STACK)
    mov AT(STUB_V_SS), eax
    mov rax, AT(\which + CROSSING_SELECTORS)
    mov AT(STUB_SELECTOR_CS), rax
    mov byte ptr AT(STUB_V_SS_MEMO), 0
    mov eax, AT(\which + CROSSING_SEGMENT_MODE)
    mov AT(STUB_V_SEGMENT_MODE), eax
    mov eax, AT(\which + CROSSING_TO)
    mov AT(STUB_V_MODE), eax
    mov byte ptr AT(STUB_V_CPL), \ring
    mov rax, AT(STUB_ROOT_SLOT)
    mov [rax], r9
    mov rax, AT(\which + CROSSING_MAP)
    mov AT(STUB_LIVE_ROOT), rax
    cmp byte ptr AT(STUB_REQUEST), 0
    je 2f
    mov rax, AT(STUB_EMPTY_ROOT)
    mov AT(STUB_LIVE_ROOT), rax
2:  mov rax, AT(\which + CROSSING_WINDOW)
    test rax, rax
    jz 3f
    cmp rax, r14
    je 3f
    mov AT(STUB_WINDOW), rax
    wrgsbase rax
    mov r14, rax
3:  get_flags_back
    mov eax, AT(STUB_GPR + 0)
    .endm

stub_sysenter:
    crossing STUB_CROSSING, 0, STUB_ID_SYSENTER
    mov r12d, AT(STUB_V_ESP)
    mov r8d, AT(STUB_V_EIP)
    lea rsp, [rsp + 8]
stub_cross:                         // a block's transfer; a kick goes back here
    mov r13, AT(STUB_LIVE_ROOT)
    shrx r9d, r8d, r15d
    mov r9, [r13 + r9 * 8]
    mov r9d, [r9 + r8 * 4]
    jmp r9
stub_cross_end:

stub_sysexit:
    crossing (STUB_CROSSING+STUB_CROSSING_SIZE), 3, STUB_ID_SYSEXIT
    mov r12d, ecx
    mov r8d, edx
    lea rsp, [rsp + 8]
    jmp stub_cross

// CPUID and loads of data segment registers that go on in the block. A kick in between finds the block by the return slot
// and treats it as if it were interrupted itself.
stub_quick:
stub_cpuid:
    put_flags_away
    mov eax, AT(STUB_GPR + 0)
    mov r8d, eax
    and r8d, 7
    shl r8d, 5
    cmp eax, [r15 + r8 + STUB_CPUID_TABLE - BIAS]
    jne cross_slow
    mov r9, AT(STUB_CALLOUT_COUNTS)
    inc qword ptr [r9 + 8 * STUB_ID_CPUID]
    get_flags_back
    mov eax, [r15 + r8 + STUB_CPUID_TABLE + 16 - BIAS]
    mov ebx, [r15 + r8 + STUB_CPUID_TABLE + 20 - BIAS]
    mov ecx, [r15 + r8 + STUB_CPUID_TABLE + 24 - BIAS]
    mov edx, [r15 + r8 + STUB_CPUID_TABLE + 28 - BIAS]
    ret

// Also POP, with the size in the word's top bits. r9d = selector. r8 becomes the register's number, ecx and edx are lent.
stub_load_seg:
    put_flags_away
    mov AT(STUB_GPR + 4), ecx
    mov AT(STUB_GPR + 8), edx
    mov r8d, r10d
    shr r8d, 24
    and r8d, 15
    cmp r8d, 2                      // SS opens a shadow
    je load_slow
    test byte ptr AT(STUB_CR0), 1
    jz load_slow
    cmp byte ptr AT(STUB_V_USER_OPEN), 0
    jne load_slow
    movzx r9d, r9w
    test r9d, 0xfffc
    jz load_null
    mov eax, r9d
    shr eax, 3
    and eax, 1
    lea eax, [rax + r8 * 2]
    shl eax, LOAD_SIZE_SHIFT
    lea rax, [r15 + rax + STUB_LOADS - BIAS]
    movzx ecx, byte ptr AT(STUB_V_CPL)
    shl ecx, 16
    or ecx, r9d
    cmp ecx, [rax + LOAD_KEY]
    jne load_slow
    mov ecx, r9d                    // the GDT's entry, through the software TLB of CPL 0
    and ecx, 0xfff8
    add ecx, AT(STUB_V_GDT_BASE)
    mov edx, ecx
    shr edx, 12
    movzx edx, dl
    mov r9, [r15 + rdx * 8 + STUB_TLB_ADDEND - BIAS]
    add r9, rcx
    add ecx, [r15 + rdx * 4 + STUB_TLB_READ - BIAS]
    mov rdx, r9
    movzx r9d, word ptr [rax + LOAD_KEY]
    cmp ecx, 4096 - 8
    ja load_slow
    mov rcx, [rdx]
    cmp rcx, [rax + LOAD_DESCRIPTOR]
    jne load_slow
    mov ecx, AT(STUB_V_SEGMENT_MODE)
    and ecx, [rax + LOAD_MASK]
    cmp ecx, [rax + LOAD_BITS]
    jne load_slow
    lea rdx, [r15 + STUB_BASE - BIAS]
    lea rdx, [rdx + r8 * 4]         // of a present segment
    mov [r15 + r8 * 8 + STUB_BASE_P - BIAS], rdx
    mov ecx, [rax + LOAD_BASE]
    mov [rdx], ecx
    mov AT(STUB_GPR + 12), ecx      // for the hidden part, below
    mov ecx, [rax + LOAD_LIMIT]
    mov edx, [rax + LOAD_CODE]
    jmp load_commit
load_null:
    cmp r8d, 4                      // FS and GS have one mode, null or not
    jb load_slow
    lea ecx, [r8 * 2 + 16]
    mov eax, AT(STUB_V_SEGMENT_MODE)
    shr eax, cl
    and eax, 3
    cmp eax, 1                      // MODE_SEG_BASED
    jne load_slow
    mov rax, AT(STUB_GUARD_PAGE)
    mov [r15 + r8 * 8 + STUB_BASE_P - BIAS], rax
    mov dword ptr [r15 + r8 * 4 + STUB_BASE - BIAS], 0
    mov dword ptr AT(STUB_GPR + 12), 0
    xor ecx, ecx
    mov edx, r9d
load_commit:                        // ecx limit, edx selector and attributes
    mov [r15 + r8 * 4 + STUB_SELECTOR - BIAS], r9d
    lea r8d, [r8 + r8 * 2]          // struct cpu_segment has twelve bytes
    mov [r15 + r8 * 4 + STUB_V_SEG - BIAS], edx
    mov eax, AT(STUB_GPR + 12)
    mov [r15 + r8 * 4 + STUB_V_SEG + 4 - BIAS], eax
    mov [r15 + r8 * 4 + STUB_V_SEG + 8 - BIAS], ecx
    mov rax, AT(STUB_CALLOUT_COUNTS)
    mov ecx, r10d
    shr ecx, 16
    movzx ecx, cl
    inc qword ptr [rax + 8 * rcx]
    mov eax, r10d
    shr eax, 28                     // of a POP: the size
    lea r12d, [r12 + rax]
    mov rax, AT(STUB_SEGMENT_LOADS)
    inc qword ptr [rax]
    get_flags_back
    mov eax, AT(STUB_GPR + 0)
    mov ecx, AT(STUB_GPR + 4)
    mov edx, AT(STUB_GPR + 8)
    ret
stub_quick_end:
load_slow:
    mov ecx, AT(STUB_GPR + 4)
    mov edx, AT(STUB_GPR + 8)
cross_slow:
    get_flags_back
    mov eax, AT(STUB_GPR + 0)
    mov r10d, r10d
    jmp stub_callout

stub_soft_miss:
    save_guest
    call_c STUB_MISS_ENTRY

stub_writeback:
    save_guest
    call_c STUB_WRITE_ENTRY
stubs_end:
    .section .note.GNU-stack,"",@progbits
