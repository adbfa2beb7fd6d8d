// The bzImage loader: what it puts where, and every kind of bad input.
#include "tests/machine/loader_fixture.h"

static void test_places_everything(void **state) {
    struct fixture *f = *state;
    build_bzimage(&f->file);
    uint8_t initrd[5000];
    memset(initrd, 0x5a, sizeof initrd);
    f->request.initrd = scratch_write(&f->scratch, "initrd", initrd, sizeof initrd);
    f->request.append = "console=ttyS0 quiet";
    assert_int_equal(fixture_load(f, 64 * MIB), 0);

    assert_flat_state(f);
    assert_int_equal(f->state.eip, 0x100000);
    assert_memory_equal(f->ram.host + 0x100000, f->file.bytes + BZIMAGE_SETUP_SIZE, BZIMAGE_PAYLOAD_SIZE);
    uint32_t zero_page = f->state.gpr[CPU_ESI];
    assert_int_equal(f->state.gpr[CPU_EBX] | f->state.gpr[CPU_EBP] | f->state.gpr[CPU_EDI], 0);

    uint32_t cmdline = ram32(f, zero_page + 0x228);
    assert_string_equal((char *)f->ram.host + cmdline, "console=ttyS0 quiet");
    uint32_t ramdisk = ram32(f, zero_page + 0x218);
    assert_int_equal(ram32(f, zero_page + 0x21c), sizeof initrd);
    assert_int_equal(ramdisk, 64 * MIB - 8192); // as high as it can be, on a page
    assert_memory_equal(f->ram.host + ramdisk, initrd, sizeof initrd);

    const uint8_t *page = f->ram.host + zero_page;
    assert_int_equal(page[0x210], 0xff);
    assert_int_equal(page[0x211], 0x01);
    assert_int_equal(ram32(f, zero_page + 0x202), 0x53726448);
    assert_int_equal(ram32(f, zero_page + 0x214), 0x100000);
    for (int i = 4; i < 0x40; i++) // screen_info claims no screen; ext_mem_k lies before it
        assert_int_equal(page[i], 0);
}

static void test_memory_map(void **state) {
    struct fixture *f = *state;
    build_bzimage(&f->file);
    assert_int_equal(fixture_load(f, 64 * MIB), 0);
    uint32_t zero_page = f->state.gpr[CPU_ESI];
    static const struct {
        uint32_t start, size, type;
    } expected[] = {{0, 0x9fc00, 1}, {0x9fc00, 0x60400, 2}, {0x100000, 63 << 20, 1}};
    assert_int_equal(f->ram.host[zero_page + 0x1e8], 3);
    for (unsigned i = 0; i < 3; i++) {
        uint64_t at = zero_page + 0x2d0 + i * 20;
        assert_int_equal(ram32(f, at), expected[i].start);
        assert_int_equal(ram32(f, at + 4), 0);
        assert_int_equal(ram32(f, at + 8), expected[i].size);
        assert_int_equal(ram32(f, at + 12), 0);
        assert_int_equal(ram32(f, at + 16), expected[i].type);
    }
    assert_int_equal(ram32(f, zero_page + 0x1e0), 63 << 10);
    assert_int_equal(ram32(f, zero_page + 0x218), 0); // no initrd
    assert_int_equal(ram32(f, zero_page + 0x21c), 0);
}

static void test_initrd_below_its_limit(void **state) {
    struct fixture *f = *state;
    build_bzimage(&f->file);
    put32(f->file.bytes + 0x22c, 0x01ffffff);
    f->request.initrd = scratch_write(&f->scratch, "initrd", "x", 1);
    assert_int_equal(fixture_load(f, 64 * MIB), 0);
    assert_int_equal(ram32(f, f->state.gpr[CPU_ESI] + 0x218), 0x01fff000);
}

static void test_old_protocol_defaults(void **state) {
    struct fixture *f = *state;
    build_bzimage(&f->file);
    put16(f->file.bytes + 0x206, 0x0204);
    f->file.bytes[0x201] = 0x2e;
    f->file.bytes[0x1f1] = 0; // means four sectors
    assert_int_equal(fixture_load(f, 4 * MIB), 0);
    assert_int_equal(f->ram.host[f->state.gpr[CPU_ESI] + 0x234], 0); // behind the header nothing was copied
}

static void test_trailing_bytes_are_not_loaded(void **state) {
    struct fixture *f = *state; // a signed kernel has its signature behind the payload
    build_bzimage(&f->file);
    memset(f->file.bytes + f->file.size, 0xee, 100);
    f->file.size += 100;
    assert_int_equal(fixture_load(f, 64 * MIB), 0);
    assert_int_equal(f->ram.host[0x100000 + BZIMAGE_PAYLOAD_SIZE], 0);
}

static void test_truncated(void **state) {
    struct fixture *f = *state;
    build_bzimage(&f->file);
    f->file.size--;
    assert_load_fails(f, 64 * MIB, "/kernel", "is truncated: 6655 bytes, its header says 6656");
}

static void test_truncated_header(void **state) {
    struct fixture *f = *state;
    build_bzimage(&f->file);
    f->file.size = 0x210;
    assert_load_fails(f, 64 * MIB, "/kernel", "is truncated");
}

static void test_old_protocol(void **state) {
    struct fixture *f = *state;
    build_bzimage(&f->file);
    put16(f->file.bytes + 0x206, 0x0203);
    assert_load_fails(f, 64 * MIB, "/kernel", "protocol 2.03, but at least 2.04");
}

static void test_wrong_header_length(void **state) {
    struct fixture *f = *state;
    build_bzimage(&f->file);
    f->file.bytes[0x201] = 0x10;
    assert_load_fails(f, 64 * MIB, "/kernel", "header of a wrong length");
}

static void test_zimage(void **state) {
    struct fixture *f = *state;
    build_bzimage(&f->file);
    f->file.bytes[0x211] = 0;
    assert_load_fails(f, 64 * MIB, "/kernel", "zImage");
}

static void test_64_bit_kernel(void **state) {
    struct fixture *f = *state;
    build_bzimage(&f->file);
    put16(f->file.bytes + 0x236, 1);
    assert_load_fails(f, 64 * MIB, "/kernel", "64-bit Linux kernel");
}

static void test_no_payload(void **state) {
    struct fixture *f = *state;
    build_bzimage(&f->file);
    put32(f->file.bytes + 0x1f4, 0);
    assert_load_fails(f, 64 * MIB, "/kernel", "is truncated");
}

static void test_memory_too_small_for_kernel(void **state) {
    struct fixture *f = *state;
    build_bzimage(&f->file);
    assert_load_fails(f, 16 * MIB, "/kernel", "needs 17 MiB of memory, the machine has 16 MiB");
}

static void test_absurd_pref_address(void **state) {
    struct fixture *f = *state;
    build_bzimage(&f->file);
    memset(f->file.bytes + 0x258, 0xff, 8);
    assert_load_fails(f, 16 * MIB, "/kernel", "the machine has 16 MiB");
}

static void test_memory_too_small_for_initrd(void **state) {
    struct fixture *f = *state;
    build_bzimage(&f->file);
    static uint8_t initrd[4 << 20];
    f->request.initrd = scratch_write(&f->scratch, "initrd", initrd, sizeof initrd);
    assert_load_fails(f, 20 * MIB, "/initrd",
                      "needs 21 MiB of memory together with the kernel, the machine has 20 MiB");
}

static void test_initrd_beyond_the_kernels_limit(void **state) {
    struct fixture *f = *state;
    build_bzimage(&f->file);
    put32(f->file.bytes + 0x22c, (18u << 20) - 1);
    static uint8_t initrd[2 << 20];
    f->request.initrd = scratch_write(&f->scratch, "initrd", initrd, sizeof initrd);
    assert_load_fails(f, 64 * MIB, "/initrd", "too large (2 MiB) for this kernel");
}

static void test_command_line_too_long(void **state) {
    struct fixture *f = *state;
    build_bzimage(&f->file);
    char text[2049];
    memset(text, 'a', 2048);
    text[2048] = '\0';
    f->request.append = text;
    assert_load_fails(f, 64 * MIB, "/kernel", "at most 2047 bytes, 2048 were given");
}

static void test_missing_files(void **state) {
    struct fixture *f = *state;
    f->request.kernel = "/nonexistent/vmlinuz";
    assert_load_fails(f, 64 * MIB, "/nonexistent/vmlinuz", "cannot open: No such file or directory");
    ram_destroy(&f->ram);
    build_bzimage(&f->file);
    f->request.kernel = NULL;
    f->request.initrd = "/nonexistent/initrd";
    assert_load_fails(f, 64 * MIB, "initrd /nonexistent/initrd", "cannot open");
}

static void test_not_a_kernel(void **state) {
    struct fixture *f = *state;
    memset(f->file.bytes, 'x', 10000);
    f->file.size = 10000;
    assert_load_fails(f, 64 * MIB, "/kernel", "neither a Linux bzImage nor a Multiboot kernel");
}

static void test_empty_and_directory(void **state) {
    struct fixture *f = *state;
    f->file.size = 0;
    assert_load_fails(f, 64 * MIB, "/kernel", "is empty");
    ram_destroy(&f->ram);
    f->request.kernel = "/tmp";
    assert_load_fails(f, 64 * MIB, "/tmp", "is a directory");
}

static void test_gzip(void **state) {
    struct fixture *f = *state;
    memcpy(f->file.bytes, "\x1f\x8b\x08", 3);
    f->file.size = 3;
    assert_load_fails(f, 64 * MIB, "/kernel", "gzip");
}

static void test_modules_are_refused(void **state) {
    struct fixture *f = *state;
    build_bzimage(&f->file);
    f->modules[0].path = "/dev/null";
    f->request.module_count = 1;
    assert_load_fails(f, 64 * MIB, "/kernel", "no modules");
}

static void test_long_path_keeps_the_reason(void **state) {
    struct fixture *f = *state;
    char path[1000];
    memset(path, 'd', sizeof path);
    path[0] = '/';
    strcpy(path + 990, "/vmlinuz");
    f->request.kernel = path;
    assert_load_fails(f, 64 * MIB, "/vmlinuz", "cannot open: File name too long");
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_places_everything),
        TEST(test_memory_map),
        TEST(test_initrd_below_its_limit),
        TEST(test_old_protocol_defaults),
        TEST(test_trailing_bytes_are_not_loaded),
        TEST(test_truncated),
        TEST(test_truncated_header),
        TEST(test_old_protocol),
        TEST(test_wrong_header_length),
        TEST(test_zimage),
        TEST(test_64_bit_kernel),
        TEST(test_no_payload),
        TEST(test_memory_too_small_for_kernel),
        TEST(test_absurd_pref_address),
        TEST(test_memory_too_small_for_initrd),
        TEST(test_initrd_beyond_the_kernels_limit),
        TEST(test_command_line_too_long),
        TEST(test_missing_files),
        TEST(test_not_a_kernel),
        TEST(test_empty_and_directory),
        TEST(test_gzip),
        TEST(test_modules_are_refused),
        TEST(test_long_path_keeps_the_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
