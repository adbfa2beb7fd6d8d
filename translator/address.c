// Effective addresses: from ModRM, the stack pointer or a register to struct mem_ref, and from there into r8d. Follows
// the Intel SDM, vol. 2, section 2.1.5 (16- and 32-bit addressing forms). Leaves the flags alone throughout.
#include "translator/address.h"
#include "translator/context.h"

static struct mem_ref ref_modrm16(const struct guest_insn *insn) {
    static const uint8_t base[8] = {GUEST_EBX, GUEST_EBX, GUEST_EBP, GUEST_EBP,
                                    GUEST_ESI, GUEST_EDI, GUEST_EBP, GUEST_EBX};
    static const uint8_t index[8] = {GUEST_ESI,  GUEST_EDI,  GUEST_ESI,  GUEST_EDI,
                                     GUEST_NONE, GUEST_NONE, GUEST_NONE, GUEST_NONE};
    bool absolute = insn->mod == 0 && insn->rm == 6;
    return (struct mem_ref){
        .seg = insn->seg,
        .base = absolute ? (uint8_t)GUEST_NONE : base[insn->rm],
        .index = index[insn->rm],
        .address_size = 2,
        .add = HOST_NONE,
        .disp = insn->disp,
    };
}

static struct mem_ref ref_modrm32(const struct guest_insn *insn) {
    struct mem_ref ref = {
        .seg = insn->seg,
        .base = insn->has_sib ? insn->base : insn->rm,
        .index = GUEST_NONE,
        .address_size = 4,
        .add = HOST_NONE,
        .disp = insn->disp,
    };
    if (insn->has_sib && insn->index != 4) {
        ref.index = insn->index;
        ref.scale = insn->scale;
    }
    if (insn->mod == 0 && ref.base == GUEST_EBP)
        ref.base = GUEST_NONE;
    return ref;
}

struct mem_ref ref_modrm(const struct guest_insn *insn) {
    if (!insn->has_modrm) // moffs: the displacement is all there is
        return (struct mem_ref){.seg = insn->seg,
                                .base = GUEST_NONE,
                                .index = GUEST_NONE,
                                .address_size = insn->address_size,
                                .add = HOST_NONE,
                                .disp = insn->disp};
    return insn->address_size == 2 ? ref_modrm16(insn) : ref_modrm32(insn);
}

struct mem_ref ref_stack(const struct tctx *t, int32_t disp) {
    return (struct mem_ref){
        .seg = SEG_SS,
        .base = GUEST_ESP,
        .index = GUEST_NONE,
        .address_size = t->mode & MODE_STACK32 ? 4 : 2,
        .add = HOST_NONE,
        .disp = disp + t->esp_late,
    };
}

struct mem_ref ref_register(const struct guest_insn *insn, unsigned seg, unsigned base) {
    return (struct mem_ref){
        .seg = (uint8_t)seg,
        .base = (uint8_t)base,
        .index = GUEST_NONE,
        .address_size = insn->address_size,
        .add = HOST_NONE,
    };
}

struct host_mem address_plain(const struct mem_ref *ref) {
    return (struct host_mem){
        .base = ref->base == GUEST_NONE ? (uint8_t)HOST_NONE : (uint8_t)host_of_guest(ref->base),
        .index = ref->index == GUEST_NONE ? (uint8_t)HOST_NONE : (uint8_t)host_of_guest(ref->index),
        .scale = ref->scale,
        .disp = ref->disp,
    };
}

void ref_emit_offset(struct tctx *t, const struct mem_ref *ref) {
    struct emitter *e = &t->e;
    struct host_mem m = address_plain(ref);
    emit_lea_r32_m(e, R8, &m);
    if (ref->add != HOST_NONE) {
        m = mem_index(R8, (enum host_reg)ref->add, ref->add_scale, 0);
        emit_lea_r32_m(e, R8, &m);
    }
    if (ref->address_size == 2)
        emit_movzx_r32_r16(e, R8, R8);
}

// r9d = base of a BASED segment. A null selector's pointer faults here.
static void emit_segment_base(struct tctx *t, unsigned seg) {
    struct host_mem pointer = mem_vcpu(ABI_OFFSET(seg_base_p) + (int32_t)(8 * seg));
    struct host_mem base = mem_base(R9, 0);
    emit_mov_r64_m64(&t->e, R9, &pointer);
    emit_mov_r32_m32(&t->e, R9, &base);
}

void address_emit_linear(struct tctx *t, const struct mem_ref *ref, bool based) {
    if (!based) {
        ref_emit_offset(t, ref);
        return;
    }
    emit_segment_base(t, ref->seg);
    struct host_mem m = address_plain(ref);
    bool one_lea = ref->address_size == 4 && ref->add == HOST_NONE;
    if (one_lea && m.index == HOST_NONE) {
        m.index = R9;
        m.scale = 0;
    } else if (one_lea && m.base == HOST_NONE) {
        m.base = R9;
    } else {
        ref_emit_offset(t, ref);
        m = mem_index(R8, R9, 0, 0);
    }
    emit_lea_r32_m(&t->e, R8, &m);
}
