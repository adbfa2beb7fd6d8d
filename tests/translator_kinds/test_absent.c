// Every legacy, VEX, EVEX and XOP encoding that Zydis takes for an instruction of a feature that CPUID does not
// announce raises #UD, but for those that an older processor executes as something else: TZCNT and LZCNT (BSF and BSR
// with a prefix that says nothing), WBNOINVD (WBINVD) and the hints of later processors (NOP). Intel SDM vol. 2.
#include "translator/table.h"
#include "translator/translator.h"

#include <Zydis/Zydis.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define OFFSET  0x10u
#define CODE_RX 0x10000000u
#define STUBS   0x0ff00000u
#define MODE    (MODE_CODE32 | MODE_STACK32 | MODE_IOPL_OK | MODE_ONE)

static uint8_t page[4096], code[TRANSLATE_MAX_HOST];
static struct translate_output out;
static unsigned absent, undefined, kept;

// What leaf 1 announces (translator/table.h), and what every processor has.
static bool is_announced(ZydisISASet set) {
    switch (set) {
    case ZYDIS_ISA_SET_I86:
    case ZYDIS_ISA_SET_I186:
    case ZYDIS_ISA_SET_I286PROTECTED:
    case ZYDIS_ISA_SET_I286REAL:
    case ZYDIS_ISA_SET_I386:
    case ZYDIS_ISA_SET_I486:
    case ZYDIS_ISA_SET_I486REAL:
    case ZYDIS_ISA_SET_PENTIUMREAL:
    case ZYDIS_ISA_SET_PPRO:
    case ZYDIS_ISA_SET_RDPMC:
    case ZYDIS_ISA_SET_CMOV:
    case ZYDIS_ISA_SET_FCMOV:
    case ZYDIS_ISA_SET_FAT_NOP:
    case ZYDIS_ISA_SET_LAHF:
    case ZYDIS_ISA_SET_PAUSE:
    case ZYDIS_ISA_SET_PREFETCH_NOP:
    case ZYDIS_ISA_SET_PENTIUMMMX:
    case ZYDIS_ISA_SET_X87:
    case ZYDIS_ISA_SET_FXSAVE:
    case ZYDIS_ISA_SET_SSE:
    case ZYDIS_ISA_SET_SSEMXCSR:
    case ZYDIS_ISA_SET_SSE_PREFETCH:
    case ZYDIS_ISA_SET_SSE2:
    case ZYDIS_ISA_SET_SSE2MMX:
    case ZYDIS_ISA_SET_SSE3:
    case ZYDIS_ISA_SET_SSE3X87:
    case ZYDIS_ISA_SET_SSSE3:
    case ZYDIS_ISA_SET_SSSE3MMX:
    case ZYDIS_ISA_SET_SSE4:
    case ZYDIS_ISA_SET_SSE42:
    case ZYDIS_ISA_SET_XSAVE: // whether CR4.OSXSAVE is set is seen at run time
    case ZYDIS_ISA_SET_POPCNT:
    case ZYDIS_ISA_SET_SMAP: return true; // by --cpu smap: its callouts ask
    default: return false;
    }
}

static bool has_older_meaning(ZydisMnemonic mnemonic) {
    switch (mnemonic) {
    case ZYDIS_MNEMONIC_TZCNT:
    case ZYDIS_MNEMONIC_LZCNT:
    case ZYDIS_MNEMONIC_NOP:
    case ZYDIS_MNEMONIC_PREFETCH:
    case ZYDIS_MNEMONIC_PREFETCHW:
    case ZYDIS_MNEMONIC_PREFETCHWT1:
    case ZYDIS_MNEMONIC_ENDBR32:
    case ZYDIS_MNEMONIC_ENDBR64:
    case ZYDIS_MNEMONIC_RDSSPD:
    case ZYDIS_MNEMONIC_CLDEMOTE:
    case ZYDIS_MNEMONIC_BNDCL:
    case ZYDIS_MNEMONIC_BNDCN:
    case ZYDIS_MNEMONIC_BNDCU:
    case ZYDIS_MNEMONIC_BNDLDX:
    case ZYDIS_MNEMONIC_BNDMK:
    case ZYDIS_MNEMONIC_BNDMOV:
    case ZYDIS_MNEMONIC_BNDSTX: return true;
    default: return false;
    }
}

// mov r9d, 6 (#UD); ...; call CALLOUT is all of the instruction.
static bool raises_ud(void) {
    static const uint8_t load[] = {0x41, 0xb9, 6, 0, 0, 0};
    for (uint32_t at = 0; at + sizeof load <= out.host_size; at++)
        if (!memcmp(code + at, load, sizeof load))
            return out.callouts == 1;
    return false;
}

static void check(const uint8_t *bytes, unsigned size, const ZydisDecoder *decoder) {
    ZydisDecodedInstruction insn;
    struct error err;
    memset(page + OFFSET, 0x11, 24);
    memcpy(page + OFFSET, bytes, size);
    if (!ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(decoder, NULL, page + OFFSET, 15, &insn)) ||
        is_announced(insn.meta.isa_set) || insn.mnemonic == ZYDIS_MNEMONIC_VMCALL) // by --hypercalls: its callout asks
        return;
    struct translate_input in = {
        .page = page, .offset = OFFSET, .mode = MODE, .code_rw = code, .code_rx = CODE_RX, .capacity = sizeof code};
    for (unsigned i = 0; i < STUB_COUNT; i++)
        in.stub[i] = STUBS + 16 * i;
    assert_int_equal(translate_block(&in, &out, &err), TRANSLATE_OK);
    absent++;
    bool ud = raises_ud();
    undefined += ud;
    kept += !ud;
    if (ud == !has_older_meaning(insn.mnemonic))
        return;
    if (ud && (insn.mnemonic == ZYDIS_MNEMONIC_NOP || insn.attributes & ZYDIS_ATTRIB_HAS_LOCK))
        return;
    char text[64] = "";
    for (unsigned i = 0; i < 8; i++)
        sprintf(text + 3 * i, "%02x ", page[OFFSET + i]);
    fail_msg("%s %s (%s, %s): %s", text, ZydisMnemonicGetString(insn.mnemonic), ZydisISASetGetString(insn.meta.isa_set),
             ZydisISAExtGetString(insn.meta.isa_ext), ud ? "#UD" : "executed");
}

static void test_legacy(void **state) {
    (void)state;
    static const uint8_t prefixes[] = {0, 0x66, 0xf2, 0xf3};
    ZydisDecoder decoder;
    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_COMPAT_32, ZYDIS_STACK_WIDTH_32);
    for (unsigned p = 0; p < sizeof prefixes; p++)
        for (unsigned at = 0; at < 4 * 65536; at++) {
            unsigned map = at >> 16, n = 0;
            uint8_t bytes[6];
            if (prefixes[p])
                bytes[n++] = prefixes[p];
            if (map)
                bytes[n++] = 0x0f;
            if (map > 1)
                bytes[n++] = map == 2 ? 0x38 : 0x3a;
            bytes[n++] = (uint8_t)(at >> 8);
            bytes[n++] = (uint8_t)at;
            check(bytes, n, &decoder);
        }
    for (unsigned suffix = 0; suffix < 256; suffix++) { // 3DNow!
        const uint8_t registers[] = {0x0f, 0x0f, 0xc1, (uint8_t)suffix}, memory[] = {0x0f, 0x0f, 0x06, (uint8_t)suffix};
        check(registers, 4, &decoder);
        check(memory, 4, &decoder);
    }
    assert_true(absent > 10000 && undefined > 10000 && kept > 1000);
}

// Both VEX prefixes, EVEX and XOP, all opcodes of all maps and prefixes, in register and memory form and with VSIB.
static void test_vector(void **state) {
    (void)state;
    static const uint8_t modrms[] = {0xc1, 0xd0, 0x06, 0x0c, 0x4c, 0xf9, 0x3f};
    ZydisDecoder decoder;
    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_COMPAT_32, ZYDIS_STACK_WIDTH_32);
    unsigned before = absent;
    for (unsigned opcode = 0; opcode < 256; opcode++)
        for (unsigned m = 0; m < sizeof modrms; m++)
            for (unsigned pp = 0; pp < 8; pp++) {
                const uint8_t second = (uint8_t)(0x68 | pp), modrm = modrms[m];
                const uint8_t vex2[] = {0xc5, (uint8_t)(0xe8 | pp), (uint8_t)opcode, modrm, 0x0e};
                check(vex2, 5, &decoder);
                for (unsigned w = 0; w < 2; w++) {
                    for (unsigned map = 1; map < 11; map++) {
                        const uint8_t p2 = (uint8_t)(second | w << 7);
                        const uint8_t vex3[] = {0xc4, (uint8_t)(0xe0 | map), p2, (uint8_t)opcode, modrm, 0x0e};
                        const uint8_t xop[] = {0x8f, (uint8_t)(0xe0 | map), p2, (uint8_t)opcode, modrm, 0x0e};
                        const uint8_t evex[] = {0x62,
                                                (uint8_t)(0xf0 | (map & 7)),
                                                (uint8_t)(p2 | 4),
                                                (uint8_t)(0x08 | (pp & 4) << 3),
                                                (uint8_t)opcode,
                                                modrm,
                                                0x0e};
                        check(vex3, 6, &decoder);
                        check(xop, 6, &decoder);
                        check(evex, 7, &decoder);
                    }
                }
            }
    assert_true(absent - before > 10000);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_legacy), cmocka_unit_test(test_vector)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
