// The reference model: what 64-bit mode has not, or does otherwise, straight from the pseudocode of Intel SDM, vol. 2.
// It reads and writes guest memory at its own addresses, so that the host's MMU says what faults; an instruction that
// faults leaves the registers in the context alone. Compiled without vector registers: they are the guest's.
#include "native_context.h"

#define CF 0x001u
#define PF 0x004u
#define AF 0x010u
#define ZF 0x040u
#define SF 0x080u
#define OF 0x800u

enum { EAX, ECX, EDX, EBX, ESP, EBP, ESI, EDI };

struct model {
    struct native_context *c;
    const struct fuzz_insn *insn;
    const struct fuzz_parsed *p;
    uint32_t gpr[8], flags;
    unsigned index, next; // instruction to go on with
    unsigned size;        // 2 or 4
};

// ---- Exceptions ----------------------------------------------------------------------------------------------------

void native_fault(struct native_context *c, unsigned index, uint32_t vector, uint32_t error, uint32_t cr2) {
    const struct fuzz_insn *insn = &c->fuzz_case->insns[index];
    bool trap = vector == 3 || vector == 4;
    struct fuzz_result *r = c->result;
    unsigned next = index + 1;
    if (r->faults >= FUZZ_FAULTS) {
        next = c->fuzz_case->count;
    } else {
        struct fuzz_fault *f = &r->log[r->faults++];
        f->vector = vector;
        f->error = error;
        f->eip = c->code_address + insn->offset + (trap ? insn->length : 0);
        f->cr2 = cr2;
        f->eflags = c->eflags & EFLAGS_COMPARED;
        for (unsigned i = 0; i < 8; i++)
            f->gpr[i] = c->gpr[i];
    }
    c->resume = native_host_address(c, next);
}

// ---- Memory ---------------------------------------------------------------------------------------------------------

typedef uint32_t __attribute__((aligned(1))) unaligned32;
typedef uint16_t __attribute__((aligned(1))) unaligned16;

static uint32_t load(uint32_t address, unsigned size) {
    const volatile void *at = (const volatile void *)(uintptr_t)address;
    return size == 4 ? *(const volatile unaligned32 *)at : *(const volatile unaligned16 *)at;
}

static void store(uint32_t address, uint32_t value, unsigned size) {
    volatile void *at = (volatile void *)(uintptr_t)address;
    if (size == 4)
        *(volatile unaligned32 *)at = value;
    else
        *(volatile unaligned16 *)at = (uint16_t)value;
}

// A write that changes nothing: the processor checks it as one.
static void probe(uint32_t address, unsigned size) {
    if (size == 4)
        __asm__ volatile("orl $0, (%0)" : : "r"((uintptr_t)address) : "cc", "memory");
    else
        __asm__ volatile("orw $0, (%0)" : : "r"((uintptr_t)address) : "cc", "memory");
}

static uint32_t operand_address(const struct model *m) {
    return fuzz_segment_base(m->p) + fuzz_offset(m->p, m->gpr);
}

static uint32_t get(const struct model *m, unsigned reg, unsigned size) {
    return size == 4 ? m->gpr[reg] : m->gpr[reg] & 0xffffu;
}

static void set(struct model *m, unsigned reg, uint32_t value, unsigned size) {
    m->gpr[reg] = size == 4 ? value : (m->gpr[reg] & 0xffff0000u) | (value & 0xffffu);
}

static uint32_t load_rm(const struct model *m, unsigned size) {
    return m->p->memory ? load(operand_address(m), size) : get(m, m->p->rm, size);
}

static int32_t immediate(const struct model *m, unsigned size) {
    return fuzz_immediate(m->insn->bytes, m->p->tail_at, size);
}

static void push(struct model *m, uint32_t value) {
    store(m->gpr[ESP] - m->size, value, m->size);
    m->gpr[ESP] -= m->size;
}

static uint32_t pop(struct model *m) {
    uint32_t value = load(m->gpr[ESP], m->size);
    m->gpr[ESP] += m->size;
    return value;
}

static void fault(struct model *m, uint32_t vector, uint32_t error) {
    native_fault(m->c, m->index, vector, error, 0);
    m->next = FUZZ_NOWHERE;
}

// ---- Stack ----------------------------------------------------------------------------------------------------------

static void pop_rm(struct model *m) {
    uint32_t value = pop(m); // the address is computed with the new ESP
    if (m->p->memory)
        store(operand_address(m), value, m->size);
    else
        set(m, m->p->rm, value, m->size);
}

static void pusha(struct model *m) {
    uint32_t old = m->gpr[ESP];
    for (unsigned i = 1; i <= 8; i++)
        probe(old - i * m->size, m->size);
    for (unsigned reg = 0; reg < 8; reg++)
        push(m, reg == ESP ? old : m->gpr[reg]);
}

static void popa(struct model *m) {
    uint32_t values[8];
    for (unsigned i = 0; i < 8; i++)
        values[i] = load(m->gpr[ESP] + i * m->size, m->size);
    m->gpr[ESP] += 8 * m->size;
    for (unsigned i = 0; i < 8; i++)
        if (i != 7 - ESP)
            set(m, 7 - i, values[i], m->size);
}

// What was pushed before a fault stays in memory, below ESP.
static void enter(struct model *m) {
    uint32_t allocate = (uint32_t)immediate(m, 2) & 0xffffu, level = m->insn->bytes[m->p->tail_at + 2] & 31u;
    uint32_t frame = m->gpr[ESP] - m->size, ebp = m->gpr[EBP];
    store(frame, ebp, m->size);
    for (unsigned i = 1; i < level; i++)
        store(frame - i * m->size, load(ebp - i * m->size, m->size), m->size);
    if (level)
        store(frame - level * m->size, frame, m->size);
    uint32_t end = frame - level * m->size - allocate;
    probe(end, m->size);
    set(m, EBP, frame, m->size);
    m->gpr[ESP] = end;
}

static void leave(struct model *m) {
    m->gpr[ESP] = m->gpr[EBP];
    set(m, EBP, pop(m), m->size);
}

// ---- Near transfers -------------------------------------------------------------------------------------------------

// Where the generator may send them: to an instruction of the case, or to its end.
static void go(struct model *m, uint32_t eip) {
    const struct fuzz_case *c = m->c->fuzz_case;
    for (unsigned i = 0; i <= c->count; i++)
        if (m->c->code_address + (i < c->count ? c->insns[i].offset : c->size) == eip)
            m->next = i;
}

static uint32_t next_eip(const struct model *m) {
    return m->c->code_address + m->insn->offset + m->insn->length;
}

static void call_rm(struct model *m) {
    uint32_t target = load_rm(m, 4);
    push(m, next_eip(m));
    go(m, target);
}

static void ret(struct model *m) {
    uint32_t target = pop(m);
    if (m->p->opcode == 0xc2)
        m->gpr[ESP] += (uint32_t)immediate(m, 2) & 0xffffu;
    go(m, target);
}

static void count_cx(struct model *m) {
    bool zf = m->flags & ZF, taken;
    if (m->p->opcode == 0xe3) {
        taken = (m->gpr[ECX] & 0xffffu) == 0;
    } else {
        set(m, ECX, m->gpr[ECX] - 1, 2);
        taken = (m->gpr[ECX] & 0xffffu) != 0 && (m->p->opcode == 0xe2 || zf == (m->p->opcode == 0xe1));
    }
    if (taken)
        m->next = m->insn->target;
}

// ---- Decimal arithmetic: flags that the manual leaves undefined stay as they were
// ---------------------------------------

static void flag(struct model *m, uint32_t bit, bool on) {
    m->flags = on ? m->flags | bit : m->flags & ~bit;
}

static void flags_of_al(struct model *m) {
    uint8_t al = (uint8_t)m->gpr[EAX];
    flag(m, ZF, al == 0);
    flag(m, SF, al & 0x80);
    flag(m, PF, !(__builtin_popcount(al) & 1));
}

static void set_al(struct model *m, uint32_t al) {
    m->gpr[EAX] = (m->gpr[EAX] & 0xffffff00u) | (al & 0xffu);
}

static void daa_das(struct model *m, bool subtract) {
    uint32_t old_al = m->gpr[EAX] & 0xff, al = old_al;
    bool old_cf = m->flags & CF, cf = false;
    if ((al & 15) > 9 || (m->flags & AF)) {
        cf = old_cf || (subtract ? al < 6 : al > 0xff - 6);
        al = subtract ? al - 6 : al + 6;
        flag(m, AF, true);
    } else {
        flag(m, AF, false);
    }
    if (old_al > 0x99 || old_cf) {
        al = subtract ? al - 0x60 : al + 0x60;
        cf = true;
    }
    flag(m, CF, cf);
    set_al(m, al);
    flags_of_al(m);
}

static void aaa_aas(struct model *m, bool subtract) {
    uint32_t ax = m->gpr[EAX] & 0xffff;
    bool adjust = (ax & 15) > 9 || (m->flags & AF);
    if (adjust)
        ax = subtract ? ax - 6 - 0x100 : ax + 0x106;
    flag(m, AF, adjust);
    flag(m, CF, adjust);
    set(m, EAX, ax & 0xff0f, 2);
}

static void aam(struct model *m) {
    uint32_t base = (uint32_t)immediate(m, 1) & 0xffu, al = m->gpr[EAX] & 0xff;
    if (base == 0) {
        fault(m, 0, 0);
        return;
    }
    set(m, EAX, (al / base) << 8 | al % base, 2);
    flags_of_al(m);
}

static void aad(struct model *m) {
    uint32_t base = (uint32_t)immediate(m, 1) & 0xffu, ax = m->gpr[EAX] & 0xffff;
    set(m, EAX, ((ax & 0xff) + (ax >> 8) * base) & 0xff, 2);
    flags_of_al(m);
}

// ---- The rest -------------------------------------------------------------------------------------------------------

static void bound(struct model *m) {
    if (!m->p->memory) {
        fault(m, 6, 0);
        return;
    }
    uint32_t at = operand_address(m), low = load(at, m->size), high = load(at + m->size, m->size);
    int32_t value = (int32_t)get(m, m->p->reg, m->size), lower = (int32_t)low, upper = (int32_t)high;
    if (m->size == 2)
        value = (int16_t)value, lower = (int16_t)lower, upper = (int16_t)upper;
    if (value < lower || value > upper)
        fault(m, 5, 0);
}

static void arpl(struct model *m) {
    if (m->p->memory)
        probe(operand_address(m), 2);
    uint32_t selector = load_rm(m, 2), rpl = m->gpr[m->p->reg] & 3;
    flag(m, ZF, (selector & 3) < rpl);
    if ((selector & 3) >= rpl)
        return;
    selector = (selector & ~3u) | rpl;
    if (m->p->memory)
        store(operand_address(m), selector, 2);
    else
        set(m, m->p->rm, selector, 2);
}

static void mov_from_segment(struct model *m) {
    if (m->p->reg > 5) {
        fault(m, 6, 0);
        return;
    }
    uint32_t selector = m->c->selectors[m->p->reg];
    if (m->p->memory)
        store(operand_address(m), selector, 2);
    else
        set(m, m->p->rm, selector, m->size);
}

static void one_byte(struct model *m) {
    uint8_t op = m->p->opcode;
    if (op >= 0x50 && op <= 0x57) {
        push(m, m->gpr[op & 7]);
        return;
    }
    if (op >= 0x58 && op <= 0x5f) {
        set(m, op & 7, pop(m), m->size);
        return;
    }
    switch (op) {
    case 0x06: push(m, m->c->selectors[0]); break;
    case 0x0e: push(m, m->c->selectors[1]); break;
    case 0x16: push(m, m->c->selectors[2]); break;
    case 0x1e: push(m, m->c->selectors[3]); break;
    case 0x27: daa_das(m, false); break;
    case 0x2f: daa_das(m, true); break;
    case 0x37: aaa_aas(m, false); break;
    case 0x3f: aaa_aas(m, true); break;
    case 0x60: pusha(m); break;
    case 0x61: popa(m); break;
    case 0x62: bound(m); break;
    case 0x63: arpl(m); break;
    case 0x68: push(m, (uint32_t)immediate(m, m->size)); break;
    case 0x6a: push(m, (uint32_t)immediate(m, 1)); break;
    case 0x8c: mov_from_segment(m); break;
    case 0x8f: pop_rm(m); break;
    case 0x9c: push(m, (m->flags & 0xcd5) | 0x202); break;
    case 0x9d: m->flags = pop(m) & 0xcd5; break;
    case 0xc2:
    case 0xc3: ret(m); break;
    case 0xc8: enter(m); break;
    case 0xc9: leave(m); break;
    case 0xce:
        if (m->flags & OF)
            fault(m, 4, 0);
        break;
    case 0xd4: aam(m); break;
    case 0xd5: aad(m); break;
    case 0xd6: set_al(m, m->flags & CF ? 0xff : 0); break;
    case 0xe8:
        push(m, next_eip(m));
        m->next = m->insn->target;
        break;
    case 0xff:
        if (m->p->reg == 2)
            call_rm(m);
        else if (m->p->reg == 4)
            go(m, load_rm(m, 4));
        else
            push(m, load_rm(m, m->size));
        break;
    default: count_cx(m); break;
    }
}

void native_model(struct native_context *c) {
    struct model m = {.c = c, .index = c->model_index, .next = c->model_index + 1, .flags = c->eflags};
    m.insn = &c->fuzz_case->insns[m.index];
    m.p = &c->parsed[m.index];
    m.size = m.p->size16 ? 2 : 4;
    for (unsigned i = 0; i < 8; i++)
        m.gpr[i] = c->gpr[i];
    c->in_model = 1;
    __asm__ volatile("" : : : "memory");
    if (m.p->lock)
        fault(&m, 6, 0);
    else if (m.p->map == 1)
        push(&m, c->selectors[m.p->opcode == 0xa0 ? 4 : 5]);
    else
        one_byte(&m);
    __asm__ volatile("" : : : "memory");
    c->in_model = 0;
    if (m.next == FUZZ_NOWHERE) // native_fault has said where to go on
        return;
    for (unsigned i = 0; i < 8; i++)
        c->gpr[i] = m.gpr[i];
    c->eflags = m.flags;
    c->resume = native_host_address(c, m.next);
}
