// The decimal adjusts, which a 64-bit processor no longer has: every AL with CF and AF in all combinations.
#include "alu.h"

OP(aaa, K_DECIMAL, 8, F_CF | F_AF | F_DF, "aaa")
OP(aas, K_DECIMAL, 8, F_CF | F_AF | F_DF, "aas")
OP(daa, K_DECIMAL, 8, F_ALL & ~F_OF, "daa")
OP(das, K_DECIMAL, 8, F_ALL & ~F_OF, "das")
OP(aam, K_DECIMAL, 8, F_SF | F_ZF | F_PF | F_DF, "aam")
OP(aad, K_DECIMAL, 8, F_SF | F_ZF | F_PF | F_DF, "aad")
OP(aam_7, K_DECIMAL, 8, F_SF | F_ZF | F_PF | F_DF, ".byte 0xd4, 7")
OP(aam_255, K_DECIMAL, 8, F_SF | F_ZF | F_PF | F_DF, ".byte 0xd4, 255")
OP(aad_7, K_DECIMAL, 8, F_SF | F_ZF | F_PF | F_DF, ".byte 0xd5, 7")
OP(aad_0, K_DECIMAL, 8, F_SF | F_ZF | F_PF | F_DF, ".byte 0xd5, 0")
OP(aaa_after_add, K_BINARY, 8, F_CF | F_AF | F_DF, "add %bl, %al\n aaa")
OP(aas_after_sub, K_BINARY, 8, F_CF | F_AF | F_DF, "sub %bl, %al\n aas")
OP(daa_after_adc, K_BINARY, 8, F_ALL & ~F_OF, "adc %bl, %al\n daa")
OP(das_after_sbb, K_BINARY, 8, F_ALL & ~F_OF, "sbb %bl, %al\n das")
