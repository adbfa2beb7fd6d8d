// Whether time grows with the work and not faster: each row is there twice, once for so many operations in one go and
// once for ten times as many. The figure is that of one operation, so that the two are to be the same. Processes are
// those of the program os.
#include "os.h"
#include "timing.h"

#include <string.h>
#include <sys/mman.h>

enum { PAGE = 4096, LONGER = 10, HASHED = 4096, MAP_PAGES = 16, ROUTINE = 8, CODE_PAGES = 16, ADDITIONS = 800 };

static volatile uint32_t sink;

static void run_hash(uint32_t times) {
    static uint8_t bytes[HASHED];
    uint32_t hash = 2166136261u;
    for (uint32_t i = 0; i < times; i++) {
        for (uint32_t at = 0; at < HASHED; at++)
            hash = (hash ^ bytes[at]) * 16777619u;
        bytes[hash % HASHED]++;
    }
    sink = hash;
}

static void run_mappings(uint32_t times) {
    for (uint32_t i = 0; i < times; i++) {
        volatile uint8_t *pages = map_anonymous(MAP_PAGES * PAGE, PROT_READ | PROT_WRITE);
        for (uint32_t page = 0; page < MAP_PAGES; page++)
            pages[page * PAGE] = 1;
        munmap((void *)(uintptr_t)pages, MAP_PAGES * PAGE);
    }
}

static uint8_t *map_code(size_t pages) {
    return map_anonymous(pages * PAGE, PROT_READ | PROT_WRITE | PROT_EXEC);
}

// At the address: a routine that adds up so many constants. The encodings are the same in 32 and in 64 bits.
static void write_routine(uint8_t *at, uint32_t additions, uint32_t seed) {
    *at++ = 0xb8; // mov eax, 0
    memset(at, 0, 4);
    at += 4;
    for (uint32_t i = 0; i < additions; i++) {
        uint32_t constant = seed + i;
        *at++ = 0x05; // add eax, constant
        memcpy(at, &constant, 4);
        at += 4;
    }
    *at = 0xc3; // ret
}

static uint32_t call(const uint8_t *routine) {
    uint32_t (*function)(void);
    memcpy(&function, &routine, sizeof function);
    return function();
}

// A routine's constant is overwritten between two calls of it.
static void run_code_stores(uint32_t times) {
    uint8_t *code = map_code(1);
    write_routine(code, 1, 0);
    for (uint32_t i = 0; i < times; i++) {
        *(volatile uint8_t *)(code + ROUTINE) = (uint8_t)i;
        sink = call(code);
    }
    munmap(code, PAGE);
}

// Code that was never there before, in pages that had other code.
static void run_new_code(uint32_t times) {
    static uint32_t seed;
    uint8_t *code = map_code(CODE_PAGES);
    for (uint32_t i = 0; i < times; i++, seed += ADDITIONS) {
        uint8_t *page = code + i % CODE_PAGES * PAGE;
        write_routine(page, ADDITIONS, seed);
        sink = call(page);
    }
    munmap(code, CODE_PAGES * PAGE);
}

#define PAIR(row, function, times)                                                                                     \
    {.name = row, .run = function, .unit = 1, .fixed = times}, {                                                       \
        .name = row "-10x", .run = function, .unit = 1, .fixed = (times)*LONGER                                        \
    }

const struct timed_row timed_rows[] = {
    PAIR("many-hashes", run_hash, 4000),
    PAIR("many-forks", run_fork, 400),
    PAIR("many-execs", run_exec, 100),
    PAIR("many-mappings", run_mappings, 1000),
    PAIR("many-code-stores", run_code_stores, 300000),
    PAIR("much-new-code", run_new_code, 200),
};
const unsigned timed_row_count = sizeof timed_rows / sizeof timed_rows[0];
