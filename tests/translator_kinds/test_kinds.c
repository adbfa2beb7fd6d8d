// Golden disassembly of the main rows of each kind: what the guest's instruction becomes, in one line.
#include "tests/translator_kinds/disasm.h"

#include "translator/context.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define M GOLDEN_MODE

// PUSH stores below ESP and moves it last; ESP itself is stored from before; the operand of PUSH m is read first.
static void test_push(void **state) {
    (void)state;
    assert_golden(M, "mov dword ptr gs:[r12d - 4], ebx; lea r12d, [r12 - 4]", 0x53);              // PUSH EBX
    assert_golden(M, "mov dword ptr gs:[r12d - 4], r12d; lea r12d, [r12 - 4]", 0x54);             // PUSH ESP
    assert_golden(M, "mov word ptr gs:[r12d - 2], bx; lea r12d, [r12 - 2]", 0x66, 0x53);          // PUSH BX
    assert_golden(M, "mov dword ptr gs:[r12d - 4], 0xffffffff; lea r12d, [r12 - 4]", 0x6a, 0xff); // PUSH -1
    // PUSH imm32
    assert_golden(M, "mov dword ptr gs:[r12d - 4], 0x4030201; lea r12d, [r12 - 4]", 0x68, 0x01, 0x02, 0x03, 0x04);
    // PUSH [EBP+8]
    assert_golden(M, "mov r10d, dword ptr gs:[ebp + 8]; mov dword ptr gs:[r12d - 4], r10d; lea r12d, [r12 - 4]", 0xff,
                  0x75, 0x08);
    // PUSH FS
    assert_golden(M, "mov r10d, dword ptr [seg_selector[4]]; mov dword ptr gs:[r12d - 4], r10d; lea r12d, [r12 - 4]",
                  0x0f, 0xa0);
    // PUSH CS
    assert_golden(M, "mov r10d, dword ptr [seg_selector[1]]; mov dword ptr gs:[r12d - 4], r10d; lea r12d, [r12 - 4]",
                  0x0e);
    // PUSH EBX on a 16-bit stack
    assert_golden(M & ~(uint32_t)MODE_STACK32,
                  "lea r8d, [r12 - 4]; movzx r8d, r8w; mov dword ptr gs:[r8d], ebx; lea r10d, [r12 - 4]; "
                  "mov r12w, r10w",
                  0x53);
}

// POP m sees ESP already incremented in its address; POP ESP ends with what it loaded.
static void test_pop(void **state) {
    (void)state;
    assert_golden(M, "mov ebx, dword ptr gs:[r12d]; lea r12d, [r12 + 4]", 0x5b);                       // POP EBX
    assert_golden(M, "mov r9d, dword ptr gs:[r12d]; mov r12d, r9d", 0x5c);                             // POP ESP
    assert_golden(M, "movzx r9d, word ptr gs:[r12d]; lea r12d, [r12 + 2]; mov r12w, r9w", 0x66, 0x5c); // POP SP
    assert_golden(M, "mov bx, word ptr gs:[r12d]; lea r12d, [r12 + 2]", 0x66, 0x5b);                   // POP BX
    // POP [ESP]
    assert_golden(M, "mov r10d, dword ptr gs:[r12d]; mov dword ptr gs:[r12d + 4], r10d; lea r12d, [r12 + 4]", 0x8f,
                  0x04, 0x24);
    // POP [EAX]
    assert_golden(M, "mov r10d, dword ptr gs:[r12d]; mov dword ptr gs:[eax], r10d; lea r12d, [r12 + 4]", 0x8f, 0x00);
    assert_golden(M, "mov r10d, 0x430d1100; call CALLOUT", 0x1f); // POP DS
    // POP EBX on a 16-bit stack
    assert_golden(M & ~(uint32_t)MODE_STACK32,
                  "lea r8d, [r12]; movzx r8d, r8w; mov ebx, dword ptr gs:[r8d]; lea r10d, [r12 + 4]; "
                  "mov r12w, r10w",
                  0x5b);
}

// LEAVE loads before it changes ESP or EBP.
static void test_leave(void **state) {
    (void)state;
    assert_golden(M, "mov r10d, dword ptr gs:[ebp]; lea r9d, [rbp + 4]; mov r12d, r9d; mov ebp, r10d", 0xc9); // LEAVE
    // LEAVE, 16-bit operand
    assert_golden(M, "movzx r10d, word ptr gs:[ebp]; lea r9d, [rbp + 2]; mov r12d, r9d; mov bp, r10w", 0x66, 0xc9);
    // LEAVE on a 16-bit stack
    assert_golden(M & ~(uint32_t)MODE_STACK32,
                  "lea r8d, [rbp]; movzx r8d, r8w; mov r10d, dword ptr gs:[r8d]; lea r9d, [rbp + 4]; "
                  "mov r12w, r9w; mov ebp, r10d",
                  0xc9);
}

// Direct strings run on window addresses; everything else is the callout.
static void test_strings(void **state) {
    (void)state;
    // REP MOVSD; HLT
    assert_golden(M & ~(uint32_t)MODE_ONE,
                  "lea rsi, [rsi + r14]; lea rdi, [rdi + r14]; rep movsd dword ptr [rdi], dword ptr [rsi]; "
                  "mov esi, esi; mov edi, edi; mov r10d, 0x4021102; call CALLOUT",
                  0xf3, 0xa5);
    // REP MOVSD, one instruction: each iteration may be a single step
    assert_golden(M, "mov r9d, 0x3140; mov r10d, 0x4052100; call CALLOUT", 0xf3, 0xa5);
    assert_golden(M, "lea rdi, [rdi + r14]; scasb al, byte ptr [rdi]; mov edi, edi", 0xae);       // SCASB
    assert_golden(M, "lea rsi, [rsi + r14]; lodsw ax, word ptr [rsi]; mov esi, esi", 0x66, 0xad); // LODSW
    // REPNE SCASW; HLT
    assert_golden(M & ~(uint32_t)MODE_ONE,
                  "lea rdi, [rdi + r14]; repne scasw ax, word ptr [rdi]; mov edi, edi; mov r10d, 0x4021103; "
                  "call CALLOUT",
                  0xf2, 0x66, 0xaf);
    // REPNE STOSB repeats; HLT
    assert_golden(M & ~(uint32_t)MODE_ONE,
                  "lea rdi, [rdi + r14]; repne stosb byte ptr [rdi], al; mov edi, edi; mov r10d, 0x4021102; "
                  "call CALLOUT",
                  0xf2, 0xaa);
    assert_golden(M | MODE_SOFT, "mov r9d, 0x3110; mov r10d, 0x1052100; call CALLOUT", 0xf3, 0xa4); // REP MOVSB, soft
    // MOVSB, 16-bit addresses
    assert_golden(M,
                  "lea r8d, [rsi]; movzx r8d, r8w; movzx r10d, byte ptr gs:[r8d]; mov dword ptr [tmp[0]], r10d; "
                  "lea r8d, [rdi]; movzx r8d, r8w; mov r10d, dword ptr [tmp[0]]; mov byte ptr gs:[r8d], r10b; "
                  "pushfq; pop r10; mov r9d, 0x400; pext r10d, r10d, r9d; mov r9d, 2; pdep r10d, r10d, r9d; "
                  "not r10d; lea r9d, [rsi + r10 + 2]; mov si, r9w; lea r9d, [rdi + r10 + 2]; mov di, r9w",
                  0x67, 0xa4);
    // LODSB FS: with a flat FS
    assert_golden(M, "lea rsi, [rsi + r14]; lodsb al, byte ptr [rsi]; mov esi, esi", 0x64, 0xac);
    // LODSB FS: with a base
    assert_golden(M | MODE_SEG_BASED << (MODE_SEG_SHIFT + 2 * SEG_FS),
                  "mov r9, qword ptr [seg_base_p[4]]; mov r9d, dword ptr [r9]; lea r8d, [rsi + r9]; "
                  "mov al, byte ptr gs:[r8d]; pushfq; pop r10; mov r9d, 0x400; pext r10d, r10d, r9d; mov r9d, 2; "
                  "pdep r10d, r10d, r9d; not r10d; lea esi, [rsi + r10 + 2]",
                  0x64, 0xac);
    assert_golden(M, "mov r9d, 0x3015; mov r10d, 0x1051100; call CALLOUT", 0x6c);       // INSB
    assert_golden(M, "mov r9d, 0x3146; mov r10d, 0x4052100; call CALLOUT", 0xf3, 0x6f); // REP OUTSD
}

// What 64-bit mode lacks.
static void test_removed(void **state) {
    (void)state;
    assert_golden(M, "setb r10b; movzx r10d, r10b; not r10d; lea r10d, [r10 + 1]; mov al, r10b", 0xd6); // SALC
    assert_golden(M, "jno +17; mov r9d, 0x204; mov r10d, 0x4011100; call CALLOUT", 0xce);               // INTO
    assert_golden(M, "mov r9d, 0x27; mov r10d, 0x1341100; call CALLOUT", 0x27);                         // DAA
    assert_golden(M, "mov r9d, 0xad4; mov r10d, 0x1342100; call CALLOUT", 0xd4, 0x0a);                  // AAM
    assert_golden(M, "lea r8d, [rbx]; mov r9d, 3; mov r10d, 0x4302100; call CALLOUT", 0x62, 0x03); // BOUND EAX, [EBX]
    assert_golden(M, "mov r9d, 0x18; mov r10d, 0x41d2100; call CALLOUT", 0x63, 0xc8);              // ARPL AX, CX
    assert_golden(M, "lea r8d, [rbx]; mov r9d, 0x183; mov r10d, 0x40e2100; call CALLOUT", 0xc5, 0x03); // LDS EAX, [EBX]
    // JMP FAR
    assert_golden(M, "mov r8d, 0x4030201; mov r9d, 0x605; mov r10d, 0x4077100; call CALLOUT", 0xea, 0x01, 0x02, 0x03,
                  0x04, 0x05, 0x06);
    // JMP FAR 0008:FFFE, 16-bit operand
    assert_golden(M, "mov r8d, 0xfffe; mov r9d, 8; mov r10d, 0x2076100; call CALLOUT", 0x66, 0xea, 0xfe, 0xff, 0x08,
                  0x00);
    assert_golden(M, "add al, 1", 0x82, 0xc0, 0x01); // ADD AL, 1 by 82h
    assert_golden(M, "lahf", 0x9f);                  // LAHF
}

// CLI and STI keep the arithmetic flags; STI is in line only where the next instruction follows in the block.
static void test_interrupt_flag(void **state) {
    (void)state;
    // CLI
    assert_golden(M,
                  "mov r9d, dword ptr [sys_flags]; mov r10d, 0xfffffdff; pext r9d, r9d, r10d; "
                  "pdep r9d, r9d, r10d; mov dword ptr [sys_flags], r9d",
                  0xfa);
    assert_golden(M & ~(uint32_t)MODE_IOPL_OK, "mov r10d, 0x2c1100; call CALLOUT", 0xfa); // CLI above IOPL
    // STI; NOP; HLT
    assert_golden(M & ~(uint32_t)MODE_ONE,
                  "movzx r9d, byte ptr [pending]; xchg rcx, r9; jrcxz +16; xchg rcx, r9; mov r10d, 0x2d1100; "
                  "call CALLOUT; jmp +34; xchg rcx, r9; mov r9d, dword ptr [sys_flags]; mov r10d, 0xfffffdff; "
                  "pext r9d, r9d, r10d; pdep r9d, r9d, r10d; lea r9d, [r9 + 0x200]; "
                  "mov dword ptr [sys_flags], r9d; nop; mov r10d, 0x4021102; call CALLOUT",
                  0xfb, 0x90);
    assert_golden(M, "mov r10d, 0x2d1100; call CALLOUT", 0xfb); // STI alone
}

// PUSHF shows the virtual flags; POPF leaves to C what it may not change itself.
static void test_flags_image(void **state) {
    (void)state;
    // PUSHFD
    assert_golden(M,
                  "pushfq; pop r8; mov r10d, 0xcd5; pext r8d, r8d, r10d; pdep r8d, r8d, r10d; "
                  "mov r9d, dword ptr [sys_flags]; mov r10d, 0xfffcffff; pext r9d, r9d, r10d; "
                  "pdep r9d, r9d, r10d; lea r10d, [r8 + r9 + 2]; mov dword ptr gs:[r12d - 4], r10d; "
                  "lea r12d, [r12 - 4]",
                  0x9c);
    assert_golden(M & ~(uint32_t)MODE_STACK32, "mov r10d, 0x42e1100; call CALLOUT", 0x9c); // PUSHFD on a 16-bit stack
    // POPFD
    assert_golden(M,
                  "mov r9d, dword ptr gs:[r12d]; lea r12d, [r12 + 4]; mov r10d, dword ptr [sys_flags]; "
                  "xor r10d, r9d; test r10d, 0x247100; jne +36; test r10d, 0x200; je +15; "
                  "test byte ptr [pending], 0xff; jne +20; xor dword ptr [sys_flags], 0x200; and r9d, 0xcd5; "
                  "push r9; popfq; jmp +23; mov r10d, 0x42f1100; call CALLOUT; lea r8d, [r11 + 0x101]; jmp EXIT",
                  0x9d);
    // POPF at CPL 3
    assert_golden((M | 3u << MODE_CPL_SHIFT) & ~(uint32_t)MODE_IOPL_OK,
                  "movzx r9d, word ptr gs:[r12d]; lea r12d, [r12 + 2]; mov r10d, dword ptr [sys_flags]; "
                  "xor r10d, r9d; test r10d, 0x4100; jne +12; and r9d, 0xcd5; push r9; popfq; jmp +23; "
                  "mov r10d, 0x22f2100; call CALLOUT; lea r8d, [r11 + 0x102]; jmp EXIT",
                  0x66, 0x9d);
}

// RDTSC adds the offset without flags.
static void test_clock(void **state) {
    (void)state;
    // RDTSC
    assert_golden(M,
                  "rdtsc; mov r10d, 0x20; shlx rdx, rdx, r10; lea rax, [rax + rdx]; "
                  "mov r9, qword ptr [tsc_offset]; lea rax, [rax + r9]; shrx rdx, rax, r10; mov eax, eax",
                  0x0f, 0x31);
    assert_golden(M | MODE_TSC_GP, "mov r9d, 0x10d; mov r10d, 0x2100; call CALLOUT", 0x0f, 0x31); // RDTSC under CR4.TSD
}

// Selectors are read from the vCPU, loads are callouts that get the selector.
static void test_segments(void **state) {
    (void)state;
    assert_golden(M, "mov eax, dword ptr [seg_selector[3]]", 0x8c, 0xd8);                               // MOV EAX, DS
    assert_golden(M, "mov ax, word ptr [seg_selector[3]]", 0x66, 0x8c, 0xd8);                           // MOV AX, DS
    assert_golden(M, "mov r10d, dword ptr [seg_selector[3]]; mov word ptr gs:[eax], r10w", 0x8c, 0x18); // MOV [EAX], DS
    assert_golden(M, "movzx r9d, ax; mov r10d, 0x30c2100; call CALLOUT", 0x8e, 0xd8);                   // MOV DS, AX
    assert_golden(M, "movzx r9d, word ptr gs:[eax]; mov r10d, 0x30c2100; call CALLOUT", 0x8e, 0x18);    // MOV DS, [EAX]
    // LSS EAX, [EBX]
    assert_golden(M, "lea r8d, [rbx]; mov r9d, 0x103; mov r10d, 0x40e3100; call CALLOUT", 0x0f, 0xb2, 0x03);
}

// Arguments of callouts; privileged ones raise #GP(0) at CPL 3.
static void test_callouts(void **state) {
    (void)state;
    assert_golden(M, "mov r9d, 0x80; mov r10d, 0x4012100; call CALLOUT", 0xcd, 0x80);                // INT 80h
    assert_golden(M, "mov r9d, 0x103; mov r10d, 0x4011100; call CALLOUT", 0xcc);                     // INT3
    assert_golden(M, "mov r9d, 0x301; mov r10d, 0x4011100; call CALLOUT", 0xf1);                     // INT1
    assert_golden(M, "mov r10d, 0x4021100; call CALLOUT", 0xf4);                                     // HLT
    assert_golden(M | 3u << MODE_CPL_SHIFT, "mov r9d, 0x10d; mov r10d, 0x1100; call CALLOUT", 0xf4); // HLT at CPL 3
    assert_golden(M, "mov r8d, 0xf0; mov r10d, 0x1032100; call CALLOUT", 0xe4, 0xf0);                // IN AL, F0h
    assert_golden(M, "movzx r8d, dx; mov r10d, 0x1031100; call CALLOUT", 0xec);                      // IN AL, DX
    assert_golden(M, "movzx r8d, dx; mov r10d, 0x2042100; call CALLOUT", 0x66, 0xef);                // OUT DX, AX
    assert_golden(M, "mov r10d, 0x4061100; call CALLOUT", 0xcf);                                     // IRETD
    assert_golden(M, "mov r9d, 4; mov r10d, 0x40a3100; call CALLOUT", 0xca, 0x04, 0x00);             // RET FAR 4
    assert_golden(M, "mov eax, dword ptr [r15 field]", 0x0f, 0x20, 0xd8);                            // MOV EAX, CR3
    assert_golden(M, "mov r12d, dword ptr [r15 field]", 0x0f, 0x20, 0x44);                           // MOV ESP, CR0
    assert_golden(M, "mov r9d, 6; mov r10d, 0x1100; call CALLOUT", 0x0f, 0x20, 0xc8);                // MOV EAX, CR1
    assert_golden(M | 3u << MODE_CPL_SHIFT, "mov r9d, 0x10d; mov r10d, 0x3100; call CALLOUT", 0x0f, 0x20, 0xd8);
    // MOV CR3, EAX
    assert_golden(M & ~(uint32_t)MODE_ONE,
                  "mov r9d, 3; mov r10d, 0x41f3100; call CALLOUT; lea r8d, [r11 + 0x103]; shrx r9d, r8d, r15d; "
                  "mov r9, qword ptr [r13 + r9*8]; mov r9d, dword ptr [r9 + r8*4]; jmp r9",
                  0x0f, 0x22, 0xd8);
    // VMCALL
    assert_golden(
        M & ~(uint32_t)MODE_ONE,
        "mov r8d, eax; mov r9d, ebx; mov r10d, 0x43e3100; call CALLOUT; lea r8d, [r11 + 0x103]; shrx r9d, r8d, r15d; "
        "mov r9, qword ptr [r13 + r9*8]; mov r9d, dword ptr [r9 + r8*4]; jmp r9",
        0x0f, 0x01, 0xc1);
    assert_golden(M, "lea r8d, [rax]; mov r9d, 3; mov r10d, 0x40f3100; call CALLOUT", 0x0f, 0x01, 0x10); // LGDT [EAX]
    assert_golden(M, "mov r9d, 9; mov r10d, 0x4173100; call CALLOUT", 0x0f, 0x01, 0xe1);                 // SMSW ECX
    assert_golden(M, "mov r9d, 0x29; mov r10d, 0x41b3100; call CALLOUT", 0x0f, 0x02, 0xd1);              // LAR EDX, CX
    assert_golden(M, "mov r9d, 0x10010; mov r10d, 0x4314100; call CALLOUT", 0xc8, 0x10, 0x00, 0x01);     // ENTER 16, 1
    assert_golden(M, "mov r10d, 0x4321100; call CALLOUT", 0x60);                                         // PUSHAD
    assert_golden(M, "lea r8d, [rbx]; mov r9d, 3; mov r10d, 0x4092100; call CALLOUT", 0xff, 0x2b); // JMP FAR [EBX]
    // CALL FAR [BX]
    assert_golden(M, "lea r8d, [rbx]; movzx r8d, r8w; mov r9d, 0x13; mov r10d, 0x4093100; call CALLOUT", 0x67, 0xff,
                  0x1f);
    assert_golden(M, "mov r9d, 6; mov r10d, 0x2100; call CALLOUT", 0x0f, 0x0b);             // UD2
    assert_golden(M, "mov r9d, 6; mov r10d, 0x3100; call CALLOUT", 0x0f, 0xae, 0x30);       // XSAVEOPT, not announced
    assert_golden(M, "mov r9d, 6; mov r10d, 0x4100; call CALLOUT", 0x0f, 0x38, 0xf0, 0x00); // MOVBE, not announced
}

#define AVX(mode) ((mode) | (uint32_t)MODE_AVX)

static void test_avx(void **state) {
    (void)state;
    assert_golden(M, "mov r9d, 6; mov r10d, 0x4100; call CALLOUT", 0xc5, 0xf4, 0x58, 0xc2); // not enabled
    assert_golden(AVX(M) | MODE_V86, "mov r9d, 6; mov r10d, 0x4100; call CALLOUT", 0xc5, 0xf4, 0x58, 0xc2);
    assert_golden(AVX(M) | MODE_SIMD_NM, "mov r9d, 7; mov r10d, 0x4100; call CALLOUT", 0xc5, 0xf4, 0x58, 0xc2);
    assert_golden(AVX(M), "vaddps ymm0, ymm1, ymm2", 0xc5, 0xf4, 0x58, 0xc2);
    assert_golden(AVX(M), "vaddps ymm0, ymm1, ymmword ptr gs:[eax]", 0xc5, 0xf4, 0x58, 0x00);
    assert_golden(AVX(M), "vmovups xmmword ptr gs:[r12d + 8], xmm3", 0xc5, 0xf8, 0x11, 0x5c, 0x24, 0x08);
    assert_golden(AVX(M), "vmovd r12d, xmm1", 0xc5, 0xf9, 0x7e, 0xcc);
    assert_golden(AVX(M), "vmovd r12d, xmm1", 0xc4, 0xe1, 0xf9, 0x7e, 0xcc); // VEX.W is not looked at
    // VBLENDVPS: the immediate's top bit is not looked at
    assert_golden(AVX(M), "vblendvps ymm0, ymm1, ymm2, ymm3", 0xc4, 0xe3, 0x75, 0x4a, 0xc2, 0xb7);
    assert_golden(AVX(M), "vzeroupper", 0xc5, 0xf8, 0x77);
    assert_golden(AVX(M), "vzeroall", 0xc5, 0xfc, 0x77);
    assert_golden(AVX(M), "mov r9d, 6; mov r10d, 0x5100; call CALLOUT", 0xc4, 0xe2, 0x71, 0x98, 0xc2); // FMA
    assert_golden(AVX(M), "mov r9d, 6; mov r10d, 0x1100; call CALLOUT", 0x66, 0xc5, 0xf4, 0x58, 0xc2); // 66h before it
    assert_golden(AVX(M), "mov r9d, 6; mov r10d, 0x1100; call CALLOUT", 0xf0, 0xc5, 0xf4, 0x58, 0x00); // LOCK
    // VMASKMOVPS YMM1, YMM2, [ESP+4]; VPGATHERQQ XMM1, [EAX+XMM2*8], XMM3
    assert_golden(AVX(M), "lea r8d, [r12 + 4]; mov r9d, 0xa22; mov r10d, 0x23d7100; call CALLOUT", 0xc4, 0xe2, 0x6d,
                  0x2c, 0x4c, 0x24, 0x04);
    assert_golden(AVX(M), "lea r8d, [rax]; mov r9d, 0x75333; mov r10d, 0x23d6100; call CALLOUT", 0xc4, 0xe2, 0xe1, 0x91,
                  0x0c, 0xd0);
}

// x87 instructions keep the pointers of the guest; only the last of a run stores them.
static void test_x87(void **state) {
    (void)state;
    assert_golden(M, "fadd st(1); lea r10d, [r11 + 0x100]; mov dword ptr [fip], r10d", 0xd8, 0xc1); // FADD ST(1)
    // FLD m64
    assert_golden(M,
                  "fld qword ptr gs:[eax]; lea r8d, [rax]; mov dword ptr [fdp], r8d; lea r10d, [r11 + 0x100]; "
                  "mov dword ptr [fip], r10d",
                  0xdd, 0x00);
    // FLD; FMUL; FADDP; HLT
    assert_golden(M & ~(uint32_t)MODE_ONE,
                  "fld dword ptr gs:[eax]; fmul dword ptr gs:[eax]; faddp st(1); lea r8d, [rax]; "
                  "mov dword ptr [fdp], r8d; lea r10d, [r11 + 0x104]; mov dword ptr [fip], r10d; mov r10d, 0x4021106; "
                  "call CALLOUT",
                  0xd9, 0x00, 0xd8, 0x08, 0xde, 0xc1);
    // FLD [EAX]; ADD EAX, 8; FADDP; INC EAX; MOV EAX, EBX
    assert_golden(M & ~(uint32_t)MODE_ONE,
                  "fld dword ptr gs:[eax]; add eax, 8; faddp st(1); inc eax; lea r8d, [rax - 9]; "
                  "mov dword ptr [fdp], r8d; lea r10d, [r11 + 0x105]; mov dword ptr [fip], r10d; mov eax, ebx; "
                  "mov r10d, 0x402110a; call CALLOUT",
                  0xd9, 0x00, 0x83, 0xc0, 0x08, 0xde, 0xc1, 0x40, 0x89, 0xd8);
    // FLD1 in a code segment with a base
    assert_golden(M | MODE_CS_CHECKED,
                  "fld1; mov r10d, dword ptr [seg_base[1]]; not r10d; lea r10d, [r11 + r10 + 0x101]; "
                  "mov dword ptr [fip], r10d",
                  0xd9, 0xe8);
    assert_golden(M, "fninit; mov dword ptr [fip], 0; mov dword ptr [fdp], 0; mov dword ptr [fop], 0", 0xdb,
                  0xe3);                                                                           // FNINIT
    assert_golden(M, "fnstcw word ptr gs:[r12d]", 0xd9, 0x3c, 0x24);                               // FNSTCW [ESP]
    assert_golden(M, "lea r8d, [rax]; mov r9d, 3; mov r10d, 0x4352100; call CALLOUT", 0xd9, 0x30); // FNSTENV [EAX]
    // FXSAVE [EAX]
    assert_golden(M, "lea r8d, [rax]; mov r9d, 0x43; mov r10d, 0x4353100; call CALLOUT", 0x0f, 0xae, 0x00);
    assert_golden(M, "wait", 0x9b);                                                           // FWAIT
    assert_golden(M | MODE_X87_NM, "mov r9d, 7; mov r10d, 0x2100; call CALLOUT", 0xd9, 0xe8); // FLD1 under CR0.TS
    // FWAIT under CR0.MP and CR0.TS
    assert_golden(M | MODE_WAIT_NM, "mov r9d, 7; mov r10d, 0x1100; call CALLOUT", 0x9b);
    // ADDPS under CR0.TS
    assert_golden(M | MODE_SIMD_NM, "mov r9d, 7; mov r10d, 0x3100; call CALLOUT", 0x0f, 0x58, 0xc1);
    // ADDPS without CR4.OSFXSR
    assert_golden(M | MODE_SSE_UD, "mov r9d, 6; mov r10d, 0x3100; call CALLOUT", 0x0f, 0x58, 0xc1);
    assert_golden(M | MODE_SSE_UD, "paddb mm0, mm1", 0x0f, 0xfc, 0xc1); // PADDB MM0, MM1 without CR4.OSFXSR
    // PADDB under CR0.EM
    assert_golden(M | MODE_MMX_UD, "mov r9d, 6; mov r10d, 0x3100; call CALLOUT", 0x0f, 0xfc, 0xc1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_push),        cmocka_unit_test(test_pop),     cmocka_unit_test(test_leave),
        cmocka_unit_test(test_strings),     cmocka_unit_test(test_removed), cmocka_unit_test(test_interrupt_flag),
        cmocka_unit_test(test_flags_image), cmocka_unit_test(test_clock),   cmocka_unit_test(test_segments),
        cmocka_unit_test(test_callouts),    cmocka_unit_test(test_avx),     cmocka_unit_test(test_x87),
    };
    return cmocka_run_group_tests_name("translator_kinds", tests, NULL, NULL);
}
