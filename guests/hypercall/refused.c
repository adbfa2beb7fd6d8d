// What announces the calls, and who may not make them.
#include "kit.h"

TEST(announced) {
    u32 r[4];
    cpuid(1, r);
    CHECK_EQ("hypervisor bit", r[2] >> 31, 1);
    cpuid(RINGSHADE_CPUID_SIGNATURE, r);
    CHECK_EQ("last leaf", r[0], RINGSHADE_CPUID_CALLS);
    CHECK(!memcmp(&r[1], RINGSHADE_SIGNATURE, 12));
    cpuid(RINGSHADE_CPUID_CALLS, r);
    CHECK_EQ("calls", r[0], (1u << RINGSHADE_CALLS) - 1);
    CHECK_EQ("version", r[1], RINGSHADE_CALLS_VERSION);
    CHECK_EQ("ecx", r[2], 0);
    CHECK_EQ("edx", r[3], 0);
    u32 last[4];
    cpuid(0, last);
    cpuid(last[0], last);
    cpuid(0x40000002, r);
    CHECK(!memcmp(r, last, sizeof r));
}

SNIPPET(s_vmcall, "", "vmcall")
SNIPPET(s_vmmcall, "", "vmmcall")
SNIPPET(s_lock, "", ".byte 0xf0, 0x0f, 0x01, 0xc1")
SNIPPET(s_66, "", ".byte 0x66, 0x0f, 0x01, 0xc1")
SNIPPET(s_f3, "", ".byte 0xf3, 0x0f, 0x01, 0xc1")
SNIPPET(s_f2, "", ".byte 0xf2, 0x0f, 0x01, 0xc1")

TEST(undefined) {
    EXPECT_FAULT_RING(3, s_vmcall, VEC_UD, 0);
    for (unsigned ring = 0; ring < 4; ring += 3) {
        EXPECT_FAULT_RING(ring, s_vmmcall, VEC_UD, 0);
        EXPECT_FAULT_RING(ring, s_lock, VEC_UD, 0);
        EXPECT_FAULT_RING(ring, s_66, VEC_UD, 0);
        EXPECT_FAULT_RING(ring, s_f3, VEC_UD, 0);
        EXPECT_FAULT_RING(ring, s_f2, VEC_UD, 0);
    }
}

TEST(no_such_call) {
    static const u32 numbers[] = {RINGSHADE_CALLS, 6, 31, 32, 0x80000000, 0xffffffff, 0x40000000};
    for (unsigned i = 0; i < sizeof numbers / sizeof *numbers; i++)
        CHECK_EQ("status", call_alone(numbers[i], 1, 2, 3), RINGSHADE_CALL_ENOSYS);
}
