// Runs a SIMD operation over its inputs and hashes what comes out. Plain C and one assembly routine; no libc.
#include "simd.h"

static const uint32_t floats[] = {0,          0x80000000, 0x3f800000, 0xbf800000, 0x3f000000, 0x3fc00000, 0x40200000,
                                  0xc0600000, 0x40490fdb, 0x7f7fffff, 0xff7fffff, 0x00800000, 0x00000001, 0x807fffff,
                                  0x7f800000, 0xff800000, 0x7fc12345, 0x7f812345, 0xffc54321, 0x4effffff, 0x4f000000,
                                  0xcf000000, 0x5effffff, 0x5f000000, 0x3f800001, 0x46fffe00, 0x1e3ce508};
static const uint64_t doubles[] = {
    0,
    0x8000000000000000u,
    0x3ff0000000000000u,
    0xbff0000000000000u,
    0x3fe0000000000000u,
    0x3ff8000000000000u,
    0x4004000000000000u,
    0xc00c000000000000u,
    0x400921fb54442d18u,
    0x7fefffffffffffffu,
    0xffefffffffffffffu,
    0x0010000000000000u,
    0x0000000000000001u,
    0x800fffffffffffffu,
    0x7ff0000000000000u,
    0xfff0000000000000u,
    0x7ff8000000abcdefu,
    0x7ff0000000abcdefu,
    0xfff8000000fedcbau,
    0x41dfffffffe00000u, // 2^31 - 0.5
    0xc1e0000000000000u,
    0x47efffffefffffffu, // rounds about the largest float
    0x3800000000000001u, // about a denormal float
    0x43e0000000000000u,
    0x36a0000000000000u,
};
static const uint64_t integers[] = {0,
                                    ~0ull,
                                    0x8000000080000000u,
                                    0x7fffffff7fffffffu,
                                    0x7fff80007fff8000u,
                                    0x807f807f807f807fu,
                                    0x0123456789abcdefu,
                                    0xfedcba9876543210u,
                                    0x00ff00ff01000100u,
                                    0x0000000000000005u,
                                    0x000000000000001fu,
                                    0x0000000000000040u,
                                    0xaaaaaaaa55555555u,
                                    0x8000000000000000u,
                                    0x0000000100000001u};
static const char texts[] = "the quick brown\0fox jumps over the lazy dog\0\0aAzZ09__~~bcdefghijklmnopqrstuvwxyz\0";
enum { MXCSR_DE = 1 << 1, MXCSR_DAZ = 1 << 6 };
#define COUNT(table) (sizeof(table) / sizeof *(table))

// void simd_run(in, out, where, code)
void simd_run(const struct simd_case *in, struct simd_result *out, uint8_t *where, void (*code)(void));
#ifdef __x86_64__ // for record.c
#define SI    "%rsi"
#define BX    "%rbx"
#define ENTRY "push %rbx; push %rbp\n mov %rsi, %rbx; mov %rcx, %rbp; mov %rdi, %rsi; mov %rdx, %rdi\n"
#define CALL                                                                                                           \
    "mov 44(%rsi), %eax\n push %rax\n popfq\n mov 32(%rsi), %eax; mov 36(%rsi), %ecx; mov 40(%rsi), %edx\n call "      \
    "*%rbp\n"
#define FLAGS "pushfq\n pop %rax\n"
#define LEAVE "pop %rbp; pop %rbx\n ret\n"
#else
#define SI "%esi"
#define BX "%ebx"
#define ENTRY                                                                                                          \
    "push %ebp; push %ebx; push %esi; push %edi\n"                                                                     \
    "mov 20(%esp), %esi; mov 24(%esp), %ebx; mov 28(%esp), %edi; mov 32(%esp), %ebp\n"
#define CALL  "pushl 44(%esi)\n popf\n mov 32(%esi), %eax; mov 36(%esi), %ecx; mov 40(%esi), %edx\n call *%ebp\n"
#define FLAGS "pushf\n pop %eax\n"
#define LEAVE "pop %edi; pop %esi; pop %ebx; pop %ebp\n ret\n"
#endif
__asm__(".text\n.globl simd_run\nsimd_run:\n" ENTRY "ldmxcsr 48(" SI ")\n movups (" SI "), %xmm0; movups 16(" SI
        "), %xmm1; movups 8(" SI "), %xmm2\n"
        "movq (" SI "), %mm0; movq 16(" SI "), %mm1\n" CALL "mov %eax, 64(" BX "); mov %ecx, 68(" BX
        "); mov %edx, 72(" BX ")\n" FLAGS "mov %eax, 76(" BX ")\n"
        "stmxcsr 80(" BX ")\n movups %xmm0, (" BX "); movups %xmm1, 16(" BX "); movups %xmm2, 32(" BX ")\n"
        "movq %mm0, 48(" BX "); movq %mm1, 56(" BX ")\n emms\n cld\n" LEAVE);
_Static_assert(offsetof(struct simd_case, eax) == 32 && offsetof(struct simd_case, mxcsr) == 48,
               "as the routine reads");
_Static_assert(offsetof(struct simd_result, eax) == 64 && offsetof(struct simd_result, mxcsr) == 80, "as it writes");

static void put(uint8_t *to, uint64_t value, unsigned bytes) {
    for (unsigned i = 0; i < bytes; i++)
        to[i] = (uint8_t)(value >> 8 * i);
}

static unsigned value_count(const struct simd_op *op) {
    switch (op->values) {
    case V_F32: return COUNT(floats);
    case V_F64: return COUNT(doubles);
    case V_TEXT: return COUNT(texts) - 17;
    default: return COUNT(integers);
    }
}

static void put_vector(const struct simd_op *op, uint8_t *to, unsigned index, unsigned step) {
    unsigned n = value_count(op);
    switch (op->values) {
    case V_F32:
        for (unsigned k = 0; k < 4; k++)
            put(to + 4 * k, floats[(index + step * k) % n], 4);
        break;
    case V_F64:
        for (unsigned k = 0; k < 2; k++)
            put(to + 8 * k, doubles[(index + step * k) % n], 8);
        break;
    case V_TEXT:
        for (unsigned k = 0; k < 16; k++)
            to[k] = (uint8_t)texts[index + k];
        break;
    default:
        for (unsigned k = 0; k < 2; k++)
            put(to + 8 * k, integers[(index + step * k) % n], 8);
        break;
    }
}

static void make_case(const struct simd_op *op, unsigned i, unsigned j, struct simd_case *in) {
    static const uint16_t modes[] = {0x1f80, 0x3f80, 0x5f80, 0x7f80, 0x9f80, 0x1fc0, 0xffc0};
    put_vector(op, in->a, i, 5);
    put_vector(op, in->b, j, 7);
    in->mxcsr = modes[(3 * i + j) % COUNT(modes)];
    in->flags = (i + j) & 1 ? 0x002 : 0x8d7;
    in->eax = (uint32_t)integers[j % COUNT(integers)] + (op->values == V_TEXT ? i % 20 : i);
    in->edx = (op->values == V_TEXT ? (uint32_t)((int)((i * 3 + j) % 41) - 20) : 0x89abcdefu * (i + 1));
    if (op->values == V_TEXT)
        in->eax = (uint32_t)((int)((i + j * 5) % 41) - 20);
    in->ecx = 0x01234567u * (j + 3);
}

// Of two NaNs an emulator may take the other: all become the one that invalid operations give.
static void one_nan(const struct simd_op *op, uint8_t *vector) {
    unsigned size = op->values == V_F32 ? 4 : 8;
    uint8_t quiet = op->values == V_F32 ? 0x40 : 0x08, infinite = (uint8_t) ~(quiet * 2 - 1);
    for (unsigned at = 0; (op->values == V_F32 || op->values == V_F64) && at < 16; at += size) {
        uint8_t *value = vector + at;
        bool nan = (value[size - 1] & 0x7f) == 0x7f && (value[size - 2] & infinite) == infinite && value[0];
        for (unsigned i = 0; nan && i < size; i++)
            value[i] = i == size - 1 ? 0xff : i == size - 2 ? infinite | quiet : 0;
    }
}

static uint32_t mix(uint32_t hash, uint32_t value) {
    hash = (hash << 5 | hash >> 27) ^ value;
    return hash * 0x9e3779b1u;
}

static uint32_t hash_result(const struct simd_result *out, uint32_t hash) {
    const uint8_t *bytes = (const uint8_t *)out;
    for (unsigned i = 0; i < sizeof *out; i += 4)
        hash = mix(hash, bytes[i] | (uint32_t)bytes[i + 1] << 8 | (uint32_t)bytes[i + 2] << 16 |
                             (uint32_t)bytes[i + 3] << 24);
    return hash;
}

uint32_t simd_hash(const struct simd_op *op, enum simd_set set, uint8_t *where, simd_trace trace) {
    uint32_t hash = 0x811c9dc5u;
    struct simd_case in;
    struct simd_result out;
    for (unsigned i = 0; i < value_count(op); i++)
        for (unsigned j = op->values == V_TEXT ? i % 3 : 0; j < value_count(op); j += op->values == V_TEXT ? 3 : 1) {
            make_case(op, i, j, &in);
            if (set == SIMD_PLAIN) {
                in.mxcsr &= ~(uint32_t)MXCSR_DAZ;
                one_nan(op, in.a);
                one_nan(op, in.b);
            }
            for (unsigned k = 0; k < 32; k++)
                where[k] = k < 16 ? in.b[k] : (uint8_t)(0xc0 + k);
            simd_run(&in, &out, where, op->code);
            out.flags &= 0x8d5;
            if (set == SIMD_PLAIN)
                out.mxcsr &= ~(uint32_t)MXCSR_DE;
            for (unsigned k = 0; k < 32; k++)
                out.memory[k] = where[k];
            hash = hash_result(&out, hash);
            if (trace)
                trace(op, &in, &out);
        }
    return hash;
}
