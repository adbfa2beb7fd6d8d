// See describe.h.
#include "translator/describe.h"

#include "translator/context.h"

bool describe_insn(const uint8_t *bytes, size_t size, bool code32, struct insn_description *description) {
    struct guest_insn insn;
    if (decode_insn(bytes, size, 0, code32, &insn) != DECODE_OK)
        return false;
    *description = (struct insn_description){.length = insn.length, .row = table_find_insn(&insn)};
    return true;
}
