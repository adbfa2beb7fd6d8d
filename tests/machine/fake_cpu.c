// The processor of the tests of machine/: requests and interrupts work, translation does not exist.
#include "tests/machine/fake_cpu.h"

#include "devices/bus.h"
#include "mmu/ram.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum cpu_stop (*fake_cpu_guest)(struct vcpu *v);
const char *fake_cpu_create_error;

struct vcpu *vcpu_create(const struct cpu_config *config, struct error *err) {
    if (fake_cpu_create_error) {
        error_set(err, "%s", fake_cpu_create_error);
        return NULL;
    }
    struct vcpu *v = calloc(1, sizeof *v);
    if (!v)
        abort();
    v->config = *config;
    sem_init(&v->wake, 0, 0);
    vcpu_reset(v);
    return v;
}

void vcpu_destroy(struct vcpu *v) {
    sem_destroy(&v->wake);
    free(v);
}

enum cpu_stop vcpu_run(struct vcpu *v) {
    v->runs++;
    return fake_cpu_guest(v);
}

void vcpu_get_state(const struct vcpu *v, struct cpu_state *state) {
    *state = v->state;
}

void vcpu_set_state(struct vcpu *v, const struct cpu_state *state) {
    v->state = *state;
}

void vcpu_reset(struct vcpu *v) {
    memset(&v->state, 0, sizeof v->state);
    v->state.eip = 0xfff0;
    v->a20 = true;
    v->resets++;
}

const char *vcpu_error_text(const struct vcpu *v) {
    return v->error_text ? v->error_text : "";
}

void vcpu_set_intr(struct vcpu *v, bool level) {
    atomic_store(&v->intr, level);
    sem_post(&v->wake);
}

void vcpu_ignore_ferr(struct vcpu *v) {
    (void)v;
}

void vcpu_raise_nmi(struct vcpu *v) {
    atomic_fetch_add(&v->nmis, 1);
    sem_post(&v->wake);
}

void vcpu_request_stop(struct vcpu *v) {
    atomic_store(&v->stop_requested, true);
    sem_post(&v->wake);
}

void vcpu_request_reset(struct vcpu *v) {
    atomic_store(&v->reset_requested, true);
    sem_post(&v->wake);
}

void vcpu_set_a20(struct vcpu *v, bool enabled) {
    v->a20 = enabled;
}

int vcpu_dma_write(struct vcpu *v, uint64_t gpa, const void *data, uint64_t size) {
    return ram_load(v->config.ram, gpa, data, size);
}

int vcpu_dma_read(struct vcpu *v, uint64_t gpa, void *data, uint64_t size) {
    return ram_fetch(v->config.ram, gpa, data, size);
}

void vcpu_memory_changed(struct vcpu *v, uint64_t gpa, uint64_t size) {
    (void)gpa;
    v->bytes_changed += size;
}

int vcpu_debug_insert(struct vcpu *v, enum cpu_point_kind kind, uint32_t linear, uint32_t length) {
    (void)kind, (void)linear, (void)length;
    v->points++;
    return 0;
}

int vcpu_debug_remove(struct vcpu *v, enum cpu_point_kind kind, uint32_t linear, uint32_t length) {
    (void)kind, (void)linear, (void)length;
    v->points--;
    return 0;
}

void vcpu_debug_remove_all(struct vcpu *v) {
    v->points = 0;
}

void vcpu_debug_step(struct vcpu *v, bool step) {
    v->step = step;
}

struct cpu_debug_hit vcpu_debug_hit(const struct vcpu *v) {
    (void)v;
    return (struct cpu_debug_hit){.cause = CPU_DEBUG_POINT, .kind = CPU_POINT_WRITE, .linear = 0x1234};
}

int vcpu_debug_translate(struct vcpu *v, uint32_t linear, uint64_t *gpa) {
    (void)v;
    *gpa = linear & 0x7fffffff; // two halves that show the same
    return linear >= 0xc0000000 ? -1 : 0;
}

void vcpu_get_fx(struct vcpu *v, uint8_t fx[512]) {
    memcpy(fx, v->fx, 512);
}

void vcpu_set_fx(struct vcpu *v, const uint8_t fx[512]) {
    memcpy(v->fx, fx, 512);
}

uint64_t vcpu_get_efer(const struct vcpu *v) {
    (void)v;
    return 0x800;
}

int vcpu_debug_load_segment(struct vcpu *v, unsigned seg, uint16_t selector) {
    v->state.seg[seg].selector = selector;
    return selector == 0xffff ? -1 : 0;
}

const char *cpu_callout_name(unsigned index) {
    return index == 7 ? "cpuid" : NULL;
}

void cpu_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t regs[4]) {
    (void)leaf;
    (void)subleaf;
    memset(regs, 0, 16);
}

void fake_cpu_out(struct vcpu *v, uint16_t port, uint8_t value) {
    v->config.lock(v->config.opaque);
    io_bus_write(v->config.io, port, 1, value);
    v->config.unlock(v->config.opaque);
}

uint8_t fake_cpu_in(struct vcpu *v, uint16_t port) {
    v->config.lock(v->config.opaque);
    uint8_t value = (uint8_t)io_bus_read(v->config.io, port, 1);
    v->config.unlock(v->config.opaque);
    return value;
}

static void wait_for_news(struct vcpu *v) {
    while (sem_wait(&v->wake) && errno == EINTR)
        ;
}

enum cpu_stop fake_cpu_wait(struct vcpu *v) {
    for (;;) {
        if (atomic_exchange(&v->stop_requested, false))
            return CPU_STOP_REQUESTED;
        if (atomic_exchange(&v->reset_requested, false))
            return CPU_STOP_RESET;
        wait_for_news(v);
    }
}

uint8_t fake_cpu_wait_interrupt(struct vcpu *v) {
    while (!atomic_load(&v->intr))
        wait_for_news(v);
    return v->config.acknowledge(v->config.opaque);
}

uint64_t vcpu_instructions(const struct vcpu *v) {
    (void)v;
    return 0;
}

uint64_t vcpu_clock_ns(const struct vcpu *v) {
    (void)v;
    return 0;
}

void vcpu_visit_state(struct vcpu *v, void (*visit)(void *opaque, const void *data, size_t size), void *opaque) {
    visit(opaque, &v->state, sizeof v->state);
}
