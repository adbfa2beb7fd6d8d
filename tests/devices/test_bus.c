// The buses: splitting, bounds, unassigned space, errors of registration.
#include "fixture.h"

#include <string.h>

// A device that records its accesses and answers with a pattern of them.
struct recorder {
    unsigned reads, writes;
    unsigned size;
    uint64_t address[16];
    uint64_t value[16];
};

static uint32_t record_in(void *device, uint16_t port, unsigned size) {
    struct recorder *r = device;
    r->address[r->reads++] = port;
    r->size = size;
    return 0x11223300u + port; // more bits than a byte access may show
}

static void record_out(void *device, uint16_t port, unsigned size, uint32_t value) {
    struct recorder *r = device;
    r->address[r->writes] = port;
    r->value[r->writes++] = value;
    r->size = size;
}

static void test_unassigned_ports_read_ones(void **state) {
    (void)state;
    struct io_bus *bus = io_bus_create(NULL);
    assert_int_equal(io_bus_read(bus, 0x1234, 1), 0xff);
    assert_int_equal(io_bus_read(bus, 0x1234, 2), 0xffff);
    assert_int_equal(io_bus_read(bus, 0xffff, 4), 0xffffffff);
    io_bus_write(bus, 0xffff, 4, 0);
    io_bus_destroy(bus);
}

static void test_byte_device_sees_bytes(void **state) {
    (void)state;
    struct io_bus *bus = io_bus_create(NULL);
    struct recorder r = {0};
    assert_int_equal(io_bus_register(bus, 0x20, 4, record_in, record_out, &r, NULL), 0);
    assert_int_equal(io_bus_read(bus, 0x20, 4), 0x23222120);
    assert_int_equal(r.reads, 4);
    assert_int_equal(r.size, 1);
    io_bus_write(bus, 0x21, 2, 0xabcd);
    assert_int_equal(r.writes, 2);
    assert_int_equal(r.address[0], 0x21);
    assert_int_equal(r.value[0], 0xcd);
    assert_int_equal(r.address[1], 0x22);
    assert_int_equal(r.value[1], 0xab);
    io_bus_destroy(bus);
}

static void test_access_across_the_edge(void **state) {
    (void)state;
    struct io_bus *bus = io_bus_create(NULL);
    struct recorder r = {0};
    assert_int_equal(io_bus_register(bus, 0x40, 1, record_in, record_out, &r, NULL), 0);
    assert_int_equal(io_bus_read(bus, 0x3f, 4), 0xffff40ff);
    io_bus_write(bus, 0x3f, 2, 0x5566);
    assert_int_equal(r.writes, 1);
    assert_int_equal(r.value[0], 0x55);
    io_bus_destroy(bus);
}

static void test_ports_wrap(void **state) {
    (void)state;
    struct io_bus *bus = io_bus_create(NULL);
    struct recorder r = {0};
    assert_int_equal(io_bus_register(bus, 0, 1, record_in, record_out, &r, NULL), 0);
    assert_int_equal(io_bus_read(bus, 0xffff, 2), 0x00ff);
    assert_int_equal(r.address[0], 0);
    io_bus_destroy(bus);
}

static void test_wide_device(void **state) {
    (void)state;
    struct io_bus *bus = io_bus_create(NULL);
    struct recorder r = {0};
    assert_int_equal(io_bus_register_wide(bus, 0xf4, 4, 4, record_in, record_out, &r, NULL), 0);
    io_bus_write(bus, 0xf4, 4, 0xdeadbeef);
    assert_int_equal(r.writes, 1);
    assert_int_equal(r.size, 4);
    assert_int_equal(r.value[0], 0xdeadbeef);
    io_bus_write(bus, 0xf4, 2, 0xdeadbeef); // upper bits are cut off
    assert_int_equal(r.value[1], 0xbeef);
    assert_int_equal(r.size, 2);
    r.writes = 0;
    io_bus_write(bus, 0xf6, 4, 0x44332211); // leaves the range: bytes
    assert_int_equal(r.writes, 2);
    assert_int_equal(r.value[1], 0x22);
    io_bus_destroy(bus);
}

static void test_io_registration_errors(void **state) {
    (void)state;
    struct io_bus *bus = io_bus_create(NULL);
    struct error err = {{0}};
    assert_int_equal(io_bus_register(bus, 0x60, 1, NULL, NULL, NULL, &err), 0);
    assert_int_equal(io_bus_register(bus, 0x5f, 2, NULL, NULL, NULL, &err), -1);
    assert_non_null(strstr(err.text, "0x60"));
    assert_int_equal(io_bus_register(bus, 0xffff, 2, NULL, NULL, NULL, &err), -1);
    assert_int_equal(io_bus_register(bus, 0xffff, 1, NULL, NULL, NULL, &err), 0);
    assert_int_equal(io_bus_register(bus, 0x70, 0, NULL, NULL, NULL, &err), -1);
    assert_int_equal(io_bus_register_wide(bus, 0x70, 4, 3, NULL, NULL, NULL, &err), -1);
    assert_int_equal(io_bus_read(bus, 0x60, 1), 0xff); // no read function
    io_bus_write(bus, 0x60, 1, 0);
    unsigned registered = 2;
    while (!io_bus_register(bus, (uint16_t)(0x1000 + registered), 1, NULL, NULL, NULL, &err))
        registered++;
    assert_int_equal(registered, 255);
    io_bus_destroy(bus);
}

static uint64_t record_load(void *device, uint64_t gpa, unsigned size) {
    struct recorder *r = device;
    r->address[r->reads++] = gpa;
    r->size = size;
    return 0xf0f1f2f3f4f5f600u | (gpa & 0xff);
}

static void record_store(void *device, uint64_t gpa, unsigned size, uint64_t value) {
    struct recorder *r = device;
    r->address[r->writes] = gpa;
    r->value[r->writes++] = value;
    r->size = size;
}

static void test_mmio(void **state) {
    (void)state;
    struct mmio_bus *bus = mmio_bus_create(NULL);
    struct recorder a = {0};
    struct recorder b = {0};
    struct error err;
    assert_null(mmio_bus_find(bus, 0));
    assert_int_equal(mmio_bus_register(bus, 0xb8000, 0x8000, record_load, record_store, &b, &err), 0);
    assert_int_equal(mmio_bus_register(bus, 0xa0000, 0x10000, record_load, record_store, &a, &err), 0);
    assert_null(mmio_bus_find(bus, 0x9ffff));
    assert_non_null(mmio_bus_find(bus, 0xa0000));
    assert_non_null(mmio_bus_find(bus, 0xaffff));
    assert_null(mmio_bus_find(bus, 0xb0000));
    assert_ptr_not_equal(mmio_bus_find(bus, 0xa0000), mmio_bus_find(bus, 0xbffff));
    assert_int_equal(mmio_bus_read(bus, 0xa0010, 8), 0xf0f1f2f3f4f5f610);
    assert_int_equal(mmio_bus_read(bus, 0xb0000, 4), 0xffffffff);
    assert_int_equal(mmio_bus_read(bus, 0xaffff, 2), 0xffff);
    assert_int_equal(mmio_bus_read(bus, 0xaffff, 3), 0xffffff);
    mmio_bus_write(bus, 0xb7ffe, 4, 0x44332211);
    assert_int_equal(b.writes, 2);
    assert_int_equal(b.address[1], 0xb8001);
    assert_int_equal(b.value[1], 0x44);
    mmio_bus_write(bus, 0xb8003, 3, 0xffffffffffffffff);
    assert_int_equal(b.value[2], 0xffffff);
    assert_int_equal(b.size, 3);
    assert_int_equal(mmio_bus_register(bus, 0xaffff, 2, NULL, NULL, NULL, &err), -1);
    assert_int_equal(mmio_bus_register(bus, 0x90000, 0x100000, NULL, NULL, NULL, &err), -1);
    assert_int_equal(mmio_bus_register(bus, 0, 0, NULL, NULL, NULL, &err), -1);
    assert_int_equal(mmio_bus_register(bus, UINT64_MAX, 2, NULL, NULL, NULL, &err), -1);
    mmio_bus_destroy(bus);
}

static void test_log(void **state) {
    (void)state;
    char text[256] = {0};
    FILE *out = fmemopen(text, sizeof text, "w");
    struct log log = {LOG_DEVICES, out};
    struct io_bus *bus = io_bus_create(&log);
    io_bus_read(bus, 0x80, 2);
    io_bus_write(bus, 0x80, 1, 0x1ff);
    io_bus_destroy(bus);
    fclose(out);
    assert_string_equal(text, "devices: in16 0080 -> ffff\ndevices: out8 0080 <- ff\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unassigned_ports_read_ones),
        cmocka_unit_test(test_byte_device_sees_bytes),
        cmocka_unit_test(test_access_across_the_edge),
        cmocka_unit_test(test_ports_wrap),
        cmocka_unit_test(test_wide_device),
        cmocka_unit_test(test_io_registration_errors),
        cmocka_unit_test(test_mmio),
        cmocka_unit_test(test_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
