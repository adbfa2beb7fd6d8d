#include "tests/translator/disasm.h"

#include <capstone/capstone.h>
#include <stdio.h>

void disasm(const uint8_t *code, size_t size, uint64_t address, char *text, size_t text_size) {
    csh handle;
    cs_insn *insn;
    size_t used = 0, covered = 0;
    text[0] = 0;
    if (cs_open(CS_ARCH_X86, CS_MODE_64, &handle) != CS_ERR_OK)
        return;
    size_t count = cs_disasm(handle, code, size, address, 0, &insn);
    for (size_t i = 0; i < count && used < text_size; i++) {
        const char *space = insn[i].op_str[0] ? " " : "";
        used += (size_t)snprintf(text + used, text_size - used, "%s%s%s\n", insn[i].mnemonic, space, insn[i].op_str);
        covered += insn[i].size;
    }
    if (covered != size && used < text_size)
        snprintf(text + used, text_size - used, "(bad)\n");
    if (count != 0)
        cs_free(insn, count);
    cs_close(&handle);
}
