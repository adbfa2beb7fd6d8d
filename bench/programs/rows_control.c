// Compute rows on control transfer: calls, returns, indirect calls, jump tables, small functions.
#include "compute.h"
#include "runtime.h"

enum { FIB = 22, INDIRECT_STEPS = 100000, RECORD_STEPS = 8000, NAME_BYTES = 32 };

__attribute__((noinline)) static uint32_t fib(uint32_t n) {
    return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

uint32_t row_fib(void) {
    return fib(FIB);
}

static uint32_t op_add(uint32_t a, uint32_t b) {
    return a + b;
}
static uint32_t op_xor(uint32_t a, uint32_t b) {
    return a ^ b;
}
static uint32_t op_mix(uint32_t a, uint32_t b) {
    return a * 5 + (b >> 3);
}
static uint32_t op_sub(uint32_t a, uint32_t b) {
    return a - b;
}

uint32_t row_indirect(void) {
    static uint32_t (*const volatile table[4])(uint32_t, uint32_t) = {op_add, op_xor, op_mix, op_sub};
    uint32_t value = 1;
    // The order repeats, so that a processor's predictor learns it and what remains is the cost of the transfers.
    for (uint32_t i = 0; i < INDIRECT_STEPS; i++) {
        value = table[i & 3](value, i);
        switch (i * 5 >> 1 & 7) {
        case 0: value += 3; break;
        case 1: value ^= i; break;
        case 2: value = (value << 3 | value >> 29); break;
        case 3: value -= i * 3; break;
        case 4: value *= 9; break;
        case 5: value = ~value; break;
        case 6: value += value >> 7; break;
        default: break;
        }
    }
    return value;
}

struct record {
    struct record *next;
    uint32_t kind, count;
    char name[NAME_BYTES];
};

__attribute__((noinline)) static void name_record(struct record *record, uint32_t number) {
    static const char text[] = "a record of the benchmark, no ";
    memcpy(record->name, text, sizeof text);
    record->name[NAME_BYTES - 2] = (char)('a' + number % 26);
    record->name[NAME_BYTES - 1] = 0;
}

__attribute__((noinline)) static int same_name(const struct record *a, const struct record *b) {
    return strcmp(a->name, b->name) == 0;
}

__attribute__((noinline)) static uint32_t visit(struct record *record, uint32_t step) {
    switch (record->kind) {
    case 0: record->count += step; return 1;
    case 1: record->count ^= step; return 2;
    case 2: record->kind = step % 4; return record->count;
    default: record->kind = 0; return 3;
    }
}

uint32_t row_records(void) {
    static struct record records[8];
    uint32_t sum = 0;
    for (uint32_t i = 0; i < 8; i++) {
        records[i] = (struct record){.next = &records[(i + 3) % 8], .kind = i % 4, .count = i};
        name_record(&records[i], i);
    }
    struct record *at = records;
    for (uint32_t step = 0; step < RECORD_STEPS; step++) {
        struct record *next = at->next;
        sum += visit(at, step);
        if (step % 4 == 0)
            name_record(next, step);
        if (same_name(at, next))
            sum += 100;
        struct record copy = *next;
        copy.count++;
        *next = copy;
        at = next;
    }
    return sum;
}
