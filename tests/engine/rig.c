// See rig.h.
#include "rig.h"

#include "cpu/semantics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define P  1u
#define RW 2u
#define US 4u

// ---- Devices
// ---------------------------------------------------------------------------------------------------------------

static void log_access(struct rig *rig, uint64_t gpa, unsigned size, uint64_t value, bool write) {
    struct rig_access *access = &rig->accesses[rig->access_count++ % RIG_DEVICE_LOG];
    *access = (struct rig_access){
        .value = value, .offset = (uint32_t)(gpa - DEVICE_GPA), .size = (uint8_t)size, .write = write};
}

static uint64_t device_read(void *opaque, uint64_t gpa, unsigned size) {
    struct rig *rig = opaque;
    uint64_t value = 0;
    memcpy(&value, rig->device + (gpa - DEVICE_GPA), size);
    log_access(rig, gpa, size, value, false);
    return value;
}

static void device_write(void *opaque, uint64_t gpa, unsigned size, uint64_t value) {
    struct rig *rig = opaque;
    memcpy(rig->device + (gpa - DEVICE_GPA), &value, size);
    log_access(rig, gpa, size, value, true);
}

static uint32_t port_read(void *opaque, uint16_t port, unsigned size) {
    struct rig *rig = opaque;
    (void)port, (void)size;
    return rig->port_value;
}

static void port_write(void *opaque, uint16_t port, unsigned size, uint32_t value) {
    struct rig *rig = opaque;
    (void)port, (void)size;
    rig->port_value = (uint8_t)(value * 5 + 1);
}

static uint8_t acknowledge(void *opaque) {
    struct rig *rig = opaque;
    rig->acknowledged++;
    vcpu_set_intr(rig->vcpu, false);
    return IRQ_VECTOR;
}

// ---- Creation
// --------------------------------------------------------------------------------------------------------------

void rig_open(struct rig *rig, const struct rig_options *options) {
    struct error err;
    memset(rig, 0, sizeof *rig);
    if (ram_create(&rig->ram, GUEST_MEMORY, &err) < 0)
        fail_msg("%s", err.text);
    rig->io = io_bus_create(NULL);
    rig->mmio = mmio_bus_create(NULL);
    assert_int_equal(io_bus_register(rig->io, 0x90, 1, port_read, port_write, rig, &err), 0);
    assert_int_equal(mmio_bus_register(rig->mmio, DEVICE_GPA, DEVICE_SIZE, device_read, device_write, rig, &err), 0);
    const struct cpu_config config = {
        .ram = &rig->ram,
        .io = rig->io,
        .mmio = rig->mmio,
        .log = &rig->log,
        .stats = &rig->stats,
        .policy = options->policy,
        .verify = options->verify,
        .no_link = options->no_link,
        .cache_mib = options->cache_mib ? options->cache_mib : 4,
        .acknowledge = acknowledge,
        .clock = options->clock,
        .opaque = rig,
    };
    rig->vcpu = vcpu_create(&config, &err);
    if (!rig->vcpu)
        fail_msg("%s", err.text);
    rig->engine = rig->vcpu->engine;
    rig_reset_memory(rig);
    rig_reset_programs(rig);
}

void rig_close(struct rig *rig) {
    vcpu_destroy(rig->vcpu);
    io_bus_destroy(rig->io);
    mmio_bus_destroy(rig->mmio);
    ram_destroy(&rig->ram);
}

// ---- Memory
// ----------------------------------------------------------------------------------------------------------------

static void set32(struct rig *rig, uint32_t gpa, uint32_t value) {
    memcpy(rig->ram.host + gpa, &value, 4);
}

static void set64(struct rig *rig, uint32_t gpa, uint64_t value) {
    memcpy(rig->ram.host + gpa, &value, 8);
}

static uint64_t descriptor(uint32_t base, uint32_t limit, unsigned access, unsigned flags) {
    return (limit & 0xffffu) | (uint64_t)(base & 0xffffffu) << 16 | (uint64_t)access << 40 |
           (uint64_t)(limit >> 16 & 0xf) << 48 | (uint64_t)flags << 52 | (uint64_t)(base >> 24) << 56;
}

static void gate(struct rig *rig, unsigned vector, uint32_t target, unsigned dpl) {
    set64(rig, GUEST_IDT + 8 * vector,
          (target & 0xffffu) | (uint64_t)SEL_CODE0 << 16 | (uint64_t)(0x8e | dpl << 5) << 40 |
              (uint64_t)(target >> 16) << 48);
}

static void tables(struct rig *rig) {
    memset(rig->ram.host, 0, DATA_END);
    set32(rig, PAGE_DIRECTORY, PAGE_TABLE | P | RW | US);
    set32(rig, PAGE_DIRECTORY + 4, SPECIAL_TABLE | P | RW | US);
    for (uint32_t page = 0; page < 1024; page++) {
        bool user = page >= PROGRAMS >> 12 && page < DATA_END >> 12;
        bool variables = page == HANDLER_VARS >> 12; // programs at CPL 3 set them
        set32(rig, PAGE_TABLE + 4 * page, page << 12 | P | RW | (user || variables ? US : 0));
    }
    set64(rig, GUEST_GDT + SEL_CODE0, descriptor(0, 0xfffff, 0x9b, 0xc));
    set64(rig, GUEST_GDT + SEL_DATA0, descriptor(0, 0xfffff, 0x93, 0xc));
    set64(rig, GUEST_GDT + (SEL_CODE3 & ~3), descriptor(0, 0xfffff, 0xfb, 0xc));
    set64(rig, GUEST_GDT + (SEL_DATA3 & ~3), descriptor(0, 0xfffff, 0xf3, 0xc));
    set64(rig, GUEST_GDT + SEL_TSS, descriptor(GUEST_TSS, 0x67, 0x8b, 0));
    set64(rig, GUEST_GDT + (SEL_BASED & ~3), descriptor(0x100, 0xfffff, 0xf3, 0xc));
    set64(rig, GUEST_GDT + (SEL_SMALL & ~3), descriptor(0, DATA + 0xfff, 0xf3, 4));
    set32(rig, GUEST_TSS + 4, TSS_STACK_TOP);
    set32(rig, GUEST_TSS + 8, SEL_DATA0);
    for (unsigned vector = 0; vector < 32; vector++)
        gate(rig, vector, rig_address(handler_stubs) + 16 * vector, vector == 3 || vector == 4 ? 3 : 0);
    gate(rig, IRQ_VECTOR, rig_address(handler_irq), 0);
    gate(rig, END_VECTOR, rig_address(handler_done), 3);
    set32(rig, VAR_LOG_NEXT, LOG_START);
}

static void changed(struct rig *rig, uint32_t first, uint32_t end) {
    vcpu_memory_changed(rig->vcpu, first, end - first);
}

void rig_reset_memory(struct rig *rig) {
    uint8_t *programs = malloc(DATA - PROGRAMS);
    memcpy(programs, rig->ram.host + PROGRAMS, DATA - PROGRAMS);
    tables(rig);
    memcpy(rig->ram.host + PROGRAMS, programs, DATA - PROGRAMS);
    free(programs);
    changed(rig, 0, PROGRAMS);
    changed(rig, DATA, DATA_END);
}

void rig_reset_programs(struct rig *rig) {
    memset(rig->ram.host + PROGRAMS, 0, DATA - PROGRAMS);
    memcpy(rig->ram.host + PROGRAMS, programs_begin, (size_t)(programs_end - programs_begin));
    changed(rig, PROGRAMS, DATA);
}

uint32_t rig_address(const uint8_t *label) {
    return PROGRAMS + (uint32_t)(label - programs_begin);
}

uint32_t rig_get(const struct rig *rig, uint32_t gpa) {
    uint32_t value;
    memcpy(&value, rig->ram.host + gpa, 4);
    return value;
}

void rig_put(struct rig *rig, uint32_t gpa, uint32_t value) {
    rig_code(rig, gpa, &value, 4);
}

void rig_code(struct rig *rig, uint32_t gpa, const void *bytes, size_t size) {
    memcpy(rig->ram.host + gpa, bytes, size);
    vcpu_memory_changed(rig->vcpu, gpa, size);
}

void rig_map(struct rig *rig, uint32_t linear, uint64_t entry) {
    uint32_t table = linear < SPECIAL ? PAGE_TABLE : SPECIAL_TABLE;
    rig_put(rig, table + (linear >> 12 & 1023) * 4, (uint32_t)entry);
}

// ---- Runs
// ------------------------------------------------------------------------------------------------------------------

void rig_start(struct rig *rig, uint32_t eip, unsigned cpl, bool interrupts) {
    struct cpu_state state = {
        .eip = eip,
        .eflags = 2 | 3u << 12 | (interrupts ? EFLAGS_IF : 0),
        .cr0 = CR0_PE | CR0_PG | CR0_ET | CR0_NE | CR0_WP | CR0_MP,
        .cr3 = PAGE_DIRECTORY,
        .cr4 = CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_PSE | CR4_PGE,
        .gdt_base = GUEST_GDT,
        .gdt_limit = 0xff,
        .idt_base = GUEST_IDT,
        .idt_limit = 0x7ff,
    };
    for (unsigned seg = 0; seg < CPU_SEG_COUNT; seg++) {
        bool code = seg == CPU_SEG_CS;
        state.seg[seg] = (struct cpu_segment){
            .selector = (uint16_t)(cpl ? (code ? SEL_CODE3 : SEL_DATA3) : (code ? SEL_CODE0 : SEL_DATA0)),
            .attr = (uint16_t)(0xc00 | (code ? 0x9b : 0x93) | cpl << 5),
            .limit = 0xffffffff};
    }
    state.tr = (struct cpu_segment){.selector = SEL_TSS, .attr = 0x8b, .base = GUEST_TSS, .limit = 0x67};
    state.gpr[CPU_ESP] = cpl ? USER_STACK_TOP : STACK0_TOP;
    vcpu_reset(rig->vcpu);
    memset(rig->vcpu->abi.fx, 0, sizeof rig->vcpu->abi.fx);
    rig->vcpu->abi.fx[0] = 0x7f;
    rig->vcpu->abi.fx[1] = 0x03;
    rig->vcpu->abi.fx[24] = 0x80;
    rig->vcpu->abi.fx[25] = 0x1f;
    rig->vcpu->msr.sysenter_cs = SEL_CODE0;
    rig->vcpu->msr.sysenter_esp = TSS_STACK_TOP;
    rig->vcpu->msr.sysenter_eip = rig_address(sysenter_entry);
    vcpu_set_intr(rig->vcpu, false);
    vcpu_set_state(rig->vcpu, &state);
    rig->port_value = 0x11;
    rig->access_count = 0;
    rig->acknowledged = 0;
}

void rig_start_program(struct rig *rig, const struct rig_program *program, unsigned cpl, bool interrupts) {
    rig_reset_memory(rig);
    if (program->changes_code)
        rig_reset_programs(rig);
    if (program->demand) {
        set32(rig, VAR_DEMAND, 1);
        for (uint32_t page = (DATA >> 12) + 1; page < DATA_END >> 12; page++)
            set32(rig, PAGE_TABLE + 4 * page, page << 12 | RW | US);
    }
    rig_start(rig, rig_address(program->code), cpl, interrupts);
}

void rig_run(struct rig *rig) {
    enum cpu_stop stop = vcpu_run(rig->vcpu);
    if (stop != CPU_STOP_HALT)
        fail_msg("stop %d at %08x: %s", stop, rig->vcpu->abi.eip, vcpu_error_text(rig->vcpu));
}

void rig_result(struct rig *rig, struct rig_result *result) {
    memset(result, 0, sizeof *result);
    vcpu_get_state(rig->vcpu, &result->state);
    memcpy(result->fx, rig->vcpu->abi.fx, 416);
    memset(result->fx + 6, 0, 18); // opcode and pointers
    uint32_t end = rig_get(rig, VAR_LOG_NEXT);
    result->exceptions = (end - LOG_START) / 16;
    memcpy(result->log, rig->ram.host + LOG_START, sizeof result->log);
    memcpy(result->data, rig->ram.host + DATA, sizeof result->data);
}

static void differ(const char *what, const char *where, unsigned index, uint32_t wanted, uint32_t got) {
    fail_msg("%s: %s %x is %08x, not %08x", what, where, index, got, wanted);
}

void rig_compare(const struct rig_result *wanted, const struct rig_result *got, const char *what) {
    for (unsigned i = 0; i < 8; i++)
        if (wanted->state.gpr[i] != got->state.gpr[i])
            differ(what, "register", i, wanted->state.gpr[i], got->state.gpr[i]);
    if (wanted->state.eip != got->state.eip)
        differ(what, "EIP", 0, wanted->state.eip, got->state.eip);
    if (wanted->state.eflags != got->state.eflags)
        differ(what, "EFLAGS", 0, wanted->state.eflags, got->state.eflags);
    if (wanted->exceptions != got->exceptions)
        differ(what, "number of exceptions", 0, wanted->exceptions, got->exceptions);
    for (unsigned i = 0; i < sizeof wanted->log; i++)
        if (wanted->log[i] != got->log[i])
            differ(what, "byte of the exception log", i, wanted->log[i], got->log[i]);
    for (unsigned i = 0; i < sizeof wanted->fx; i++)
        if (wanted->fx[i] != got->fx[i])
            differ(what, "byte of the FXSAVE image", i, wanted->fx[i], got->fx[i]);
    for (unsigned i = 0; i < sizeof wanted->data; i++)
        if (wanted->data[i] != got->data[i])
            differ(what, "byte of data", i, wanted->data[i], got->data[i]);
    if (memcmp(&wanted->state, &got->state, sizeof wanted->state) != 0)
        fail_msg("%s: another part of the state differs", what);
}

// ---- Programs
// --------------------------------------------------------------------------------------------------------------

const struct rig_program rig_programs[] = {
#define RIG_ENTRY(label, levels)                                                                                       \
    {.name = #label,                                                                                                   \
     .code = program_##label,                                                                                          \
     .cpls = levels,                                                                                                   \
     .changes_code = sizeof #label == sizeof "self" && #label[0] == 's',                                               \
     .demand = sizeof #label == sizeof "demand" && #label[0] == 'd'},
    RIG_PROGRAMS(RIG_ENTRY)};
const unsigned rig_program_count = sizeof rig_programs / sizeof rig_programs[0];

const struct rig_program rig_spins[] = {RIG_SPINS(RIG_ENTRY)};
const unsigned rig_spin_count = sizeof rig_spins / sizeof rig_spins[0];
