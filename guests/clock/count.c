// Under `--clock virtual` an instruction is a nanosecond and a cycle of the time-stamp counter: the difference of two
// readings is the number of instructions from the first to before the second, whatever the instructions are.
#include "exec.h"
#include "paging.h"

// The cycles from the first RDTSC to the second, with `code` and 3 instructions of its own between.
#define CYCLES(code, ...)                                                                                              \
    ({                                                                                                                 \
        u32 before_, after_;                                                                                           \
        __asm__ volatile("rdtsc\n\tmov %%eax, %0\n\tpush %%edx\n\tpop %%edx\n\t" code "\n\trdtsc"                      \
                         : "=&r"(before_), "=&a"(after_)                                                               \
                         : __VA_ARGS__                                                                                 \
                         : "ecx", "edx", "esi", "edi", "memory");                                                      \
        after_ - before_ - 4;                                                                                          \
    })
#define NOTHING "i"(0)

static u8 from[8192], to[8192];

TEST(straight) {
    for (unsigned round = 0; round < 3; round++) {
        CHECK_EQ("nothing", CYCLES("", NOTHING), 0);
        CHECK_EQ("nop", CYCLES("nop", NOTHING), 1);
        CHECK_EQ("200 nops", CYCLES(".rept 200\n\tnop\n\t.endr", NOTHING), 200);
    }
}

TEST(transfers) {
    for (unsigned round = 0; round < 3; round++) {
        CHECK_EQ("loop", CYCLES("mov $1000, %%ecx\n1:\tloop 1b", NOTHING), 1001);
        CHECK_EQ("dec and jump", CYCLES("mov $1000, %%ecx\n1:\tdec %%ecx\n\tjnz 1b", NOTHING), 2001);
        CHECK_EQ("call and ret", CYCLES("call 1f\n\tjmp 2f\n1:\tret\n2:", NOTHING), 3);
        CHECK_EQ("indirect", CYCLES("mov $1f, %%ecx\n\tjmp *%%ecx\n\tnop\n1:", NOTHING), 2);
        CHECK_EQ("page", CYCLES("jmp 1f\n\t.balign 4096\n1:\tnop", NOTHING), 2);
    }
}

TEST(strings) { // a repeated one is one
    CHECK_EQ("once", CYCLES("mov %2, %%esi\n\tmov %3, %%edi\n\tmovsb", "i"(from), "i"(to)), 3);
    CHECK_EQ("movsb", CYCLES("mov %2, %%esi\n\tmov %3, %%edi\n\tmov $8192, %%ecx\n\trep movsb", "i"(from), "i"(to)), 4);
    CHECK_EQ("movsl", CYCLES("mov %2, %%esi\n\tmov %3, %%edi\n\tmov $2000, %%ecx\n\trep movsl", "i"(from), "i"(to)), 4);
    CHECK_EQ("none", CYCLES("mov %2, %%esi\n\tmov %3, %%edi\n\txor %%ecx, %%ecx\n\trep movsb", "i"(from), "i"(to)), 4);
    from[100] = 1;
    to[100] = 2;
    CHECK_EQ("cmpsb", CYCLES("mov %2, %%esi\n\tmov %3, %%edi\n\tmov $500, %%ecx\n\trepe cmpsb", "i"(from), "i"(to)), 4);
    CHECK_EQ("scasb", CYCLES("mov %2, %%edi\n\tmov $500, %%ecx\n\trepe scasb", "i"(from)), 3);
}

TEST(monitor) { // what the monitor does for the guest is an instruction like any other
    CHECK_EQ("cpuid", CYCLES("xor %%eax, %%eax\n\tpush %%ebx\n\tcpuid\n\tpop %%ebx", NOTHING), 4);
    CHECK_EQ("flags", CYCLES("pushf\n\tcli\n\tpopf\n\tnop", NOTHING), 4);
    CHECK_EQ("segment", CYCLES("push %%es\n\tpop %%es\n\tmov %%ds, %%ecx\n\tmov %%ecx, %%es", NOTHING), 4);
    CHECK_EQ("stack segment", CYCLES("mov %%ss, %%ecx\n\tmov %%ecx, %%ss\n\tnop\n\tnop", NOTHING), 4);
    CHECK_EQ("cr3", CYCLES("mov %%cr3, %%ecx\n\tmov %%ecx, %%cr3", NOTHING), 2);
    CHECK_EQ("far jump", CYCLES("push %%cs\n\tpush $1f\n\tlret\n1:", NOTHING), 3);
    CHECK_EQ("iret", CYCLES("pushf\n\tpush %%cs\n\tpush $1f\n\tiret\n1:", NOTHING), 4);
}

TEST(ports) { // an access takes a microsecond
    CHECK_EQ("in", CYCLES("in $0x61, %%al", NOTHING), 1001);
    CHECK_EQ("out", CYCLES("out %%al, $0x80\n\tnop\n\tout %%al, $0x80", NOTHING), 2003);
}

// Code that overwrites what comes next, in its own block: the old bytes are neither executed nor counted.
TEST(self_modifying) {
    for (unsigned round = 0; round < 3; round++)
        CHECK_EQ("store over the next",
                 CYCLES("push %%edx\n\tmovb $0x90, 1f\n\tmovb $0x42, 1f\n1:\tnop\n\tnop\n\tpop %%edx", NOTHING), 6);
}

// An instruction that faults has not been executed; the handler's are counted.
static u32 faults;

static bool skip_two(struct trap_frame *frame) {
    faults++;
    frame->eip += 2;
    return true;
}

static u32 cycles_of_faults(void) {
    return CYCLES("nop\n\tud2\n\tnop\n\tnop\n\tud2\n\tnop", NOTHING);
}

TEST(faults_in_the_middle) {
    hook_set(VEC_UD, skip_two);
    faults = 0;
    u32 first = cycles_of_faults();
    u32 second = cycles_of_faults();
    CHECK_EQ("faults", faults, 4);
    CHECK_EQ("the same", second, first);
    CHECK(first > 4 + 2 * 20); // the stub and the hook
}

TEST(rate) { // CPUID leaf 15h: 1 GHz; 16h agrees
    u32 a = 0x15, b, c = 0, d;
    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    CHECK(a != 0);
    CHECK_EQ("Hz", (u32)((u64)b * (c / a)), 1000000000);
    a = 0x16;
    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    CHECK_EQ("MHz", a & 0xffff, 1000);
}
