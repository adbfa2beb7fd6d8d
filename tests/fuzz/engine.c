// Page tables, descriptor tables and the cases of a batch in the guest's memory, and the run of its driver. See
// engine.h; guest.S is the driver.
#include "engine.h"

#include "cpu/engine.h"
#include "devices/bus.h"

#include <string.h>

#define P  1u
#define RW 2u
#define US 4u

const char *const fuzz_form_names[FUZZ_FORMS] = {"soft", "direct", "bounced"};
extern const uint8_t fuzz_guest_begin[], fuzz_guest_end[], fuzz_guest_stubs[], fuzz_guest_start[];

static uint32_t guest_address(const uint8_t *label) {
    return FUZZ_KERNEL + (uint32_t)(label - fuzz_guest_begin);
}

static void set32(struct fuzz_engine *e, uint32_t gpa, uint32_t value) {
    memcpy(e->ram.host + gpa, &value, 4);
}

static void set64(struct fuzz_engine *e, uint32_t gpa, uint64_t value) {
    memcpy(e->ram.host + gpa, &value, 8);
}

static uint64_t descriptor(uint32_t base, uint32_t pages, unsigned access) { // 32 bits, granularity of a page
    return (pages & 0xffffu) | (uint64_t)(base & 0xffffffu) << 16 | (uint64_t)access << 40 |
           (uint64_t)(pages >> 16 & 0xf) << 48 | 0xcull << 52 | (uint64_t)(base >> 24) << 56;
}

static void page_tables(struct fuzz_engine *e) {
    static const uint32_t data[FUZZ_DATA_PAGES] = {P | RW | US, P | RW | US, P | US, 0, P | RW | US, 0, P | RW};
    set32(e, FUZZ_PAGE_DIRECTORY, FUZZ_PT_LOW | P | RW);
    set32(e, FUZZ_PAGE_DIRECTORY + 4, (FUZZ_PT_LOW + 0x1000) | P | RW);
    set32(e, FUZZ_PAGE_DIRECTORY + (FUZZ_CODE >> 22) * 4, FUZZ_PT_CODE | P | RW | US);
    set32(e, FUZZ_PAGE_DIRECTORY + (FUZZ_DATA >> 22) * 4, FUZZ_PT_DATA | P | RW | US);
    for (uint32_t page = 0; page < FUZZ_RAM >> 12; page++)
        set32(e, FUZZ_PT_LOW + 4 * page, page << 12 | P | RW);
    for (uint32_t page = 0; page < FUZZ_BATCH * (FUZZ_CODE_STRIDE >> 12); page++)
        set32(e, FUZZ_PT_CODE + 4 * page, (FUZZ_CODE_FRAMES + (page << 12)) | P | US);
    for (uint32_t page = 0; page < FUZZ_DATA_PAGES; page++)
        if (data[page])
            set32(e, FUZZ_PT_DATA + 4 * page, (FUZZ_DATA_FRAMES + (page << 12)) | data[page]);
}

static void descriptor_tables(struct fuzz_engine *e) {
    set64(e, FUZZ_GDT + FUZZ_SEL_CODE0, descriptor(0, 0xfffff, 0x9b));
    set64(e, FUZZ_GDT + FUZZ_SEL_DATA0, descriptor(0, 0xfffff, 0x93));
    set64(e, FUZZ_GDT + (FUZZ_SEL_CODE3 & ~3), descriptor(0, 0xfffff, 0xfb));
    uint32_t pages = e->form == FUZZ_BOUNCED ? FUZZ_LAST_OFFSET >> 12 : 0xfffff;
    set64(e, FUZZ_GDT + (FUZZ_SEL_DATA3 & ~3), descriptor(0, pages, 0xf3));
    set64(e, FUZZ_GDT + (FUZZ_SEL_BASED & ~3), descriptor(FUZZ_DATA, pages, 0xf3));
    set64(e, FUZZ_GDT + FUZZ_SEL_TSS, 0x67 | (uint64_t)FUZZ_TSS << 16 | 0x8bull << 40);
    set32(e, FUZZ_TSS + 4, FUZZ_STACK_TOP);
    set32(e, FUZZ_TSS + 8, FUZZ_SEL_DATA0);
    set32(e, FUZZ_TSS + 0x64, 0x680000); // the I/O permission map lies beyond the limit
    for (unsigned vector = 0; vector < 32; vector++) {
        uint32_t target = guest_address(fuzz_guest_stubs) + 16 * vector;
        unsigned dpl = vector == 3 || vector == 4 ? 3 : 0;
        set64(e, FUZZ_IDT + 8 * vector,
              (target & 0xffffu) | (uint64_t)FUZZ_SEL_CODE0 << 16 | (uint64_t)(0x8e | dpl << 5) << 40 |
                  (uint64_t)(target >> 16) << 48);
    }
}

static void fill(struct fuzz_engine *e) {
    page_tables(e);
    descriptor_tables(e);
    memcpy(e->ram.host + FUZZ_KERNEL, fuzz_guest_begin, (size_t)(fuzz_guest_end - fuzz_guest_begin));
    fuzz_pristine(e->ram.host + FUZZ_PRISTINE);
    memcpy(e->ram.host + FUZZ_DATA_FRAMES + 0x2000, e->ram.host + FUZZ_PRISTINE, 0x1000);
}

static uint8_t acknowledge(void *opaque) {
    (void)opaque;
    return 0x20; // never asked: nothing raises INTR
}

int fuzz_engine_open(struct fuzz_engine *e, enum fuzz_form form, bool verify, struct error *err) {
    *e = (struct fuzz_engine){.form = form, .fresh = true};
    if (ram_create(&e->ram, FUZZ_RAM, err) < 0)
        return -1;
    e->io = io_bus_create(NULL);
    e->mmio = mmio_bus_create(NULL);
    fill(e);
    const struct cpu_config config = {
        .ram = &e->ram,
        .io = e->io,
        .mmio = e->mmio,
        .log = &e->log,
        .stats = &e->stats,
        .policy = form == FUZZ_DIRECT ? MMU_DIRECT : MMU_SOFT,
        .verify = verify,
        .cache_mib = 16,
        .avx = fuzz_has_avx(),
        .acknowledge = acknowledge,
    };
    e->vcpu = vcpu_create(&config, err);
    return e->vcpu ? 0 : -1;
}

void fuzz_engine_close(struct fuzz_engine *e) {
    if (e->vcpu)
        vcpu_destroy(e->vcpu);
    io_bus_destroy(e->io);
    mmio_bus_destroy(e->mmio);
    ram_destroy(&e->ram);
}

static void start(struct fuzz_engine *e) {
    struct cpu_state state = {
        .eip = guest_address(fuzz_guest_start),
        .eflags = 2,
        .cr0 = CR0_PE | CR0_PG | CR0_ET | CR0_NE | CR0_WP | CR0_MP,
        .cr3 = FUZZ_PAGE_DIRECTORY,
        .cr4 = CR4_OSFXSR | CR4_OSXMMEXCPT | (fuzz_has_avx() ? CR4_OSXSAVE : 0),
        .gdt_base = FUZZ_GDT,
        .gdt_limit = 0xff,
        .idt_base = FUZZ_IDT,
        .idt_limit = 0xff,
    };
    for (unsigned seg = 0; seg < CPU_SEG_COUNT; seg++) {
        bool code = seg == CPU_SEG_CS;
        state.seg[seg] = (struct cpu_segment){.selector = code ? FUZZ_SEL_CODE0 : FUZZ_SEL_DATA0,
                                              .attr = (uint16_t)(0xc00 | (code ? 0x9b : 0x93)),
                                              .limit = 0xffffffff};
    }
    state.tr = (struct cpu_segment){.selector = FUZZ_SEL_TSS, .attr = 0x8b, .base = FUZZ_TSS, .limit = 0x67};
    vcpu_reset(e->vcpu);
    vcpu_set_state(e->vcpu, &state);
    e->fresh = false;
}

static void place(struct fuzz_engine *e, const struct fuzz_case *c, unsigned slot) {
    uint8_t *at = e->ram.host + FUZZ_CASES + slot * FUZZ_CASE_STRIDE;
    uint32_t code = fuzz_code_address(c, slot), frames = FUZZ_CODE_FRAMES + slot * FUZZ_CODE_STRIDE;
    memcpy(at + FUZZ_CASE_GPR, c->gpr, 32);
    memcpy(at + FUZZ_CASE_EFLAGS, &c->eflags, 4);
    memcpy(at + FUZZ_CASE_EIP, &code, 4);
    memcpy(at + FUZZ_CASE_CODE, &code, 4);
    memcpy(at + FUZZ_CASE_FX, c->fx, 512);
    memcpy(at + FUZZ_CASE_YMM, c->ymm, sizeof c->ymm);
    memset(at + FUZZ_CASE_LENGTHS, 0, FUZZ_LENGTHS);
    for (unsigned i = 0; i < c->count; i++)
        at[FUZZ_CASE_LENGTHS + c->insns[i].offset] = c->insns[i].length;
    at[FUZZ_CASE_LENGTHS + c->size] = 1;
    at[FUZZ_CASE_LENGTHS + c->size + 1] = 255;
    fuzz_case_code(c, e->ram.host + frames);
    vcpu_memory_changed(e->vcpu, frames, FUZZ_CODE_STRIDE);
}

int fuzz_engine_run(struct fuzz_engine *e, const struct fuzz_case *cases, unsigned count, unsigned *at,
                    struct error *err) {
    for (unsigned i = 0; i < count; i++)
        place(e, &cases[i], i);
    set32(e, FUZZ_VAR_AVX, fuzz_has_avx());
    set32(e, FUZZ_VAR_COUNT, count);
    set32(e, FUZZ_VAR_INDEX, 0);
    if (e->fresh)
        start(e);
    e->vcpu->engine->halted = false; // the HLT of the batch before
    enum cpu_stop stop = vcpu_run(e->vcpu);
    memcpy(at, e->ram.host + FUZZ_VAR_INDEX, 4);
    if (stop == CPU_STOP_HALT && *at == count)
        return 0;
    struct cpu_state state;
    vcpu_get_state(e->vcpu, &state);
    error_set(err, "%s: stop %d at %08x in case %u: %s", fuzz_form_names[e->form], (int)stop, state.eip, *at,
              vcpu_error_text(e->vcpu));
    e->fresh = true;
    return -1;
}

const struct fuzz_result *fuzz_engine_result(const struct fuzz_engine *e, unsigned index) {
    return (const void *)(e->ram.host + FUZZ_RESULTS + index * FUZZ_RESULT_STRIDE);
}
