// Encodings of emit_more.h. Intel SDM, vol. 2.
#include "translator/emit_more.h"

void emit_push_r64(struct emitter *e, enum host_reg r) {
    if (r & 8)
        emit_byte(e, 0x41);
    emit_byte(e, 0x50u | (r & 7u));
}

void emit_pop_r64(struct emitter *e, enum host_reg r) {
    if (r & 8)
        emit_byte(e, 0x41);
    emit_byte(e, 0x58u | (r & 7u));
}

void emit_rdtsc(struct emitter *e) {
    emit_byte(e, 0x0f);
    emit_byte(e, 0x31);
}

void emit_fence(struct emitter *e, unsigned extension) {
    emit_op_reg(e, &(struct host_op){.map = MAP_0F, .opcode = 0xae, .reg = (uint8_t)extension}, 0);
}

// VEX.LZ.66.0F38.W1 F7 /r
void emit_shlx_r64(struct emitter *e, enum host_reg dst, enum host_reg src, enum host_reg count) {
    emit_byte(e, 0xc4);
    emit_byte(e, (dst & 8 ? 0u : 0x80u) | 0x40u | (src & 8 ? 0u : 0x20u) | 2u);
    emit_byte(e, 0x80u | (~(unsigned)count & 15u) << 3 | 1u);
    emit_byte(e, 0xf7);
    emit_byte(e, 0xc0u | (dst & 7u) << 3 | (src & 7u));
}

void emit_string_op(struct emitter *e, unsigned opcode, bool opsize, unsigned rep) {
    if (rep)
        emit_byte(e, rep); // first: the kick handler tells a repeating instruction by it
    if (opsize)
        emit_byte(e, 0x66);
    emit_byte(e, opcode);
}
