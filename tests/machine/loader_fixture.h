// What both loader tests share: RAM, a scratch directory, one loading, and its error text.
#ifndef TESTS_MACHINE_LOADER_FIXTURE_H
#define TESTS_MACHINE_LOADER_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "machine/guest.h"
#include "tests/machine/kernel_builder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MIB (1ull << 20)

struct fixture {
    struct scratch scratch;
    struct kernel_file file;
    struct ringshade_guest request;
    struct ringshade_module modules[RINGSHADE_MODULES_MAX];
    struct ram ram;
    struct guest guest;
    struct cpu_state state;
    struct error err;
};

static inline int fixture_setup(void **state) {
    struct fixture *f = calloc(1, sizeof *f);
    scratch_create(&f->scratch);
    f->request.modules = f->modules;
    *state = f;
    return f ? 0 : -1;
}

static inline int fixture_teardown(void **state) {
    struct fixture *f = *state;
    guest_close(&f->guest);
    if (f->ram.host)
        ram_destroy(&f->ram);
    scratch_destroy(&f->scratch);
    free(f);
    return 0;
}

// Writes f->file as the kernel and loads it into a machine of `memory` bytes. 0 or -1 with f->err.
static inline int fixture_load(struct fixture *f, uint64_t memory) {
    if (!f->request.kernel)
        f->request.kernel = scratch_write(&f->scratch, "kernel", f->file.bytes, f->file.size);
    assert_int_equal(ram_create(&f->ram, memory, &f->err), 0);
    if (guest_open(&f->guest, &f->request, &f->err))
        return -1;
    return guest_place(&f->guest, &f->ram, &f->state, &f->err);
}

// Loading fails with one line that names `file` and contains `reason`.
static inline void assert_load_fails(struct fixture *f, uint64_t memory, const char *file, const char *reason) {
    assert_int_equal(fixture_load(f, memory), -1);
    if (!strstr(f->err.text, reason) || !strstr(f->err.text, file) || strchr(f->err.text, '\n'))
        fail_msg("error text is: %s", f->err.text);
}

static inline uint32_t ram32(const struct fixture *f, uint64_t gpa) {
    return get_le32(f->ram.host + gpa);
}

// The state that both protocols ask for.
static inline void assert_flat_state(const struct fixture *f) {
    const struct cpu_state *s = &f->state;
    assert_int_equal(s->cr0 & 0x80000001u, 1);
    assert_int_equal(s->eflags, 2);
    for (int i = 0; i < CPU_SEG_COUNT; i++) {
        assert_int_equal(s->seg[i].base, 0);
        assert_int_equal(s->seg[i].limit, 0xffffffffu);
        assert_int_equal(s->seg[i].selector, i == CPU_SEG_CS ? 0x10 : 0x18);
        assert_int_equal(s->seg[i].attr, i == CPU_SEG_CS ? 0xc9b : 0xc93);
        // The table in memory says the same as the hidden parts.
        uint64_t at = s->gdt_base + s->seg[i].selector;
        assert_int_equal(ram32(f, at), 0x0000ffff);
        assert_int_equal(ram32(f, at + 4), i == CPU_SEG_CS ? 0x00cf9b00 : 0x00cf9300);
    }
    assert_int_equal(s->gdt_limit, 31);
}

#endif
