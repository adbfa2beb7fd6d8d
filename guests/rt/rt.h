// The runtime of the bare-metal test guests: tests, checks, serial output, port I/O and the way out. Everything runs at
// ring 0 with flat segments unless a test says otherwise. No libc; integer registers only.
//
//     TEST(adds) { CHECK_EQ("1+1", 1 + 1, 2); }
//
// A guest runs all its tests in file order (link order, then line), prints each failed check with what was got and
// expected, and ends by writing 0 (all passed) or 1 to the debug-exit port. Words on the command line: `only=NAME` runs
// one test, `qemu` leaves out the checks in which QEMU's TCG is known to differ from a processor, `trace` makes tests
// that can print every step.
#ifndef RT_H
#define RT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef int32_t s32;
typedef uint64_t u64;

// ---- Tests and checks
// --------------------------------------------------------------------------------------------------

struct rt_test {
    const char *name;
    void (*run)(void);
};

#define TEST(id)                                                                                                       \
    static void test_##id(void);                                                                                       \
    static const struct rt_test test_entry_##id                                                                        \
        __attribute__((used, section(".tests"), aligned(4))) = {#id, test_##id};                                       \
    static void test_##id(void)

#define CHECK(condition)              check_true(#condition, (condition), __FILE__, __LINE__)
#define CHECK_EQ(what, got, expected) check_equal(what, (u32)(got), (u32)(expected), __FILE__, __LINE__)
#define FAIL(what)                    check_true(what, false, __FILE__, __LINE__)

bool check_true(const char *what, bool ok, const char *file, int line);
bool check_equal(const char *what, u32 got, u32 expected, const char *file, int line);
void check_context(const char *context); // printed with every failed check of this test; NULL for none
unsigned check_failures(void);           // of the whole run so far

bool option(const char *word); // does the command line hold this word?
bool under_qemu(void);         // the word `qemu`: leave out hardware-only checks
const char *command_line(void);

void run_tests(void);                            // all tests; called by main() of most guests
void main(void);                                 // a guest may have its own; the runtime's (weak) calls run_tests
void abort_test(void) __attribute__((noreturn)); // counts a failure and goes on with the next test
void guest_exit(u32 value) __attribute__((noreturn));

// ---- Output
// --------------------------------------------------------------------------------------------------------------

void serial_init(void);
void serial_put(char c);
int serial_get(void);                                                      // a received byte, or -1
void print(const char *format, ...) __attribute__((format(printf, 1, 2))); // %s %c %d %u %x %llx with width and 0

// ---- Instructions
// ----------------------------------------------------------------------------------------------------------

static inline void outb(u16 port, u8 v) {
    __asm__ volatile("outb %0, %1" ::"a"(v), "Nd"(port) : "memory");
}
static inline void outw(u16 port, u16 v) {
    __asm__ volatile("outw %0, %1" ::"a"(v), "Nd"(port) : "memory");
}
static inline void outl(u16 port, u32 v) {
    __asm__ volatile("outl %0, %1" ::"a"(v), "Nd"(port) : "memory");
}
static inline u8 inb(u16 port) {
    u8 v;
    __asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port) : "memory");
    return v;
}
static inline u16 inw(u16 port) {
    u16 v;
    __asm__ volatile("inw %1, %0" : "=a"(v) : "Nd"(port) : "memory");
    return v;
}
static inline u32 inl(u16 port) {
    u32 v;
    __asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port) : "memory");
    return v;
}
#define RT_CR(n)                                                                                                       \
    static inline u32 read_cr##n(void) {                                                                               \
        u32 v;                                                                                                         \
        __asm__ volatile("mov %%cr" #n ", %0" : "=r"(v)::"memory");                                                    \
        return v;                                                                                                      \
    }                                                                                                                  \
    static inline void write_cr##n(u32 v) {                                                                            \
        __asm__ volatile("mov %0, %%cr" #n ::"r"(v) : "memory");                                                       \
    }
RT_CR(0)
RT_CR(2)
RT_CR(3)
RT_CR(4)
#define CR0_PE  (1u << 0)
#define CR0_MP  (1u << 1)
#define CR0_EM  (1u << 2)
#define CR0_TS  (1u << 3)
#define CR0_NE  (1u << 5)
#define CR0_WP  (1u << 16)
#define CR0_AM  (1u << 18)
#define CR0_PG  (1u << 31)
#define CR4_VME (1u << 0)
#define CR4_PVI (1u << 1)
#define CR4_TSD (1u << 2)
#define CR4_PSE (1u << 4)
#define CR4_PAE (1u << 5)
#define CR4_PGE (1u << 7)

#define FLAG_CF     (1u << 0)
#define FLAG_ONE    (1u << 1)
#define FLAG_PF     (1u << 2)
#define FLAG_AF     (1u << 4)
#define FLAG_ZF     (1u << 6)
#define FLAG_SF     (1u << 7)
#define FLAG_TF     (1u << 8)
#define FLAG_IF     (1u << 9)
#define FLAG_DF     (1u << 10)
#define FLAG_OF     (1u << 11)
#define FLAG_IOPL   (3u << 12)
#define FLAG_NT     (1u << 14)
#define FLAG_RF     (1u << 16)
#define FLAG_VM     (1u << 17)
#define FLAG_AC     (1u << 18)
#define FLAG_VIF    (1u << 19)
#define FLAG_VIP    (1u << 20)
#define FLAGS_ARITH (FLAG_CF | FLAG_PF | FLAG_AF | FLAG_ZF | FLAG_SF | FLAG_OF)

static inline void invlpg(u32 linear) {
    __asm__ volatile("invlpg (%0)" ::"r"(linear) : "memory");
}
static inline u32 read_flags(void) {
    u32 v;
    __asm__ volatile("pushf; pop %0" : "=r"(v)::"memory");
    return v;
}
static inline void cpuid(u32 leaf, u32 out[4]) {
    __asm__ volatile("cpuid" : "=a"(out[0]), "=b"(out[1]), "=c"(out[2]), "=d"(out[3]) : "a"(leaf), "c"(0));
}
static inline u64 rdmsr(u32 msr) {
    u32 lo, hi;
    __asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
    return (u64)hi << 32 | lo;
}
static inline void wrmsr(u32 msr, u64 v) {
    __asm__ volatile("wrmsr" ::"c"(msr), "a"((u32)v), "d"((u32)(v >> 32)) : "memory");
}
static inline u64 rdtsc(void) {
    u32 lo, hi;
    __asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
    return (u64)hi << 32 | lo;
}
static inline void barrier(void) {
    __asm__ volatile("" ::: "memory");
}

// ---- Memory
// ----------------------------------------------------------------------------------------------------------------

void *memcpy(void *to, const void *from, size_t size);
void *memset(void *to, int value, size_t size);
int memcmp(const void *a, const void *b, size_t size);
size_t strlen(const char *s);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t size);

u32 memory_kib(void);           // memory above 1 MiB, as the loader told
u32 page_alloc(unsigned pages); // physical address of zeroed pages, given back at the end of each test

#endif
