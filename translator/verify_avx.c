// The verifier's allow-list of AVX and AVX2: VEX encodings by map, opcode and pp field, in that order; their lengths
// and values of VEX.W, the size of a memory operand, what is done to it, and where a general register takes part. Where
// one does, and where EAX and EDX hold lengths, W is zero: it would make them 64 bits wide. Intel SDM, vol. 2, appendix
// A. VMASKMOV and the gathers, whose operand is not one of known size, are not here; nor is VLDMXCSR.
#include "translator/verify.h"

#include <stdlib.h>

enum { L_128 = 1, L_256 = 2, W_0 = 1, W_1 = 2 };

struct avx_form {
    uint16_t key;
    uint8_t lengths, wides; // as bit masks
    uint8_t size[2];        // of the memory operand, by VEX.L
    uint8_t rm, reg;        // RM_*, REG_*
    uint8_t groups;         // of REG_X: ModRM.reg values allowed
};

#define KEY(map, opcode, pp) ((uint16_t)(((map)-VMAP_VEX0F) << 10 | (opcode) << 2 | (pp)))
#define FORM(map, opcode, pp, lengths, wides, size128, size256, rm, reg, groups)                                       \
    { KEY(VMAP_VEX##map, opcode, pp), lengths, wides, {size128, size256}, RM_##rm, REG_##reg, groups }
#define PACKED(map, opcode, pp)      FORM(map, opcode, pp, 3, 3, 16, 32, VR, V, 0)
#define FIXED(map, opcode, pp, size) FORM(map, opcode, pp, 3, 3, size, size, VR, V, 0)

// clang-format off
static const struct avx_form forms[] = {
    PACKED(0F, 0x10, 0), PACKED(0F, 0x10, 1), FIXED(0F, 0x10, 2, 4), FIXED(0F, 0x10, 3, 8),
    FORM(0F, 0x11, 0, 3, 3, 16, 32, VW, V, 0x00), // VMOVUPS
    FORM(0F, 0x11, 1, 3, 3, 16, 32, VW, V, 0x00), // VMOVUPD
    FORM(0F, 0x11, 2, 3, 3, 4, 4, VW, V, 0x00), // VMOVSS
    FORM(0F, 0x11, 3, 3, 3, 8, 8, VW, V, 0x00), // VMOVSD
    FORM(0F, 0x12, 0, 1, 3, 8, 0, VR, V, 0x00), // VMOVHLPS VMOVLPS
    FORM(0F, 0x12, 1, 1, 3, 8, 0, MR, V, 0x00), // VMOVLPD
    PACKED(0F, 0x12, 2),
    FORM(0F, 0x12, 3, 3, 3, 8, 32, VR, V, 0x00), // VMOVDDUP
    FORM(0F, 0x13, 0, 1, 3, 8, 0, MW, V, 0x00), // VMOVLPS
    FORM(0F, 0x13, 1, 1, 3, 8, 0, MW, V, 0x00), // VMOVLPD
    PACKED(0F, 0x14, 0), PACKED(0F, 0x14, 1), PACKED(0F, 0x15, 0), PACKED(0F, 0x15, 1),
    FORM(0F, 0x16, 0, 1, 3, 8, 0, VR, V, 0x00), // VMOVHPS VMOVLHPS
    FORM(0F, 0x16, 1, 1, 3, 8, 0, MR, V, 0x00), // VMOVHPD
    PACKED(0F, 0x16, 2),
    FORM(0F, 0x17, 0, 1, 3, 8, 0, MW, V, 0x00), // VMOVHPS
    FORM(0F, 0x17, 1, 1, 3, 8, 0, MW, V, 0x00), // VMOVHPD
    PACKED(0F, 0x28, 0), PACKED(0F, 0x28, 1),
    FORM(0F, 0x29, 0, 3, 3, 16, 32, VW, V, 0x00), // VMOVAPS
    FORM(0F, 0x29, 1, 3, 3, 16, 32, VW, V, 0x00), // VMOVAPD
    FORM(0F, 0x2a, 2, 3, 1, 4, 4, GR, V, 0x00), // VCVTSI2SS
    FORM(0F, 0x2a, 3, 3, 1, 4, 4, GR, V, 0x00), // VCVTSI2SD
    FORM(0F, 0x2b, 0, 3, 3, 16, 32, MW, V, 0x00), // VMOVNTPS
    FORM(0F, 0x2b, 1, 3, 3, 16, 32, MW, V, 0x00), // VMOVNTPD
    FORM(0F, 0x2c, 2, 3, 1, 4, 4, VR, GW, 0x00), // VCVTTSS2SI
    FORM(0F, 0x2c, 3, 3, 1, 8, 8, VR, GW, 0x00), // VCVTTSD2SI
    FORM(0F, 0x2d, 2, 3, 1, 4, 4, VR, GW, 0x00), // VCVTSS2SI
    FORM(0F, 0x2d, 3, 3, 1, 8, 8, VR, GW, 0x00), // VCVTSD2SI
    FIXED(0F, 0x2e, 0, 4), FIXED(0F, 0x2e, 1, 8), FIXED(0F, 0x2f, 0, 4), FIXED(0F, 0x2f, 1, 8),
    FORM(0F, 0x50, 0, 3, 1, 0, 0, V, GW, 0x00), // VMOVMSKPS
    FORM(0F, 0x50, 1, 3, 1, 0, 0, V, GW, 0x00), // VMOVMSKPD
    PACKED(0F, 0x51, 0), PACKED(0F, 0x51, 1), FIXED(0F, 0x51, 2, 4), FIXED(0F, 0x51, 3, 8), PACKED(0F, 0x52, 0),
    FIXED(0F, 0x52, 2, 4), PACKED(0F, 0x53, 0), FIXED(0F, 0x53, 2, 4), PACKED(0F, 0x54, 0), PACKED(0F, 0x54, 1),
    PACKED(0F, 0x55, 0), PACKED(0F, 0x55, 1), PACKED(0F, 0x56, 0), PACKED(0F, 0x56, 1), PACKED(0F, 0x57, 0),
    PACKED(0F, 0x57, 1), PACKED(0F, 0x58, 0), PACKED(0F, 0x58, 1), FIXED(0F, 0x58, 2, 4), FIXED(0F, 0x58, 3, 8),
    PACKED(0F, 0x59, 0), PACKED(0F, 0x59, 1), FIXED(0F, 0x59, 2, 4), FIXED(0F, 0x59, 3, 8),
    FORM(0F, 0x5a, 0, 3, 3, 8, 16, VR, V, 0x00), // VCVTPS2PD
    PACKED(0F, 0x5a, 1), FIXED(0F, 0x5a, 2, 4), FIXED(0F, 0x5a, 3, 8), PACKED(0F, 0x5b, 0), PACKED(0F, 0x5b, 1),
    PACKED(0F, 0x5b, 2), PACKED(0F, 0x5c, 0), PACKED(0F, 0x5c, 1), FIXED(0F, 0x5c, 2, 4), FIXED(0F, 0x5c, 3, 8),
    PACKED(0F, 0x5d, 0), PACKED(0F, 0x5d, 1), FIXED(0F, 0x5d, 2, 4), FIXED(0F, 0x5d, 3, 8), PACKED(0F, 0x5e, 0),
    PACKED(0F, 0x5e, 1), FIXED(0F, 0x5e, 2, 4), FIXED(0F, 0x5e, 3, 8), PACKED(0F, 0x5f, 0), PACKED(0F, 0x5f, 1),
    FIXED(0F, 0x5f, 2, 4), FIXED(0F, 0x5f, 3, 8), PACKED(0F, 0x60, 1), PACKED(0F, 0x61, 1), PACKED(0F, 0x62, 1),
    PACKED(0F, 0x63, 1), PACKED(0F, 0x64, 1), PACKED(0F, 0x65, 1), PACKED(0F, 0x66, 1), PACKED(0F, 0x67, 1),
    PACKED(0F, 0x68, 1), PACKED(0F, 0x69, 1), PACKED(0F, 0x6a, 1), PACKED(0F, 0x6b, 1), PACKED(0F, 0x6c, 1),
    PACKED(0F, 0x6d, 1),
    FORM(0F, 0x6e, 1, 1, 1, 4, 0, GR, V, 0x00), // VMOVD
    PACKED(0F, 0x6f, 1), PACKED(0F, 0x6f, 2), PACKED(0F, 0x70, 1), PACKED(0F, 0x70, 2), PACKED(0F, 0x70, 3),
    FORM(0F, 0x71, 1, 3, 3, 0, 0, V, X, 0x54), // VPSLLW VPSRAW VPSRLW
    FORM(0F, 0x72, 1, 3, 3, 0, 0, V, X, 0x54), // VPSLLD VPSRAD VPSRLD
    FORM(0F, 0x73, 1, 3, 3, 0, 0, V, X, 0xcc), // VPSLLDQ VPSLLQ VPSRLDQ VPSRLQ
    PACKED(0F, 0x74, 1), PACKED(0F, 0x75, 1), PACKED(0F, 0x76, 1), PACKED(0F, 0x7c, 1), PACKED(0F, 0x7c, 3),
    PACKED(0F, 0x7d, 1), PACKED(0F, 0x7d, 3),
    FORM(0F, 0x7e, 1, 1, 1, 4, 0, GW, V, 0x00), // VMOVD
    FORM(0F, 0x7e, 2, 1, 3, 8, 0, VR, V, 0x00), // VMOVQ
    FORM(0F, 0x7f, 1, 3, 3, 16, 32, VW, V, 0x00), // VMOVDQA
    FORM(0F, 0x7f, 2, 3, 3, 16, 32, VW, V, 0x00), // VMOVDQU
    FORM(0F, 0xae, 0, 1, 3, 4, 0, MW, X, 0x08), // VSTMXCSR
    PACKED(0F, 0xc2, 0), PACKED(0F, 0xc2, 1), FIXED(0F, 0xc2, 2, 4), FIXED(0F, 0xc2, 3, 8),
    FORM(0F, 0xc4, 1, 1, 1, 2, 0, GR, V, 0x00), // VPINSRW
    FORM(0F, 0xc5, 1, 1, 1, 0, 0, V, GW, 0x00), // VPEXTRW
    PACKED(0F, 0xc6, 0), PACKED(0F, 0xc6, 1), PACKED(0F, 0xd0, 1), PACKED(0F, 0xd0, 3), FIXED(0F, 0xd1, 1, 16),
    FIXED(0F, 0xd2, 1, 16), FIXED(0F, 0xd3, 1, 16), PACKED(0F, 0xd4, 1), PACKED(0F, 0xd5, 1),
    FORM(0F, 0xd6, 1, 1, 3, 8, 0, VW, V, 0x00), // VMOVQ
    FORM(0F, 0xd7, 1, 3, 1, 0, 0, V, GW, 0x00), // VPMOVMSKB
    PACKED(0F, 0xd8, 1), PACKED(0F, 0xd9, 1), PACKED(0F, 0xda, 1), PACKED(0F, 0xdb, 1), PACKED(0F, 0xdc, 1),
    PACKED(0F, 0xdd, 1), PACKED(0F, 0xde, 1), PACKED(0F, 0xdf, 1), PACKED(0F, 0xe0, 1), FIXED(0F, 0xe1, 1, 16),
    FIXED(0F, 0xe2, 1, 16), PACKED(0F, 0xe3, 1), PACKED(0F, 0xe4, 1), PACKED(0F, 0xe5, 1), PACKED(0F, 0xe6, 1),
    FORM(0F, 0xe6, 2, 3, 3, 8, 16, VR, V, 0x00), // VCVTDQ2PD
    PACKED(0F, 0xe6, 3),
    FORM(0F, 0xe7, 1, 3, 3, 16, 32, MW, V, 0x00), // VMOVNTDQ
    PACKED(0F, 0xe8, 1), PACKED(0F, 0xe9, 1), PACKED(0F, 0xea, 1), PACKED(0F, 0xeb, 1), PACKED(0F, 0xec, 1),
    PACKED(0F, 0xed, 1), PACKED(0F, 0xee, 1), PACKED(0F, 0xef, 1),
    FORM(0F, 0xf0, 3, 3, 3, 16, 32, MR, V, 0x00), // VLDDQU
    FIXED(0F, 0xf1, 1, 16), FIXED(0F, 0xf2, 1, 16), FIXED(0F, 0xf3, 1, 16), PACKED(0F, 0xf4, 1), PACKED(0F, 0xf5, 1),
    PACKED(0F, 0xf6, 1), PACKED(0F, 0xf8, 1), PACKED(0F, 0xf9, 1), PACKED(0F, 0xfa, 1), PACKED(0F, 0xfb, 1),
    PACKED(0F, 0xfc, 1), PACKED(0F, 0xfd, 1), PACKED(0F, 0xfe, 1), PACKED(38, 0x00, 1), PACKED(38, 0x01, 1),
    PACKED(38, 0x02, 1), PACKED(38, 0x03, 1), PACKED(38, 0x04, 1), PACKED(38, 0x05, 1), PACKED(38, 0x06, 1),
    PACKED(38, 0x07, 1), PACKED(38, 0x08, 1), PACKED(38, 0x09, 1), PACKED(38, 0x0a, 1), PACKED(38, 0x0b, 1),
    FORM(38, 0x0c, 1, 3, 1, 16, 32, VR, V, 0x00), // VPERMILPS
    FORM(38, 0x0d, 1, 3, 1, 16, 32, VR, V, 0x00), // VPERMILPD
    FORM(38, 0x0e, 1, 3, 1, 16, 32, VR, V, 0x00), // VTESTPS
    FORM(38, 0x0f, 1, 3, 1, 16, 32, VR, V, 0x00), // VTESTPD
    FORM(38, 0x16, 1, 2, 1, 0, 32, VR, V, 0x00), // VPERMPS
    PACKED(38, 0x17, 1),
    FORM(38, 0x18, 1, 3, 1, 4, 4, VR, V, 0x00), // VBROADCASTSS
    FORM(38, 0x19, 1, 2, 1, 0, 8, VR, V, 0x00), // VBROADCASTSD
    FORM(38, 0x1a, 1, 2, 1, 0, 16, MR, V, 0x00), // VBROADCASTF128
    PACKED(38, 0x1c, 1), PACKED(38, 0x1d, 1), PACKED(38, 0x1e, 1),
    FORM(38, 0x20, 1, 3, 3, 8, 16, VR, V, 0x00), // VPMOVSXBW
    FORM(38, 0x21, 1, 3, 3, 4, 8, VR, V, 0x00), // VPMOVSXBD
    FORM(38, 0x22, 1, 3, 3, 2, 4, VR, V, 0x00), // VPMOVSXBQ
    FORM(38, 0x23, 1, 3, 3, 8, 16, VR, V, 0x00), // VPMOVSXWD
    FORM(38, 0x24, 1, 3, 3, 4, 8, VR, V, 0x00), // VPMOVSXWQ
    FORM(38, 0x25, 1, 3, 3, 8, 16, VR, V, 0x00), // VPMOVSXDQ
    PACKED(38, 0x28, 1), PACKED(38, 0x29, 1),
    FORM(38, 0x2a, 1, 3, 3, 16, 32, MR, V, 0x00), // VMOVNTDQA
    PACKED(38, 0x2b, 1),
    FORM(38, 0x30, 1, 3, 3, 8, 16, VR, V, 0x00), // VPMOVZXBW
    FORM(38, 0x31, 1, 3, 3, 4, 8, VR, V, 0x00), // VPMOVZXBD
    FORM(38, 0x32, 1, 3, 3, 2, 4, VR, V, 0x00), // VPMOVZXBQ
    FORM(38, 0x33, 1, 3, 3, 8, 16, VR, V, 0x00), // VPMOVZXWD
    FORM(38, 0x34, 1, 3, 3, 4, 8, VR, V, 0x00), // VPMOVZXWQ
    FORM(38, 0x35, 1, 3, 3, 8, 16, VR, V, 0x00), // VPMOVZXDQ
    FORM(38, 0x36, 1, 2, 1, 0, 32, VR, V, 0x00), // VPERMD
    PACKED(38, 0x37, 1), PACKED(38, 0x38, 1), PACKED(38, 0x39, 1), PACKED(38, 0x3a, 1), PACKED(38, 0x3b, 1),
    PACKED(38, 0x3c, 1), PACKED(38, 0x3d, 1), PACKED(38, 0x3e, 1), PACKED(38, 0x3f, 1), PACKED(38, 0x40, 1),
    FORM(38, 0x41, 1, 1, 3, 16, 0, VR, V, 0x00), // VPHMINPOSUW
    PACKED(38, 0x45, 1),
    FORM(38, 0x46, 1, 3, 1, 16, 32, VR, V, 0x00), // VPSRAVD
    PACKED(38, 0x47, 1),
    FORM(38, 0x58, 1, 3, 1, 4, 4, VR, V, 0x00), // VPBROADCASTD
    FORM(38, 0x59, 1, 3, 1, 8, 8, VR, V, 0x00), // VPBROADCASTQ
    FORM(38, 0x78, 1, 3, 1, 1, 1, VR, V, 0x00), // VPBROADCASTB
    FORM(38, 0x79, 1, 3, 1, 2, 2, VR, V, 0x00), // VPBROADCASTW
    FORM(3A, 0x00, 1, 2, 2, 0, 32, VR, V, 0x00), // VPERMQ
    FORM(3A, 0x01, 1, 2, 2, 0, 32, VR, V, 0x00), // VPERMPD
    FORM(3A, 0x02, 1, 3, 1, 16, 32, VR, V, 0x00), // VPBLENDD
    FORM(3A, 0x04, 1, 3, 1, 16, 32, VR, V, 0x00), // VPERMILPS
    FORM(3A, 0x05, 1, 3, 1, 16, 32, VR, V, 0x00), // VPERMILPD
    FORM(3A, 0x06, 1, 2, 1, 0, 32, VR, V, 0x00), // VPERM2F128
    PACKED(3A, 0x08, 1), PACKED(3A, 0x09, 1), FIXED(3A, 0x0a, 1, 4), FIXED(3A, 0x0b, 1, 8), PACKED(3A, 0x0c, 1),
    PACKED(3A, 0x0d, 1), PACKED(3A, 0x0e, 1), PACKED(3A, 0x0f, 1),
    FORM(3A, 0x14, 1, 1, 1, 1, 0, GW, V, 0x00), // VPEXTRB
    FORM(3A, 0x15, 1, 1, 1, 2, 0, GW, V, 0x00), // VPEXTRW
    FORM(3A, 0x16, 1, 1, 1, 4, 0, GW, V, 0x00), // VPEXTRD
    FORM(3A, 0x17, 1, 1, 1, 4, 0, GW, V, 0x00), // VEXTRACTPS
    FORM(3A, 0x18, 1, 2, 1, 0, 16, VR, V, 0x00), // VINSERTF128
    FORM(3A, 0x19, 1, 2, 1, 0, 16, VW, V, 0x00), // VEXTRACTF128
    FORM(3A, 0x20, 1, 1, 1, 1, 0, GR, V, 0x00), // VPINSRB
    FORM(3A, 0x21, 1, 1, 3, 4, 0, VR, V, 0x00), // VINSERTPS
    FORM(3A, 0x22, 1, 1, 1, 4, 0, GR, V, 0x00), // VPINSRD
    FORM(3A, 0x38, 1, 2, 1, 0, 16, VR, V, 0x00), // VINSERTI128
    FORM(3A, 0x39, 1, 2, 1, 0, 16, VW, V, 0x00), // VEXTRACTI128
    PACKED(3A, 0x40, 1),
    FORM(3A, 0x41, 1, 1, 3, 16, 0, VR, V, 0x00), // VDPPD
    PACKED(3A, 0x42, 1),
    FORM(3A, 0x46, 1, 2, 1, 0, 32, VR, V, 0x00), // VPERM2I128
    FORM(3A, 0x4a, 1, 3, 1, 16, 32, VR, V, 0x00), // VBLENDVPS
    FORM(3A, 0x4b, 1, 3, 1, 16, 32, VR, V, 0x00), // VBLENDVPD
    FORM(3A, 0x4c, 1, 3, 1, 16, 32, VR, V, 0x00), // VPBLENDVB
    FORM(3A, 0x60, 1, 1, 1, 16, 0, VR, V, 0x00), // VPCMPESTRM
    FORM(3A, 0x61, 1, 1, 1, 16, 0, VR, V, 0x00), // VPCMPESTRI
    FORM(3A, 0x62, 1, 1, 3, 16, 0, VR, V, 0x00), // VPCMPISTRM
    FORM(3A, 0x63, 1, 1, 3, 16, 0, VR, V, 0x00), // VPCMPISTRI
};
// clang-format on

static int compare(const void *key, const void *form) {
    return (int)*(const uint16_t *)key - (int)((const struct avx_form *)form)->key;
}

static const struct avx_form *find(unsigned map, unsigned opcode, unsigned pp) {
    const uint16_t key = KEY(map, opcode, pp);
    return bsearch(&key, forms, sizeof forms / sizeof *forms, sizeof *forms, compare);
}

int verify_avx_unit(struct verifier *v, unsigned i) {
    const uint32_t mode = v->in->mode;
    if (!(mode & MODE_AVX) || (mode & (MODE_V86 | MODE_SIMD_NM)))
        return verify_reject(v, i, "AVX in a mode where it raises #NM or #UD");
    return 0;
}

// In 64-bit mode the top bit of the immediate of VBLENDVPS and its like names registers that the guest has not.
static bool names_high_register(const struct vinsn *n) {
    return n->map == VMAP_VEX3A && n->opcode >= 0x4a && n->opcode <= 0x4c && (n->imm & 0x80);
}

static int check_rm(struct verifier *v, unsigned i, struct vstate *s, const struct avx_form *f) {
    const struct vinsn *n = &v->insns[i];
    bool writes = f->rm == RM_GW || f->rm == RM_VW || f->rm == RM_MW;
    if (n->is_mem) {
        if (f->rm == RM_V)
            return verify_reject(v, i, "a form that is not on the list");
        return verify_memory(v, i, s, f->size[n->ymm], writes ? ACC_W : ACC_R);
    }
    if (f->rm == RM_MR || f->rm == RM_MW)
        return verify_reject(v, i, "a form that is not on the list");
    if (f->rm == RM_GR || f->rm == RM_GW)
        return verify_register(v, i, s, n->rm, writes ? ACC_W : ACC_R);
    return n->rm < 8 ? 0 : verify_reject(v, i, "a vector register that is not the guest's");
}

int verify_avx(struct verifier *v, unsigned i, struct vstate *s) {
    const struct vinsn *n = &v->insns[i];
    if (verify_avx_unit(v, i) < 0)
        return -1;
    const struct avx_form *f = find(n->map, n->opcode, n->pp);
    bool group = f && (f->reg != REG_X || (f->groups >> (n->modrm >> 3 & 7) & 1));
    if (!f || !group || !(f->lengths >> n->ymm & 1) || !(f->wides >> n->wide & 1) || names_high_register(n))
        return verify_reject(v, i, "an AVX form that is not on the list");
    bool general = f->reg == REG_GR || f->reg == REG_GW;
    if (general && verify_register(v, i, s, n->reg, f->reg == REG_GW ? ACC_W : ACC_R) < 0)
        return -1;
    if ((!general && n->reg >= 8) || n->vvvv >= 8)
        return verify_reject(v, i, "a vector register that is not the guest's");
    if (check_rm(v, i, s, f) < 0)
        return -1;
    if (f->reg == REG_GW)
        verify_write(s, n->reg, KIND_U32);
    if (f->rm == RM_GW && !n->is_mem)
        verify_write(s, n->rm, KIND_U32);
    return 0;
}

// VZEROUPPER, VZEROALL.
int verify_avx_zero(struct verifier *v, unsigned i) {
    const struct vinsn *n = &v->insns[i];
    if (n->pp != 0 || n->vvvv != 0 || n->wide)
        return verify_reject(v, i, "an AVX form that is not on the list");
    return verify_avx_unit(v, i);
}
