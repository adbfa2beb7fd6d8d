// Hand-made blocks: for each rule of docs/verifier.md some that break it, beside others that only just do not.
#include "tests/verifier/blocks.h"
#include "tests/verifier/corpus.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define HEAD "45 8d 98 00 00 00 00 "   // lea r11d,[r8+0]
#define END  " 45 8d 43 10 @jmp=EXIT " // lea r8d,[r11+10h]
#define CPL3 (3u << MODE_CPL_SHIFT)

// A lookup of [r11], four bytes, for reading; the miss is at label m, what follows the hit is at h.
#define LOOKUP_OF(tag, addend, size_1)                                                                                 \
    "45 8d 03 c4 42 03 f7 c8 45 0f b6 c9 41 89 ca 43 8b 8c 8f " tag " 42 8d 4c 01 " size_1                             \
    " c4 e2 03 f7 c9 e3 05 e9 >m 44 89 d1 4f 8b 8c cf " addend " :h "
#define LOOKUP       LOOKUP_OF("$TAG_READ", "$ADDEND", "03")
#define LOOKUP_WRITE LOOKUP_OF("$TAG_WRITE", "$ADDEND", "03")
#define MISS         " :m 44 89 d1 41 ba $READ4 @call=SOFT_MISS e9 >h "
// The bounced store in its tail.
#define MISS_WRITE " :m 44 89 d1 41 ba $WRITE4 @call=SOFT_MISS e9 >h 43 89 04 01 41 ba $ZERO @call=WRITEBACK e9 >next "
#define TRANSFER   "c4 42 03 f7 c8 4f 8b 4c cd 00 47 8b 0c 81 41 ff e1 " // shrx, mov, mov, jmp r9
// The counter and its offset; the shift count is 32.
#define RDTSC_OF(count)                                                                                                \
    "0f 31 41 ba " count " c4 e2 a9 f7 d2 48 8d 04 10 4d 8b 8f $TSC_OFFSET 4a 8d 04 08 c4 e2 ab f7 d0 89 c0"
#define LOAD  "43 8b 04 01 " // mov eax,[r9+r8]
#define STORE "43 89 04 01 " // mov [r9+r8],eax

struct example {
    const char *text;
    const char *rule; // part of the error; NULL: the block is good
    uint32_t mode;
};

static struct hand_block block;

static void check(const struct example *e) {
    struct error err = {"accepted"};
    hand_assemble(&block, e->text, e->mode);
    int status = verify_block(&block.check, &err);
    if (!e->rule && status < 0)
        fail_msg("refused: %s\n%s", e->text, err.text);
    if (e->rule && (status == 0 || !strstr(err.text, e->rule)))
        fail_msg("not refused as '%s': %s\n%s", e->rule, e->text, err.text);
}

#define CHECK_ALL(examples)                                                                                            \
    for (size_t i = 0; i < sizeof(examples) / sizeof *(examples); i++)                                                 \
    check(&(examples)[i])

#define LIST "not on the list"

// ---- The allow-list -------------------------------------------------------------------------------------------------

static void test_instructions(void **state) {
    (void)state;
    static const struct example examples[] = {
        {HEAD END, NULL, 0},
        {HEAD "01 d8 0f af c1 99 f7 f9 0f a2" END, LIST, 0}, // CPUID
        {HEAD "0f 05" END, LIST, 0},                         // SYSCALL
        {HEAD "0f 34" END, LIST, 0},                         // SYSENTER
        {HEAD "cd 80" END, LIST, 0},                         // INT
        {HEAD "cc" END, LIST, 0},
        {HEAD "e4 60" END, LIST, 0},          // IN
        {HEAD "ee" END, LIST, 0},             // OUT
        {HEAD "6c" END, LIST, 0},             // INSB
        {HEAD "f4" END, LIST, 0},             // HLT
        {HEAD "fa" END, LIST, 0},             // CLI
        {HEAD "f3 0f ae d8" END, LIST, 0},    // WRGSBASE
        {HEAD "f3 0f ae c0" END, LIST, 0},    // RDFSBASE
        {HEAD "0f 01 f8" END, LIST, 0},       // SWAPGS
        {HEAD "0f 01 ee" END, LIST, 0},       // RDPKRU
        {HEAD "0f 01 d0" END, LIST, 0},       // XGETBV
        {HEAD "65 67 0f ae 20" END, LIST, 0}, // XSAVE
        {HEAD "65 67 0f ae 00" END, LIST, 0}, // FXSAVE
        {HEAD "65 67 d9 30" END, LIST, 0},    // FNSTENV
        {HEAD "65 67 dd 30" END, LIST, 0},    // FNSAVE
        {HEAD "8e d8" END, LIST, 0},          // MOV DS
        {HEAD "8c d8" END, LIST, 0},
        {HEAD "0f b2 00" END, LIST, 0},                     // LSS
        {HEAD "0f 20 c0" END, LIST, 0},                     // MOV EAX,CR0
        {HEAD "0f 01 10" END, LIST, 0},                     // LGDT
        {HEAD "0f 00 c8" END, LIST, 0},                     // STR
        {HEAD "0f 30" END, LIST, 0},                        // WRMSR
        {HEAD "0f 31" END, "only in a listed sequence", 0}, // RDTSC
        {HEAD "0f 01 f9" END, LIST, 0},                     // RDTSCP
        {HEAD "0f c7 f8" END, LIST, 0},                     // RDSEED
        {HEAD "f3 0f c7 f8" END, "repeat prefix", 0},       // RDPID
        {HEAD "c3" END, LIST, 0},
        {HEAD "cb" END, LIST, 0},
        {HEAD "cf" END, LIST, 0},
        {HEAD "c8 10 00 00" END, LIST, 0},            // ENTER
        {HEAD "c9" END, LIST, 0},                     // LEAVE
        {HEAD "ff 28" END, LIST, 0},                  // JMP far
        {HEAD "ff d0" END, LIST, 0},                  // CALL RAX
        {HEAD "d7" END, LIST, 0},                     // XLAT
        {HEAD "63 c1" END, LIST, 0},                  // MOVSXD
        {HEAD "06" END, LIST, 0},                     // no instruction
        {HEAD "0f ff c0" END, LIST, 0},               // UD0
        {HEAD "f3 0f bc c1" END, "repeat prefix", 0}, // TZCNT
        {HEAD "0f bc c1" END, NULL, 0},               // BSF
        {HEAD "0f b8 c1" END, "cannot decode", 0},    // no POPCNT
        {HEAD "f3 0f b8 c1" END, NULL, 0},
        {HEAD "f0 01 d8" END, "cannot decode", 0}, // LOCK on a register
        {HEAD "65 67 f0 01 18" END, NULL, 0},      // add gs:[eax],ebx: prefixes in another order, but each once
        {HEAD "65 67 f0 39 18" END, "cannot decode", 0},
        {HEAD "66 66 90" END, "repeated", 0},
        {HEAD "2e 01 d8" END, "segment override", 0},
        {HEAD "c5 f8 58 c1" END, "AVX in a mode", 0}, // VADDPS
        {HEAD "c5 f8 58 c1" END, NULL, MODE_AVX},
        {HEAD "c5 f8 58 c1" END, "AVX in a mode", MODE_AVX | MODE_SIMD_NM},
        {HEAD "c5 f8 58 c1" END, "AVX in a mode", MODE_AVX | MODE_V86},
        {HEAD "c5 78 58 c1" END, "vector register", MODE_AVX},    // XMM8
        {HEAD "c4 c1 78 58 c1" END, "vector register", MODE_AVX}, // XMM9
        {HEAD "c5 b8 58 c1" END, "vector register", MODE_AVX},    // XMM8
        {HEAD "c4 e3 75 4a c2 80" END, LIST, MODE_AVX},           // VBLENDVPS with YMM8
        {HEAD "65 67 c5 fc 10 00" END, NULL, MODE_AVX},           // VMOVUPS ymm0,gs:[eax]
        {HEAD "65 c5 fc 10 00" END, "gs without 67h", MODE_AVX},
        {HEAD "c5 fc 10 00" END, "outside the window", MODE_AVX},
        {HEAD "65 67 c5 fc 10 00" END, "soft block", MODE_AVX | MODE_SOFT},
        {HEAD "c4 c1 7c 11 87 00 01 00 00" END, "no business", MODE_AVX}, // into the vCPU structure
        {HEAD "65 67 c4 e2 6d 2c 08" END, LIST, MODE_AVX},                // VMASKMOVPS
        {HEAD "65 67 c4 e2 61 90 0c 10" END, "disagree", MODE_AVX},       // VPGATHERDD
        {HEAD "c4 e1 f9 7e c0" END, LIST, MODE_AVX},                      // VMOVQ rax,xmm0
        {HEAD "65 67 c5 f8 ae 10" END, LIST, MODE_AVX},                   // VLDMXCSR
        {HEAD "c4 e2 71 98 c2" END, LIST, MODE_AVX},                      // FMA
        {HEAD "c4 e2 79 13 c1" END, LIST, MODE_AVX},                      // F16C
        {HEAD "c4 e2 71 dc c2" END, LIST, MODE_AVX},                      // VAESENC
        {HEAD "c4 e3 71 44 c2 00" END, LIST, MODE_AVX},                   // VPCLMULQDQ
        {HEAD "c5 f8 77" END, NULL, MODE_AVX},                            // VZEROUPPER
        {HEAD "62 f1 7c 48 58 c1" END, LIST, 0},                          // EVEX
        {HEAD "c4 e2 7b f7 c1" END, LIST, 0},                             // shrx eax,ecx,eax
        {HEAD "c4 42 0b f7 c0" END, LIST, 0},                             // shrx r8d,r8d,r14d
        {HEAD "41 b9 0f 00 00 00 c4 42 32 f5 c9" END, NULL, 0},           // mov r9d,15; pext r9d,r9d,r9d
        {HEAD "c4 42 22 f5 c8" END, "host address", 0},                   // with r8, which is not known
    };
    CHECK_ALL(examples);
}

// ---- Registers ------------------------------------------------------------------------------------------------------

static void test_registers(void **state) {
    (void)state;
    static const struct example examples[] = {
        {HEAD "41 01 c4" END, NULL, 0},                // add r12d,eax
        {HEAD "66 41 01 c4" END, NULL, 0},             // add r12w,ax
        {HEAD "41 00 c4" END, "byte registers", 0},    // add r12b,al
        {HEAD "89 c4" END, "reserved register", 0},    // mov esp,eax
        {HEAD "40 88 c4" END, "reserved register", 0}, // mov spl,al
        {HEAD "88 c4" END, NULL, 0},                   // mov ah,al
        {HEAD "41 89 c3" END, "reserved register", 0}, // mov r11d,eax
        {HEAD "41 89 c5" END, "reserved register", 0},
        {HEAD "41 89 c6" END, "reserved register", 0},
        {HEAD "41 89 c7" END, "reserved register", 0},
        {HEAD "44 89 f8" END, "reserved register", 0}, // mov eax,r15d
        {HEAD "41 bf 00 00 00 00" END, "reserved register", 0},
        {HEAD "41 97" END, "reserved register", 0},    // xchg r15d,eax
        {HEAD "41 0f cf" END, "reserved register", 0}, // bswap r15d
        {HEAD "45 8d 3b" END, "reserved register", 0}, // lea r15d,[r11]
        {HEAD "41 8d 07" END, "reserved register", 0}, // lea eax,[r15]
        {HEAD "8d 04 24" END, "reserved register", 0}, // lea eax,[rsp]
        {HEAD "44 89 c8" END, "host address", 0},      // mov eax,r9d
        {HEAD "48 01 d8" END, "64-bit", 0},
        {HEAD "48 89 d8" END, "64-bit", 0},
        {HEAD "48 b8 00 00 00 00 01 00 00 00" END, "64-bit", 0},
        {HEAD "48 63 c1" END, LIST, 0},
        {HEAD "48 98" END, "64-bit", 0},
        {HEAD "4a 8d 34 36 89 f6" END, "64-bit", 0}, // lea rsi,[rsi+r14] without its string
        {HEAD "4c 87 c9 4c 87 c9" END, NULL, 0},     // xchg r9,rcx twice
        {HEAD "4c 87 c9" END, "waits in a scratch register", 0},
        {HEAD "4c 87 c9 01 d8 4c 87 c9" END, "waits in a scratch register", 0},
        {HEAD "4c 87 c9 4c 87 c1" END, "waits in a scratch register", 0},
        {HEAD "4c 87 c0" END, "64-bit", 0}, // xchg r8,rax
        {HEAD "4c 87 f9" END, "64-bit", 0}, // xchg r15,rcx
        {HEAD "4c 87 c9 e3 >>l 4c 87 c9 :l" END, "one has exchanged", 0},
        {HEAD "50 58" END, "listed sequence", 0}, // push rax; pop rax
        {HEAD "9c 41 58 9c 41 5a" END, NULL, 0},  // pushfq; pop r8; pushfq; pop r10
        {HEAD "9c" END, "listed sequence", 0},
        {HEAD "9c 58" END, "listed sequence", 0},
        {HEAD "41 b9 00 00 00 00 41 81 e1 d5 0c 00 00 41 51 9d" END, NULL, 0},
        {HEAD "41 b9 00 00 00 00 41 81 e1 d5 0d 00 00 41 51 9d" END, "listed sequence", 0}, // with TF
        {HEAD "41 81 e1 d5 0c 00 00 41 51 9d" END, "host address", 0},
        {HEAD "0f 28 c1" END, NULL, 0},
        {HEAD "44 0f 28 c1" END, "vector register", 0}, // xmm8
        {HEAD "41 0f 28 c0" END, "vector register", 0},
        {HEAD "66 48 0f 6e c0" END, "64-bit", 0}, // movq xmm0,rax
    };
    CHECK_ALL(examples);
}

// ---- Memory ---------------------------------------------------------------------------------------------------------

static void test_memory(void **state) {
    (void)state;
    static const struct example examples[] = {
        {HEAD "65 67 8b 44 91 10" END, NULL, 0}, // mov eax,gs:[ecx+edx*4+16]
        {HEAD "65 67 8b 44 91 10" END, "soft block", MODE_SOFT},
        {HEAD "65 8b 00" END, "gs without 67h", 0},
        {HEAD "67 8b 00" END, "67h without gs", 0},
        {HEAD "8b 00" END, "outside the window", 0},
        {HEAD "64 67 8b 00" END, "segment override", 0}, // fs
        {HEAD "8b 05 00 00 00 00" END, "RIP-relative", 0},
        {HEAD "65 67 8b 05 00 00 00 00" END, "RIP-relative", 0},
        {HEAD "8b 04 25 00 00 00 00" END, "outside the window", 0},
        {HEAD "65 67 41 8b 07" END, "not the guest's", 0}, // gs:[r15d]
        {HEAD "8b 44 24 10" END, "outside the window", 0}, // the host stack
        {HEAD "43 8b 04 c1" END, "nothing more", 0},       // [r9+r8*8]
        {HEAD LOAD END, "without a lookup", 0},
        {HEAD "a4" END, "listed sequence", 0}, // MOVSB alone
        {HEAD "4a 8d 34 36 4a 8d 3c 37 f3 a4 89 f6 89 ff" END, NULL, 0},
        {HEAD "4a 8d 34 36 4a 8d 3c 37 f3 a4 89 f6 89 ff" END, "soft block", MODE_SOFT},
        {HEAD "4a 8d 34 36 4a 8d 3c 37 f3 a4 89 f6" END, "64-bit", 0},
        {HEAD "4a 8d 34 36 f3 a4 89 f6" END, "64-bit", 0},
        {HEAD "4a 8d 3c 37 67 aa 89 ff" END, "64-bit", 0},
        {HEAD "4a 8d 3c 37 f3 aa 89 ff" END, NULL, 0},
        {HEAD "66 0f f7 c1" END, "MASKMOV", 0},
        {HEAD "65 67 66 0f f7 c1" END, NULL, 0},
        {HEAD "65 67 0f ab 18" END, NULL, 0},          // bts gs:[eax],ebx
        {HEAD "41 0f ab 5f 00" END, "no business", 0}, // bts [r15],ebx
    };
    CHECK_ALL(examples);
}

static void test_vcpu(void **state) {
    (void)state;
    static const struct example examples[] = {
        {HEAD "41 8b 87 $TMP" END, NULL, 0},
        {HEAD "41 89 87 $TMP" END, NULL, 0},
        {HEAD "66 41 89 87 $TMP" END, "not a listed field", 0},
        {HEAD "4d 8b 8f $TMP" END, "64-bit", 0},
        {HEAD "41 89 87 $FIP" END, NULL, 0},
        {HEAD "41 8b 87 $FIP" END, "not a listed field", 0},
        {HEAD "41 0f b6 87 $PENDING" END, NULL, 0},
        {HEAD "41 f6 97 $PENDING" END, "not a listed field", 0}, // not byte
        {HEAD "41 0f b6 87 $REQUEST" END, "not a listed field", 0},
        {HEAD "41 8b 87 $LIVE_ROOT" END, "not a listed field", 0},
        {HEAD "41 89 87 $CALLOUT_ENTRY" END, "not a listed field", 0},
        {HEAD "41 89 87 $SYS_FLAGS" END, NULL, MODE_IOPL_OK},
        {HEAD "41 89 87 $SYS_FLAGS" END, "IOPL", 0},
        {HEAD "41 8b 87 $CR2" END, NULL, 0},
        {HEAD "41 8b 87 $CR2" END, "control register", CPL3},
        {HEAD "41 89 87 $CR2" END, "not a listed field", 0},
        {HEAD "41 03 87 $TMP" END, "no business", 0}, // add eax,[tmp]
        {HEAD "f0 41 81 b7 $TMP 00 00 00 00" END, "no business", 0},
        {HEAD "41 8b 84 07 $TMP" END, "an index beside r15", 0},
        {HEAD "43 8b 8c 8f $TAG_READ" END, "an index beside r15", 0},
        {HEAD "4d 8b 8f $SEG_BASE_P 45 8b 09 44 89 c8" END, NULL, 0},
        {HEAD "4d 8b 8f $SEG_BASE_P" END, "64-bit", 0},
        {HEAD "4d 8b 8f $TSC_OFFSET 45 8b 09" END, "64-bit", 0},
        {HEAD "4d 8b 8f $SEG_BASE_P 45 89 09" END, "64-bit", 0},
    };
    CHECK_ALL(examples);
}

static void test_lookup(void **state) {
    (void)state;
    static const struct example examples[] = {
        {HEAD LOOKUP LOAD END MISS, NULL, 0},
        {HEAD LOOKUP "66 43 8b 04 01" END MISS, NULL, 0},
        {HEAD LOOKUP "43 dd 04 01" END MISS, "more bytes", 0}, // fld qword
        {HEAD LOOKUP "43 0f 10 04 01" END MISS, "more bytes", 0},
        {HEAD LOOKUP STORE END MISS, "lookup for reading", 0},
        {HEAD LOOKUP "43 01 04 01" END MISS, "lookup for reading", 0},
        {HEAD LOOKUP_WRITE STORE ":next" END MISS_WRITE, NULL, 0},
        {HEAD LOOKUP_WRITE "43 01 04 01 :next" END MISS_WRITE, NULL, 0},
        {HEAD LOOKUP "45 89 c0 " LOAD END MISS, "without a lookup", 0},          // mov r8d,r8d
        {HEAD LOOKUP "41 b9 00 00 00 00 " LOAD END MISS, "without a lookup", 0}, // mov r9d,0
        {HEAD LOOKUP "43 8b 44 01 04" END MISS, "nothing more", 0},
        {HEAD LOOKUP "43 0f a3 04 01" END MISS, "may leave the operand", 0}, // bt [r9+r8],eax
        {HEAD LOOKUP "41 ba $CPUID @call=CALLOUT " LOAD END MISS, "without a lookup", 0},
        {HEAD LOOKUP LOAD END MISS, "this mode's software TLB", CPL3},
        {HEAD LOOKUP_OF("$TAG_READ_USER", "$ADDEND_USER", "03") LOAD END MISS, NULL, CPL3},
        {HEAD LOOKUP_OF("$TAG_READ", "$ADDEND_USER", "03") LOAD END MISS, "this mode's software TLB", 0},
        {HEAD LOOKUP_OF("$TAG_READ", "$TAG_WRITE", "03") LOAD END MISS, "this mode's software TLB", 0},
        {HEAD LOOKUP_OF("$TMP", "$ADDEND", "03") LOAD END MISS, "this mode's software TLB", 0},
        {HEAD LOOKUP_OF("$TAG_READ", "$ADDEND", "ff") LOAD END MISS, LIST, 0}, // size 0
        // without the comparison
        {HEAD "45 8d 03 c4 42 03 f7 c8 45 0f b6 c9 4f 8b 8c cf $ADDEND " LOAD END, LIST, 0},
        {HEAD LOOKUP LOAD END " :m 44 89 d1 41 ba $READ2 @call=SOFT_MISS e9 >h ", "brings less", 0},
        {HEAD LOOKUP LOAD END " :m 44 89 d1 e9 >h ", "without a lookup", 0},
        {HEAD LOOKUP LOAD END " :m 44 89 d1 41 ba $READ_SEG7 @call=SOFT_MISS e9 >h ", "out of range", 0},
        {HEAD LOOKUP LOAD END " :m 44 89 d1 41 ba $READ0 @call=SOFT_MISS e9 >h ", "out of range", 0},
        {HEAD LOOKUP_WRITE STORE END " :m 44 89 d1 41 ba $WRITE4 @call=SOFT_MISS e9 >h 43 89 04 01" END,
         "not written back", 0},
        {HEAD LOOKUP_WRITE STORE END " :m 44 89 d1 41 ba $WRITE4 @call=SOFT_MISS 90 e9 >h", "without a lookup", 0},
        {HEAD "45 8d 03 41 ba $WRITE4 @call=SOFT_MISS 90" END, "five-byte jump", 0},
        {HEAD "41 ba $ZERO @call=WRITEBACK" END, "without a bounced operand", 0},
        {HEAD "45 8d 03 41 ba $READ4 @call=SOFT_MISS " LOAD END, NULL, 0},
        {HEAD "41 ba $READ4 @call=SOFT_MISS " LOAD END, "upper half", 0}, // r8 is not known
        // lock bts [r9+r8],r10d: with the offset cut to the operand, and not
        {HEAD LOOKUP_WRITE "41 ba 1f 00 00 00 c4 42 62 f5 d2 f0 47 0f ab 14 01 :next" END MISS_WRITE, NULL, 0},
        {HEAD LOOKUP_WRITE "41 ba 3f 00 00 00 c4 42 62 f5 d2 f0 47 0f ab 14 01 :next" END MISS_WRITE, "may leave", 0},
        // maskmovq takes eight bytes
        {HEAD LOOKUP_WRITE "4f 8d 0c 01 4c 87 cf 0f f7 c1 4c 87 cf :next" END MISS_WRITE, "no lookup for writing", 0},
        {HEAD LOOKUP_OF("$TAG_WRITE", "$ADDEND", "07") "4f 8d 0c 01 4c 87 cf 0f f7 c1 4c 87 cf :next" END MISS_WRITE,
         "brings less", 0}, // its tail's word says four
    };
    CHECK_ALL(examples);
}

// ---- Control flow ---------------------------------------------------------------------------------------------------

static void test_control(void **state) {
    (void)state;
    static const struct example examples[] = {
        {HEAD "45 8d 03 :transfer " TRANSFER ":after", NULL, 0},
        {HEAD "45 8d 03 :transfer " TRANSFER ":after", "one instruction a block", MODE_ONE},
        {HEAD "45 8d 03 " TRANSFER, "without its mark", 0},
        {HEAD "45 8d 03 :transfer 90 " TRANSFER ":after", "does not cover", 0},
        {HEAD ":transfer " TRANSFER ":after", "upper half", 0},
        {HEAD "41 ff e1" END, "indirect jump", 0},
        {HEAD "ff e0" END, "indirect jump", 0},
        {HEAD "65 67 ff 20" END, "indirect jump", 0},
        {HEAD "45 8d 03 c4 42 03 f7 c8 4f 8b 4c cd 00 41 ff e1", LIST, 0}, // an entry is not loaded
        {HEAD "75 >>in 45 8d 03 :transfer c4 42 03 f7 c8 :in 4f 8b 4c cd 00 47 8b 0c 81 41 ff e1 :after",
         "into a listed sequence", 0},
        {HEAD "0f 85 >l 90 :l" END, NULL, 0},
        {HEAD "eb 01 b8 00 00 00 00" END, "no instruction of the block", 0},
        {HEAD "0f 85 00 10 00 00" END, "no instruction of the block", 0},
        {HEAD "45 8d 03 @jmp=MISS", "no listed stub", 0},
        {HEAD "45 8d 03 @jmp=CALLOUT", "no listed stub", 0},
        {HEAD "@jmp=EXIT", "upper half", 0},
        {HEAD "0f 85 >l" END ":l 45 8d 03 e8 00 00 00 00", "no listed stub", 0},
        {HEAD "@call=CALLOUT" END, "without its listed words", 0},
        {HEAD "41 ba $ZERO @call=MISS" END, "no listed stub", 0},
        {HEAD "45 8d 03 @call=LINK", "belongs to no exit", 0},
        {HEAD "90", "no room", 0},
        {HEAD "0f 1f 44 00 00 90", "runs on behind its end", 0},
        {HEAD "45 8d 03 @jmp=EXIT 01 d8", "nothing leads to", 0},
        {HEAD "45 8d 03 @jmp=EXIT 90", NULL, 0},
        {HEAD ":l 90 e9 >l", "loop", 0},
        {HEAD ":l 90 90 90 eb >>l", "not listed", 0},
        {HEAD ":l 90 0f 85 >l" END, "not listed", 0},
        {HEAD "67 e2 >>l :l" END, NULL, 0},
        {HEAD "e2 >>l :l" END, "LOOP without 67h", 0},
        {HEAD "41 ba $CPUID @call=CALLOUT" END, NULL, 0},
        {HEAD "41 ba $NO_CALLOUT @call=CALLOUT" END, "unknown callout", 0},
        {HEAD "41 ba $LOAD_SEG9 @call=CALLOUT" END, "out of range", 0},
        {HEAD "41 ba $HLT @call=CALLOUT", NULL, 0},
        {HEAD "41 ba $HLT @call=CALLOUT", "not CPL 0", CPL3},
        {HEAD "41 b9 06 00 00 00 41 ba $RAISE @call=CALLOUT", NULL, 0},
        {HEAD "41 b9 86 00 00 00 41 ba $RAISE @call=CALLOUT", "out of range", 0},
        {HEAD "41 ba $RAISE @call=CALLOUT", "not a constant", 0},
        {HEAD "41 b9 0b 00 00 00 41 ba $LGDT @call=CALLOUT" END, NULL, 0},
        {HEAD "41 b9 07 00 00 00 41 ba $LGDT @call=CALLOUT" END, "out of range", 0}, // segment 7
        {"45 8d 98 00 00 00 10 45 8d 03 @jmp=EXIT", "a block begins", 0},
        {"45 8d b8 00 00 00 00 45 8d 03 @jmp=EXIT", "a block begins", 0},
        {"90 90 90 90 90 90 90 45 8d 03 @jmp=EXIT", "a block begins", 0},
        {HEAD "45 8d 03 e9 00 00", "ends inside an instruction", 0},
    };
    CHECK_ALL(examples);
}

static void test_modes(void **state) {
    (void)state;
    static const struct example examples[] = {
        {HEAD "d9 e8" END, NULL, 0},
        {HEAD "d9 e8" END, "#NM", MODE_X87_NM},
        {HEAD "9b" END, "#NM", MODE_WAIT_NM},
        {HEAD "0f fc c1" END, NULL, MODE_SSE_UD},
        {HEAD "0f fc c1" END, "#NM", MODE_MMX_UD},
        {HEAD "66 0f fc c1" END, "#NM", MODE_SSE_UD},
        {HEAD "0f 58 c1" END, "#NM", MODE_SIMD_NM},
        {HEAD RDTSC_OF("20 00 00 00") END, NULL, 0},
        {HEAD RDTSC_OF("20 00 00 00") END, "#GP", MODE_TSC_GP},
        {HEAD RDTSC_OF("$THIRTY") END, "listed sequence", 0},
    };
    CHECK_ALL(examples);
}

// ---- Counted blocks
// --------------------------------------------------------------------------------------------------

// The charge of `n` instructions; a block that is not covered leaves by way of `out`.
#define CHARGE_OF(n, sign, out)                                                                                        \
    "4d 8b 87 $BUDGET 4d 8d 40 " n " 41 89 c9 41 ba " sign " c4 c2 ab f7 c8 e3 >>go 44 89 c9 " out                     \
    " :go 44 89 c9 4d 89 87 $BUDGET "
#define CHARGE CHARGE_OF("fe", "3f 00 00 00", "45 8d 43 00 @jmp=EXIT")

static void test_charge(void **state) {
    (void)state;
    static const struct example examples[] = {
        {HEAD CHARGE END, NULL, MODE_COUNTED},
        {HEAD CHARGE END, "charged wrongly", 0},
        {HEAD END, "charged wrongly", MODE_COUNTED},
        {HEAD CHARGE CHARGE END, "", MODE_COUNTED},
        {HEAD CHARGE_OF("ff", "3f 00 00 00", "45 8d 43 00 @jmp=EXIT") END, "another number", MODE_COUNTED},
        {HEAD CHARGE_OF("fe", "1f 00 00 00", "45 8d 43 00 @jmp=EXIT") END, "charged wrongly", MODE_COUNTED},
        {HEAD CHARGE_OF("fe", "3f 00 00 00", "45 8d 43 01 @jmp=EXIT") END, "another place", MODE_COUNTED},
        {HEAD CHARGE_OF("fe", "3f 00 00 00", "45 8d 43 00 @jmp=MISS") END, "another place", MODE_COUNTED},
        {HEAD "4d 8b 87 $BUDGET" END, "64-bit operand", 0},
    };
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
        struct error err = {"accepted"};
        hand_assemble(&block, examples[i].text, examples[i].mode);
        block.out.insns = 2;
        int status = verify_block(&block.check, &err);
        if (!examples[i].rule != !status || (status && !strstr(err.text, examples[i].rule)))
            fail_msg("%s\n%s", examples[i].text, err.text);
    }
}

// ---- Traced blocks
// ---------------------------------------------------------------------------------------------------

// Room for one record, left as `less` and found by `sign`; then the record of number `number`.
#define ROOM_OF(less, sign, out)                                                                                       \
    "4d 8b 87 $TRACE_ROOM 4d 8d 40 " less " 41 89 c9 41 ba " sign " c4 c2 ab f7 c8 e3 >>room 44 89 c9 " out            \
    " :room 44 89 c9 "
#define WRITE_OF(less, number, page)                                                                                   \
    "4d 8b 87 $TRACE_ROOM 4d 8d 40 " less " 4d 89 87 $TRACE_ROOM 4d 8b 8f $TRACE_RING 41 ba " number                   \
    " 47 89 14 c1 " page
#define LEAVE  "45 8d 43 00 @jmp=EXIT"
#define ROOM   ROOM_OF("ff", "3f 00 00 00", LEAVE)
#define PAGE   "47 89 5c c1 04 "
#define WRITE  WRITE_OF("ff", "07 00 00 00", PAGE)
#define RECORD ROOM WRITE

static void test_record(void **state) {
    (void)state;
    static const struct example examples[] = {
        {HEAD RECORD END, NULL, MODE_TRACED},
        {HEAD ROOM CHARGE WRITE END, NULL, MODE_TRACED | MODE_COUNTED},
        {HEAD RECORD END, "recorded wrongly", 0},
        {HEAD END, "recorded wrongly", MODE_TRACED},
        {HEAD RECORD END, "charged wrongly", MODE_TRACED | MODE_COUNTED},
        {HEAD ROOM CHARGE WRITE END, "charged wrongly", MODE_TRACED},
        {HEAD ROOM_OF("ff", "3f 00 00 00", "45 8d 43 01 @jmp=EXIT") WRITE END, "another place", MODE_TRACED},
        {HEAD ROOM_OF("ff", "3f 00 00 00", "45 8d 43 00 @jmp=MISS") WRITE END, "another place", MODE_TRACED},
        {HEAD ROOM_OF("00", "3f 00 00 00", LEAVE) WRITE END, "another number", MODE_TRACED},
        {HEAD ROOM_OF("ff", "1f 00 00 00", LEAVE) WRITE END, "wrongly", MODE_TRACED},
        {HEAD ROOM WRITE_OF("fe", "07 00 00 00", PAGE) END, "wrongly", MODE_TRACED},
        {HEAD ROOM WRITE_OF("ff", "08 00 00 00", PAGE) END, "another number", MODE_TRACED},
        {HEAD ROOM WRITE_OF("ff", "07 00 00 00", "47 89 5c c1 08 ") END, "wrongly", MODE_TRACED},
        {HEAD ROOM WRITE_OF("ff", "07 00 00 00", "47 89 6c c1 04 ") END, "wrongly", MODE_TRACED},
        {HEAD ROOM WRITE_OF("ff", "07 00 00 00", "") END, "wrongly", MODE_TRACED},
        {HEAD ROOM END, "wrongly", MODE_TRACED},
        {HEAD WRITE END, "wrongly", MODE_TRACED},
    };
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
        struct error err = {"accepted"};
        hand_assemble(&block, examples[i].text, examples[i].mode);
        block.out.insns = 2;
        block.check.trace_id = 7;
        int status = verify_block(&block.check, &err);
        if (!examples[i].rule != !status || (status && !strstr(err.text, examples[i].rule)))
            fail_msg("%s\n%s", examples[i].text, err.text);
    }
}

// ---- The side table and the input -----------------------------------------------------------------------------------

#define EXITS HEAD "e9 >cold :cold 45 8d 83 00 01 00 00 @call=LINK " // site at 8, cold at 12, back at 24

static int verify_with_exit(struct block_exit x, struct error *err) {
    hand_assemble(&block, EXITS, 0);
    block.out.exit_count = 1;
    block.out.exits[0] = x;
    return verify_block(&block.check, err);
}

static void test_exits(void **state) {
    (void)state;
    struct error err;
    struct block_exit good = {.site = 8, .cold = 12, .cold_return = 24, .target = 0x100}, bad;
    assert_int_equal(verify_with_exit(good, &err), 0);
    bad = good, bad.site = 9;
    assert_int_equal(verify_with_exit(bad, &err), -1);
    bad = good, bad.cold = 19;
    assert_int_equal(verify_with_exit(bad, &err), -1);
    bad = good, bad.cold_return = 19;
    assert_int_equal(verify_with_exit(bad, &err), -1);
    bad = good, bad.target = 0x101;
    assert_int_equal(verify_with_exit(bad, &err), -1);
}

static void test_input(void **state) {
    (void)state;
    struct error err;
    hand_assemble(&block, HEAD END, 0);
    block.out.link_entry = 4;
    assert_int_equal(verify_block(&block.check, &err), -1);
    hand_assemble(&block, HEAD END, 0);
    block.check.size--;
    assert_int_equal(verify_block(&block.check, &err), -1);
    block.check.size = 0;
    assert_int_equal(verify_block(&block.check, &err), -1);
}

// The block's own bytes: mov r8, address; movzx r9d,[r8]; mov r10,-1; lea r9,[r9+r10]; xchg and test.
#define SELF_CHECK                                                                                                     \
    HEAD "49 b8 08 50 34 12 00 7f 00 00 45 0f b6 08 49 ba ff ff ff ff ff ff ff ff 4f 8d 0c 11 4c 87 c9 e3 >>good "     \
         "4c 87 c9" END ":good 4c 87 c9" END

static void test_self_check(void **state) {
    (void)state;
    struct error err;
    hand_assemble(&block, SELF_CHECK, 0);
    assert_int_equal(verify_block(&block.check, &err), -1); // nothing said that it checks itself
    block.check.live = CORPUS_LIVE + 100;
    assert_int_equal(verify_block(&block.check, &err), 0);
    block.check.live = CORPUS_LIVE + 4096;
    assert_int_equal(verify_block(&block.check, &err), -1);
    block.check.next_live = CORPUS_LIVE;
    assert_int_equal(verify_block(&block.check, &err), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_instructions), cmocka_unit_test(test_registers), cmocka_unit_test(test_memory),
        cmocka_unit_test(test_vcpu),         cmocka_unit_test(test_lookup),    cmocka_unit_test(test_control),
        cmocka_unit_test(test_modes),        cmocka_unit_test(test_charge),    cmocka_unit_test(test_record),
        cmocka_unit_test(test_exits),        cmocka_unit_test(test_input),     cmocka_unit_test(test_self_check),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
