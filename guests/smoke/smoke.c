// The first guest to run: the runtime itself works. Output, checks, a fault caught at ring 0 and ring 3, paging on.
#include "exec.h"
#include "paging.h"

SNIPPET(smoke_nothing, "", "nop")
SNIPPET(smoke_move, "mov $0x12345678, %eax", "mov %eax, %edi")
SNIPPET(smoke_ud2, "nop", "ud2")
SNIPPET(smoke_load, "", "mov (%esi), %eax")

TEST(output) {
    print("hello %s %d %u %08x %llx\n", "world", -5, 42u, 0xbeefu, 0x123456789abcdefull);
}

TEST(done) {
    EXPECT_DONE_RING(0, smoke_nothing);
    EXPECT_DONE_RING(3, smoke_nothing);
}

TEST(registers) {
    for (unsigned ring = 0; ring <= 3; ring += 3) {
        struct trap t = exec_ring(smoke_move, ring);
        CHECK_DONE("move", t);
        CHECK_EQ("edi", t.r.edi, 0x12345678);
        CHECK_EQ("ecx", t.r.ecx, 0);
        CHECK_EQ("cs", t.r.cs, ring ? SEL_UCODE : SEL_KCODE);
        CHECK_EQ("esp", t.r.esp, regs_for(ring).esp);
        CHECK_EQ("eflags", t.r.eflags, FLAG_ONE);
    }
}

TEST(invalid_opcode) {
    EXPECT_FAULT_RING(0, smoke_ud2, VEC_UD, 0);
    EXPECT_FAULT_RING(3, smoke_ud2, VEC_UD, 0);
}

TEST(page_fault) {
    struct space s = space_new(PAGING_32);
    space_identity(&s);
    space_enter(&s);
    struct regs r = regs_for(3);
    struct trap t;
    r.esi = 0x40000123;
    exec(smoke_load, &r, &t);
    CHECK_PF(t, PF_U, 0x40000123, smoke_load_at);
    r.esi = (u32)user_buffer;
    exec(smoke_load, &r, &t);
    CHECK_DONE("load", t);
    r.esi = 0x100000;
    exec(smoke_load, &r, &t);
    CHECK_PF(t, PF_U | PF_P, 0x100000, smoke_load_at);
}
