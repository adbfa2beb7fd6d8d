// The images of FNSTENV, FNSAVE and FXSAVE in both operand sizes and back (SDM vol. 1, 8.1.10, 10.5.1), the tag word of
// every kind of register, and what each leaves in the unit.
#include "env.h"

static u8 image[512] __attribute__((aligned(64)));

static u16 word(unsigned at) {
    return (u16)(image[at] | image[at + 1] << 8);
}
static u32 dword(unsigned at) {
    return word(at) | (u32)word(at + 2) << 16;
}

// Valid, zero, special of each kind, empty: FTW by physical register.
TEST(tags) {
    if (under_qemu()) // TCG stores zeros in reserved halves, masks nothing after FNSTENV
        return;
    static const u32 infinity = 0x7f800000, nan = 0x7fc00000, denormal = 1;
    static const struct {
        u64 mantissa;
        u16 exponent;
    } __attribute__((packed)) tiny = {1, 0}, pseudo = {1ull << 63, 0}, unnormal = {1, 0x3fff};
    struct env e;
    fpu_init();
    __asm__ volatile("fld1\n fldz\n flds %1\n flds %2\n flds %3\n fldt %4\n fldt %5\n fnstenv %0"
                     : "=m"(e)
                     : "m"(infinity), "m"(nan), "m"(denormal), "m"(tiny), "m"(pseudo));
    // 7: valid 0, 6: zero 1, 5: special 2, 4: special, 3: valid (normal once extended), 2, 1: special, 0: empty 3
    CHECK_EQ("tags", e.ftw, 0xffff0000 | 1 << 12 | 2 << 10 | 2 << 8 | 0 << 6 | 2 << 4 | 2 << 2 | 3);
    CHECK_EQ("TOP", e.fsw >> 11 & 7, 1);
    fpu_init();
    __asm__ volatile("fldt %1\n fldz\n ffree %%st(1)\n fnstenv %0" : "=m"(e) : "m"(unnormal));
    CHECK_EQ("freed", e.ftw, 0xffffdfff);
    fpu_init();
    __asm__ volatile("fldt %1\n fnstenv %0" : "=m"(e) : "m"(unnormal));
    CHECK_EQ("unnormal", e.ftw, 0xffffbfff);
    fpu_init();
}

TEST(fnstenv_sizes) {
    if (under_qemu()) // TCG stores zeros in reserved halves, masks nothing after FNSTENV
        return;
    fpu_init();
    u32 three = 0x40400000;
    extern u8 images_load[];
    __asm__ volatile("fld1\n .globl images_load\n images_load: flds %1\n fnstenv %0" : "=m"(image) : "m"(three));
    CHECK_EQ("control", dword(0), 0xffff037f);
    CHECK_EQ("status", dword(4), 0xffff3000);
    CHECK_EQ("tags", dword(8), 0xffff0fff);
    CHECK_EQ("FIP", dword(12), images_load);
    CHECK_EQ("FDP", dword(20), &three);
    u16 control;
    __asm__ volatile("fnstcw %0" : "=m"(control));
    CHECK_EQ("all masked", control, 0x37f);
    fpu_control(0x300);
    __asm__ volatile("data16 fnstenv %0" : "=m"(image));
    CHECK_EQ("control 16", word(0), 0x340);
    CHECK_EQ("status 16", word(2), 0x3000);
    CHECK_EQ("tags 16", word(4), 0x0fff);
    CHECK_EQ("FIP 16", word(6), (u32)images_load & 0xffff);
    CHECK_EQ("FDP 16", word(10), (u32)&three & 0xffff);
    if (!under_qemu()) {
        CHECK_EQ("FCS 16", word(8), 0);
        CHECK_EQ("FDS 16", word(12), 0);
    }
    __asm__ volatile("fnstcw %0" : "=m"(control));
    CHECK_EQ("all masked", control, 0x37f);
    fpu_init();
}

TEST(fldenv_round_trip) {
    if (under_qemu()) // TCG keeps no pointers
        return;
    static const struct env set = {0xffff0f73, 0xffff7841, 0xffff1b3f, 0x12345678, 0x02460073, 0x9abcdef0, 0xffff007b};
    struct env got;
    fpu_init();
    __asm__ volatile("fldenv %1\n fnstenv %0" : "=m"(got) : "m"(set));
    CHECK_EQ("control", got.fcw, 0xffff0f73);
    CHECK_EQ("status", got.fsw, 0xffff7841);
    CHECK_EQ("FIP", got.fip, 0x12345678);
    CHECK_EQ("FDP", got.fdp, 0x9abcdef0);
    if (!under_qemu()) {
        CHECK_EQ("FOP without FCS", got.fcs_fop, 0x02460000);
        CHECK_EQ("FDS", got.fds, 0xffff0000);
    }
    fpu_init();
}

TEST(fnsave_initialises) {
    if (under_qemu()) // TCG stores zeros in reserved halves, masks nothing after FNSTENV
        return;
    struct env e;
    fpu_init();
    fpu_control(0x77f);
    __asm__ volatile("fld1\n fldpi\n fnsave %0" : "=m"(image));
    CHECK_EQ("status", word(4), 0x3000);
    CHECK_EQ("ST0 exponent", word(28 + 8), 0x4000);
    CHECK_EQ("ST1 exponent", word(38 + 8), 0x3fff);
    e = env_get();
    CHECK_EQ("control", e.fcw, 0xffff037f);
    CHECK_EQ("status after", e.fsw, 0xffff0000);
    CHECK_EQ("tags after", e.ftw, 0xffffffff);
    CHECK_EQ("FIP after", e.fip, 0);
    CHECK_EQ("FDP after", e.fdp, 0);
    __asm__ volatile("frstor %0" ::"m"(image));
    e = env_get();
    CHECK_EQ("control back", e.fcw, 0xffff077f);
    CHECK_EQ("tags back", e.ftw, 0xffff0fff);
    fpu_init();
}

// The abridged tag byte, reserved bytes left alone, XMM registers only with OSFXSR. Alignment and MXCSR are in `sse`.
TEST(fxsave) {
    if (under_qemu()) // TCG keeps no pointers
        return;
    fpu_init();
    memset(image, 0xcc, sizeof image);
    extern u8 images_fld[];
    u32 one = 0x3f800000;
    write_cr4(read_cr4() & ~(1u << 9));
    __asm__ volatile("fldz\n .globl images_fld\n images_fld: flds %1\n fxsave %0" : "=m"(image) : "m"(one));
    CHECK_EQ("control", word(0), 0x37f);
    CHECK_EQ("status", word(2), 0x3000);
    CHECK_EQ("tags", image[4], 0xc0);
    CHECK_EQ("FIP", dword(8), images_fld);
    CHECK_EQ("FDP", dword(16), &one);
    if (!under_qemu()) {
        CHECK_EQ("FCS", word(12), 0);
        CHECK_EQ("FDS", word(20), 0);
        CHECK_EQ("no XMM without OSFXSR", image[160], 0xcc);
    }
    CHECK_EQ("behind the registers", image[464], 0xcc);
    CHECK_EQ("the last byte", image[511], 0xcc);
    __asm__ volatile("fninit\n fxrstor %0" ::"m"(image));
    struct env e = env_get();
    CHECK_EQ("tags back", e.ftw, 0xffff4fff);
    CHECK_EQ("FIP back", e.fip, images_fld);
    CHECK_EQ("status back", e.fsw, 0xffff3000);
    fpu_init();
}
