// Floating point of SSE to SSE4.1: arithmetic, comparison, conversion, rounding. The approximations RCPPS and RSQRTPS
// are not defined to the bit and stand elsewhere.
#include "simd.h"

#define FLOAT(op)                                                                                                      \
    PACKED(op##ps, V_F32)                                                                                              \
    PACKED(op##pd, V_F64)                                                                                              \
    SCALAR(op##ss, V_F32)                                                                                              \
    SCALAR(op##sd, V_F64)
FLOAT(add)
FLOAT(sub)
FLOAT(mul)
FLOAT(div)
FLOAT(min)
FLOAT(max)
FLOAT(sqrt)
FLOAT(cmpeq)
FLOAT(cmplt)
FLOAT(cmple)
FLOAT(cmpunord)
FLOAT(cmpneq)
FLOAT(cmpnlt)
FLOAT(cmpnle)
FLOAT(cmpord)
SCALAR(comiss, V_F32)
SCALAR(comisd, V_F64)
SCALAR(ucomiss, V_F32)
SCALAR(ucomisd, V_F64)

#define LOGIC(op)                                                                                                      \
    PACKED(op##ps, V_F32)                                                                                              \
    PACKED(op##pd, V_F64)
LOGIC(and)
LOGIC(andn)
LOGIC(or)
LOGIC(xor)
LOGIC(unpckl)
LOGIC(unpckh)
PACKED_IMM(shufps, 0x1b, V_F32)
PACKED_IMM(shufpd, 0x1, V_F64)

LOGIC(addsub)
LOGIC(hadd)
LOGIC(hsub)
PACKED(movshdup, V_F32)
PACKED(movsldup, V_F32)
SCALAR(movddup, V_F64)
PACKED_IMM(dpps, 0xff, V_F32)
PACKED_IMM(dpps, 0x71, V_F32)
PACKED_IMM(dppd, 0x33, V_F64)
PACKED_IMM(blendps, 0x5, V_F32)
PACKED_IMM(blendpd, 0x2, V_F64)
PACKED(blendvps, V_F32)
PACKED(blendvpd, V_F64)
SCALAR_IMM(insertps, 0x4e, V_F32)

#define ROUND(imm)                                                                                                     \
    PACKED_IMM(roundps, imm, V_F32)                                                                                    \
    PACKED_IMM(roundpd, imm, V_F64)                                                                                    \
    SCALAR_IMM(roundss, imm, V_F32)                                                                                    \
    SCALAR_IMM(roundsd, imm, V_F64)
ROUND(0)
ROUND(1)
ROUND(2)
ROUND(3)
ROUND(4)
ROUND(12)

SCALAR(cvtss2sd, V_F32)
SCALAR(cvtsd2ss, V_F64)
SCALAR(cvtps2pd, V_F32)
PACKED(cvtpd2ps, V_F64)
PACKED(cvtps2dq, V_F32)
PACKED(cvttps2dq, V_F32)
PACKED(cvtpd2dq, V_F64)
PACKED(cvttpd2dq, V_F64)
PACKED(cvtdq2ps, V_INT)
SCALAR(cvtdq2pd, V_INT)
#define TO_INTEGER(op, values)                                                                                         \
    SIMD(op##_r, values, 0, #op " %xmm1, %eax")                                                                        \
    SIMD(op##_m, values, 0, #op " (%edi), %eax")
TO_INTEGER(cvtss2si, V_F32)
TO_INTEGER(cvttss2si, V_F32)
TO_INTEGER(cvtsd2si, V_F64)
TO_INTEGER(cvttsd2si, V_F64)
#define FROM_INTEGER(op, values)                                                                                       \
    SIMD(op##_r, values, 0, #op " %eax, %xmm0")                                                                        \
    SIMD(op##_m, values, 0, #op "l (%edi), %xmm0")
FROM_INTEGER(cvtsi2ss, V_F32)
FROM_INTEGER(cvtsi2sd, V_F64)
#define WITH_MMX(op, values, memory_flags)                                                                             \
    SIMD(op##_r, values, 0, #op " %xmm1, %mm0")                                                                        \
    SIMD(op##_m, values, memory_flags, #op " (%edi), %mm0")
WITH_MMX(cvtps2pi, V_F32, 0)
WITH_MMX(cvttps2pi, V_F32, 0)
WITH_MMX(cvtpd2pi, V_F64, ALIGNED)
WITH_MMX(cvttpd2pi, V_F64, ALIGNED)
SIMD(cvtpi2ps_r, V_INT, 0, "cvtpi2ps %mm1, %xmm0")
SIMD(cvtpi2ps_m, V_INT, 0, "cvtpi2ps (%edi), %xmm0")
SIMD(cvtpi2pd_r, V_INT, 0, "cvtpi2pd %mm1, %xmm0")
SIMD(cvtpi2pd_m, V_INT, 0, "cvtpi2pd (%edi), %xmm0")
