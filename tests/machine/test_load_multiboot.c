// The Multiboot loader: ELF and flat images, modules, the information block, and every kind of bad input.
#include "tests/machine/loader_fixture.h"

static void test_elf(void **state) {
    struct fixture *f = *state;
    build_multiboot_elf(&f->file);
    f->request.append = "verbose";
    assert_int_equal(fixture_load(f, 16 * MIB), 0);
    assert_flat_state(f);
    assert_int_equal(f->state.gpr[CPU_EAX], 0x2badb002);
    assert_int_equal(f->state.eip, 0x100200); // virtual entry, turned into a physical address
    assert_memory_equal(f->ram.host + 0x100000, f->file.bytes, ELF_KERNEL_SIZE);

    uint32_t info = f->state.gpr[CPU_EBX];
    uint32_t flags = ram32(f, info);
    assert_int_equal(flags & 0x249, 0x249); // memory, modules, map, loader name
    assert_int_equal(flags & 4, 4);
    assert_int_equal(ram32(f, info + 4), 639);
    assert_int_equal(ram32(f, info + 8), 15 << 10);
    char expected[256];
    snprintf(expected, sizeof expected, "%s verbose", f->request.kernel);
    assert_string_equal((char *)f->ram.host + ram32(f, info + 16), expected);
    assert_string_equal((char *)f->ram.host + ram32(f, info + 64), "Ringshade " RINGSHADE_VERSION);
    assert_int_equal(ram32(f, info + 20), 0);
}

static void test_flat(void **state) {
    struct fixture *f = *state;
    build_multiboot_flat(&f->file);
    assert_int_equal(fixture_load(f, 16 * MIB), 0);
    assert_int_equal(f->state.eip, 0x200080);
    assert_memory_equal(f->ram.host + 0x200000, f->file.bytes, FLAT_KERNEL_SIZE);
}

static void test_flat_with_an_end(void **state) {
    struct fixture *f = *state;
    build_multiboot_flat(&f->file);
    put32(f->file.bytes + FLAT_KERNEL_HEADER + 20, 0x00200000 + 1024);
    assert_int_equal(fixture_load(f, 16 * MIB), 0);
    assert_memory_equal(f->ram.host + 0x200000, f->file.bytes, 1024);
    assert_int_equal(ram32(f, 0x200000 + 1024), 0);
}

static void test_memory_map(void **state) {
    struct fixture *f = *state;
    build_multiboot_elf(&f->file);
    assert_int_equal(fixture_load(f, 16 * MIB), 0);
    uint32_t info = f->state.gpr[CPU_EBX];
    assert_int_equal(ram32(f, info + 44), 3 * 24);
    static const struct {
        uint32_t start, size, type;
    } expected[] = {{0, 0x9fc00, 1}, {0x9fc00, 0x60400, 2}, {0x100000, 15 << 20, 1}};
    for (unsigned i = 0; i < 3; i++) {
        uint64_t at = ram32(f, info + 48) + i * 24;
        assert_int_equal(ram32(f, at), 20);
        assert_int_equal(ram32(f, at + 4), expected[i].start);
        assert_int_equal(ram32(f, at + 8), 0);
        assert_int_equal(ram32(f, at + 12), expected[i].size);
        assert_int_equal(ram32(f, at + 20), expected[i].type);
    }
}

static void test_modules(void **state) {
    struct fixture *f = *state;
    build_multiboot_elf(&f->file);
    f->request.initrd = scratch_write(&f->scratch, "first", "AAAA", 4);
    f->modules[0] = (struct ringshade_module){scratch_write(&f->scratch, "second", "BBBBB", 5), "two words"};
    f->request.module_count = 1;
    assert_int_equal(fixture_load(f, 16 * MIB), 0);
    uint32_t info = f->state.gpr[CPU_EBX];
    assert_int_equal(ram32(f, info + 20), 2);
    uint64_t at = ram32(f, info + 24);
    // Behind the kernel's bss, each on a page of its own.
    assert_int_equal(ram32(f, at), 0x102000);
    assert_int_equal(ram32(f, at + 4), 0x102004);
    assert_int_equal(ram32(f, at + 16), 0x103000);
    assert_int_equal(ram32(f, at + 20), 0x103005);
    assert_memory_equal(f->ram.host + 0x102000, "AAAA", 4);
    assert_memory_equal(f->ram.host + 0x103000, "BBBBB", 5);
    char expected[256];
    snprintf(expected, sizeof expected, "%s two words", f->modules[0].path);
    assert_string_equal((char *)f->ram.host + ram32(f, at + 8), f->request.initrd);
    assert_string_equal((char *)f->ram.host + ram32(f, at + 24), expected);
}

static void test_info_avoids_a_low_kernel(void **state) {
    struct fixture *f = *state;
    build_multiboot_flat(&f->file);
    uint8_t *header = f->file.bytes + FLAT_KERNEL_HEADER;
    put32(header + 12, 0x10000 + FLAT_KERNEL_HEADER);
    put32(header + 16, 0x10000);
    put32(header + 24, 0x18000);
    put32(header + 28, 0x10080);
    assert_int_equal(fixture_load(f, 16 * MIB), 0);
    assert_int_equal(f->state.gpr[CPU_EBX], 0x18000);
    assert_memory_equal(f->ram.host + 0x10000, f->file.bytes, FLAT_KERNEL_SIZE);
}

static void test_info_behind_everything_when_low_memory_is_taken(void **state) {
    struct fixture *f = *state;
    build_multiboot_flat(&f->file);
    uint8_t *header = f->file.bytes + FLAT_KERNEL_HEADER;
    put32(header + 12, 0x1000 + FLAT_KERNEL_HEADER);
    put32(header + 16, 0x1000);
    put32(header + 24, 0xa0000);
    put32(header + 28, 0x1080);
    f->request.initrd = scratch_write(&f->scratch, "module", "M", 1);
    assert_int_equal(fixture_load(f, 16 * MIB), 0);
    assert_int_equal(f->state.gpr[CPU_EBX], 0x101000);
}

static void test_truncated_elf(void **state) {
    struct fixture *f = *state;
    build_multiboot_elf(&f->file);
    f->file.size--;
    assert_load_fails(f, 16 * MIB, "/kernel", "is truncated: an ELF segment ends at byte 4096, the file has 4095");
}

static void test_truncated_flat(void **state) {
    struct fixture *f = *state;
    build_multiboot_flat(&f->file);
    put32(f->file.bytes + FLAT_KERNEL_HEADER + 20, 0x00200000 + FLAT_KERNEL_SIZE);
    f->file.size = 2048;
    assert_load_fails(f, 16 * MIB, "/kernel", "is truncated");
}

static void test_truncated_header(void **state) {
    struct fixture *f = *state;
    build_multiboot_flat(&f->file);
    f->file.size = FLAT_KERNEL_HEADER + 20;
    assert_load_fails(f, 16 * MIB, "/kernel", "is truncated: its Multiboot header is cut off");
}

static void test_truncated_program_headers(void **state) {
    struct fixture *f = *state;
    build_multiboot_elf(&f->file);
    put32(f->file.bytes + 28, ELF_KERNEL_SIZE - 16);
    assert_load_fails(f, 16 * MIB, "/kernel", "program headers are cut off");
}

static void test_wrong_checksum(void **state) {
    struct fixture *f = *state;
    build_multiboot_elf(&f->file);
    f->file.bytes[ELF_KERNEL_HEADER + 8]++;
    assert_load_fails(f, 16 * MIB, "/kernel", "ELF file without a Multiboot header");
}

static void test_unknown_feature(void **state) {
    struct fixture *f = *state;
    build_multiboot_elf(&f->file);
    set_multiboot_flags(&f->file, ELF_KERNEL_HEADER, 0x80);
    assert_load_fails(f, 16 * MIB, "/kernel", "unknown Multiboot feature");
}

static void test_64_bit_elf(void **state) {
    struct fixture *f = *state;
    build_multiboot_elf(&f->file);
    f->file.bytes[4] = 2;
    assert_load_fails(f, 16 * MIB, "/kernel", "64-bit ELF");
}

static void test_other_machine(void **state) {
    struct fixture *f = *state;
    build_multiboot_elf(&f->file);
    put16(f->file.bytes + 18, 40);
    assert_load_fails(f, 16 * MIB, "/kernel", "another machine than i386");
}

static void test_not_executable(void **state) {
    struct fixture *f = *state;
    build_multiboot_elf(&f->file);
    put16(f->file.bytes + 16, 1);
    assert_load_fails(f, 16 * MIB, "/kernel", "not an executable");
}

static void test_no_segment(void **state) {
    struct fixture *f = *state;
    build_multiboot_elf(&f->file);
    put32(f->file.bytes + 52, 4);
    assert_load_fails(f, 16 * MIB, "/kernel", "no loadable ELF segment");
}

static void test_impossible_segment(void **state) {
    struct fixture *f = *state;
    build_multiboot_elf(&f->file);
    put32(f->file.bytes + 52 + 20, 16);
    assert_load_fails(f, 16 * MIB, "/kernel", "impossible sizes");
}

static void test_wrong_load_address(void **state) {
    struct fixture *f = *state;
    build_multiboot_flat(&f->file);
    put32(f->file.bytes + FLAT_KERNEL_HEADER + 16, 0x00100000);
    assert_load_fails(f, 16 * MIB, "/kernel", "load address is wrong");
}

static void test_memory_too_small(void **state) {
    struct fixture *f = *state;
    build_multiboot_elf(&f->file);
    put32(f->file.bytes + 52 + 20, 20u << 20);
    assert_load_fails(f, 16 * MIB, "/kernel", "needs 21 MiB of memory, the machine has 16 MiB");
}

static void test_memory_too_small_for_module(void **state) {
    struct fixture *f = *state;
    build_multiboot_elf(&f->file);
    static uint8_t module[4 << 20];
    f->modules[0].path = scratch_write(&f->scratch, "module", module, sizeof module);
    f->request.module_count = 1;
    assert_load_fails(f, 4 * MIB, "/module", "needs 6 MiB of memory together with the kernel, the machine has 4 MiB");
}

static void test_segment_in_the_hole(void **state) {
    struct fixture *f = *state;
    build_multiboot_elf(&f->file);
    put32(f->file.bytes + 52 + 12, 0x000b8000);
    assert_load_fails(f, 16 * MIB, "/kernel", "at 000b8000h, where the machine has no RAM");
}

static void test_missing_module(void **state) {
    struct fixture *f = *state;
    build_multiboot_elf(&f->file);
    f->modules[0].path = "/nonexistent/module";
    f->request.module_count = 1;
    assert_load_fails(f, 16 * MIB, "module /nonexistent/module", "cannot open");
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_elf),
        TEST(test_flat),
        TEST(test_flat_with_an_end),
        TEST(test_memory_map),
        TEST(test_modules),
        TEST(test_info_avoids_a_low_kernel),
        TEST(test_info_behind_everything_when_low_memory_is_taken),
        TEST(test_truncated_elf),
        TEST(test_truncated_flat),
        TEST(test_truncated_header),
        TEST(test_truncated_program_headers),
        TEST(test_wrong_checksum),
        TEST(test_unknown_feature),
        TEST(test_64_bit_elf),
        TEST(test_other_machine),
        TEST(test_not_executable),
        TEST(test_no_segment),
        TEST(test_impossible_segment),
        TEST(test_wrong_load_address),
        TEST(test_memory_too_small),
        TEST(test_memory_too_small_for_module),
        TEST(test_segment_in_the_hole),
        TEST(test_missing_module),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
