// Compute rows on data structures: a compressor, a hash table, an interpreter's loop, strings, a pointer chase beyond
// the caches, and copies by size. Each fills its data itself.
#include "compute.h"
#include "runtime.h"

enum { PACK_BYTES = 32768, PACK_HASH = 4096, PACK_LEAST = 4, PACK_MOST = 130, PACK_FAR = 65535 };
enum { TABLE_SLOTS = 16384, TABLE_KEYS = 8000, CODE_STEPS = 60000, STRINGS = 200, STRING_BYTES = 24 };
enum { FAR_ITEMS = 1 << 20, FAR_STEPS = 20000, SMALL_BYTES = 4096, LARGE_BYTES = 1 << 20 };

static uint32_t next_random(uint32_t *state) {
    return *state = *state * 1664525u + 1013904223u;
}

// ---- A compressor of the Lempel-Ziv kind: bytes 0-127 begin a run of literals, others a match
// -------------------------

static uint8_t plain[PACK_BYTES], packed[PACK_BYTES * 2], again[PACK_BYTES];

static void fill_text(void) {
    static const char words[8][9] = {"monitor ", "guest ", "page ", "trap ", "the ", "of ", "virtual ", "a "};
    uint32_t state = 29;
    for (uint32_t at = 0; at < PACK_BYTES;) {
        const char *word = words[next_random(&state) >> 29];
        for (; *word && at < PACK_BYTES; word++)
            plain[at++] = (uint8_t)*word;
        if (at < PACK_BYTES && next_random(&state) >> 30 == 0)
            plain[at++] = (uint8_t)('0' + (state >> 8) % 10);
    }
}

static uint32_t load32(const uint8_t *at) {
    return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static uint32_t put_literals(uint32_t out, uint32_t from, uint32_t to) {
    while (from < to) {
        uint32_t count = to - from < 128 ? to - from : 128;
        packed[out++] = (uint8_t)(count - 1);
        for (uint32_t i = 0; i < count; i++)
            packed[out++] = plain[from++];
    }
    return out;
}

__attribute__((noinline)) static uint32_t pack(void) {
    static uint32_t last[PACK_HASH]; // place behind the last occurrence
    uint32_t out = 0, at = 0, literals = 0;
    memset(last, 0, sizeof last);
    while (at + PACK_LEAST <= PACK_BYTES) {
        uint32_t value = load32(plain + at), hash = value * 2654435761u >> 20, match = last[hash];
        last[hash] = at + 1;
        if (!match || at + 1 - match > PACK_FAR || load32(plain + match - 1) != value) {
            at++;
            continue;
        }
        uint32_t length = PACK_LEAST, from = match - 1;
        while (length < PACK_MOST && at + length < PACK_BYTES && plain[from + length] == plain[at + length])
            length++;
        out = put_literals(out, literals, at);
        packed[out++] = (uint8_t)(0x80 | (length - PACK_LEAST));
        packed[out++] = (uint8_t)(at - from);
        packed[out++] = (uint8_t)((at - from) >> 8);
        at += length;
        literals = at;
    }
    return put_literals(out, literals, PACK_BYTES);
}

__attribute__((noinline)) static void unpack(uint32_t size) {
    uint32_t out = 0;
    for (uint32_t in = 0; in < size;) {
        uint32_t head = packed[in++];
        if (head < 128) {
            for (uint32_t i = 0; i <= head; i++)
                again[out++] = packed[in++];
        } else {
            uint32_t back = packed[in] | (uint32_t)packed[in + 1] << 8;
            in += 2;
            for (uint32_t i = 0; i < (head & 127) + PACK_LEAST; i++, out++)
                again[out] = again[out - back];
        }
    }
}

uint32_t row_compress(void) {
    uint32_t wrong = 0;
    fill_text();
    uint32_t size = pack();
    unpack(size);
    for (uint32_t i = 0; i < PACK_BYTES; i++)
        wrong += plain[i] != again[i];
    return wrong ? 0 : size;
}

// ---- A hash table with open addressing
// -------------------------------------------------------------------------------

uint32_t row_table(void) {
    static uint32_t keys[TABLE_SLOTS], values[TABLE_SLOTS];
    uint32_t state = 31, sum = 0;
    memset(keys, 0, sizeof keys);
    for (uint32_t i = 0; i < TABLE_KEYS * 3; i++) {
        uint32_t key = (next_random(&state) >> 8) % TABLE_KEYS + 1, slot = key * 2654435761u >> 18;
        while (keys[slot] && keys[slot] != key)
            slot = (slot + 1) % TABLE_SLOTS;
        if (!keys[slot]) {
            keys[slot] = key;
            values[slot] = 0;
        }
        values[slot] += i;
        sum = sum * 3 + values[slot];
    }
    return sum;
}

// ---- An interpreter: a loop of a switch over the bytes of a program
// ----------------------------------------------------

enum code { OP_PUSH, OP_ADD, OP_XOR, OP_SHIFT, OP_DUP, OP_SWAP, OP_STORE, OP_LOAD, OP_LOOP };

uint32_t row_interpreter(void) {
    static const uint8_t program[] = {OP_PUSH,  7, OP_LOAD, 0,        OP_ADD,  OP_DUP,   OP_SHIFT, 3,      OP_XOR,
                                      OP_STORE, 0, OP_LOAD, 1,        OP_PUSH, 13,       OP_SWAP,  OP_XOR, OP_DUP,
                                      OP_LOAD,  0, OP_ADD,  OP_STORE, 1,       OP_STORE, 2,        OP_LOOP};
    uint32_t stack[16], memory[4] = {1, 2, 3, 4}, depth = 0, at = 0;
    for (uint32_t step = 0; step < CODE_STEPS; step++) {
        switch (program[at++]) {
        case OP_PUSH: stack[depth++ & 15] = program[at++]; break;
        case OP_ADD: depth--, stack[(depth - 1) & 15] += stack[depth & 15]; break;
        case OP_XOR: depth--, stack[(depth - 1) & 15] ^= stack[depth & 15]; break;
        case OP_SHIFT: stack[(depth - 1) & 15] <<= program[at++]; break;
        case OP_DUP: stack[depth & 15] = stack[(depth - 1) & 15], depth++; break;
        case OP_SWAP: {
            uint32_t top = stack[(depth - 1) & 15];
            stack[(depth - 1) & 15] = stack[(depth - 2) & 15];
            stack[(depth - 2) & 15] = top;
            break;
        }
        case OP_STORE: memory[program[at++] & 3] = stack[--depth & 15]; break;
        case OP_LOAD: stack[depth++ & 15] = memory[program[at++] & 3]; break;
        default: at = 0; break;
        }
    }
    return memory[0] ^ memory[1] ^ memory[2];
}

// ---- Strings
// -----------------------------------------------------------------------------------------------------------

static uint32_t string_put(char *to, uint32_t value) {
    char digits[12];
    uint32_t count = 0, length = 0;
    do {
        digits[count++] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    while (count)
        to[length++] = digits[--count];
    to[length] = 0;
    return length;
}

uint32_t row_strings(void) {
    static char names[STRINGS][STRING_BYTES];
    static char *order[STRINGS];
    uint32_t state = 37, sum = 0;
    for (int i = 0; i < STRINGS; i++) {
        memcpy(names[i], "item-", 5);
        sum += string_put(names[i] + 5, next_random(&state) >> 12);
        order[i] = names[i];
    }
    for (int i = 1; i < STRINGS; i++) { // by insertion: a compare and a move for each place
        char *name = order[i];
        int at = i;
        for (; at > 0 && strcmp(order[at - 1], name) > 0; at--)
            order[at] = order[at - 1];
        order[at] = name;
    }
    for (int i = 0; i < STRINGS; i++)
        for (const char *c = order[i]; *c; c++)
            sum = sum * 33 + (uint8_t)*c;
    return sum;
}

// ---- Memory
// --------------------------------------------------------------------------------------------------------------

uint32_t row_chase_far(void) {
    static uint32_t ring[FAR_ITEMS]; // 4 MiB
    static uint32_t at;
    if (!ring[1]) {
        uint32_t state = 41;
        for (uint32_t i = 0; i < FAR_ITEMS; i++)
            ring[i] = i;
        for (uint32_t i = FAR_ITEMS - 1; i > 0; i--) { // Sattolo's shuffle
            uint32_t j = (next_random(&state) >> 4) % i, swap = ring[i];
            ring[i] = ring[j];
            ring[j] = swap;
        }
    }
    for (uint32_t i = 0; i < FAR_STEPS; i++)
        at = ring[at];
    return at < FAR_ITEMS; // where it stands depends on how often it ran
}

uint32_t row_copy_small(void) {
    static uint32_t from[SMALL_BYTES / 4], to[SMALL_BYTES / 4];
    uint32_t sum = 0;
    for (uint32_t i = 0; i < SMALL_BYTES / 4; i++)
        from[i] = i * 3;
    for (uint32_t words = 1; words <= 64; words++)
        for (uint32_t at = 0; at + words <= SMALL_BYTES / 4; at += words)
            for (uint32_t i = 0; i < words; i++) // word by word, the compiler makes no call of it
                ((volatile uint32_t *)to)[at + i] = from[at + i];
    for (uint32_t i = 0; i < SMALL_BYTES / 4; i++)
        sum += to[i];
    return sum;
}

uint32_t row_copy_large(void) {
    static uint8_t from[LARGE_BYTES], to[LARGE_BYTES];
    memset(from, 7, sizeof from);
    memcpy(to, from, sizeof to);
    memcpy(from, to, sizeof from);
    return from[LARGE_BYTES - 1] + to[100];
}
