// Compares every SIMD operation with golden.h, its memory operand aligned, unaligned, across a cache line and across a
// page as far as it may. `op=NAME` on the command line runs one operation, `trace` prints its cases.
#include "exec.h"
#include "simd.h"

enum { CR4_OSFXSR = 1 << 9, CR4_OSXMMEXCPT = 1 << 10 };

struct golden {
    const char *name;
    u32 hash[SIMD_SETS];
};
static const struct golden golden[] = {
#include "golden.h"
};
static u8 buffer[3 * 4096] __attribute__((aligned(4096)));

static void bytes(const char *name, const u8 *at, int count) {
    print(" %s ", name);
    while (count--)
        print("%02x", at[count]);
}

static void trace(const struct simd_op *op, const struct simd_case *in, const struct simd_result *out) {
    print("%s mxcsr %04x eax %08x ecx %08x edx %08x", op->name, in->mxcsr, in->eax, in->ecx, in->edx);
    bytes("a", in->a, 16);
    bytes("b", in->b, 16);
    bytes(": xmm0", out->xmm[0], 16);
    bytes("xmm1", out->xmm[1], 16);
    bytes("mm0", out->mm[0], 8);
    bytes("mm1", out->mm[1], 8);
    bytes("m", out->memory, 16);
    print(" mxcsr %04x eax %08x ecx %08x edx %08x f %03x\n", out->mxcsr, out->eax, out->ecx, out->edx, out->flags);
}

static bool chosen(const char *name) {
    for (const char *p = command_line(); *p; p++)
        if (!strncmp(p, "op=", 3)) {
            size_t n = strlen(name);
            return !strncmp(p + 3, name, n) && (p[3 + n] == 0 || p[3 + n] == ' ');
        }
    return true;
}

static bool announced(void) { // everything that the operations need
    u32 r[4];
    cpuid(1, r);
    return (r[2] & 0x00980201) == 0x00980201 && (r[3] & 0x07800000) == 0x07800000;
}

// TCG underflows where the product is rounded up to the smallest normal number under FTZ.
static bool tcg_differs(const char *name) {
    return under_qemu() && (!strncmp(name, "mulps", 5) || !strncmp(name, "dpps_0xff", 9));
}

static void compare(enum simd_set set) {
    static const u16 places[] = {1024, 1024 + 1, 1024 + 57, 4096 - 1, 4096 - 6, 4096 - 13},
                     aligned[] = {1024, 4096 - 16};
    if (!announced()) {
        print("     left out: CPUID does not announce all of SSE4.2 and POPCNT\n");
        return;
    }
    write_cr4(read_cr4() | CR4_OSFXSR | CR4_OSXMMEXCPT);
    CHECK_EQ("operations", __stop_simd_ops - __start_simd_ops, sizeof golden / sizeof *golden);
    for (size_t i = 0; i < sizeof golden / sizeof *golden; i++) {
        const struct simd_op *op = __start_simd_ops + i;
        if (!chosen(op->name) || tcg_differs(op->name))
            continue;
        check_context(op->name);
        if (!CHECK(!strcmp(op->name, golden[i].name)))
            return;
        bool may = !(op->flags & ALIGNED);
        unsigned count = may ? sizeof places / sizeof *places : sizeof aligned / sizeof *aligned;
        if (op->values == V_TEXT || (strlen(op->name) > 2 && !strcmp(op->name + strlen(op->name) - 2, "_r")))
            count = 2;
        for (unsigned p = 0; p < count; p++)
            if (!CHECK_EQ(
                    p == 0         ? "aligned"
                    : p < 3 && may ? "unaligned"
                                   : "at the end of a page",
                    simd_hash(op, set, buffer + (may ? places : aligned)[p], option("trace") && p == 0 ? trace : NULL),
                    golden[i].hash[set]))
                break;
    }
}

TEST(plain) {
    compare(SIMD_PLAIN);
}

TEST(full) { // TCG sets DE less often, gives the denormal from MIN and MAX under DAZ, and takes another NaN
    if (!under_qemu())
        compare(SIMD_FULL);
}
