// A device writes to memory while the processor runs (devices/dmatest.h): data, code that has run, the loop that runs.
// Needs --dma-test; without the device the guest says so and fails.
#include "pc.h"

#include "paging.h"

enum {
    SOURCE = 0x5a0,
    DESTINATION = 0x5a4,
    LENGTH = 0x5a8,
    COMMAND = 0x5ac,
    START = 1,
    ACKNOWLEDGE = 2,
    BUSY = 1,
    DONE = 2,
    ERROR = 4,
    IRQ = 5
};

static void start(u32 from, u32 to, u32 length) {
    outl(COMMAND, ACKNOWLEDGE);
    outl(SOURCE, from);
    outl(DESTINATION, to);
    outl(LENGTH, length);
    outl(COMMAND, START);
}

static u32 finish(void) {
    for (u32 i = 0; i < 50000000; i++)
        if (inl(COMMAND) & DONE)
            break;
    u32 status = inl(COMMAND);
    outl(COMMAND, ACKNOWLEDGE);
    return status;
}

static u32 copy(u32 from, u32 to, u32 length) {
    start(from, to, length);
    return finish();
}

TEST(present) {
    if (inl(COMMAND) == 0xffffffff) {
        FAIL("no DMA test device");
        abort_test();
    }
    CHECK_EQ("idle", inl(COMMAND) & (BUSY | DONE), 0);
}

TEST(data) {
    u32 from = page_alloc(300), to = page_alloc(300);
    for (u32 size = 1; size < 1u << 20; size = size * 3 + 1) {
        for (u32 i = 0; i < size; i++)
            ((u8 *)from)[i] = (u8)(i * 7 + size);
        memset((void *)to, 0, size + 8);
        CHECK_EQ("status", copy(from + 1, to + 3, size), DONE);
        if (!CHECK(!memcmp((void *)(from + 1), (void *)(to + 3), size)))
            return;
        CHECK_EQ("before", ((u8 *)to)[2], 0);
        CHECK_EQ("behind", ((u8 *)to)[3 + size], 0);
    }
}

TEST(errors) {
    u32 page = page_alloc(1);
    CHECK(copy(page, page + 64, 0) & ERROR);
    CHECK(copy(0xf0000000, page, 16) & ERROR);
    CHECK(copy(page, 0xfffffff0, 16) & ERROR);
    CHECK_EQ("works again", copy(page, page + 64, 16), DONE);
}

static void routine(u32 at, u32 value) { // mov $value, %eax; ret
    u8 *p = (u8 *)at;
    p[0] = 0xb8;
    memcpy(p + 1, &value, 4);
    p[5] = 0xc3;
}

static u32 call(u32 at) {
    return ((u32(*)(void))at)();
}

TEST(code_replaced) { // translated code must not outlive the transfer
    u32 image = page_alloc(1), code = page_alloc(2);
    for (u32 i = 0; i < 200; i++) {
        u32 at = code + (i * 97) % 4090;
        routine(image, i * 3);
        CHECK_EQ("status", copy(image, at, 6), DONE);
        if (!CHECK_EQ("new code", call(at), i * 3))
            return;
        routine(image, i * 5);
        copy(image, at, 6);
        if (!CHECK_EQ("newer code", call(at), i * 5))
            return;
    }
}

TEST(page_of_code_replaced) {
    u32 image = page_alloc(2), code = page_alloc(1);
    for (u32 i = 0; i < 2; i++)
        for (u32 at = 0; at < 4096; at += 32)
            routine(image + i * 4096 + at, i << 16 | at);
    for (u32 round = 0; round < 50; round++) {
        copy(image + (round & 1) * 4096, code, 4096);
        for (u32 at = 0; at < 4096; at += 224)
            if (!CHECK_EQ("routine", call(code + at), (round & 1) << 16 | at))
                return;
    }
}

// A loop that nothing in the processor can end: the device writes over its immediate.
SNIPPET(spin, "1: mov $0, %ecx\n jecxz 1b", "mov $1, %eax")

TEST(running_loop_replaced) {
    u32 image = page_alloc(1), code = page_alloc(1);
    for (u32 i = 0; i < 20; i++) {
        u32 size = (u32)(spin_end - spin) + 2;
        memcpy((void *)code, spin, size);
        memcpy((void *)image, spin, size);
        ((u8 *)image)[1] = (u8)(i + 1);
        start(image, code, size);
        struct trap t = exec_ring((void *)code, 0);
        CHECK_DONE("ended", t);
        CHECK_EQ("ecx", t.r.ecx, i + 1);
        CHECK_EQ("status", finish(), DONE);
    }
}

static volatile u32 interrupts;
static u32 code_at;
static volatile u32 seen;
static bool on_irq(struct trap_frame *f) {
    (void)f;
    interrupts++;
    seen = call(code_at); // by then the bytes are there
    outl(COMMAND, ACKNOWLEDGE);
    pic_eoi(IRQ);
    return true;
}

TEST(completion_interrupt) {
    u32 image = page_alloc(1);
    code_at = page_alloc(1);
    cli();
    pic_init();
    hook_set(IRQ_VECTOR + IRQ, on_irq);
    pic_unmask(IRQ);
    for (u32 i = 0; i < 50; i++) {
        interrupts = 0;
        routine(image, i + 1000);
        start(image, code_at, 6);
        while (!interrupts)
            __asm__ volatile("sti; hlt; cli" ::: "memory");
        CHECK_EQ("one", interrupts, 1);
        if (!CHECK_EQ("code seen in the handler", seen, i + 1000))
            return;
    }
    pic_mask(IRQ);
}

TEST(mapped_data) { // through page tables, with the page read and written by the processor before and after
    struct space s = space_new(PAGING_32);
    space_identity(&s);
    u32 image = page_alloc(1), frame = page_alloc(1);
    space_map(&s, 0x50000000, frame, PTE_WU);
    space_enter(&s);
    volatile u32 *p = (volatile u32 *)0x50000010;
    for (u32 i = 0; i < 100; i++) {
        *p = i;
        *(volatile u32 *)image = ~i;
        copy(image, frame + 16, 4);
        if (!CHECK_EQ("from the device", *p, ~i))
            return;
    }
}
