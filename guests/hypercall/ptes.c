// Batches of page-table entries: the same as stores and INVLPG, also where they change the code that runs; a batch with
// anything wrong in it stores nothing.
#include "kit.h"

enum { AT = 0x50000000, CODE_AT = 0x70000000, PAGE = 4096, PAGES = 16, FRAMES = 4 };

static struct ringshade_pte batch[RINGSHADE_PTES_MAX + 1] __attribute__((aligned(4096)));

static u32 width(const struct space *s) {
    return s->mode == PAGING_PAE ? 8 : 4;
}

static void update(unsigned i, struct space *s, u32 linear, u64 value) {
    batch[i] = (struct ringshade_pte){(u32)space_pte(s, linear), linear | RINGSHADE_PTE_DROP, value};
}

static s32 apply(unsigned count, u32 size) {
    return call_alone(RINGSHADE_CALL_PTES, (u32)batch, count, size);
}

// ---- The same as stores --------------------------------------------------------------------------------------------

SNIPPET(load, "", "mov (%esi), %eax")
SNIPPET(store, "", "mov %eax, (%esi)")

static void check_pages(u32 frames, const u8 *which, const bool *writable) {
    for (unsigned ring = 0; ring <= 3; ring += 3)
        for (unsigned i = 0; i < PAGES; i++) {
            struct regs r = regs_for(ring);
            struct trap t;
            r.esi = AT + i * PAGE;
            exec(load, &r, &t);
            CHECK_DONE("load", t);
            CHECK_EQ("frame", t.r.eax, 0x1000 + which[i]);
            r.eax = 0x1000 + which[i];
            exec(store, &r, &t);
            if (writable[i])
                CHECK_DONE("store", t);
            else
                CHECK_PF(t, PF_P | PF_W | (ring ? PF_U : 0), AT + i * PAGE, store_at);
            CHECK_EQ("memory", *(volatile u32 *)(frames + which[i] * PAGE), 0x1000 + which[i]);
        }
}

static void remap(enum paging_mode mode) {
    struct space s = space_new(mode);
    u32 frames = page_alloc(FRAMES);
    u8 which[PAGES];
    bool writable[PAGES];
    space_identity(&s);
    for (unsigned i = 0; i < FRAMES; i++)
        *(u32 *)(frames + i * PAGE) = 0x1000 + i;
    for (unsigned i = 0; i < PAGES; i++)
        pte_set(&s, AT + i * PAGE, 0);
    space_enter(&s);
    for (unsigned round = 0; round < 30; round++) {
        for (unsigned i = 0; i < PAGES; i++) {
            which[i] = (u8)((i * 3 + round * 5 + round * i) % FRAMES);
            writable[i] = (i + round) % 3;
            update(i, &s, AT + i * PAGE, (frames + which[i] * PAGE) | PTE_P | PTE_U | (writable[i] ? PTE_W : 0));
        }
        CHECK_EQ("status", apply(PAGES, width(&s)), PAGES);
        for (unsigned i = 0; i < PAGES; i++)
            CHECK_EQ("entry", (u32)pte_get(&s, AT + i * PAGE), (u32)batch[i].value);
        check_pages(frames, which, writable);
    }
    for (unsigned i = 0; i < PAGES; i++)
        update(i, &s, AT + i * PAGE, 0);
    CHECK_EQ("status", apply(PAGES, width(&s)), PAGES);
    for (unsigned i = 0; i < PAGES; i++) {
        struct regs r = regs_for(i & 1 ? 3 : 0);
        struct trap t;
        r.esi = AT + i * PAGE;
        exec(load, &r, &t);
        CHECK_PF(t, i & 1 ? PF_U : 0, AT + i * PAGE, load_at);
    }
}

TEST(remap_32) {
    remap(PAGING_32);
}
TEST(remap_pae) {
    remap(PAGING_PAE);
}

// Nothing but the batch says that the page has another frame now: neither a fault nor an INVLPG comes between it and
// the next load at CPL 3, whose way there has been gone before. The load stands alone: the one above has met many
// faults.
SNIPPET(load_alone, "", "mov (%esi), %eax")

TEST(program_alone) {
    struct space s = space_new(PAGING_32);
    u32 frames = page_alloc(2);
    space_identity(&s);
    for (unsigned i = 0; i < 2; i++)
        *(u32 *)(frames + i * PAGE) = 77 + i;
    pte_set(&s, AT, frames | PTE_WU);
    space_enter(&s);
    for (unsigned i = 0; i < 40; i++) {
        struct regs r = regs_for(3);
        struct trap t;
        r.esi = AT;
        exec(load_alone, &r, &t);
        CHECK_EQ("page", t.r.eax, 77 + i / 4 % 2);
        update(0, &s, AT, (frames + (i + 1) / 4 % 2 * PAGE) | PTE_WU | PTE_A);
        CHECK_EQ("status", apply(1, 4), 1);
    }
}

TEST(directory) { // an entry of the directory: all its pages, of which one is named
    struct space s = space_new(PAGING_32);
    u32 frames = page_alloc(2), tables = page_alloc(2);
    space_identity(&s);
    for (unsigned i = 0; i < 2; i++) {
        *(u32 *)(frames + i * PAGE) = 77 + i;
        *(u32 *)(tables + i * PAGE) = (frames + i * PAGE) | PTE_WU;
    }
    pde_set(&s, AT, tables | PTE_WU);
    space_enter(&s);
    for (unsigned i = 0; i < 8; i++) {
        batch[0] =
            (struct ringshade_pte){(u32)space_pde(&s, AT), AT | RINGSHADE_PTE_DROP, (tables + i % 2 * PAGE) | PTE_WU};
        CHECK_EQ("status", apply(1, 4), 1);
        CHECK_EQ("page", *(volatile u32 *)AT, 77 + i % 2);
    }
}

TEST(large) { // any of its addresses stands for a page of 4 MiB
    struct space s = space_new(PAGING_32);
    space_identity(&s);
    u32 frame = page_alloc(1);
    pde_set(&s, AT, PTE_PS | PTE_WU); // shows the first 4 MiB
    space_enter(&s);
    for (unsigned i = 0; i < 8; i++) {
        *(volatile u32 *)frame = i;
        CHECK_EQ("page", *(volatile u32 *)(AT + frame), i);
        (void)*(volatile u32 *)(AT + 0x3ff000);
        batch[0] = (struct ringshade_pte){(u32)space_pde(&s, AT), (AT + 0x155000) | RINGSHADE_PTE_DROP,
                                          i & 1 ? PTE_PS | PTE_WU : 0};
        CHECK_EQ("status", apply(1, 4), 1);
        struct regs r = regs_for(0);
        struct trap t;
        r.esi = AT + 0x3ff000;
        exec(load, &r, &t);
        if (i & 1)
            CHECK_DONE("there", t);
        else
            CHECK_PF(t, 0, AT + 0x3ff000, load_at);
        pde_set(&s, AT, PTE_PS | PTE_WU);
        invlpg(AT);
    }
}

TEST(not_dropped) { // what was absent needs no drop
    struct space s = space_new(PAGING_32);
    u32 frame = page_alloc(1);
    space_identity(&s);
    pte_set(&s, AT, 0);
    space_enter(&s);
    update(0, &s, AT, frame | PTE_WU);
    batch[0].page = 0;
    CHECK_EQ("status", apply(1, 4), 1);
    *(volatile u32 *)AT = 5;
    CHECK_EQ("memory", *(volatile u32 *)frame, 5);
}

// ---- The code that runs --------------------------------------------------------------------------------------------

SNIPPET(remap_self, "vmcall", "mov $1, %edx")

static struct trap run_remap_self(struct space *s, u32 from, u32 to) {
    struct regs r = regs_for(0);
    struct trap t;
    pte_set(s, CODE_AT, from | PTE_WU);
    invlpg(CODE_AT);
    update(0, s, CODE_AT, to ? to | PTE_WU : 0);
    r.eax = RINGSHADE_CALL_PTES;
    r.ebx = (u32)batch;
    r.ecx = 1;
    r.edx = width(s);
    exec((void *)CODE_AT, &r, &t);
    return t;
}

static void remaps_itself(enum paging_mode mode) {
    struct space s = space_new(mode);
    u32 first = page_alloc(2), second = first + PAGE;
    space_identity(&s);
    for (unsigned i = 0; i < 2; i++)
        memcpy((void *)(first + i * PAGE), remap_self, (u32)(remap_self_end - remap_self) + 2);
    *(u32 *)(second + (u32)(remap_self_at - remap_self) + 1) = 2; // mov $2, %edx
    pte_set(&s, CODE_AT, first | PTE_WU);
    space_enter(&s);
    for (unsigned i = 0; i < 20; i++) {
        struct trap t = run_remap_self(&s, first, second);
        CHECK_DONE("remapped", t);
        CHECK_EQ("eax", t.r.eax, 1);
        CHECK_EQ("edx", t.r.edx, 2);
        t = run_remap_self(&s, second, first);
        CHECK_DONE("and back", t);
        CHECK_EQ("edx", t.r.edx, 1);
        t = run_remap_self(&s, first, 0);
        CHECK_PF(t, 0, CODE_AT + (u32)(remap_self_at - remap_self), (u8 *)CODE_AT + (remap_self_at - remap_self));
        CHECK_EQ("eax", t.r.eax, 1);
    }
}
TEST(remaps_itself_32) {
    remaps_itself(PAGING_32);
}
TEST(remaps_itself_pae) {
    remaps_itself(PAGING_PAE);
}

TEST(own_code) { // the entry is the code behind the call
    u32 code = page_alloc(1);
    for (unsigned i = 0; i < 20; i++) {
        struct regs r = regs_for(0);
        struct trap t;
        memcpy((void *)code, remap_self, (u32)(remap_self_end - remap_self) + 2);
        u32 at = (code + (u32)(remap_self_at - remap_self) + 1) & ~3u, value;
        memcpy(&value, (void *)at, 4);
        u32 shift = ((u32)(remap_self_at - remap_self) + 1 - (at - code)) * 8; // of the operand's first byte
        value = (value & ~(0xffu << shift)) | (0x40 + i) << shift;
        batch[0] = (struct ringshade_pte){at, 0, value};
        r.eax = RINGSHADE_CALL_PTES;
        r.ebx = (u32)batch;
        r.ecx = 1;
        r.edx = 4;
        exec((void *)code, &r, &t);
        CHECK_DONE("own code", t);
        CHECK_EQ("edx", t.r.edx, 0x40 + i);
    }
}

TEST(own_batch) { // it is read as a whole before anything is stored
    u32 target = page_alloc(1);
    batch[0] = (struct ringshade_pte){(u32)&batch[1].entry, 0, 0xfffffff0};
    batch[1] = (struct ringshade_pte){target, 0, 11};
    batch[2] = (struct ringshade_pte){target + 4, 0, 12};
    CHECK_EQ("status", apply(3, 4), 3);
    CHECK_EQ("first", batch[1].entry, 0xfffffff0);
    CHECK_EQ("second", ((u32 *)target)[0], 11);
    CHECK_EQ("third", ((u32 *)target)[1], 12);
}

TEST(order) { // of entries for one address the last one stays
    u32 target = page_alloc(1);
    for (unsigned i = 0; i < RINGSHADE_PTES_MAX; i++)
        batch[i] = (struct ringshade_pte){target, 0, i};
    CHECK_EQ("status", apply(RINGSHADE_PTES_MAX, 8), RINGSHADE_PTES_MAX);
    CHECK_EQ("last", *(u32 *)target, RINGSHADE_PTES_MAX - 1);
}

// ---- Refused -------------------------------------------------------------------------------------------------------

// The batch is a good entry, this one, and another good one: nothing is stored.
static void refuse(const char *what, struct ringshade_pte bad, u32 size, s32 status) {
    u32 target = page_alloc(1);
    batch[0] = (struct ringshade_pte){target, 0, 1};
    batch[1] = bad;
    batch[2] = (struct ringshade_pte){target + 8, 0, 1};
    check_context(what);
    CHECK_EQ("status", apply(3, size), status);
    CHECK_EQ("first", *(u32 *)target, 0);
    CHECK_EQ("third", *(u32 *)(target + 8), 0);
    check_context(NULL);
}

TEST(refused_entries) {
    u32 end = (memory_kib() << 10) + (1u << 20), good = page_alloc(1);
    static const u32 outside[] = {0xa0000, 0xb8000, 0xffff8, 0xfee00000, 0xfffffff8};
    for (u32 size = 4; size <= 8; size += 4) {
        for (unsigned i = 0; i < sizeof outside / sizeof *outside; i++)
            refuse("outside", (struct ringshade_pte){outside[i], 0, 0}, size, RINGSHADE_CALL_EFAULT);
        refuse("end", (struct ringshade_pte){end, 0, 0}, size, RINGSHADE_CALL_EFAULT);
        for (unsigned bit = 1; bit < size; bit <<= 1)
            refuse("aligned", (struct ringshade_pte){good + bit, 0, 0}, size, RINGSHADE_CALL_EINVAL);
        for (unsigned bit = 1; bit < 12; bit++)
            refuse("page", (struct ringshade_pte){good, AT | 1 << bit, 0}, size, RINGSHADE_CALL_EINVAL);
        refuse("no drop", (struct ringshade_pte){good, AT, 0}, size, RINGSHADE_CALL_EINVAL);
    }
    refuse("upper half", (struct ringshade_pte){good, 0, 1ull << 32}, 4, RINGSHADE_CALL_EINVAL);
}

TEST(refused_batches) {
    u32 end = (memory_kib() << 10) + (1u << 20);
    static const u32 sizes[] = {0, 1, 2, 3, 5, 6, 7, 9, 12, 16, 0x80000004, 0xffffffff};
    for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++)
        CHECK_EQ("size", apply(0, sizes[i]), RINGSHADE_CALL_EINVAL);
    CHECK_EQ("none", apply(0, 4), 0);
    CHECK_EQ("too many", apply(RINGSHADE_PTES_MAX + 1, 4), RINGSHADE_CALL_E2BIG);
    CHECK_EQ("times 16 is 0", apply(0x10000000, 4), RINGSHADE_CALL_E2BIG);
    CHECK_EQ("far too many", apply(0xffffffff, 4), RINGSHADE_CALL_E2BIG);
    CHECK_EQ("misaligned", call_alone(RINGSHADE_CALL_PTES, (u32)batch + 4, 1, 4), RINGSHADE_CALL_EINVAL);
    CHECK_EQ("past the end", call_alone(RINGSHADE_CALL_PTES, end - 8, 1, 4), RINGSHADE_CALL_EFAULT);
    CHECK_EQ("in the hole", call_alone(RINGSHADE_CALL_PTES, 0xa0000, 1, 4), RINGSHADE_CALL_EFAULT);
    CHECK_EQ("no RAM", call_alone(RINGSHADE_CALL_PTES, 0xfee00000, 1, 8), RINGSHADE_CALL_EFAULT);
    CHECK_EQ("around", call_alone(RINGSHADE_CALL_PTES, 0xfffffff8, 2, 8), RINGSHADE_CALL_EFAULT);
}
