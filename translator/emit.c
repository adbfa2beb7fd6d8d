// The general instruction form: legacy prefixes, REX, opcode, ModRM, SIB, displacement (Intel SDM, vol. 2, chapter 2).
// Every other emitter is built on it. It never fails: what does not fit sets `overflow` and is dropped.
#include "translator/emit.h"

#include <string.h>

enum { REX_W = 8, REX_R = 4, REX_X = 2, REX_B = 1 };

void emit_bytes(struct emitter *e, const uint8_t *bytes, size_t size) {
    if ((size_t)(e->end - e->cur) < size) {
        e->overflow = true;
        return;
    }
    memcpy(e->cur, bytes, size);
    e->cur += size;
}

void emit_byte(struct emitter *e, unsigned byte) {
    if (e->cur == e->end)
        e->overflow = true;
    else
        *e->cur++ = (uint8_t)byte;
}

void emit_u16(struct emitter *e, unsigned value) {
    uint16_t v = (uint16_t)value;
    emit_bytes(e, (const uint8_t *)&v, sizeof v);
}

void emit_u32(struct emitter *e, uint32_t value) {
    emit_bytes(e, (const uint8_t *)&value, sizeof value);
}
void emit_u64(struct emitter *e, uint64_t value) {
    emit_bytes(e, (const uint8_t *)&value, sizeof value);
}

// One instruction under construction: 15 bytes at most, put into the buffer in one piece.
struct draft {
    uint8_t bytes[16];
    unsigned size;
};

static inline void put(struct draft *d, unsigned byte) {
    d->bytes[d->size++] = (uint8_t)byte;
}

static inline void put_u32(struct draft *d, uint32_t value) {
    memcpy(d->bytes + d->size, &value, sizeof value);
    d->size += 4;
}

static void emit_draft(struct emitter *e, const struct draft *d) {
    if ((size_t)(e->end - e->cur) >= sizeof d->bytes) {
        memcpy(e->cur, d->bytes, sizeof d->bytes);
        e->cur += d->size;
    } else {
        emit_bytes(e, d->bytes, d->size);
    }
}

// Without a base: SIB with base 101, a disp32, and never the RIP-relative short form.
static void put_modrm_mem(struct draft *d, unsigned reg, const struct host_mem *m) {
    reg = (reg & 7u) << 3;
    unsigned index = m->index == HOST_NONE ? 4u : m->index & 7u;
    if (m->base == HOST_NONE) {
        put(d, reg | 4u);
        put(d, (unsigned)m->scale << 6 | index << 3 | 5u);
        put_u32(d, (uint32_t)m->disp);
        return;
    }
    unsigned base = m->base & 7u;
    unsigned mod = m->disp == 0 && base != 5 ? 0u : m->disp == (int8_t)m->disp ? 1u : 2u;
    if (m->index != HOST_NONE || base == 4) {
        put(d, mod << 6 | reg | 4u);
        put(d, (unsigned)m->scale << 6 | index << 3 | base);
    } else {
        put(d, mod << 6 | reg | base);
    }
    if (mod == 1)
        put(d, (uint8_t)m->disp);
    else if (mod == 2)
        put_u32(d, (uint32_t)m->disp);
}

// In two bytes where they can say it (Intel SDM, vol. 2, 2.3.5). Register extensions are inverted.
static void put_vex(struct draft *d, const struct host_op *op, unsigned rex) {
    unsigned pp = op->opsize ? 1u : op->rep == 0xf3 ? 2u : op->rep == 0xf2 ? 3u : 0u;
    unsigned last = (~(unsigned)op->vvvv & 15u) << 3 | (op->ymm ? 4u : 0u) | pp;
    if (!(rex & (REX_X | REX_B | REX_W)) && op->map == MAP_0F) {
        put(d, 0xc5);
        put(d, (rex & REX_R ? 0u : 0x80u) | last);
    } else {
        put(d, 0xc4);
        put(d, (~rex & 7u) << 5 | op->map);
        put(d, (rex & REX_W ? 0x80u : 0u) | last);
    }
    put(d, op->opcode);
}

static void put_prefixes(struct draft *d, const struct host_op *op) {
    if (op->vex)
        return;
    if (op->lock)
        put(d, 0xf0);
    if (op->opsize)
        put(d, 0x66);
    if (op->rep)
        put(d, op->rep);
}

static void put_opcode(struct draft *d, const struct host_op *op, unsigned rex, bool force_rex) {
    if (op->rexw)
        rex |= REX_W;
    if (op->reg & 8)
        rex |= REX_R;
    if (op->vex) {
        put_vex(d, op, rex);
        return;
    }
    if (rex != 0 || force_rex || (op->byte_reg && op->reg >= 4))
        put(d, 0x40u | rex);
    if (op->map != MAP_1B)
        put(d, 0x0f);
    if (op->map == MAP_0F38)
        put(d, 0x38);
    else if (op->map == MAP_0F3A)
        put(d, 0x3a);
    put(d, op->opcode);
}

void emit_op_mem(struct emitter *e, const struct host_op *op, const struct host_mem *m) {
    struct draft d;
    d.size = 0;
    if (m->window)
        put(&d, 0x65);
    if (m->window || m->addr32)
        put(&d, 0x67);
    put_prefixes(&d, op);
    unsigned rex = 0;
    if (m->base != HOST_NONE && (m->base & 8))
        rex |= REX_B;
    if (m->index != HOST_NONE && (m->index & 8))
        rex |= REX_X;
    put_opcode(&d, op, rex, false);
    put_modrm_mem(&d, op->reg, m);
    emit_draft(e, &d);
}

void emit_op_reg(struct emitter *e, const struct host_op *op, unsigned rm) {
    struct draft d;
    d.size = 0;
    put_prefixes(&d, op);
    put_opcode(&d, op, rm & 8 ? REX_B : 0, op->byte_rm && rm >= 4);
    put(&d, 0xc0u | (op->reg & 7u) << 3 | (rm & 7u));
    emit_draft(e, &d);
}
