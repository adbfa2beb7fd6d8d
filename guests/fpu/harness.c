// Runs an x87 operation over its inputs and hashes what comes out. Plain C and one assembly routine; no libc.
#include "x87.h"

#define REAL(sign_exponent, mantissa)                                                                                  \
    { (uint64_t)(mantissa), (uint16_t)(sign_exponent) }

static const struct {
    uint64_t mantissa;
    uint16_t sign_exponent;
} reals[] = {
    REAL(0x0000, 0),
    REAL(0x8000, 0),
    REAL(0x3fff, 0x8000000000000000u), // 1
    REAL(0xbfff, 0x8000000000000000u),
    REAL(0x4000, 0xc90fdaa22168c235u), // pi
    REAL(0xbffd, 0xaaaaaaaaaaaaaaabu), // -1/3
    REAL(0x3ffe, 0x8000000000000000u), // 0.5
    REAL(0x4000, 0xa000000000000000u), // 2.5
    REAL(0xc000, 0xe000000000000000u), // -3.5
    REAL(0x3fff, 0x8000000000000001u), // 1 + ulp
    REAL(0x403e, 0xffffffffffffffffu), // largest below 2^64
    REAL(0x400d, 0xfffe000000000000u), // 32767
    REAL(0xc00e, 0x8000000000000000u), // -32768
    REAL(0x401d, 0xfffffffe00000000u), // 2^31 - 0.5
    REAL(0xc03d, 0xde0b6b3a763ffff0u), // close to -10^18
    REAL(0x7ffe, 0xffffffffffffffffu), // largest
    REAL(0x0001, 0x8000000000000000u), // smallest normal
    REAL(0x0000, 0x0000000000000001u), // smallest denormal
    REAL(0x8000, 0x7fffffffffffffffu), // largest denormal
    REAL(0x0000, 0x8000000000000000u), // pseudo-denormal
    REAL(0x7fff, 0x8000000000000000u), // infinity
    REAL(0xffff, 0x8000000000000000u),
    REAL(0x7fff, 0xc000000000000123u), // quiet NaN
    REAL(0xffff, 0x8000000000000777u), // signalling NaN
    REAL(0x4005, 0x1234567890abcdefu), // unnormal: unsupported
    REAL(0x43fe, 0xfffffffffffff800u), // largest double
    REAL(0x3c00, 0x8000000000000801u), // near the smallest double
    REAL(0x407e, 0xffffff8000000000u), // rounds over the largest float
    REAL(0x3f80, 0xc000000000000000u), // a denormal float
    REAL(0x4044, 0x9876543210fedcbau),
};
static const uint32_t floats[] = {0,          0x80000000, 0x3f800000, 0xbf000000, 0x7f7fffff, 0x00800000, 0x00000001,
                                  0x807fffff, 0x7f800000, 0xff800000, 0x7fc12345, 0x7f812345, 0x40490fdb, 0xc1200000};
static const uint64_t doubles[] = {0,
                                   0x8000000000000000u,
                                   0x3ff0000000000000u,
                                   0xbfe0000000000000u,
                                   0x7fefffffffffffffu,
                                   0x0010000000000000u,
                                   0x0000000000000001u,
                                   0x800fffffffffffffu,
                                   0x7ff0000000000000u,
                                   0xfff0000000000000u,
                                   0x7ff8000000abcdefu,
                                   0xfff0000000abcdefu,
                                   0x400921fb54442d18u,
                                   0xc024000000000000u};
static const uint64_t integers[] = {0,
                                    1,
                                    ~0ull,
                                    0x7fff,
                                    0x8000,
                                    0x7fffffff,
                                    0x80000000,
                                    0x7fffffffffffffffu,
                                    0x8000000000000000u,
                                    0x0123456789abcdefu,
                                    0xfedcba9876543210u,
                                    10};
static const struct {
    uint64_t low;
    uint16_t high;
} decimals[] = {{0, 0},
                {0, 0x8000},
                {1, 0},
                {0x9999999999999999u, 0x0099},
                {0x9999999999999999u, 0x8099},
                {0x1234567890123456u, 0x0078},
                {0x5u, 0x8000},
                {0x100000000u, 0x0000}};
enum { MASKED = 0x3f };
#define COUNT(table) (sizeof(table) / sizeof *(table))

// void x87_run(in, out, where, code): FNINIT, the case's registers and control word, the operation, FNSAVE.
void x87_run(const struct x87_case *in, struct x87_result *out, uint8_t *where, void (*code)(void));
#ifdef __x86_64__ // for record.c
__asm__(".text\n.globl x87_run\nx87_run:\n"
        "push %rbp; push %rbx\n"
        "mov %rdi, %r8; mov %rsi, %rbx; mov %rdx, %rdi; mov %rcx, %rbp\n"
        "fninit; fldz; fldz; fldz; fldz; fldz; fldz; fldz; fldz; fninit\n" // also what empty registers hold
        "movzbl 2(%r8), %ecx\n lea 3(%r8), %rdx\n jrcxz 2f\n"
        "1: fldt (%rdx)\n add $10, %rdx\n loop 1b\n"
        "2: fnclex\n fldcw (%r8)\n"
        "mov 100(%r8), %eax\n push %rax\n popfq\n"
        "mov $0x5a5a5a5a, %eax\n"
        "call *%rbp\n"
        "fnsave (%rbx)\n"
        "pushfq\n pop %rcx\n mov %ecx, 112(%rbx)\n mov %eax, 108(%rbx)\n cld\n"
        "pop %rbx; pop %rbp\n ret\n");
#else
__asm__(".text\n.globl x87_run\nx87_run:\n"
        "push %ebp; push %ebx; push %esi; push %edi\n"
        "mov 20(%esp), %esi; mov 24(%esp), %ebx; mov 28(%esp), %edi; mov 32(%esp), %ebp\n"
        "fninit; fldz; fldz; fldz; fldz; fldz; fldz; fldz; fldz; fninit\n" // also what empty registers hold
        "movzbl 2(%esi), %ecx\n lea 3(%esi), %edx\n jecxz 2f\n"
        "1: fldt (%edx)\n add $10, %edx\n loop 1b\n"
        "2: fnclex\n fldcw (%esi)\n"
        "pushl 100(%esi)\n popf\n" // flags
        "mov $0x5a5a5a5a, %eax\n"
        "call *%ebp\n"
        "fnsave (%ebx)\n"
        "pushf\n popl 112(%ebx)\n mov %eax, 108(%ebx)\n cld\n"
        "pop %edi; pop %esi; pop %ebx; pop %ebp\n ret\n");
#endif
_Static_assert(offsetof(struct x87_case, st) == 3 && offsetof(struct x87_case, flags) == 100,
               "as the routine reads it");
_Static_assert(offsetof(struct x87_result, eax) == 108 && offsetof(struct x87_result, flags) == 112, "as it writes it");

static void put(uint8_t *to, uint64_t value, unsigned bytes) {
    for (unsigned i = 0; i < bytes; i++)
        to[i] = (uint8_t)(value >> 8 * i);
}

static void put_real(uint8_t *to, unsigned index) {
    put(to, reals[index % COUNT(reals)].mantissa, 8);
    put(to + 8, reals[index % COUNT(reals)].sign_exponent, 2);
}

static unsigned memory_count(const struct x87_op *op) {
    switch (op->memory) {
    case M_F32: return COUNT(floats);
    case M_F64: return COUNT(doubles);
    case M_INT: return COUNT(integers);
    case M_BCD: return COUNT(decimals);
    default: return COUNT(reals);
    }
}

static void put_memory(const struct x87_op *op, uint8_t *to, unsigned index) {
    for (unsigned i = 0; i < 16; i++)
        to[i] = (uint8_t)(0xe0 + i);
    switch (op->memory) {
    case M_F32: put(to, floats[index], 4); break;
    case M_F64: put(to, doubles[index], 8); break;
    case M_F80: put_real(to, index); break;
    case M_INT: put(to, integers[index], 8); break;
    case M_BCD:
        put(to, decimals[index].low, 8);
        put(to + 8, decimals[index].high, 2);
        break;
    default: break;
    }
}

static void make_case(const struct x87_op *op, unsigned i, unsigned j, enum x87_set set, struct x87_case *in) {
    static const uint16_t precision[] = {0x300, 0x300, 0x200, 0x000};
    static const uint8_t unmask[] = {0x3f, 0x01, 0x04, 0x08, 0x10, 0x20, 0x02, 0x1d};
    static const uint32_t flags[] = {0x002, 0x003, 0x042, 0x006, 0x047};
    static const uint8_t depths[] = {2, 2, 2, 3, 2, 2, 0, 2, 2, 1, 2, 4, 2, 2, 8, 2};
    unsigned n = i * 31 + j * 7;
    in->fcw = (uint16_t)(0x40 | MASKED | precision[(n >> 2) & 3] | (n & 3) << 10);
    if (set == X87_UNMASKED)
        in->fcw &= (uint16_t)~unmask[(i + 3 * j) & 7];
    in->depth = depths[(i * 5 + j) & 15];
    if (set == X87_PLAIN) {
        in->fcw |= 0x300;
        in->depth = 3;
    }
    for (unsigned k = 0; k < 8; k++) // the last one loaded is ST(0)
        put_real(in->st[k], in->depth - 1 - k == 0 ? i : j + 11 * (in->depth - 1 - k) - 11);
    put_memory(op, in->memory, j % memory_count(op));
    in->flags = flags[n % 5];
}

static uint32_t mix(uint32_t hash, uint32_t value) {
    hash = (hash << 5 | hash >> 27) ^ value;
    return hash * 0x9e3779b1u;
}

static uint32_t get16(const uint8_t *at) {
    return at[0] | (uint32_t)at[1] << 8;
}

// Denormal, pseudo-denormal or unnormal, as a register.
static bool is_odd(const uint8_t *real) {
    unsigned exponent = get16(real + 8) & 0x7fff;
    bool integer = real[7] & 0x80, zero = true;
    for (unsigned i = 0; i < 8; i++)
        zero &= real[i] == 0;
    return exponent == 0 ? !zero : !integer;
}

static bool is_plain(const struct x87_op *op, const struct x87_case *in) {
    for (unsigned i = 0; i < in->depth; i++)
        if (is_odd(in->st[i]))
            return false;
    const uint8_t *top = in->memory + (op->memory == M_F32 ? 3 : 7);
    unsigned exponent = (top[0] & 0x7fu) << 8 | top[-1], step = op->memory == M_F32 ? 0x80 : 0x10;
    if (op->memory == M_F32 || op->memory == M_F64) // no denormals, no signalling NaNs
        return (exponent >= step || in->memory[0] == 0) &&
               (exponent < 0x8000 - step || (exponent & step >> 1) || in->memory[0] == 0);
    return op->memory != M_F80 || !is_odd(in->memory);
}

static uint32_t hash_result(const struct x87_op *op, uint32_t status, const struct x87_result *out, uint32_t hash) {
    uint32_t tags = get16(out->image + 8), top = get16(out->image + 4) >> 11 & 7;
    hash = mix(hash, get16(out->image));
    hash = mix(hash, get16(out->image + 4) & op->status & status);
    hash = mix(hash, tags);
    for (unsigned i = 0; i < 8; i++) {
        if ((tags >> 2 * ((top + i) & 7) & 3) == 3)
            continue;
        for (unsigned k = 0; k < 10; k += 2)
            hash = mix(hash, get16(out->image + 28 + 10 * i + k));
    }
    for (unsigned k = 0; k < 16; k += 2)
        hash = mix(hash, get16(out->memory + k));
    hash = mix(hash, out->eax);
    return mix(hash, out->flags & 0x45);
}

uint32_t x87_hash(const struct x87_op *op, enum x87_set set, uint8_t *where, x87_trace trace) {
    uint32_t hash = 0x811c9dc5u;
    struct x87_case in = {0};
    struct x87_result out;
    unsigned second = op->memory == M_NONE ? (unsigned)COUNT(reals) : memory_count(op);
    for (unsigned i = 0; i < COUNT(reals); i++)
        for (unsigned j = 0; j < second; j++) {
            make_case(op, i, j, set, &in);
            if (set == X87_PLAIN && !is_plain(op, &in))
                continue;
            for (unsigned k = 0; k < 16; k++)
                where[k] = in.memory[k];
            x87_run(&in, &out, where, op->code);
            for (unsigned k = 0; k < 16; k++)
                out.memory[k] = where[k];
            hash = hash_result(op, set == X87_PLAIN ? 0xfdfd : 0xffff, &out, hash);
            if (trace)
                trace(op, &in, &out);
        }
    return hash;
}
