// See fixture.h.
#include "fixture.h"

#include <stdlib.h>
#include <string.h>

static struct fixture *of(struct vcpu *v) {
    return v->config.opaque;
}

// ---- The engine ----------------------------------------------------------------------------------------------------

void engine_mode_changed(struct vcpu *v) {
    of(v)->mode_changes++;
}
bool engine_settled(struct vcpu *v, uint32_t mode) {
    (void)v, (void)mode;
    return false;
}
void engine_note_crossing(struct vcpu *v, unsigned which, uint32_t from) {
    (void)v, (void)which, (void)from;
}
void engine_flush_code_roots(struct vcpu *v, bool keep_global) {
    (void)keep_global;
    of(v)->root_flushes++;
}
void engine_flush_code_page(struct vcpu *v, uint32_t linear) {
    (void)linear;
    of(v)->page_flushes++;
}
void engine_park_fpu(struct vcpu *v) {
    v->abi.fpu_parked = PARKED_ALL;
}
void engine_park_x87(struct vcpu *v) {
    engine_park_fpu(v);
}
void engine_arm(struct vcpu *v) {
    of(v)->arms++;
}
void engine_interrupt_window(struct vcpu *v) {
    of(v)->windows_opened++;
}

void engine_nmi_unblock(struct vcpu *v) {
    v->nmi_blocked = false;
}

void engine_stop(struct vcpu *v, enum cpu_stop why) {
    of(v)->stops++;
    of(v)->why = why;
}
void engine_halt(struct vcpu *v) {
    of(v)->engine.halted = true;
}
void engine_yield(struct vcpu *v, uint32_t ns) {
    of(v)->engine.yielding = true;
    of(v)->engine.yield_end = ns;
}
uint64_t engine_now_ns(void) {
    return 5;
}
uint64_t engine_guard_page(struct vcpu *v) {
    (void)v;
    return 0x1000;
}

static void code_written(void *opaque, uint32_t frame) {
    struct vcpu *v = opaque;
    of(v)->kills++;
    of(v)->ram.frame_flags[frame] = 0;
    mmu_unprotect_frame(v->mmu, frame);
}

static uint64_t device_read(void *opaque, uint64_t gpa, unsigned size) {
    (void)opaque, (void)gpa, (void)size;
    return 0;
}

static void device_write(void *opaque, uint64_t gpa, unsigned size, uint64_t value) {
    (void)opaque, (void)gpa, (void)size, (void)value;
}

static uint32_t port_read(void *device, uint16_t port, unsigned size) {
    struct fixture *f = device;
    f->port_reads++;
    f->port = port;
    return size == 4 ? f->port_value : f->port_value & ((1u << size * 8) - 1);
}

static void port_write(void *device, uint16_t port, unsigned size, uint32_t value) {
    struct fixture *f = device;
    (void)size;
    f->port_writes++;
    f->port = port;
    f->port_value = value;
}

// ---- Tables --------------------------------------------------------------------------------------------------------

uint64_t make_descriptor(uint32_t base, uint32_t limit, unsigned access, unsigned flags) {
    return (limit & 0xffffu) | (uint64_t)(base & 0xffffffu) << 16 | (uint64_t)access << 40 |
           (uint64_t)(limit >> 16 & 0xf) << 48 | (uint64_t)flags << 52 | (uint64_t)(base >> 24) << 56;
}

uint64_t make_gate(unsigned selector, uint32_t offset, unsigned access, unsigned parameters) {
    return (offset & 0xffffu) | (uint64_t)(selector & 0xffff) << 16 | (uint64_t)parameters << 32 |
           (uint64_t)access << 40 | (uint64_t)(offset >> 16) << 48;
}

void put(struct fixture *f, uint32_t gpa, const void *data, size_t size) {
    memcpy(f->ram.host + gpa, data, size);
}
void put32(struct fixture *f, uint32_t gpa, uint32_t value) {
    put(f, gpa, &value, 4);
}

uint32_t get32(struct fixture *f, uint32_t gpa) {
    uint32_t value;
    memcpy(&value, f->ram.host + gpa, 4);
    return value;
}

void fixture_descriptor(struct fixture *f, unsigned selector, uint64_t descriptor) {
    put(f, (selector & 4 ? LDT : GDT) + (selector & 0xfff8), &descriptor, 8);
}

uint64_t fixture_get_descriptor(struct fixture *f, unsigned selector) {
    uint64_t descriptor;
    memcpy(&descriptor, f->ram.host + (selector & 4 ? LDT : GDT) + (selector & 0xfff8), 8);
    return descriptor;
}

void fixture_gate(struct fixture *f, unsigned vector, uint64_t gate) {
    put(f, IDT + 8 * vector, &gate, 8);
}

static void build_tables(struct fixture *f) {
    fixture_descriptor(f, SEL_CODE0, make_descriptor(0, 0xfffff, ACC_CODE0, FLAGS_32));
    fixture_descriptor(f, SEL_DATA0, make_descriptor(0, 0xfffff, ACC_DATA0, FLAGS_32));
    fixture_descriptor(f, SEL_CODE3, make_descriptor(0, 0xfffff, ACC_CODE3, FLAGS_32));
    fixture_descriptor(f, SEL_DATA3, make_descriptor(0, 0xfffff, ACC_DATA3, FLAGS_32));
    fixture_descriptor(f, SEL_CODE1, make_descriptor(0, 0xfffff, ACC_CODE1, FLAGS_32));
    fixture_descriptor(f, SEL_DATA1, make_descriptor(0, 0xfffff, ACC_DATA1, FLAGS_32));
    fixture_descriptor(f, SEL_CONFORMING, make_descriptor(0, 0xfffff, 0x9f, FLAGS_32));
    fixture_descriptor(f, SEL_TSS, make_descriptor(TSS, 0x6f, 0x8b, 0));
    fixture_descriptor(f, SEL_LDT, make_descriptor(LDT, 0xff, 0x82, 0));
    for (unsigned vector = 0; vector < 256; vector++)
        fixture_gate(f, vector, make_gate(SEL_CODE0, HANDLER + 16 * vector, 0x8e, 0));
    put32(f, TSS + 4, STACK0);
    put32(f, TSS + 8, SEL_DATA0);
    put32(f, TSS + 12, STACK1);
    put32(f, TSS + 16, SEL_DATA1);
    put32(f, TSS + 100, 0x68u << 16); // I/O map behind the fixed part
}

void fixture_ring(struct fixture *f, unsigned ring) {
    static const uint16_t code[] = {SEL_CODE0, SEL_CODE1, 0, SEL_CODE3}, data[] = {SEL_DATA0, SEL_DATA1, 0, SEL_DATA3};
    static const uint32_t esp[] = {STACK0, STACK1, 0, STACK3};
    struct cpu_state state;
    vcpu_get_state(f->v, &state);
    uint16_t attr_dpl = (uint16_t)(ring << ATTR_DPL_SHIFT);
    for (unsigned i = 0; i < CPU_SEG_COUNT; i++)
        state.seg[i] = (struct cpu_segment){.selector = data[ring], .attr = 0xc93 | attr_dpl, .limit = 0xffffffff};
    state.seg[CPU_SEG_CS] = (struct cpu_segment){.selector = code[ring], .attr = 0xc9b | attr_dpl, .limit = 0xffffffff};
    state.gpr[CPU_ESP] = esp[ring];
    state.eip = CODE;
    vcpu_set_state(f->v, &state);
}

void fixture_paging(struct fixture *f) {
    for (uint32_t page = 0; page < FIXTURE_RAM; page += 4096)
        put32(f, PAGE_TABLES + 0x1000 + page / 4096 * 4, page | 7);
    for (unsigned i = 0; i < FIXTURE_RAM >> 22; i++)
        put32(f, PAGE_TABLES + i * 4, (PAGE_TABLES + 0x1000 + i * 0x1000) | 7);
    fixture_unmap(f, UNMAPPED);
    f->v->abi.cr3 = PAGE_TABLES;
    f->v->abi.cr0 |= CR0_PG | CR0_WP;
    cpu_control_apply(f->v);
    cpu_mode_update(f->v);
}

void fixture_unmap(struct fixture *f, uint32_t linear) {
    put32(f, PAGE_TABLES + 0x1000 + linear / 4096 * 4, 0);
    mmu_invlpg(f->v->mmu, linear);
}

// ---- Life ----------------------------------------------------------------------------------------------------------

int fixture_setup(void **state) {
    struct fixture *f = calloc(1, sizeof *f);
    struct vcpu *v = aligned_alloc(64, (sizeof *v + 63) & ~(size_t)63);
    struct error err;
    if (!f || !v || ram_create(&f->ram, FIXTURE_RAM, &err) < 0)
        return -1;
    memset(v, 0, sizeof *v);
    f->v = v;
    v->stats = &f->stats;
    v->engine = &f->engine;
    v->a20 = true;
    v->config.opaque = f;
    v->config.ram = &f->ram;
    v->config.io = io_bus_create(NULL);
    io_bus_register_wide(v->config.io, 0x100, 0x100, 4, port_read, port_write, f, NULL);
    struct mmu_config config = {.ram = &f->ram,
                                .abi = &v->abi,
                                .stats = &f->stats,
                                .policy = MMU_FORM_SOFT,
                                .code_written = code_written,
                                .device_read = device_read,
                                .device_write = device_write,
                                .opaque = v};
    v->mmu = mmu_create(&config, &err);
    if (!v->mmu)
        return -1;
    build_tables(f);
    struct cpu_state s = {.cr0 = CR0_PE | CR0_ET | CR0_NE,
                          .cr4 = CR4_OSFXSR,
                          .eflags = 2,
                          .gdt_base = GDT,
                          .gdt_limit = GDT_LIMIT,
                          .idt_base = IDT,
                          .idt_limit = 0x7ff};
    s.tr = (struct cpu_segment){.selector = SEL_TSS, .attr = 0x8b, .base = TSS, .limit = 0x6f};
    s.ldtr = (struct cpu_segment){.selector = SEL_LDT, .attr = 0x82, .base = LDT, .limit = 0xff};
    vcpu_set_state(v, &s);
    fixture_ring(f, 0);
    *state = f;
    return 0;
}

int fixture_teardown(void **state) {
    struct fixture *f = *state;
    mmu_destroy(f->v->mmu);
    io_bus_destroy(f->v->config.io);
    ram_destroy(&f->ram);
    free(f->v);
    free(f);
    return 0;
}

enum callout_result run(struct fixture *f, enum callout_id id, uint32_t r8, uint32_t r9, unsigned extra) {
    return callout_table[id](f->v, r8, r9, CALLOUT_WORD(f->v->abi.eip & 0xfff, INSN_LENGTH, id, extra));
}

void assert_fault(struct fixture *f, enum callout_result result, unsigned vector, uint32_t error) {
    assert_int_equal(result, CALLOUT_FAULT);
    assert_int_equal(f->v->fault.vector, vector);
    if (f->v->fault.has_error)
        assert_int_equal(f->v->fault.error, error);
    else
        assert_int_equal(error, 0);
    assert_int_equal(f->v->abi.eip, CODE);
}
