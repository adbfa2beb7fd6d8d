// Runs an operation over its inputs and hashes what comes out. Plain C and one assembly routine; no libc.
#include "alu.h"

static const uint32_t values[] = {0,          1,          2,          3,          7,          0x0f,       0x10,
                                  0x7f,       0x80,       0x81,       0xff,       0x100,      0x7fff,     0x8000,
                                  0xffff,     0x10000,    0x12345678, 0x7fffffff, 0x80000000, 0x80000001, 0xcafebabe,
                                  0xfffffffe, 0xffffffff, 0xaaaaaaaa, 0x55555555, 0x0000ff00, 0xff7f8001};
enum { VALUES = sizeof values / sizeof *values, AROUND = 64, PATTERN_ESI = 0x13579bdf, PATTERN_EBP = 0x2468ace0 };

// void alu_run(code, uint32_t regs[8]): EAX ECX EDX EBX EBP ESI EDI EFLAGS in and out. Must not touch flags between.
void alu_run(void (*code)(void), uint32_t *regs);
__asm__(".text\n.globl alu_run\nalu_run:\n"
        "push %ebp; push %ebx; push %esi; push %edi\n"
        "mov 24(%esp), %ebp\n" // regs
        "pushl 20(%esp)\n"     // code
        "pushl 28(%ebp)\n popf\n"
        "mov 0(%ebp), %eax; mov 4(%ebp), %ecx; mov 8(%ebp), %edx; mov 12(%ebp), %ebx\n"
        "mov 20(%ebp), %esi; mov 24(%ebp), %edi\n mov 16(%ebp), %ebp\n"
        "call *(%esp)\n"
        "pushf\n push %ebp\n"
        "mov 36(%esp), %ebp\n" // regs again: popped ebp, flags, code, 4 saved, return, code argument
        "mov %eax, 0(%ebp); mov %ecx, 4(%ebp); mov %edx, 8(%ebp); mov %ebx, 12(%ebp)\n"
        "mov %esi, 20(%ebp); mov %edi, 24(%ebp)\n"
        "popl 16(%ebp)\n popl 28(%ebp)\n"
        "cld\n"
        "add $4, %esp\n"
        "pop %edi; pop %esi; pop %ebx; pop %ebp\n ret\n");

struct run {
    const struct alu_op *op;
    uint8_t *where;
    alu_trace trace;
    uint32_t hash;
};

static void mix(struct run *run, uint32_t value) {
    run->hash = (run->hash << 5 | run->hash >> 27) ^ value;
    run->hash *= 0x9e3779b1u;
}

static void put32(uint8_t *at, uint32_t value) {
    for (unsigned i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> 8 * i);
}

static uint32_t shift_mask(const struct alu_op *op, uint32_t count) {
    unsigned n = count & 31;
    if (n == 0)
        return F_ALL;
    uint32_t mask = op->kind == K_ROTATE ? F_ALL : F_ALL & ~(uint32_t)F_AF;
    if (n != 1)
        mask &= ~(uint32_t)F_OF;
    if (op->kind == K_SHIFT && n >= op->width)
        mask &= ~(uint32_t)F_CF;
    return mask;
}

static void one(struct run *run, const struct alu_case *in) {
    for (int i = -AROUND; i < AROUND; i++)
        run->where[i] = (uint8_t)(i * 37 + 11);
    put32(run->where, in->b);
    put32(run->where + 4, in->c);
    put32(run->where + 8, in->d);
    put32(run->where + 12, in->a);
    uint32_t regs[8] = {in->a,    in->c, in->d, in->b, PATTERN_EBP, PATTERN_ESI, (uint32_t)(uintptr_t)run->where,
                        in->flags};
    uint32_t mask = run->op->mask;
    if (run->op->kind == K_SHIFT || run->op->kind == K_ROTATE || run->op->kind == K_DOUBLE)
        mask &= shift_mask(run->op, in->c);
    alu_run(run->op->code, regs);
    regs[6] -= (uint32_t)(uintptr_t)run->where;
    regs[7] &= mask;
    for (unsigned i = 0; i < 8; i++)
        mix(run, regs[i]);
    for (int i = -AROUND; i < AROUND; i += 4)
        mix(run, (uint32_t)run->where[i] | (uint32_t)run->where[i + 1] << 8 | (uint32_t)run->where[i + 2] << 16 |
                     (uint32_t)run->where[i + 3] << 24);
    if (run->trace)
        run->trace(run->op, in, regs);
}

static void both_flags(struct run *run, struct alu_case in) {
    in.flags = 2;
    one(run, &in);
    in.flags = 2 | F_CF | F_PF | F_AF | F_ZF | F_SF | F_OF;
    one(run, &in);
}

static void run_binary(struct run *run) {
    for (unsigned i = 0; i < VALUES; i++)
        for (unsigned j = 0; j < VALUES; j++)
            both_flags(run,
                       (struct alu_case){values[i], values[j], values[(i + j) % VALUES], values[(i * 7) % VALUES], 0});
}

static void run_unary(struct run *run) {
    for (unsigned i = 0; i < VALUES + 256; i++) {
        uint32_t v = i < VALUES ? values[i] : 0x5500aa00u + (i - VALUES) * 0x00010001u;
        both_flags(run, (struct alu_case){v, ~v, v + 1, v * 3, 0});
    }
}

static void run_shift(struct run *run) {
    for (unsigned i = 0; i < VALUES; i++)
        for (unsigned n = 0; n < 44; n++) {
            uint32_t count = n < 36 ? n : n * 23;
            if (run->op->kind == K_DOUBLE && (count & 31) > run->op->width)
                continue;
            both_flags(run, (struct alu_case){values[i], values[(i + n) % VALUES], count, ~values[i], 0});
        }
}

static void run_bits(struct run *run) {
    for (unsigned i = 0; i < VALUES; i++)
        for (int bit = -AROUND * 8 + 64; bit < AROUND * 8 - 64; bit += 13)
            both_flags(run, (struct alu_case){values[i], (uint32_t)bit, (uint32_t)bit & 31, values[i], 0});
}

static void run_divide(struct run *run) {
    bool is_signed = run->op->kind == K_IDIV;
    unsigned width = run->op->width;
    uint32_t ones = width == 32 ? ~0u : (1u << width) - 1;
    for (unsigned i = 0; i < VALUES; i++)
        for (unsigned j = 0; j < VALUES; j++)
            for (unsigned k = 0; k < 3; k++) {
                uint32_t divisor = values[j] & ones;
                uint32_t high = is_signed ? (k == 0 ? 0 : k == 1 ? ones : divisor >> 3) : divisor / (k + 2);
                if (divisor == 0 || (is_signed && (divisor == ones || divisor == ones >> 1 || divisor <= 2)))
                    continue;
                uint32_t low = values[i] & ones;
                if (is_signed && k < 2) // a quotient that fits: the dividend is a sign-extended half-size number
                    low = k == 0 ? low >> 1 : low | (ones >> 1 ^ ones);
                if (is_signed && k == 2) {
                    bool negative = divisor & (ones >> 1 ^ ones);
                    high = (negative ? (0 - divisor) & ones : divisor) >> 3;
                }
                struct alu_case in = {low, values[j], 0, high, 0};
                if (width == 8)
                    in.a = high << 8 | low;
                both_flags(run, in);
            }
}

static void run_decimal(struct run *run) {
    static const uint16_t flags[] = {2, 2 | F_CF, 2 | F_AF, 2 | F_CF | F_AF, 2 | F_ZF | F_OF | F_SF | F_PF};
    static const uint8_t high[] = {0, 1, 9, 0x7f, 0xff};
    for (unsigned al = 0; al < 256; al++)
        for (unsigned h = 0; h < 5; h++)
            for (unsigned f = 0; f < 5; f++) {
                struct alu_case in = {0xabcd0000u | (uint32_t)high[h] << 8 | al, 5, 6, 7, flags[f]};
                one(run, &in);
            }
}

uint32_t alu_hash(const struct alu_op *op, uint8_t *where, alu_trace trace) {
    struct run run = {op, where, trace, 0x811c9dc5u};
    switch (op->kind) {
    case K_BINARY: run_binary(&run); break;
    case K_UNARY: run_unary(&run); break;
    case K_SHIFT:
    case K_ROTATE:
    case K_DOUBLE: run_shift(&run); break;
    case K_BITS: run_bits(&run); break;
    case K_DIV:
    case K_IDIV: run_divide(&run); break;
    default: run_decimal(&run); break;
    }
    return run.hash;
}
