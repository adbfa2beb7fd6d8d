// Without `--hypercalls` there is nothing: CPUID says of no monitor, and VMCALL is undefined at every privilege.
#include "exec.h"

SNIPPET(s_vmcall, "", "vmcall")
SNIPPET(s_vmmcall, "", "vmmcall")

TEST(not_announced) {
    u32 one[4], high[4], last[4];
    if (under_qemu())
        return;
    cpuid(1, one);
    CHECK_EQ("hypervisor bit", one[2] >> 31, 0);
    cpuid(0, last);
    cpuid(last[0], last);
    for (u32 leaf = 0x40000000; leaf < 0x40000003; leaf++) { // as every leaf out of range
        cpuid(leaf, high);
        for (unsigned i = 0; i < 4; i++)
            CHECK_EQ("leaf", high[i], last[i]);
    }
}

TEST(undefined) {
    if (under_qemu())
        return;
    for (unsigned ring = 0; ring < 4; ring += 3) {
        EXPECT_FAULT_RING(ring, s_vmcall, VEC_UD, 0);
        EXPECT_FAULT_RING(ring, s_vmmcall, VEC_UD, 0);
    }
}
