// Compares every x87 operation with golden.h, its memory operand aligned, unaligned, across a cache line and across a
// page. `op=NAME` on the command line runs one operation; `trace` prints its cases (with `only=` and the test's name,
// those of one set).
#include "exec.h"
#include "x87.h"

struct golden {
    const char *name;
    u32 hash[X87_SETS];
};
static const struct golden golden[] = {
#include "golden.h"
};
static u8 buffer[3 * 4096] __attribute__((aligned(4096)));

static void bytes(const u8 *at, int count) {
    while (count--)
        print("%02x", at[count]);
}

static void trace(const struct x87_op *op, const struct x87_case *in, const struct x87_result *out) {
    print("%s fcw %04x depth %u st0 ", op->name, in->fcw, in->depth);
    bytes(in->st[in->depth ? in->depth - 1 : 0], 10);
    print(" st1 ");
    bytes(in->st[in->depth > 1 ? in->depth - 2 : 0], 10);
    print(" m ");
    bytes(in->memory, 10);
    print(": fsw ");
    bytes(out->image + 4, 2);
    print(" tags ");
    bytes(out->image + 8, 2);
    print(" st0 ");
    bytes(out->image + 28, 10);
    print(" st1 ");
    bytes(out->image + 38, 10);
    print(" m ");
    bytes(out->memory, 10);
    print(" eax %08x f %02x\n", out->eax, out->flags & 0x45);
}

static bool chosen(const char *name) {
    for (const char *p = command_line(); *p; p++)
        if (!strncmp(p, "op=", 3)) {
            size_t n = strlen(name);
            return !strncmp(p + 3, name, n) && (p[3 + n] == 0 || p[3 + n] == ' ');
        }
    return true;
}

// Results in which TCG differs: which of two NaNs, the quotient bits, the tag of a register that was empty.
static bool tcg_differs(const char *name) {
    return under_qemu() && (!strcmp(name, "fscale") || !strcmp(name, "fprem1") || !strcmp(name, "fst_sti"));
}

static void compare(enum x87_set set) {
    static const u16 places[] = {1024, 1024 + 1, 1024 + 61, 4096 - 1, 4096 - 4};
    write_cr0(read_cr0() | CR0_NE);
    CHECK_EQ("operations", __stop_x87_ops - __start_x87_ops, sizeof golden / sizeof *golden);
    for (size_t i = 0; i < sizeof golden / sizeof *golden; i++) {
        const struct x87_op *op = __start_x87_ops + i;
        if (!chosen(op->name) || tcg_differs(op->name))
            continue;
        check_context(op->name);
        if (!CHECK(!strcmp(op->name, golden[i].name)))
            return;
        unsigned count = op->memory == M_NONE ? 1 : sizeof places / sizeof *places;
        for (unsigned p = 0; p < count; p++)
            if (!CHECK_EQ(p == 0  ? "aligned"
                          : p < 3 ? "unaligned"
                                  : "across a page",
                          x87_hash(op, set, buffer + places[p], option("trace") && p == 0 ? trace : NULL),
                          golden[i].hash[set]))
                break;
    }
}

TEST(plain) {
    compare(X87_PLAIN);
}

TEST(masked) { // TCG keeps no C1, no denormal flag and no stack faults
    if (!under_qemu())
        compare(X87_MASKED);
}

TEST(unmasked) { // the exception stays pending: FNSAVE shows it. TCG stores the masked response and goes on
    if (!under_qemu())
        compare(X87_UNMASKED);
}
