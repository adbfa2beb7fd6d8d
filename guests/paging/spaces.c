// Many address spaces: the same code at the same and at different addresses, private data, switched by MOV CR3 in every
// pattern, also from code that goes on running in both.
#include "kit.h"

enum { SPACES = 40, CODE_AT = 0x08048000, DATA_AT = 0x0a000000, ROUNDS = 600 };

// Adds to the counter in the space's data page and folds a table there; ESI = data.
SNIPPET(work,
        "incl (%esi)\n mov (%esi), %eax\n imul $31, 4(%esi), %ecx\n add %ecx, %eax\n mov $8, %ecx\n 1: add "
        "4(%esi,%ecx,4), %eax\n"
        "rol $1, %eax\n loop 1b\n call 2f\n jmp 3f\n 2: xor %eax, 64(%esi)\n ret\n 3:",
        "nop")

static u32 work_model(u32 *data) {
    data[0]++;
    u32 eax = data[0] + data[1] * 31;
    for (u32 ecx = 8; ecx; ecx--) {
        eax += data[1 + ecx];
        eax = eax << 1 | eax >> 31;
    }
    data[16] ^= eax;
    return eax;
}

static struct space spaces[SPACES];
static u32 data_frames, code_frame;
static u32 models[SPACES][32];

static u32 code_address(u32 i, bool random) {
    return random ? CODE_AT + i * 0x00123000u : CODE_AT;
}

static void set_up(enum paging_mode mode, bool random, bool shared_code) {
    data_frames = page_alloc(SPACES);
    code_frame = page_alloc(shared_code ? 1 : SPACES);
    for (u32 i = 0; i < SPACES; i++) {
        spaces[i] = space_new(mode);
        if (i == 0 || mode == PAGING_PAE) {
            space_identity(&spaces[i]);
        } else { // the kernel part is the same tables
            memcpy((void *)spaces[i].root, (void *)spaces[0].root, 8 * 4);
        }
        u32 frame = shared_code ? code_frame : code_frame + i * PAGE;
        memcpy((u8 *)frame, work, (u32)(work_end - work) + 2);
        pte_set(&spaces[i], code_address(i, random) | (mode == PAGING_32 && !random ? 0x10000000 : 0),
                frame | PTE_P | PTE_U);
        pte_set(&spaces[i], DATA_AT, (data_frames + i * PAGE) | PTE_WU);
        for (u32 k = 0; k < 32; k++)
            models[i][k] = ((u32 *)(data_frames + i * PAGE))[k] = i * 1000 + k * k;
    }
    space_enter(&spaces[0]);
}

static void run(enum paging_mode mode, bool random, bool shared_code) {
    set_up(mode, random, shared_code);
    u32 x = 12345;
    for (u32 i = 0; i < ROUNDS; i++) {
        x = x * 1664525 + 1013904223;
        u32 which = i < ROUNDS / 2 ? i % SPACES : (x >> 16) % SPACES;
        write_cr3(spaces[which].root);
        struct regs r = regs_for(i & 8 ? 0 : 3);
        struct trap t;
        r.esi = DATA_AT;
        u32 at = code_address(which, random) | (mode == PAGING_32 && !random ? 0x10000000 : 0);
        exec((void *)at, &r, &t);
        u32 expected = work_model(models[which]);
        if (!CHECK_DONE("work", t) || !CHECK_EQ("result", t.r.eax, expected) ||
            !CHECK(!memcmp((void *)(data_frames + which * PAGE), models[which], sizeof models[0]))) {
            print("     space %u round %u\n", which, i);
            return;
        }
    }
}

TEST(same_code_same_address) {
    run(PAGING_32, false, true);
}
TEST(same_code_other_addresses) {
    run(PAGING_32, true, true);
}
TEST(copies_of_code) {
    run(PAGING_32, false, false);
}
TEST(same_code_same_address_pae) {
    run(PAGING_PAE, false, true);
}
TEST(same_code_other_addresses_pae) {
    run(PAGING_PAE, true, true);
}

TEST(different_code_same_address) { // each space has other code where the others have theirs
    set_up(PAGING_32, false, false);
    for (u32 i = 0; i < SPACES; i++) {
        u8 *p = (u8 *)(code_frame + i * PAGE);
        p[0] = 0xb8;
        memcpy(p + 1, &i, 4);
        memcpy(p + 5, "\xcd\x81", 2);
    }
    for (u32 i = 0; i < ROUNDS; i++) {
        u32 which = (i * 17 + i / 11) % SPACES;
        write_cr3(spaces[which].root);
        struct trap t = exec_ring((void *)(CODE_AT | 0x10000000), 3);
        CHECK_DONE("code", t);
        if (!CHECK_EQ("which", t.r.eax, which))
            return;
    }
}

// Ring 0 code that loads CR3 and goes on: what follows reads the other space's data.
SNIPPET(switcher, "1: mov (%esi,%ecx,4), %eax\n mov %eax, %cr3\n add (%edi), %ebx\n rol $3, %ebx\n incl (%edi)",
        "loop 1b")

TEST(code_that_switches) {
    set_up(PAGING_32, false, true);
    static u32 roots[SPACES + 1];
    for (u32 i = 0; i < SPACES; i++)
        roots[i + 1] = spaces[i].root;
    for (unsigned round = 0; round < 20; round++) {
        u32 ebx = 0;
        for (u32 i = SPACES; i; i--) {
            u32 *data = models[i - 1];
            ebx += data[0];
            ebx = ebx << 3 | ebx >> 29;
            data[0]++;
        }
        struct regs r = regs_for(0);
        struct trap t;
        r.esi = (u32)roots;
        r.edi = DATA_AT;
        r.ecx = SPACES;
        exec(switcher, &r, &t);
        CHECK_DONE("switches", t);
        if (!CHECK_EQ("sum", t.r.ebx, ebx))
            return;
    }
}

TEST(space_recycled) { // a directory's page is freed and becomes another space's directory
    struct space s = space_new(PAGING_32);
    space_identity(&s);
    space_enter(&s);
    u32 directory = page_alloc(1), table = page_alloc(1), frames = page_alloc(8);
    for (u32 i = 0; i < 8; i++)
        *(u32 *)(frames + i * PAGE) = 0xbeef0000 + i;
    for (u32 i = 0; i < 64; i++) {
        memcpy((void *)directory, (void *)s.root, PAGE);
        memset((void *)table, 0, PAGE);
        u32 index = i % 5;
        ((u32 *)table)[index] = (frames + i % 8 * PAGE) | (u32)PTE_WU;
        ((u32 *)directory)[PAGE_AT >> 22] = table | (u32)PTE_WU;
        write_cr3(directory);
        struct trap t = kit_access(a_read, i & 1 ? 3 : 0, PAGE_AT + index * PAGE);
        CHECK_DONE("mapped", t);
        CHECK_EQ("word", t.r.eax, 0xbeef0000 + i % 8);
        t = kit_access(a_read, 3, PAGE_AT + (index + 1) % 5 * PAGE);
        CHECK_PF(t, PF_U, PAGE_AT + (index + 1) % 5 * PAGE, a_read);
        write_cr3(s.root);
        t = kit_access(a_read, 3, PAGE_AT + index * PAGE);
        CHECK_PF(t, PF_U, PAGE_AT + index * PAGE, a_read);
    }
}
