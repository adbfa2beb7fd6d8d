// MOVS CMPS STOS LODS SCAS against a model in C: all sizes, all prefixes, both directions, counts, overlap, rings.
#include "exec.h"

enum { OP_MOVS, OP_CMPS, OP_STOS, OP_LODS, OP_SCAS };
enum { PREFIX_NONE, PREFIX_REP, PREFIX_REPNE };

#define FORMS(o)                                                                                                       \
    SNIPPET(o##b_none, "", #o "b")                                                                                     \
    SNIPPET(o##b_rep, "", ".byte 0xf3\n" #o "b")                                                                       \
    SNIPPET(o##b_repne, "", ".byte 0xf2\n" #o "b")                                                                     \
    SNIPPET(o##w_none, "", #o "w")                                                                                     \
    SNIPPET(o##w_rep, "", ".byte 0xf3\n" #o "w")                                                                       \
    SNIPPET(o##w_repne, "", ".byte 0xf2\n" #o "w")                                                                     \
    SNIPPET(o##l_none, "", #o "l")                                                                                     \
    SNIPPET(o##l_rep, "", ".byte 0xf3\n" #o "l")                                                                       \
    SNIPPET(o##l_repne, "", ".byte 0xf2\n" #o "l")
FORMS(movs)
FORMS(cmps)
FORMS(stos)
FORMS(lods)
FORMS(scas)
#define ROW(o)                                                                                                         \
    {                                                                                                                  \
        {o##b_none, o##b_rep, o##b_repne}, {o##w_none, o##w_rep, o##w_repne}, {                                        \
            o##l_none, o##l_rep, o##l_repne                                                                            \
        }                                                                                                              \
    }
static const u8 *const forms[5][3][3] = {ROW(movs), ROW(cmps), ROW(stos), ROW(lods), ROW(scas)};
static const char *const names[5] = {"movs", "cmps", "stos", "lods", "scas"};

enum { ARENA = 8192, TO = 4096 };
static u8 model[ARENA];

static u32 get(const u8 *p, unsigned size) {
    u32 v = 0;
    for (unsigned i = 0; i < size; i++)
        v |= (u32)p[i] << 8 * i;
    return v;
}

static void put(u8 *p, unsigned size, u32 v) {
    for (unsigned i = 0; i < size; i++)
        p[i] = (u8)(v >> 8 * i);
}

// The flags of CMP a, b, bit by bit.
static u32 compare_flags(u32 a, u32 b, unsigned size) {
    unsigned bits = size * 8;
    u32 mask = size == 4 ? ~0u : (1u << bits) - 1, sign = 1u << (bits - 1);
    a &= mask;
    b &= mask;
    u32 r = (a - b) & mask, flags = 0;
    if (a < b)
        flags |= FLAG_CF;
    if (r == 0)
        flags |= FLAG_ZF;
    if (r & sign)
        flags |= FLAG_SF;
    if ((a ^ b) & (a ^ r) & sign)
        flags |= FLAG_OF;
    if ((a & 15) < (b & 15))
        flags |= FLAG_AF;
    u8 p = (u8)r;
    p ^= (u8)(p >> 4);
    p ^= (u8)(p >> 2);
    p ^= (u8)(p >> 1);
    if (!(p & 1))
        flags |= FLAG_PF;
    return flags;
}

// One string instruction on the model, whose arena stands for user_buffer.
static void run_model(unsigned op, unsigned prefix, unsigned size, struct regs *r) {
    u8 *base = model - (u32)user_buffer;
    u32 step = r->eflags & FLAG_DF ? 0 - size : size;
    if (prefix && r->ecx == 0)
        return;
    do {
        u8 *from = base + r->esi, *to = base + r->edi;
        u32 mask = size == 4 ? ~0u : (1u << size * 8) - 1;
        switch (op) {
        case OP_MOVS: put(to, size, get(from, size)); break;
        case OP_STOS: put(to, size, r->eax); break;
        case OP_LODS: r->eax = (r->eax & ~mask) | get(from, size); break;
        case OP_CMPS:
            r->eflags = (r->eflags & ~FLAGS_ARITH) | compare_flags(get(from, size), get(to, size), size);
            break;
        case OP_SCAS: r->eflags = (r->eflags & ~FLAGS_ARITH) | compare_flags(r->eax, get(to, size), size); break;
        }
        if (op != OP_STOS && op != OP_SCAS)
            r->esi += step;
        if (op != OP_LODS)
            r->edi += step;
        if (!prefix)
            return;
        r->ecx--;
        bool equal = r->eflags & FLAG_ZF;
        if ((op == OP_CMPS || op == OP_SCAS) && equal != (prefix == PREFIX_REP))
            return;
    } while (r->ecx);
}

static void fill(unsigned seed) {
    for (unsigned i = 0; i < ARENA; i++)
        model[i] = (u8)(i % TO < 40 ? 0x41 : i * seed + (i >> 4)); // long equal runs, then differences
    memcpy(user_buffer, model, ARENA);
}

static bool run_one(unsigned op, unsigned prefix, unsigned shift, unsigned ring, u32 from, u32 to, u32 count,
                    bool down) {
    unsigned size = 1u << shift;
    struct regs r = regs_for(ring);
    r.esi = (u32)user_buffer + from;
    r.edi = (u32)user_buffer + to;
    r.ecx = count;
    r.eax = count & 1 ? 0x41414141 : 0x8765b2a1;
    r.ebx = 0x1111;
    r.eflags |= (down ? FLAG_DF : 0) | FLAG_CF | FLAG_OF | (count & 2 ? FLAG_ZF : 0);
    struct regs expected = r;
    struct trap t;
    exec(forms[op][shift][prefix], &r, &t);
    run_model(op, prefix, size, &expected);
    bool ok = CHECK_DONE(names[op], t);
    ok &= CHECK_EQ("eax", t.r.eax, expected.eax);
    ok &= CHECK_EQ("ecx", t.r.ecx, expected.ecx);
    ok &= CHECK_EQ("esi", t.r.esi, expected.esi);
    ok &= CHECK_EQ("edi", t.r.edi, expected.edi);
    ok &= CHECK_EQ("eflags", t.r.eflags, expected.eflags);
    ok &= CHECK(!memcmp(user_buffer, model, ARENA));
    if (!ok)
        print("     %s size %u prefix %u ring %u from %u to %u count %u down %u\n", names[op], size, prefix, ring, from,
              to, count, down);
    return ok;
}

TEST(matrix) {
    static const u8 counts[] = {0, 1, 2, 5, 33, 64};
    for (unsigned op = 0; op < 5; op++)
        for (unsigned shift = 0; shift < 3; shift++)
            for (unsigned prefix = 0; prefix < 3; prefix++)
                for (unsigned i = 0; i < sizeof counts; i++)
                    for (unsigned variant = 0; variant < 4; variant++) {
                        fill(7 + i);
                        bool down = variant & 1;
                        u32 start = down ? 280 : 0;
                        if (!run_one(op, prefix, shift, variant & 2 ? 3 : 0, start + 3, TO + start + 1, counts[i],
                                     down))
                            return;
                    }
}

TEST(overlapping) {
    for (unsigned shift = 0; shift < 3; shift++)
        for (unsigned distance = 0; distance < 9; distance++)
            for (unsigned variant = 0; variant < 4; variant++) {
                fill(13);
                u32 a = 300, b = 300 + distance;
                if (!run_one(OP_MOVS, PREFIX_REP, shift, 0, variant & 2 ? a : b, variant & 2 ? b : a, 20, variant & 1))
                    return;
            }
}

TEST(long_runs) { // across pages, in one go
    for (unsigned op = 0; op < 5; op++)
        for (unsigned shift = 0; shift < 3; shift++) {
            fill(3);
            memset(user_buffer + 40, 0x41, 3900);
            memset(user_buffer + TO, 0x41, 4000);
            memcpy(model, user_buffer, ARENA);
            if (!run_one(op, PREFIX_REP, shift, 3, 1, TO - 50, 3901 >> shift, false))
                return;
        }
}

TEST(across_pages) {
    for (unsigned op = 0; op < 5; op++)
        for (unsigned shift = 0; shift < 3; shift++)
            for (unsigned back = 0; back < 6; back++)
                for (unsigned down = 0; down < 2; down++) {
                    fill(29);
                    if (!run_one(op, PREFIX_NONE, shift, 0, TO - back, 2 * TO - 40 - back, 3, down))
                        return;
                }
}
