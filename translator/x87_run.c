// What a run of x87 instructions would have left in the instruction and operand pointers before one in its middle. In a
// run only the last instruction stores them (fpu.c): whoever takes a fault out of a run asks here (PITFALLS 5 of the
// design; Intel SDM, vol. 1, 8.1.8). Between two instructions of a run no general register changes, so an operand's
// address can still be computed.
#include "translator/context.h"
#include "translator/table.h"

static void take(struct x87_pointers *pointers, const struct guest_insn *insn, uint32_t at) {
    pointers->fip = true;
    pointers->fip_at = at;
    if (!insn_is_mem(insn))
        return;
    const struct mem_ref ref = ref_modrm(insn);
    pointers->fdp = true;
    pointers->base = ref.base;
    pointers->index = ref.index;
    pointers->scale = ref.scale;
    pointers->address_size = ref.address_size;
    pointers->disp = (uint32_t)ref.disp;
}

void translate_x87_pointers(const uint8_t *bytes, uint32_t size, uint32_t offset, bool code32, uint32_t at,
                            struct x87_pointers *pointers) {
    struct guest_insn insn;
    *pointers = (struct x87_pointers){0};
    uint32_t next = 0;
    while (next < at) {
        if (decode_insn(bytes + next, size - next, offset + next, code32, &insn) != DECODE_OK)
            break;
        const struct table_row *row = table_find_insn(&insn);
        if (row->kind == KIND_FPU && !row->x87_control)
            take(pointers, &insn, next);
        else
            *pointers = (struct x87_pointers){0};
        next += insn.length;
    }
    if (next != at || decode_insn(bytes + at, size - at, offset + at, code32, &insn) != DECODE_OK ||
        table_find_insn(&insn)->kind != KIND_FPU)
        *pointers = (struct x87_pointers){0};
}
