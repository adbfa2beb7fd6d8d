// Putting the PC together: which device sits at which ports and lines (IBM PC/AT Technical Reference, section 1). Never
// reaches into a device: everything goes through the interfaces in devices/ and cpu/cpu.h.
#include "machine/pc.h"

#include "devices/bus.h"
#include "devices/chardev.h"
#include "devices/coprocessor.h"
#include "devices/debug_exit.h"
#include "devices/dma.h"
#include "devices/dmatest.h"
#include "devices/i8042.h"
#include "devices/i8254.h"
#include "devices/i8259.h"
#include "devices/mc146818.h"
#include "devices/nmitest.h"
#include "devices/ns16550.h"
#include "devices/port61.h"
#include "devices/port92.h"
#include "devices/post.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

enum pc_irq { PC_IRQ_TIMER = 0, PC_IRQ_KEYBOARD = 1, PC_IRQ_COM1 = NS16550_COM1_IRQ, PC_IRQ_RTC = 8 };

#define CMOS_EQUIPMENT          0x14
#define CMOS_EQUIPMENT_FPU      0x02
#define CMOS_EQUIPMENT_KEYBOARD 0x04

static void set_intr(void *opaque, unsigned number, bool level) {
    (void)number;
    vcpu_set_intr(((struct pc *)opaque)->vcpu, level);
}

static void set_nmi(void *opaque, unsigned number, bool level) {
    (void)number;
    struct pc *pc = opaque;
    if (level && !pc->nmi_level)
        vcpu_raise_nmi(pc->vcpu);
    pc->nmi_level = level;
}

static void mask_nmi(void *opaque, bool masked) {
    port61_mask_nmi(((struct pc *)opaque)->port61, masked);
}

static void set_a20(void *opaque, bool enabled) {
    vcpu_set_a20(((struct pc *)opaque)->vcpu, enabled);
}

static void request_reset(void *opaque) {
    vcpu_request_reset(((struct pc *)opaque)->vcpu);
}

static void lock(void *opaque) {
    event_loop_lock(((struct pc *)opaque)->loop);
}

static void unlock(void *opaque) {
    event_loop_unlock(((struct pc *)opaque)->loop);
}

static uint64_t idle_begin(void *opaque) {
    return event_loop_idle_begin(((struct pc *)opaque)->loop);
}

static void idle_end(void *opaque) {
    event_loop_idle_end(((struct pc *)opaque)->loop);
}

// The processor calls this between instructions, without the lock.
static uint8_t acknowledge(void *opaque) {
    struct pc *pc = opaque;
    event_loop_lock(pc->loop);
    uint8_t vector = i8259_acknowledge(pc->pic);
    event_loop_unlock(pc->loop);
    return vector;
}

static void ignore_coprocessor_error(void *opaque) {
    vcpu_ignore_ferr(((struct pc *)opaque)->vcpu);
}

static void signal_coprocessor_error(void *opaque) {
    coprocessor_error(((struct pc *)opaque)->coprocessor);
}

// A congested serial line takes nothing, unless what the guest sees must not depend on the host.
static uint32_t console_write(void *opaque, const uint8_t *bytes, uint32_t size) {
    struct pc *pc = opaque;
    bool steady = pc->timers != pc->loop;
    if (!pc->serial)
        return size;
    if (!steady && chardev_congested(pc->serial))
        return 0;
    chardev_write(pc->serial, bytes, size);
    if (steady)
        chardev_wait(pc->serial);
    return size;
}

static int dma_read(void *opaque, uint64_t gpa, void *data, uint64_t size) {
    return vcpu_dma_read(((struct pc *)opaque)->vcpu, gpa, data, size);
}

static int dma_write(void *opaque, uint64_t gpa, const void *data, uint64_t size) {
    return vcpu_dma_write(((struct pc *)opaque)->vcpu, gpa, data, size);
}

// ---- The virtual clock: the guest's timers are on the vCPU's thread, and still under the one device lock ----------

static uint64_t virtual_now(void *opaque) {
    return vcpu_clock_ns(((struct pc *)opaque)->vcpu);
}

static uint64_t virtual_deadline(void *opaque) {
    return event_loop_next_deadline(((struct pc *)opaque)->timers);
}

static void virtual_fire(void *opaque) {
    struct pc *pc = opaque;
    event_loop_lock(pc->loop);
    event_loop_fire(pc->timers);
    event_loop_unlock(pc->loop);
}

static uint64_t virtual_reached(void *opaque, uint64_t instructions) {
    struct pc *pc = opaque;
    return pc->reached ? pc->reached(pc->opaque, instructions) : UINT64_MAX;
}

static const struct cpu_clock virtual_clock = {
    .next_deadline = virtual_deadline, .fire = virtual_fire, .reached = virtual_reached};

static int create_core(struct pc *pc, const struct pc_config *config, struct error *err) {
    if (ram_create(&pc->ram, config->memory, err)) {
        pc->ram = (struct ram){0};
        return -1;
    }
    pc->loop = event_loop_create(device_clock_host(), err);
    if (!pc->loop)
        return -1;
    pc->io = io_bus_create(config->log);
    pc->mmio = mmio_bus_create(config->log);
    if (!pc->io || !pc->mmio)
        return error_set(err, "out of memory");
    struct cpu_config cpu = {
        .ram = &pc->ram,
        .io = pc->io,
        .mmio = pc->mmio,
        .log = config->log,
        .stats = config->stats,
        .policy = config->policy,
        .verify = config->verify,
        .no_link = config->no_link,
        .ablate = config->ablate,
        .cache_mib = config->cache_mib,
        .smep = config->smep,
        .smap = config->smap,
        .avx = config->avx,
        .hypercalls = config->hypercalls,
        .nmi_wakes = config->nmi_test,
        .acknowledge = acknowledge,
        .coprocessor_error = signal_coprocessor_error,
        .console_write = console_write,
        .lock = lock,
        .unlock = unlock,
        .idle_begin = idle_begin,
        .idle_end = idle_end,
        .trace = config->trace,
        .clock = config->virtual_clock ? &virtual_clock : NULL,
        .opaque = pc,
    };
    pc->vcpu = vcpu_create(&cpu, err);
    if (!pc->vcpu)
        return -1;
    pc->timers = pc->loop;
    if (config->virtual_clock)
        pc->timers = event_loop_create_stepped((struct device_clock){virtual_now, pc}, err);
    return pc->timers ? 0 : -1;
}

static void fill_cmos(struct pc *pc) {
    mc146818_set_cmos(pc->rtc, CMOS_EQUIPMENT, CMOS_EQUIPMENT_FPU | CMOS_EQUIPMENT_KEYBOARD);
    mc146818_set_memory_size(pc->rtc, pc->ram.size); // mends the checksum, so it comes last
}

// Timer, clock and keyboard: what hangs on interrupt lines.
static int create_irq_devices(struct pc *pc, const struct pc_config *config, struct error *err) {
    struct irq_line intr = {.set = set_intr, .opaque = pc};
    pc->pic = i8259_create(pc->io, intr, config->log, err);
    if (!pc->pic)
        return -1;
    pc->pit = i8254_create(pc->io, pc->timers, i8259_line(pc->pic, PC_IRQ_TIMER), err);
    if (!pc->pit)
        return -1;
    struct irq_line nmi = {.set = set_nmi, .opaque = pc};
    pc->port61 = port61_create(pc->io, pc->timers, pc->pit, nmi, err);
    if (!pc->port61)
        return -1;
    pc->rtc = mc146818_create(pc->io, pc->timers, i8259_line(pc->pic, PC_IRQ_RTC), config->rtc_start, err);
    if (!pc->rtc)
        return -1;
    mc146818_watch_nmi_mask(pc->rtc, mask_nmi, pc);
    fill_cmos(pc);
    struct i8042_config kbc = {
        .irq = i8259_line(pc->pic, PC_IRQ_KEYBOARD),
        .a20 = &pc->a20,
        .reset = request_reset,
        .opaque = pc,
        .keyboard = true,
    };
    pc->kbc = i8042_create(pc->io, &kbc, err);
    return pc->kbc ? 0 : -1;
}

static int create_ports(struct pc *pc, const struct pc_config *config, struct error *err) {
    pc->port92 = port92_create(pc->io, &pc->a20, request_reset, pc, err);
    if (!pc->port92)
        return -1;
    pc->coprocessor =
        coprocessor_create(pc->io, i8259_line(pc->pic, COPROCESSOR_IRQ), ignore_coprocessor_error, pc, err);
    if (!pc->coprocessor)
        return -1;
    pc->post = post_create(pc->io, err);
    if (!pc->post)
        return -1;
    pc->debug_exit = debug_exit_create(pc->io, config->debug_exit, config->opaque, err);
    if (!pc->debug_exit)
        return -1;
    return 0;
}

static int create_test_devices(struct pc *pc, const struct pc_config *config, struct error *err) {
    struct dma_port dma = {.read = dma_read, .write = dma_write, .opaque = pc};
    if (config->dma_test) {
        pc->dmatest = dmatest_create(pc->io, pc->loop, i8259_line(pc->pic, DMATEST_IRQ), dma, err);
        if (!pc->dmatest)
            return -1;
    }
    if (config->nmi_test) {
        pc->nmitest = nmitest_create(pc->io, pc->loop, pc->port61, err);
        if (!pc->nmitest)
            return -1;
    }
    return 0;
}

int pc_create(struct pc *pc, const struct pc_config *config, struct error *err) {
    *pc = (struct pc){
        .a20 = {.enabled = true, .changed = set_a20, .opaque = pc},
        .log = config->log,
        .quit = config->quit,
        .reached = config->reached,
        .opaque = config->opaque,
    };
    if (create_core(pc, config, err) || create_irq_devices(pc, config, err) || create_ports(pc, config, err) ||
        create_test_devices(pc, config, err)) {
        pc_destroy(pc);
        return -1;
    }
    return 0;
}

int pc_connect_serial(struct pc *pc, const char *spec, struct error *err) {
    struct chardev_console console = {.quit = pc->quit, .opaque = pc->opaque};
    pc->serial = chardev_open(spec, pc->loop, &console, pc->log, err);
    if (!pc->serial)
        return -1;
    pc->uart = ns16550_create(pc->io, NS16550_COM1_PORT, i8259_line(pc->pic, PC_IRQ_COM1), pc->serial, err);
    if (pc->uart && pc->timers != pc->loop)
        ns16550_set_steady(pc->uart);
    if (pc->uart)
        return 0;
    chardev_close(pc->serial);
    pc->serial = NULL;
    return -1;
}

int pc_start(struct pc *pc, struct error *err) {
    if (pc->loop_runs)
        return 0;
    if (event_loop_start(pc->loop, err))
        return -1;
    pc->loop_runs = true;
    return 0;
}

static void destroy_devices(struct pc *pc) {
    if (pc->uart)
        ns16550_destroy(pc->uart);
    if (pc->serial)
        chardev_close(pc->serial);
    if (pc->nmitest)
        nmitest_destroy(pc->nmitest);
    if (pc->dmatest)
        dmatest_destroy(pc->dmatest);
    if (pc->debug_exit)
        debug_exit_destroy(pc->debug_exit);
    if (pc->post)
        post_destroy(pc->post);
    if (pc->coprocessor)
        coprocessor_destroy(pc->coprocessor);
    if (pc->port92)
        port92_destroy(pc->port92);
    if (pc->kbc)
        i8042_destroy(pc->kbc);
    if (pc->rtc)
        mc146818_destroy(pc->rtc);
    if (pc->port61)
        port61_destroy(pc->port61);
    if (pc->pit)
        i8254_destroy(pc->pit);
    if (pc->pic)
        i8259_destroy(pc->pic);
}

void pc_destroy(struct pc *pc) {
    if (pc->loop_runs)
        event_loop_stop(pc->loop);
    destroy_devices(pc);
    if (pc->vcpu)
        vcpu_destroy(pc->vcpu);
    if (pc->mmio)
        mmio_bus_destroy(pc->mmio);
    if (pc->io)
        io_bus_destroy(pc->io);
    if (pc->timers != pc->loop)
        event_loop_destroy(pc->timers);
    if (pc->loop)
        event_loop_destroy(pc->loop);
    if (pc->ram.size)
        ram_destroy(&pc->ram);
    *pc = (struct pc){0};
}

static void reset_devices(struct pc *pc) {
    if (pc->dmatest)
        dmatest_reset(pc->dmatest);
    if (pc->nmitest)
        nmitest_reset(pc->nmitest);
    if (pc->uart)
        ns16550_reset(pc->uart);
    port92_reset(pc->port92);
    coprocessor_reset(pc->coprocessor);
    i8042_reset(pc->kbc);
    mc146818_reset(pc->rtc);
    i8254_reset(pc->pit);
    port61_reset(pc->port61);
    i8259_reset(pc->pic);
    a20_gate_set(&pc->a20, true);
}

int pc_reset(struct pc *pc, struct error *err) {
    event_loop_lock(pc->loop);
    reset_devices(pc);
    event_loop_unlock(pc->loop);
    vcpu_reset(pc->vcpu);
    // Gives the pages back; the next access finds zeros.
    if (fallocate(pc->ram.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, (off_t)pc->ram.size))
        return error_set(err, "cannot clear the guest's memory: %s", strerror(errno));
    vcpu_memory_changed(pc->vcpu, 0, pc->ram.size);
    return 0;
}
