// See runner.h. The stubs are the product's (cpu/stubs.S); what they call in C is the test's own and as simple as can
// be.
#include "tests/translator/runner.h"

#include "cpu/stubs.h"

#include <asm/prctl.h>
#include <capstone/capstone.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define ARENA      0x11000000u
#define ARENA_SIZE 0x40000u
#define CODE_AT    0x10000u
#define WINDOW     0x300000000000ull
#define SEG_BASE   0x1000u // of every segment in the based forms

static struct vcpu_abi abi;
static struct translate_output out;
static uint8_t soft_memory[RUNNER_DATA_SIZE] __attribute__((aligned(4096)));
static uint32_t bounced_at, bounced_word;
static uint32_t segment_base; // of every segment
static uint32_t data_linear;  // of the first byte of guest memory: RUNNER_DATA + the segments' base
static bool answer_in_place;
static int caught;
static uint64_t root_dummy[1];

static uint8_t *arena(uint32_t at) {
    return (uint8_t *)(uintptr_t)(ARENA + at);
}
static uint32_t stub_at(const uint8_t *label) {
    return ARENA + (uint32_t)(label - stubs_begin);
}

static bool is_direct(enum runner_form form) {
    return form == RUNNER_DIRECT || form == RUNNER_BASED || form == RUNNER_LOW;
}

uint8_t *runner_data(enum runner_form form) {
    if (is_direct(form))
        return (uint8_t *)(uintptr_t)(WINDOW + RUNNER_DATA + (form == RUNNER_BASED ? SEG_BASE : 0));
    return soft_memory;
}

// ---- What the stubs call -------------------------------------------------------------------------------------------

static uint64_t on_exit_stub(struct vcpu_abi *v) {
    (void)v;
    return 1;
}

static uint64_t on_callout(struct vcpu_abi *v) {
    v->exit_reason = EXIT_CALLOUT;
    return 1;
}

static uint8_t *ram(uint32_t linear) {
    if (linear - data_linear >= RUNNER_DATA_SIZE) {
        fprintf(stderr, "operand outside of the test's memory: %#x\n", linear);
        runner_print();
        abort();
    }
    return soft_memory + (linear - data_linear);
}

static void copy(uint8_t *to, const uint8_t *from, unsigned size) {
    for (unsigned i = 0; i < size; i++)
        ((volatile uint8_t *)to)[i] = from[i];
}

static uint64_t on_soft_miss(struct vcpu_abi *v) {
    uint32_t word = v->r10, size = OPERAND_SIZE(word);
    uint32_t linear = OPERAND_CHECKED(word) ? v->r8 + segment_base : v->r8;
    uint8_t *at = ram(linear);
    ram(linear + size - 1);
    if (answer_in_place) {
        v->gate_r9 = (uint64_t)(uintptr_t)at - v->r8;
        return 0;
    }
    uint8_t *buffer = v->bounce + linear % 64;
    if (OPERAND_INTENT(word) != INTENT_WRITE)
        copy(buffer, at, size);
    v->gate_r9 = (uint64_t)(uintptr_t)buffer - v->r8;
    bounced_at = linear;
    bounced_word = word;
    if (OPERAND_INTENT(word) != INTENT_READ)
        *(uint64_t *)(uintptr_t)(v->host_rsp - 8) += 5;
    return 0;
}

static uint64_t on_writeback(struct vcpu_abi *v) {
    copy(ram(bounced_at), v->bounce + bounced_at % 64, OPERAND_SIZE(bounced_word));
    return 0;
}

// ---- Setting up ----------------------------------------------------------------------------------------------------

int runner_open(void) {
    void *p = mmap((void *)(uintptr_t)ARENA, ARENA_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    void *w = mmap((void *)(uintptr_t)(WINDOW + RUNNER_DATA), RUNNER_DATA_SIZE + SEG_BASE, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    // Not WRGSBASE: some hosts lose that base at a context switch.
    if (p == MAP_FAILED || w == MAP_FAILED || syscall(SYS_arch_prctl, ARCH_SET_GS, WINDOW) != 0)
        return -1;
    memcpy(p, stubs_begin, (size_t)(stubs_end - stubs_begin));
    abi.exit_entry = (uint64_t)(uintptr_t)on_exit_stub;
    abi.callout_entry = (uint64_t)(uintptr_t)on_callout;
    abi.soft_miss_entry = (uint64_t)(uintptr_t)on_soft_miss;
    abi.writeback_entry = (uint64_t)(uintptr_t)on_writeback;
    abi.window = WINDOW;
    abi.live_root = (uint64_t)(uintptr_t)root_dummy;
    return 0;
}

static uint32_t form_mode(enum runner_form form) {
    uint32_t mode = MODE_CODE32 | MODE_STACK32 | MODE_ONE | MODE_IOPL_OK;
    enum mode_seg kind = MODE_SEG_FLAT;
    if (!is_direct(form))
        mode |= MODE_SOFT;
    if (form == RUNNER_CALLED)
        mode |= MODE_ALIGN;
    if (form == RUNNER_CHECKED || form == RUNNER_LOW_CHECKED)
        kind = MODE_SEG_CHECKED;
    if (form == RUNNER_BASED || form == RUNNER_BASED_HIT || form == RUNNER_LOW || form == RUNNER_LOW_HIT)
        kind = MODE_SEG_BASED;
    for (unsigned seg = 0; seg < 6; seg++)
        mode |= (uint32_t)kind << (MODE_SEG_SHIFT + 2 * seg);
    return mode;
}

static void fill_tlb(bool hit) {
    for (uint32_t i = 0; i < ABI_TLB_ENTRIES; i++) { // an empty entry holds a page of another slot
        abi.tlb[0].ntag_read[i] = abi.tlb[0].ntag_write[i] = 0 - ((i + 1) << 12);
        abi.tlb[0].addend[i] = 0xdead000000000000u;
    }
    for (uint32_t at = 0; hit && at < RUNNER_DATA_SIZE; at += 4096) {
        uint32_t linear = data_linear + at, slot = linear >> 12 & (ABI_TLB_ENTRIES - 1);
        abi.tlb[0].ntag_read[slot] = abi.tlb[0].ntag_write[slot] = 0 - linear;
        abi.tlb[0].addend[slot] = (uint64_t)(uintptr_t)soft_memory - data_linear;
    }
}

static bool translate(uint32_t mode, const uint8_t *bytes, unsigned size, uint32_t offset, struct runner_result *r) {
    static uint8_t page[4096];
    static struct error err;
    struct translate_input in = {.page = page,
                                 .offset = offset,
                                 .mode = mode,
                                 .code_rw = arena(CODE_AT),
                                 .code_rx = ARENA + CODE_AT,
                                 .capacity = TRANSLATE_MAX_HOST};
    in.stub[STUB_MISS] = stub_at(stub_miss);
    in.stub[STUB_EXIT] = stub_at(stub_exit);
    in.stub[STUB_LINK] = stub_at(stub_link);
    in.stub[STUB_CALLOUT] = in.stub[STUB_SYSENTER] = in.stub[STUB_SYSEXIT] = in.stub[STUB_CPUID] =
        in.stub[STUB_LOAD_SEG] = stub_at(stub_callout);
    in.stub[STUB_SOFT_MISS] = stub_at(stub_soft_miss);
    in.stub[STUB_WRITEBACK] = stub_at(stub_writeback);
    memset(page, 0x90, sizeof page);
    memcpy(page + offset, bytes, size);
    r->text = err.text;
    r->translated = translate_block(&in, &out, &err) == TRANSLATE_OK;
    return r->translated;
}

// The x87 state has stayed in the processor.
static void fetch_x87(uint8_t fx[512]) {
    static uint8_t now[512] __attribute__((aligned(16)));
    enum { MXCSR = 24, ST = 32, XMM = 160 };
    __asm__ volatile("fxsave64 %0\n\tfninit" : "=m"(now));
    memcpy(fx, now, MXCSR);
    memcpy(fx + ST, now + ST, XMM - ST);
}

// Enters the code at CODE_AT with the state, and brings back what it left.
static void run(struct guest_state *s) {
    memcpy(abi.fx, s->fx, sizeof abi.fx);
    memcpy(abi.gpr, s->gpr, sizeof abi.gpr);
    abi.fpu_parked = PARKED_ALL;
    abi.flags = s->flags | 2;
    abi.exit_site = ARENA + CODE_AT;
    abi.exit_reason = 0xff;
    caught = -1;
    ((void (*)(struct vcpu_abi *))(uintptr_t)stub_at(stub_enter))(&abi);
    fetch_x87(abi.fx);
    memcpy(s->fx, abi.fx, sizeof abi.fx);
    memcpy(s->gpr, abi.gpr, sizeof abi.gpr);
    s->flags = abi.flags & ARITHMETIC_FLAGS;
    s->trap = caught;
}

void runner_run_host(struct guest_state *s, const uint8_t *code, unsigned size, uint32_t r8) {
    uint8_t *p = arena(CODE_AT);
    int32_t rel = (int32_t)(stub_at(stub_exit) - (ARENA + CODE_AT + size + 5));
    memcpy(p, code, size);
    abi.r8 = r8;
    p[size] = 0xe9;
    memcpy(p + size + 1, &rel, 4);
    run(s);
}

static void set_segments(enum runner_form form) {
    segment_base = 0;
    data_linear = RUNNER_DATA;
    if (form == RUNNER_BASED || form == RUNNER_BASED_HIT) {
        segment_base = SEG_BASE;
        data_linear = RUNNER_DATA + SEG_BASE;
    } else if (form >= RUNNER_LOW_FIRST) {
        segment_base = RUNNER_DATA;
    }
    for (unsigned seg = 0; seg < 6; seg++) {
        abi.seg_base[seg] = segment_base;
        abi.seg_base_p[seg] = (uint64_t)(uintptr_t)&abi.seg_base[seg];
    }
}

struct runner_result runner_run(enum runner_form form, uint32_t flip, struct guest_state *s, const uint8_t *bytes,
                                unsigned size, uint32_t page, uint32_t offset) {
    struct runner_result r = {0};
    if (!translate(form_mode(form) ^ flip, bytes, size, offset, &r))
        return r;
    set_segments(form);
    fill_tlb(form == RUNNER_HIT || form == RUNNER_BASED_HIT || form == RUNNER_LOW_HIT);
    answer_in_place = form == RUNNER_IN_PLACE || form == RUNNER_CHECKED;
    abi.r8 = page + offset;
    run(s);
    r.callout = caught < 0 && abi.exit_reason == EXIT_CALLOUT;
    r.callout_word = abi.r10;
    r.callout_r8 = abi.r8;
    r.callout_r9 = abi.r9;
    r.exit_linear = abi.r8;
    return r;
}

// A trap of translated code: as the product does, leave through a stub with the registers as they are.
bool runner_signal(int trap, void *context) {
    ucontext_t *uc = context;
    greg_t *g = uc->uc_mcontext.gregs;
    uint64_t pc = (uint64_t)g[REG_RIP];
    if (pc < ARENA + CODE_AT || pc >= ARENA + ARENA_SIZE)
        return false;
    caught = trap;
    g[REG_RIP] = (greg_t)stub_at(stub_exit);
    g[REG_RSP] = (greg_t)abi.host_rsp;
    return true;
}

void runner_print(void) {
    csh handle;
    cs_insn *insn;
    if (cs_open(CS_ARCH_X86, CS_MODE_64, &handle) != CS_ERR_OK)
        return;
    size_t n = cs_disasm(handle, arena(CODE_AT), out.host_size, ARENA + CODE_AT, 0, &insn);
    for (size_t i = 0; i < n; i++)
        fprintf(stderr, "    %llx  %s %s\n", (unsigned long long)insn[i].address, insn[i].mnemonic, insn[i].op_str);
    if (n != 0)
        cs_free(insn, n);
    cs_close(&handle);
}
