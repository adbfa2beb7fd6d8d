// Interrupts and IRETs through descriptors that are remembered do what those without a memory do: two processors, one
// of them without, take the same long random way through gates and returns while the tables change under them, bit by
// bit.
#include "fixture.h"

#include <string.h>

enum { STEPS = 120000, ROUND = 40, VECTORS = 4, FIRST_VECTOR = 0x20, TABLES_END = 0xb000 };

struct pair {
    struct fixture *with, *without;
    uint64_t random;
};

static uint32_t draw(struct pair *p, uint32_t below) {
    p->random = p->random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(p->random >> 33) % below;
}

static bool one_in(struct pair *p, uint32_t n) {
    return draw(p, n) == 0;
}

static void put_both(struct pair *p, uint32_t gpa, uint32_t value) {
    put32(p->with, gpa, value);
    put32(p->without, gpa, value);
}

// ---- What changes --------------------------------------------------------------------------------------------------

static void restore_tables(struct pair *p) {
    static const struct {
        unsigned selector, access;
    } segments[] = {{SEL_CODE0, ACC_CODE0}, {SEL_DATA0, ACC_DATA0}, {SEL_CODE3, ACC_CODE3}, {SEL_DATA3, ACC_DATA3}};
    struct fixture *both[] = {p->with, p->without};
    for (unsigned k = 0; k < 2; k++) {
        for (unsigned i = 0; i < sizeof segments / sizeof *segments; i++)
            fixture_descriptor(both[k], segments[i].selector,
                               make_descriptor(0, 0xfffff, segments[i].access, FLAGS_32));
        for (unsigned i = 0; i < VECTORS; i++)
            fixture_gate(both[k], FIRST_VECTOR + i, make_gate(SEL_CODE0, HANDLER + 16 * i, i & 1 ? 0xee : 0xef, 0));
        put32(both[k], TSS + 4, STACK0);
        put32(both[k], TSS + 8, SEL_DATA0);
    }
}

static void change_tables(struct pair *p) {
    static const uint32_t places[] = {GDT + SEL_CODE0, GDT + SEL_DATA0, GDT + (SEL_CODE3 & 0xf8),
                                      GDT + (SEL_DATA3 & 0xf8)};
    uint32_t at;
    switch (draw(p, 4)) {
    case 0: put_both(p, TSS + 4, one_in(p, 2) ? STACK0 - 4 * draw(p, 64) : UNMAPPED + 4 * draw(p, 8)); return;
    case 1: put_both(p, TSS + 8, one_in(p, 2) ? SEL_DATA0 : draw(p, 0x60)); return;
    case 2: at = IDT + 8 * (FIRST_VECTOR + draw(p, VECTORS)) + 4 * draw(p, 2); break;
    default: at = places[draw(p, 4)] + 4 * draw(p, 2); break;
    }
    put_both(p, at, get32(p->with, at) ^ 1u << draw(p, 32));
}

// ---- Steps, taken by each ------------------------------------------------------------------------------------------

struct step {
    unsigned kind, vector, size;
    bool has_error;
    uint32_t frame[5];
};

static struct step next_step(struct pair *p) {
    static const uint32_t code[] = {SEL_CODE0, SEL_CODE3, SEL_CODE3, SEL_CODE1},
                          flags[] = {2, 0x202, 0x3202, 0x102, 0x4002};
    struct step s = {.kind = draw(p, 4), .vector = FIRST_VECTOR + draw(p, VECTORS), .size = one_in(p, 16) ? 2 : 4};
    s.has_error = one_in(p, 2);
    s.frame[0] = CODE + draw(p, 64);
    s.frame[1] = code[draw(p, 4)] | (one_in(p, 8) ? 0xabcd0000u : 0);
    s.frame[2] = flags[one_in(p, 4) ? draw(p, 5) : draw(p, 2)] | draw(p, 256);
    s.frame[3] = STACK3 - 4 * draw(p, 16);
    s.frame[4] = one_in(p, 8) ? SEL_DATA0 : SEL_DATA3;
    return s;
}

static enum callout_result take(struct fixture *f, const struct step *s) {
    struct vcpu *v = f->v;
    v->fault = (struct cpu_fault){0};
    switch (s->kind) {
    case 0: return run(f, CALLOUT_INT, 0, s->vector, 4);
    case 1: // an exception with or without an error code
        v->fault = (struct cpu_fault){.vector = (uint8_t)s->vector, .has_error = s->has_error, .error = s->frame[0]};
        return cpu_deliver_fault(v) < 0 ? CALLOUT_FAULT : CALLOUT_JUMP;
    default:
        if (v->cpl == 0 && v->abi.gpr[CPU_ESP] < TABLES_END) {
            v->abi.gpr[CPU_ESP] = STACK0 - 64;
            put(f, STACK0 - 64, s->frame, sizeof s->frame);
        }
        return run(f, CALLOUT_IRET, 0, 0, s->size);
    }
}

static void assert_same(struct pair *p, unsigned step) {
    struct cpu_state a, b;
    vcpu_get_state(p->with->v, &a);
    vcpu_get_state(p->without->v, &b);
    if (memcmp(&a, &b, sizeof a) || p->with->v->mode != p->without->v->mode || p->with->v->cpl != p->without->v->cpl ||
        memcmp(p->with->v->abi.seg_selector, p->without->v->abi.seg_selector, sizeof p->with->v->abi.seg_selector) ||
        memcmp(&p->with->v->fault, &p->without->v->fault, sizeof p->with->v->fault) ||
        memcmp(p->with->ram.host, p->without->ram.host, TABLES_END))
        fail_msg("step %u: %04x:%08x and %04x:%08x", step, a.seg[CPU_SEG_CS].selector, a.eip,
                 b.seg[CPU_SEG_CS].selector, b.eip);
}

static bool remembers(const struct vcpu *v) {
    bool any = v->known.back[0].valid || v->known.back[1].valid;
    for (unsigned i = 0; i < KNOWN_GATES; i++)
        any |= v->known.gate[i].to.valid;
    return any;
}

static void same_with_and_without(void **state) {
    void *other = NULL;
    assert_int_equal(fixture_setup(&other), 0);
    struct pair p = {*state, other, 1};
    unsigned remembered = 0;
    p.without->v->config.ablate = ABLATE_DESCRIPTOR_FAST;
    fixture_paging(p.with);
    fixture_paging(p.without);
    for (unsigned step = 0; step < STEPS; step++) {
        if (step % ROUND == 0) {
            unsigned ring = one_in(&p, 2) ? 0 : 3;
            restore_tables(&p);
            fixture_ring(p.with, ring);
            fixture_ring(p.without, ring);
        }
        if (one_in(&p, 6))
            change_tables(&p);
        else if (one_in(&p, 6))
            restore_tables(&p);
        const struct step s = next_step(&p);
        assert_int_equal(take(p.with, &s), take(p.without, &s));
        assert_same(&p, step);
        remembered += remembers(p.with->v);
        assert_false(remembers(p.without->v));
    }
    assert_true(remembered > STEPS / 4);
    fixture_teardown(&other);
}

// A new table, limit or TSS makes what was remembered void, whatever they hold.
static void forgotten(void **state) {
    struct fixture *f = *state;
    static const enum callout_id loads[] = {CALLOUT_LGDT, CALLOUT_LIDT};
    const uint8_t gdtr[6] = {0xff, 0, GDT & 0xff, GDT >> 8, 0, 0}, idtr[6] = {0xff, 7, 0, IDT >> 8, 0, 0};
    put(f, DATA, gdtr, 6);
    put(f, DATA + 16, idtr, 6);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(run(f, CALLOUT_INT, 0, 0x20, 4), CALLOUT_JUMP);
        assert_true(remembers(f->v));
        assert_int_equal(run(f, loads[i], DATA + 16 * i, RM_WORD(false, CPU_SEG_DS, 0), 4), CALLOUT_CONTINUE);
        assert_false(remembers(f->v));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(same_with_and_without, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(forgotten, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
