// A vCPU without an engine: the real emulation code and shadow MMU on a few MiB of RAM in flat protected mode, with
// descriptor tables, a task-state segment and handlers' gates at fixed places. The engine's functions are counted.
#ifndef TESTS_CPU_FIXTURE_H
#define TESTS_CPU_FIXTURE_H

#include "cpu/engine.h"
#include "cpu/semantics.h"
#include "devices/bus.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define FIXTURE_RAM 0x800000u
#define GDT         0x1000u
#define IDT         0x2000u
#define TSS         0x3000u
#define LDT         0x4000u
#define STACK0      0x8000u // ring-0 ESP in the TSS
#define STACK1      0x9000u
#define STACK3      0xa000u
#define CODE        0x10000u // EIP of the instruction under test
#define HANDLER     0x20000u // handler of vector n: + 16 n
#define DATA        0x30000u
#define PAGE_TABLES 0x100000u
#define UNMAPPED    0x700000u // with fixture_paging: a page that is not present

// Selectors of the GDT.
enum {
    SEL_CODE0 = 0x08,
    SEL_DATA0 = 0x10,
    SEL_CODE3 = 0x1b,
    SEL_DATA3 = 0x23,
    SEL_TSS = 0x28,
    SEL_LDT = 0x30,
    SEL_CODE1 = 0x39,
    SEL_DATA1 = 0x41,
    SEL_CONFORMING = 0x48,
    SEL_FREE = 0x50 /* and up: for tests */,
    GDT_LIMIT = 0xff,
};

// Access bytes.
enum { ACC_CODE0 = 0x9b, ACC_DATA0 = 0x93, ACC_CODE3 = 0xfb, ACC_DATA3 = 0xf3, ACC_CODE1 = 0xbb, ACC_DATA1 = 0xb3 };
// Flag nibbles.
enum { FLAGS_32 = 0xc, FLAGS_32_BYTES = 0x4, FLAGS_16 = 0 };

struct fixture {
    struct vcpu *v;
    struct ram ram;
    struct stats stats;
    struct engine engine;
    unsigned mode_changes, root_flushes, page_flushes, windows_opened, arms, stops, kills;
    enum cpu_stop why;
    // Ports: what was written last, and what reads return.
    unsigned port_reads, port_writes;
    uint16_t port;
    uint32_t port_value;
};

int fixture_setup(void **state);
int fixture_teardown(void **state);

uint64_t make_descriptor(uint32_t base, uint32_t limit, unsigned access, unsigned flags);
uint64_t make_gate(unsigned selector, uint32_t offset, unsigned access, unsigned parameters);
void fixture_descriptor(struct fixture *f, unsigned selector, uint64_t descriptor);
uint64_t fixture_get_descriptor(struct fixture *f, unsigned selector);
void fixture_gate(struct fixture *f, unsigned vector, uint64_t gate);
void put(struct fixture *f, uint32_t gpa, const void *data, size_t size);
void put32(struct fixture *f, uint32_t gpa, uint32_t value);
uint32_t get32(struct fixture *f, uint32_t gpa);

// Code at CPL `ring` (0, 1 or 3), flat, at CODE.
void fixture_ring(struct fixture *f, unsigned ring);
// Identity paging of the whole RAM, user pages; the page at UNMAPPED is absent.
void fixture_paging(struct fixture *f);
void fixture_unmap(struct fixture *f, uint32_t linear);

enum callout_result run(struct fixture *f, enum callout_id id, uint32_t r8, uint32_t r9, unsigned extra);
#define INSN_LENGTH 3u // that `run` pretends

void assert_fault(struct fixture *f, enum callout_result result, unsigned vector, uint32_t error);

#endif
