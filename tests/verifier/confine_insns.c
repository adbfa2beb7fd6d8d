// Which instructions guest code may run at all, whatever their operands: the second opinion's own list, by Zydis's
// categories and extensions.
#include "tests/verifier/confine_graph.h"

static bool category_allowed(const ZydisDecodedInstruction *n) {
    switch (n->meta.category) {
    case ZYDIS_CATEGORY_SYSTEM: return n->mnemonic == ZYDIS_MNEMONIC_RDTSC;
    case ZYDIS_CATEGORY_INTERRUPT:
    case ZYDIS_CATEGORY_IO:
    case ZYDIS_CATEGORY_IOSTRINGOP:
    case ZYDIS_CATEGORY_SEGOP:
    case ZYDIS_CATEGORY_SYSCALL:
    case ZYDIS_CATEGORY_SYSRET:
    case ZYDIS_CATEGORY_RET:
    case ZYDIS_CATEGORY_XSAVE:
    case ZYDIS_CATEGORY_XSAVEOPT:
    case ZYDIS_CATEGORY_RDWRFSGS:
    case ZYDIS_CATEGORY_VTX:
    case ZYDIS_CATEGORY_RDRAND:
    case ZYDIS_CATEGORY_RDSEED:
    case ZYDIS_CATEGORY_PREFETCH: return false;
    default: return true;
    }
}

static bool extension_allowed(ZydisISAExt e) {
    return e == ZYDIS_ISA_EXT_BASE || e == ZYDIS_ISA_EXT_X87 || e == ZYDIS_ISA_EXT_MMX || e == ZYDIS_ISA_EXT_SSE ||
           e == ZYDIS_ISA_EXT_SSE2 || e == ZYDIS_ISA_EXT_SSE3 || e == ZYDIS_ISA_EXT_SSSE3 || e == ZYDIS_ISA_EXT_SSE4 ||
           e == ZYDIS_ISA_EXT_AVX || e == ZYDIS_ISA_EXT_AVX2 || e == ZYDIS_ISA_EXT_BMI2 || e == ZYDIS_ISA_EXT_PAUSE ||
           e == ZYDIS_ISA_EXT_LONGMODE;
}

static bool mnemonic_refused(ZydisMnemonic m) {
    switch (m) {
    case ZYDIS_MNEMONIC_FXSAVE:
    case ZYDIS_MNEMONIC_FXRSTOR:
    case ZYDIS_MNEMONIC_FXSAVE64:
    case ZYDIS_MNEMONIC_FXRSTOR64:
    case ZYDIS_MNEMONIC_FNSTENV:
    case ZYDIS_MNEMONIC_FLDENV:
    case ZYDIS_MNEMONIC_FNSAVE:
    case ZYDIS_MNEMONIC_FRSTOR:
    case ZYDIS_MNEMONIC_CPUID:
    case ZYDIS_MNEMONIC_ENTER:
    case ZYDIS_MNEMONIC_LEAVE:
    case ZYDIS_MNEMONIC_XLAT: return true;
    default: return false;
    }
}

bool confine_allows(const ZydisDecodedInstruction *insn) {
    return !(insn->attributes & ZYDIS_ATTRIB_IS_PRIVILEGED) && category_allowed(insn) &&
           extension_allowed(insn->meta.isa_ext) && !mnemonic_refused(insn->mnemonic);
}
