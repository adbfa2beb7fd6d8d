// Arithmetic of the x87 unit in all operand forms. Intel SDM vol. 2, FADD to FYL2XP1.
#include "x87.h"

#define ARITH(op)                                                                                                      \
    X87(f##op##_st_sti, M_NONE, SW_ARITH, "f" #op " %st(1), %st")                                                      \
    X87(f##op##_sti_st, M_NONE, SW_ARITH, "f" #op " %st, %st(1)")                                                      \
    X87(f##op##p, M_NONE, SW_ARITH, "f" #op "p %st, %st(1)")                                                           \
    X87(f##op##_self, M_NONE, SW_ARITH, "f" #op " %st(0), %st")                                                        \
    X87(f##op##_m32, M_F32, SW_ARITH, "f" #op "s (%edi)")                                                              \
    X87(f##op##_m64, M_F64, SW_ARITH, "f" #op "l (%edi)")                                                              \
    X87(fi##op##_m16, M_INT, SW_ARITH, "fi" #op "s (%edi)")                                                            \
    X87(fi##op##_m32, M_INT, SW_ARITH, "fi" #op "l (%edi)")

ARITH(add)
ARITH(sub)
ARITH(subr)
ARITH(mul)
ARITH(div)
ARITH(divr)

X87(fchs, M_NONE, SW_ARITH, "fchs")
X87(fabs, M_NONE, SW_ARITH, "fabs")
X87(frndint, M_NONE, SW_ARITH, "frndint")
X87(fsqrt, M_NONE, SW_ARITH, "fsqrt")
X87(fscale, M_NONE, SW_ARITH, "fscale")
X87(fprem, M_NONE, SW_COMPARE, "fprem")
X87(fprem1, M_NONE, SW_COMPARE, "fprem1")
X87(fxtract, M_NONE, SW_ARITH, "fxtract")
