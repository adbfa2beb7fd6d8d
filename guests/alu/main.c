// Compares every operation with golden.h, with its memory operand aligned, unaligned, across a cache line and across a
// page. `op=NAME` on the command line runs one operation, `trace` prints its cases, `golden` prints golden.h anew.
#include "alu.h"
#include "exec.h"

struct golden {
    const char *name;
    uint32_t hash;
};
static const struct golden golden[] = {
#include "golden.h"
};

static u8 buffer[3 * 4096] __attribute__((aligned(4096)));

static void trace(const struct alu_op *op, const struct alu_case *in, const u32 out[8]) {
    print("%s a=%08x b=%08x c=%08x d=%08x f=%03x: eax %08x ecx %08x edx %08x ebx %08x ebp %08x esi %08x edi %08x f "
          "%03x\n",
          op->name, in->a, in->b, in->c, in->d, in->flags, out[0], out[1], out[2], out[3], out[4], out[5], out[6],
          out[7]);
}

static bool chosen(const char *name) {
    for (const char *p = command_line(); *p; p++)
        if (!strncmp(p, "op=", 3)) {
            size_t n = strlen(name);
            return !strncmp(p + 3, name, n) && (p[3 + n] == 0 || p[3 + n] == ' ');
        }
    return true;
}

static bool uses_memory(const struct alu_op *op) {
    for (const char *p = op->text; *p; p++)
        if (!strncmp(p, "%edi", 4))
            return true;
    return false;
}

TEST(golden) {
    if (option("golden")) {
        for (const struct alu_op *op = __start_alu_ops; op < __stop_alu_ops; op++)
            print("{\"%s\", 0x%08x},\n", op->name, alu_hash(op, buffer + 1024, NULL));
        return;
    }
    static const u16 places[] = {1024, 1024 + 1, 1024 + 63, 4096 - 1, 4096 - 2, 4096 - 3};
    CHECK_EQ("operations", __stop_alu_ops - __start_alu_ops, sizeof golden / sizeof *golden);
    for (size_t i = 0; i < sizeof golden / sizeof *golden && check_failures() < 12; i++) {
        const struct alu_op *op = __start_alu_ops + i;
        if (!chosen(op->name))
            continue;
        check_context(op->name);
        CHECK(!strcmp(op->name, golden[i].name));
        for (unsigned p = 0; p < (uses_memory(op) ? sizeof places / sizeof *places : 1); p++)
            if (!CHECK_EQ(p == 0  ? "aligned"
                          : p < 3 ? "unaligned"
                                  : "across a page",
                          alu_hash(op, buffer + places[p], option("trace") && p == 0 ? trace : NULL), golden[i].hash))
                break;
    }
}
