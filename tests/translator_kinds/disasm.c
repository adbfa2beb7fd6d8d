// See disasm.h. Capstone prints; nothing of the translator's own decoding takes part.
#include "tests/translator_kinds/disasm.h"

#include "translator/translator.h"

#include <capstone/capstone.h>

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CODE_RX   0x10000000u
#define STUB_BASE 0x0ff00000u
#define TEXT_SIZE 8192

static const char *const stub_names[STUB_COUNT] = {"MISS",      "EXIT",     "LINK",    "FAULT", "CALLOUT", "SOFT_MISS",
                                                   "WRITEBACK", "SYSENTER", "SYSEXIT", "CPUID", "LOAD_SEG"};

struct field {
    size_t at;
    const char *name;
};

static const char *field_name(size_t at) {
#define FIELD(name)                                                                                                    \
    { offsetof(struct vcpu_abi, name), #name }
    static const struct field fields[] = {
        FIELD(sys_flags),
        FIELD(pending),
        FIELD(tsc_offset),
        FIELD(fip),
        FIELD(fdp),
        FIELD(fop),
        FIELD(seg_selector[0]),
        FIELD(seg_selector[1]),
        FIELD(seg_selector[2]),
        FIELD(seg_selector[3]),
        FIELD(seg_selector[4]),
        FIELD(seg_selector[5]),
        FIELD(tmp[0]),
        FIELD(tmp[1]),
        FIELD(seg_base[1]),
        FIELD(seg_base_p[2]),
        FIELD(seg_base_p[3]),
        FIELD(seg_base_p[4]),
    };
#undef FIELD
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (fields[i].at == at)
            return fields[i].name;
    return NULL;
}

// "[r15 + 0x10]" becomes "[name]"; the direct window's "gs:[" keeps its form.
static void append_operands(char *text, const char *operands) {
    const char *r15 = strstr(operands, "[r15 ");
    if (!r15 || strchr(r15, '*')) {
        strncat(text, operands, TEXT_SIZE - strlen(text) - 1);
        return;
    }
    const char *end = strchr(r15, ']');
    long displacement = strtol(r15 + 7, NULL, 0);
    if (r15[5] == '-')
        displacement = -displacement;
    const char *name = field_name((size_t)(displacement + ABI_BIAS));
    size_t used = strlen(text);
    snprintf(text + used, TEXT_SIZE - used, "%.*s[%s]%s", (int)(r15 - operands), operands, name ? name : "r15 field",
             end + 1);
}

static bool append_stub(char *text, const char *operands) {
    uint64_t target = strtoull(operands, NULL, 0);
    if (target < STUB_BASE || target >= STUB_BASE + 16 * STUB_COUNT)
        return false;
    strcat(text, stub_names[(target - STUB_BASE) / 16]);
    return true;
}

static void print(char *text, const uint8_t *code, size_t size, uint64_t address) {
    csh handle;
    cs_insn *insns;
    text[0] = 0;
    if (cs_open(CS_ARCH_X86, CS_MODE_64, &handle) != CS_ERR_OK)
        return;
    size_t count = cs_disasm(handle, code, size, address, 0, &insns);
    for (size_t i = 0; i < count; i++) {
        if (i != 0)
            strcat(text, "; ");
        strcat(text, insns[i].mnemonic);
        if (insns[i].op_str[0] == 0)
            continue;
        strcat(text, " ");
        bool branch = insns[i].mnemonic[0] == 'j' || strcmp(insns[i].mnemonic, "call") == 0;
        if (branch && append_stub(text, insns[i].op_str))
            continue;
        if (branch && strncmp(insns[i].op_str, "0x", 2) == 0) {
            uint64_t target = strtoull(insns[i].op_str, NULL, 0), here = insns[i].address;
            size_t used = strlen(text);
            snprintf(text + used, TEXT_SIZE - used, "+%" PRIu64, target - here - insns[i].size);
            continue;
        }
        append_operands(text, insns[i].op_str);
    }
    cs_free(insns, count);
    cs_close(&handle);
}

const char *golden(const uint8_t *bytes, size_t size, uint32_t mode) {
    static char text[TEXT_SIZE], ending[64];
    static uint8_t page[4096], code[TRANSLATE_MAX_HOST];
    static struct translate_output out;
    struct error err;
    struct translate_input in = {
        .page = page,
        .offset = GOLDEN_OFFSET,
        .mode = mode,
        .code_rw = code,
        .code_rx = CODE_RX,
        .capacity = sizeof code,
    };
    for (unsigned i = 0; i < STUB_COUNT; i++)
        in.stub[i] = STUB_BASE + 16 * i;
    memset(page, 0xf4, sizeof page); // HLT behind the instructions
    memcpy(page + GOLDEN_OFFSET, bytes, size);
    if (translate_block(&in, &out, &err) != TRANSLATE_OK)
        return "not translated";
    print(text, code + out.link_entry, out.host_size - out.link_entry, CODE_RX + out.link_entry);
    snprintf(ending, sizeof ending, "lea r8d, [r11 + 0x%zx]; jmp EXIT", GOLDEN_OFFSET + size);
    char *end = strstr(text, ending);
    if (end == text)
        return "";
    if (end)
        memmove(end - 2, end + strlen(ending), strlen(end + strlen(ending)) + 1); // tails stay
    return text;
}
