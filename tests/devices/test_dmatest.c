// The DMA test device: the copy, its errors, and that memory is reached without the device lock.
#include "fixture.h"

#include "devices/dmatest.h"

#include <string.h>
#include <time.h>

#define MEMORY      (1u << 20)
#define SOURCE      0x5a0
#define DESTINATION 0x5a4
#define LENGTH      0x5a8
#define COMMAND     0x5ac

struct dma_test {
    struct fixture f;
    struct dmatest *device;
    uint8_t *memory;
    bool reset_in_write;
};

// The lock must be free here: the processor may be waiting for it.
static void assert_unlocked(struct dma_test *t) {
    event_loop_lock(t->f.loop);
    event_loop_unlock(t->f.loop);
}

static int dma_read(void *opaque, uint64_t gpa, void *data, uint64_t size) {
    struct dma_test *t = opaque;
    assert_unlocked(t);
    if (gpa + size > MEMORY)
        return -1;
    memcpy(data, t->memory + gpa, size);
    return 0;
}

static int dma_write(void *opaque, uint64_t gpa, const void *data, uint64_t size) {
    struct dma_test *t = opaque;
    event_loop_lock(t->f.loop);
    if (t->reset_in_write)
        dmatest_reset(t->device);
    event_loop_unlock(t->f.loop);
    assert_false(t->f.line.level); // not published before the write has happened
    if (gpa + size > MEMORY)
        return -1;
    memcpy(t->memory + gpa, data, size);
    return 0;
}

static int setup(void **state) {
    struct dma_test *t = test_calloc(1, sizeof *t);
    fixture_create(&t->f);
    t->memory = test_malloc(MEMORY);
    for (unsigned i = 0; i < MEMORY; i++)
        t->memory[i] = (uint8_t)(i * 7 + (i >> 8));
    const struct dma_port dma = {dma_read, dma_write, t};
    t->device = dmatest_create(t->f.io, t->f.loop, fake_line(&t->f), dma, NULL);
    assert_non_null(t->device);
    *state = t;
    return 0;
}

static int teardown(void **state) {
    struct dma_test *t = *state;
    dmatest_destroy(t->device);
    test_free(t->memory);
    fixture_destroy(&t->f);
    test_free(t);
    return 0;
}

static void start(struct dma_test *t, uint32_t source, uint32_t destination, uint32_t length) {
    io_bus_write(t->f.io, SOURCE, 4, source);
    io_bus_write(t->f.io, DESTINATION, 4, destination);
    io_bus_write(t->f.io, LENGTH, 4, length);
    io_bus_write(t->f.io, COMMAND, 4, DMATEST_START);
}

static uint32_t status(struct dma_test *t) {
    return io_bus_read(t->f.io, COMMAND, 4);
}

static void test_copy(void **state) {
    struct dma_test *t = *state;
    start(t, 0x100, 0x80000, 200000); // more than one chunk
    assert_int_equal(status(t), DMATEST_BUSY);
    assert_false(t->f.line.level);
    io_bus_write(t->f.io, LENGTH, 4, 1); // does not touch the one in flight
    io_bus_write(t->f.io, COMMAND, 4, DMATEST_START);
    event_loop_turn(t->f.loop, 0);
    assert_int_equal(status(t), DMATEST_DONE);
    assert_true(t->f.line.level);
    assert_memory_equal(t->memory + 0x80000, t->memory + 0x100, 200000);
    assert_int_equal(t->memory[0x80000 + 200000], (uint8_t)((0x80000 + 200000) * 7 + ((0x80000 + 200000) >> 8)));
    io_bus_write(t->f.io, COMMAND, 4, DMATEST_ACKNOWLEDGE);
    assert_int_equal(status(t), 0);
    assert_false(t->f.line.level);
    assert_int_equal(io_bus_read(t->f.io, DESTINATION, 4), 0x80000);
}

static void test_errors(void **state) {
    struct dma_test *t = *state;
    static const uint32_t lengths[] = {0, DMATEST_LENGTH_MAX + 1};
    for (unsigned i = 0; i < 2; i++) {
        start(t, 0, 0x1000, lengths[i]);
        assert_int_equal(status(t), DMATEST_DONE | DMATEST_ERROR);
        assert_true(t->f.line.level);
        io_bus_write(t->f.io, COMMAND, 4, DMATEST_ACKNOWLEDGE);
    }
    start(t, MEMORY - 1, 0, 2);
    event_loop_turn(t->f.loop, 0);
    assert_int_equal(status(t), DMATEST_DONE | DMATEST_ERROR);
    io_bus_write(t->f.io, COMMAND, 4, DMATEST_ACKNOWLEDGE | DMATEST_START); // both at once
    assert_int_equal(status(t), DMATEST_BUSY);
    event_loop_turn(t->f.loop, 0);
    assert_int_equal(io_bus_read(t->f.io, SOURCE, 2), 0xffff); // registers are 32 bits wide
    io_bus_write(t->f.io, SOURCE, 2, 0);
    assert_int_equal(io_bus_read(t->f.io, SOURCE, 4), MEMORY - 1);
}

static void test_reset_aborts(void **state) {
    struct dma_test *t = *state;
    t->reset_in_write = true;
    start(t, 0, 0x40000, 200000);
    event_loop_turn(t->f.loop, 0);
    assert_int_equal(status(t), 0);
    assert_false(t->f.line.level);
    // The first chunk was written, the last one was not.
    assert_memory_equal(t->memory + 0x40000, t->memory, 100);
    assert_int_equal(t->memory[0x40000 + 199999], (uint8_t)((0x40000 + 199999) * 7 + ((0x40000 + 199999) >> 8)));
}

static void test_on_the_thread(void **state) {
    struct dma_test *t = *state;
    assert_int_equal(event_loop_start(t->f.loop, NULL), 0);
    event_loop_lock(t->f.loop);
    start(t, 0, 0x80000, 0x10000);
    event_loop_unlock(t->f.loop);
    bool done = false;
    for (unsigned i = 0; i < 5000 && !done; i++) {
        event_loop_lock(t->f.loop);
        done = status(t) & DMATEST_DONE;
        event_loop_unlock(t->f.loop);
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    event_loop_stop(t->f.loop);
    assert_true(done);
    assert_memory_equal(t->memory + 0x80000, t->memory, 0x10000);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_copy),
        TEST(test_errors),
        TEST(test_reset_aborts),
        TEST(test_on_the_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
