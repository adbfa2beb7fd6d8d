// A small just-in-time compiler: expressions become code in a buffer that is used again and again.
#include "exec.h"

static u8 buffer[3 * 4096] __attribute__((aligned(4096)));

struct program {
    u8 op[24];
    u32 operand[24];
    u32 length;
};

static u32 interpret(const struct program *p, u32 value) {
    for (u32 i = 0; i < p->length; i++)
        switch (p->op[i]) {
        case 0: value += p->operand[i]; break;
        case 1: value ^= p->operand[i]; break;
        case 2: value *= p->operand[i]; break;
        case 3: value = value << 5 | value >> 27; break;
        case 4: value = value & 1 ? value - p->operand[i] : ~value; break;
        }
    return value;
}

static u8 *emit32(u8 *at, u32 v) {
    memcpy(at, &v, 4);
    return at + 4;
}

static void compile(const struct program *p, u8 *at) { // u32 f(u32 value), argument on the stack
    memcpy(at, "\x8b\x44\x24\x04", 4);                 // mov 4(%esp), %eax
    at += 4;
    for (u32 i = 0; i < p->length; i++) {
        u32 v = p->operand[i];
        switch (p->op[i]) {
        case 0: *at = 0x05, at = emit32(at + 1, v); break;
        case 1: *at = 0x35, at = emit32(at + 1, v); break;
        case 2: memcpy(at, "\x69\xc0", 2), at = emit32(at + 2, v); break;
        case 3: memcpy(at, "\xc1\xc0\x05", 3), at += 3; break;
        case 4: // test $1, %al; jz 1f; sub v; jmp 2f; 1: not %eax; 2:
            memcpy(at, "\xa8\x01\x74\x07\x2d", 5), at = emit32(at + 5, v);
            memcpy(at, "\xeb\x02\xf7\xd0", 4), at += 4;
            break;
        }
    }
    *at = 0xc3;
}

TEST(compile_and_run) {
    u32 x = 7;
    for (u32 i = 0; i < 1500; i++) {
        struct program p;
        p.length = 1 + i % 24;
        for (u32 k = 0; k < p.length; k++) {
            x = x * 1664525 + 1013904223;
            p.op[k] = (u8)((x >> 24) % 5);
            p.operand[k] = x ^ x >> 11;
        }
        u8 *at = buffer + (i * 677) % (2 * 4096 + 3000); // at all offsets, also across the page ends
        compile(&p, at);
        u32 (*volatile f)(u32) = (u32(*)(u32))at;
        for (u32 k = 0; k < 3; k++) {
            u32 got = f(x + k), expected = interpret(&p, x + k);
            if (got != expected) {
                CHECK_EQ("result", got, expected);
                print("     program %u at offset %u\n", i, (u32)(at - buffer));
                return;
            }
        }
    }
}

TEST(trampolines) { // the code on the stack of the caller, as nested functions and old signal frames have it
    for (u32 i = 0; i < 300; i++) {
        u8 code[16];
        code[0] = 0xb8;
        memcpy(code + 1, &i, 4);
        code[5] = 0xc3;
        barrier();
        u32 (*volatile f)(void) = (u32(*)(void))code;
        __asm__ volatile("" ::"r"(code) : "memory");
        if (f() != i) {
            CHECK_EQ("value", f(), i);
            return;
        }
    }
}
