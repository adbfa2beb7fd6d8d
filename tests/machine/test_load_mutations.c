// Kernels broken at random: the loaders either accept one or say in one line what is wrong, and never touch a byte
// outside of the file (which the sanitizers see: every file is an allocation of exactly its size).
#include "machine/load_linux.h"
#include "machine/load_multiboot.h"
#include "tests/machine/loader_fixture.h"

#define MUTATIONS 20000
#define RAM_SIZE  (24 * MIB)

// xorshift32: the same kernels every time.
static uint32_t next(uint32_t *seed) {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

static void mutate(uint8_t *bytes, size_t size, size_t header_bytes, uint32_t *seed) {
    static const uint32_t extremes[] = {0, 1, 0x7fffffff, 0x80000000, 0xffffffff, 0xfffff000, 0x00100000, 0x000a0000};
    for (unsigned count = 1 + next(seed) % 4; count; count--) {
        size_t at = next(seed) % (header_bytes < size ? header_bytes : size);
        if (next(seed) % 2 || at + 4 > size)
            bytes[at] = (uint8_t)next(seed);
        else
            put32(bytes + at, extremes[next(seed) % (sizeof extremes / sizeof *extremes)]);
    }
}

// One broken kernel; true if it was accepted.
static bool load_mutation(struct fixture *f, size_t header_bytes, size_t multiboot_header, uint32_t *seed) {
    struct kernel_file file = f->file;
    mutate(file.bytes, file.size, header_bytes, seed);
    if (next(seed) % 4 == 0)
        file.size = 1 + next(seed) % file.size;
    if (multiboot_header && next(seed) % 2) // a right checksum lets the other fields be looked at
        set_multiboot_flags(&file, multiboot_header, next(seed) & 0x10003);
    struct guest guest = {.append = (char[]){""}};
    guest.kernel = (struct file_image){.role = (char[]){"kernel"}, .path = (char[]){"k"}, .size = file.size};
    guest.kernel.data = malloc(file.size);
    assert_non_null(guest.kernel.data);
    memcpy(guest.kernel.data, file.bytes, file.size);
    bool known = true, accepted = false;
    if (load_linux_recognises(&guest.kernel))
        guest.kind = GUEST_LINUX;
    else if (load_multiboot_recognises(&guest.kernel))
        guest.kind = GUEST_MULTIBOOT;
    else
        known = false;
    f->err.text[0] = '\0';
    if (known) {
        accepted = !guest_place(&guest, &f->ram, &f->state, &f->err);
        assert_true(accepted || *f->err.text);
        assert_null(strchr(f->err.text, '\n'));
    }
    free(guest.kernel.data);
    return accepted;
}

static void run_mutations(struct fixture *f, size_t header_bytes, size_t multiboot_header) {
    uint32_t seed = 0x20260001;
    unsigned accepted = 0;
    assert_int_equal(ram_create(&f->ram, RAM_SIZE, &f->err), 0);
    for (unsigned i = 0; i < MUTATIONS; i++)
        accepted += load_mutation(f, header_bytes, multiboot_header, &seed);
    // Both outcomes must be common, or the mutations test nothing.
    assert_in_range(accepted, MUTATIONS / 100, MUTATIONS - MUTATIONS / 100);
}

static void test_bzimage(void **state) {
    struct fixture *f = *state;
    build_bzimage(&f->file);
    run_mutations(f, 0x270, 0);
}

static void test_elf(void **state) {
    struct fixture *f = *state;
    build_multiboot_elf(&f->file);
    run_mutations(f, 0x120, ELF_KERNEL_HEADER);
}

static void test_flat(void **state) {
    struct fixture *f = *state;
    build_multiboot_flat(&f->file);
    run_mutations(f, 0x60, FLAT_KERNEL_HEADER);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {TEST(test_bzimage), TEST(test_elf), TEST(test_flat)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
