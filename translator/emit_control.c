// Host jumps, calls and their displacements.
#include "translator/emit.h"

#include <string.h>

static struct host_label label_rel8(struct emitter *e) {
    struct host_label label = {.at = emit_offset(e), .width = 1};
    emit_byte(e, 0);
    return label;
}

static struct host_label label_rel32(struct emitter *e) {
    struct host_label label = {.at = emit_offset(e), .width = 4};
    emit_u32(e, 0);
    return label;
}

struct host_label emit_jmp_rel32(struct emitter *e) {
    emit_byte(e, 0xe9);
    return label_rel32(e);
}

struct host_label emit_jmp_rel8(struct emitter *e) {
    emit_byte(e, 0xeb);
    return label_rel8(e);
}

struct host_label emit_jcc_rel32(struct emitter *e, unsigned condition) {
    emit_byte(e, 0x0f);
    emit_byte(e, 0x80u | condition);
    return label_rel32(e);
}

struct host_label emit_jcc_rel8(struct emitter *e, unsigned condition) {
    emit_byte(e, 0x70u | condition);
    return label_rel8(e);
}

struct host_label emit_jrcxz(struct emitter *e) {
    emit_byte(e, 0xe3);
    return label_rel8(e);
}

struct host_label emit_jecxz(struct emitter *e) {
    emit_byte(e, 0x67);
    return emit_jrcxz(e);
}

struct host_label emit_loop_ecx(struct emitter *e, unsigned opcode) {
    emit_byte(e, 0x67);
    emit_byte(e, opcode);
    return label_rel8(e);
}

void emit_patch(struct emitter *e, struct host_label label, uint32_t target) {
    if (e->overflow)
        return;
    int32_t rel = (int32_t)(target - (label.at + label.width));
    if (label.width == 1 && rel != (int8_t)rel)
        e->overflow = true; // a short jump that does not reach is an error of the caller: the block is refused
    else
        memcpy(e->start + label.at, &rel, label.width);
}

void emit_here(struct emitter *e, struct host_label label) {
    emit_patch(e, label, emit_offset(e));
}

void emit_jmp_offset(struct emitter *e, uint32_t target) {
    emit_patch(e, emit_jmp_rel32(e), target);
}

void emit_jmp_address(struct emitter *e, uint32_t address) {
    emit_jmp_offset(e, address - e->rx);
}

void emit_call_address(struct emitter *e, uint32_t address) {
    emit_byte(e, 0xe8);
    emit_patch(e, label_rel32(e), address - e->rx);
}

void emit_jmp_r64(struct emitter *e, enum host_reg r) {
    if (r & 8)
        emit_byte(e, 0x41);
    emit_byte(e, 0xff);
    emit_byte(e, 0xe0u | (r & 7u));
}
