// Compute rows in the manner of the well-known embedded suites: small kernels that mix lists, matrices, state machines
// and filters. The code is our own. Each fills its data itself.
#include "compute.h"
#include "runtime.h"

enum { LIST_ITEMS = 256, MIXED_ROUNDS = 12, GRID = 24, TEXT_BYTES = 2048, QUEENS = 8, TAPS = 32, SAMPLES = 2048 };

static uint32_t next_random(uint32_t *state) {
    return *state = *state * 1664525u + 1013904223u;
}

static uint16_t crc16(uint16_t crc, uint32_t value) {
    for (int bit = 0; bit < 16; bit++, value >>= 1) {
        bool carry = (crc ^ value) & 1;
        crc = (uint16_t)(crc >> 1);
        if (carry)
            crc ^= 0xa001;
    }
    return crc;
}

// ---- Lists, a small matrix and a scanner, checked by a CRC (what CoreMark mixes) ------------------------------------

struct item {
    struct item *next;
    uint16_t key, data;
};

static struct item *list_build(struct item *items, uint32_t *state) {
    for (int i = 0; i < LIST_ITEMS; i++)
        items[i] =
            (struct item){i + 1 < LIST_ITEMS ? &items[i + 1] : NULL, (uint16_t)(next_random(state) >> 20), (uint16_t)i};
    return items;
}

static struct item *list_reverse(struct item *at) {
    struct item *before = NULL;
    while (at) {
        struct item *next = at->next;
        at->next = before;
        before = at;
        at = next;
    }
    return before;
}

static struct item *list_merge(struct item *a, struct item *b) {
    struct item head = {NULL, 0, 0}, *tail = &head;
    while (a && b) {
        struct item **least = a->key <= b->key ? &a : &b;
        tail->next = *least;
        tail = *least;
        *least = (*least)->next;
    }
    tail->next = a ? a : b;
    return head.next;
}

__attribute__((noinline)) static struct item *list_sort(struct item *list, unsigned count) {
    if (count < 2)
        return list;
    struct item *middle = list;
    for (unsigned i = 1; i < count / 2; i++)
        middle = middle->next;
    struct item *second = middle->next;
    middle->next = NULL;
    return list_merge(list_sort(list, count / 2), list_sort(second, count - count / 2));
}

static int32_t grid_product(int32_t out[GRID][GRID], const int16_t a[GRID][GRID], const int16_t b[GRID][GRID]) {
    int32_t sum = 0;
    for (int i = 0; i < GRID; i++)
        for (int j = 0; j < GRID; j++) {
            int32_t cell = 0;
            for (int k = 0; k < GRID; k++)
                cell += a[i][k] * b[k][j];
            out[i][j] = cell;
            sum += cell >> 4;
        }
    return sum;
}

static void grid_fill(int16_t grid[GRID][GRID], uint32_t *state) {
    for (int i = 0; i < GRID; i++)
        for (int j = 0; j < GRID; j++)
            grid[i][j] = (int16_t)(next_random(state) >> 22);
}

uint32_t row_matrix_int(void) {
    static int16_t a[GRID][GRID], b[GRID][GRID];
    static int32_t c[GRID][GRID];
    uint32_t state = 3, sum = 0;
    grid_fill(a, &state);
    grid_fill(b, &state);
    for (int i = 0; i < 8; i++) {
        a[i][i] = (int16_t)(a[i][i] + i);
        sum = sum * 31 + (uint32_t)grid_product(c, a, b);
    }
    return sum;
}

// A scanner of numbers in text: integers, fractions, exponents.
enum scan { SCAN_START, SCAN_SIGN, SCAN_INTEGER, SCAN_FRACTION, SCAN_EXPONENT, SCAN_POWER, SCAN_WRONG, SCAN_COUNT };

__attribute__((noinline)) static enum scan scan_step(enum scan state, char c) {
    bool digit = c >= '0' && c <= '9';
    switch (state) {
    case SCAN_START:
        if (c == '+' || c == '-')
            return SCAN_SIGN;
        return digit ? SCAN_INTEGER : c == '.' ? SCAN_FRACTION : SCAN_WRONG;
    case SCAN_SIGN: return digit ? SCAN_INTEGER : c == '.' ? SCAN_FRACTION : SCAN_WRONG;
    case SCAN_INTEGER: return digit ? SCAN_INTEGER : c == '.' ? SCAN_FRACTION : c == 'e' ? SCAN_EXPONENT : SCAN_WRONG;
    case SCAN_FRACTION: return digit ? SCAN_FRACTION : c == 'e' ? SCAN_EXPONENT : SCAN_WRONG;
    case SCAN_EXPONENT: return digit || c == '-' ? SCAN_POWER : SCAN_WRONG;
    case SCAN_POWER: return digit ? SCAN_POWER : SCAN_WRONG;
    default: return SCAN_WRONG;
    }
}

static void text_fill(char text[TEXT_BYTES], uint32_t *state) {
    static const char letters[] = "0123456789012345,,,.e-+x";
    for (int i = 0; i < TEXT_BYTES; i++)
        text[i] = letters[(next_random(state) >> 8) % (sizeof letters - 1)];
}

static uint32_t scan_text(const char text[TEXT_BYTES]) {
    uint32_t ends[SCAN_COUNT] = {0}, sum = 0;
    enum scan state = SCAN_START;
    for (int i = 0; i < TEXT_BYTES; i++) {
        if (text[i] == ',') {
            ends[state]++;
            state = SCAN_START;
        } else {
            state = scan_step(state, text[i]);
        }
    }
    for (int i = 0; i < SCAN_COUNT; i++)
        sum = sum * 257 + ends[i];
    return sum;
}

uint32_t row_states(void) {
    static char text[TEXT_BYTES];
    uint32_t state = 11, sum = 0;
    text_fill(text, &state);
    for (int i = 0; i < 8; i++) {
        text[i * 100] = ',';
        sum = sum * 31 + scan_text(text);
    }
    return sum;
}

uint32_t row_mixed(void) {
    static struct item items[LIST_ITEMS];
    static int16_t a[GRID][GRID], b[GRID][GRID];
    static int32_t c[GRID][GRID];
    static char text[TEXT_BYTES];
    uint32_t state = 17;
    uint16_t crc = 0xffff;
    grid_fill(a, &state);
    grid_fill(b, &state);
    text_fill(text, &state);
    struct item *list = list_build(items, &state);
    for (int round = 0; round < MIXED_ROUNDS; round++) {
        list = list_sort(list, LIST_ITEMS);
        crc = crc16(crc, list->key);
        list = list_reverse(list);
        for (struct item *at = list; at; at = at->next) {
            at->key = (uint16_t)(at->key * 5 + at->data);
            if ((at->data & 31) == (uint16_t)round)
                crc = crc16(crc, at->key);
        }
        if (round % 4 == 0)
            crc = crc16(crc, (uint32_t)grid_product(c, a, b));
        crc = crc16(crc, scan_text(text));
        text[round * 7] = ',';
    }
    return crc;
}

// ---- A finite impulse response filter, and backtracking
// --------------------------------------------------------------

uint32_t row_filter(void) {
    static int16_t input[SAMPLES + TAPS], taps[TAPS];
    uint32_t state = 23, sum = 0;
    for (int i = 0; i < SAMPLES + TAPS; i++)
        input[i] = (int16_t)(next_random(&state) >> 16);
    for (int i = 0; i < TAPS; i++)
        taps[i] = (int16_t)(next_random(&state) >> 18);
    for (int i = 0; i < SAMPLES; i++) {
        int32_t value = 0;
        for (int j = 0; j < TAPS; j++)
            value += (int32_t)input[i + j] * taps[j] >> 6;
        sum = sum * 3 + (uint32_t)value;
    }
    return sum;
}

__attribute__((noinline)) static uint32_t place(uint32_t row, uint32_t columns, uint32_t left, uint32_t right) {
    uint32_t count = 0;
    if (row == QUEENS)
        return 1;
    for (uint32_t free = ~(columns | left | right) & ((1u << QUEENS) - 1); free; free &= free - 1) {
        uint32_t bit = free & (0u - free);
        count += place(row + 1, columns | bit, (left | bit) << 1, (right | bit) >> 1);
    }
    return count;
}

uint32_t row_queens(void) {
    return place(0, 0, 0, 0);
}
