// Compute rows on integers and memory. Each fills its data itself, so that a run depends on nothing before it.
#include "compute.h"
#include "runtime.h"

enum { SORT_ITEMS = 32768, SIEVE_FLAGS = 262144, CHASE_ITEMS = 16384, CHASE_STEPS = 250000, CRC_BYTES = 65536 };
enum { SHA_BYTES = 32768, COPY_BYTES = 65536 };

static uint32_t sort_data[SORT_ITEMS];
static uint8_t sieve_flags[SIEVE_FLAGS];
static uint32_t chase_ring[CHASE_ITEMS];
static uint8_t bytes_a[COPY_BYTES], bytes_b[COPY_BYTES];

// Numerical Recipes' linear congruential generator: full period, no memory.
static uint32_t next_random(uint32_t *state) {
    return *state = *state * 1664525u + 1013904223u;
}

uint32_t row_integer(void) {
    uint32_t a = 1, b = 2, c = 3;
    for (uint32_t i = 0; i < 200000; i++) {
        a += b ^ (c << 3);
        b = (b >> 5) + a * 17;
        c ^= (a & i) - (b | 1);
    }
    return a ^ b ^ c;
}

uint32_t row_divide(void) {
    uint32_t state = 7, sum = 0;
    for (uint32_t i = 1; i < 50000; i++) {
        uint32_t value = next_random(&state);
        sum += value / (i | 1) + value % (i + 3);
        sum ^= (uint32_t)((uint64_t)value * sum >> 32);
    }
    return sum;
}

static void quicksort(uint32_t *data, int from, int to) {
    while (from < to) {
        uint32_t pivot = data[(from + to) / 2];
        int i = from, j = to;
        while (i <= j) {
            while (data[i] < pivot)
                i++;
            while (data[j] > pivot)
                j--;
            if (i <= j) {
                uint32_t swap = data[i];
                data[i++] = data[j];
                data[j--] = swap;
            }
        }
        quicksort(data, from, j);
        from = i;
    }
}

uint32_t row_sort(void) {
    uint32_t state = 1, sum = 0;
    for (int i = 0; i < SORT_ITEMS; i++)
        sort_data[i] = next_random(&state);
    quicksort(sort_data, 0, SORT_ITEMS - 1);
    for (int i = 0; i < SORT_ITEMS; i++)
        sum = sum * 31 + sort_data[i];
    return sum;
}

uint32_t row_sieve(void) {
    uint32_t count = 0;
    memset(sieve_flags, 1, sizeof sieve_flags);
    for (uint32_t i = 2; i < SIEVE_FLAGS; i++) {
        if (!sieve_flags[i])
            continue;
        count++;
        for (uint32_t j = i * 2; j < SIEVE_FLAGS; j += i)
            sieve_flags[j] = 0;
    }
    return count;
}

uint32_t row_chase(void) {
    if (!chase_ring[1]) {
        // Sattolo's shuffle: one ring through all items.
        uint32_t state = 5;
        for (uint32_t i = 0; i < CHASE_ITEMS; i++)
            chase_ring[i] = i;
        for (uint32_t i = CHASE_ITEMS - 1; i > 0; i--) {
            uint32_t j = (next_random(&state) >> 8) % i, swap = chase_ring[i];
            chase_ring[i] = chase_ring[j];
            chase_ring[j] = swap;
        }
    }
    uint32_t at = 0;
    for (uint32_t i = 0; i < CHASE_STEPS; i++)
        at = chase_ring[at];
    return at;
}

static void fill_bytes(uint32_t state) {
    for (uint32_t i = 0; i < COPY_BYTES; i++)
        bytes_a[i] = (uint8_t)(next_random(&state) >> 24);
}

uint32_t row_crc(void) {
    static uint32_t table[256];
    if (!table[1]) {
        fill_bytes(11);
        for (uint32_t i = 0; i < 256; i++) {
            uint32_t value = i;
            for (int bit = 0; bit < 8; bit++)
                value = value >> 1 ^ (value & 1 ? 0xEDB88320u : 0);
            table[i] = value;
        }
    }
    uint32_t crc = ~0u;
    for (uint32_t i = 0; i < CRC_BYTES; i++)
        crc = table[(crc ^ bytes_a[i]) & 255] ^ crc >> 8;
    return ~crc;
}

static uint32_t rotate(uint32_t value, int by) {
    return value >> by | value << (32 - by);
}

// FIPS 180-4, 6.2.2. The constants only have to be the same everywhere, so they are made by a generator.
uint32_t row_sha(void) {
    uint32_t constants[64], state = 3, h[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    for (int i = 0; i < 64; i++)
        constants[i] = next_random(&state);
    for (uint32_t block = 0; block < SHA_BYTES / 64; block++) {
        uint32_t w[64], v[8];
        for (int i = 0; i < 16; i++)
            w[i] = block * 16 + (uint32_t)i;
        for (int i = 16; i < 64; i++) {
            uint32_t s0 = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ w[i - 15] >> 3;
            uint32_t s1 = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ w[i - 2] >> 10;
            w[i] = w[i - 16] + s0 + w[i - 7] + s1;
        }
        for (int i = 0; i < 8; i++)
            v[i] = h[i];
        for (int i = 0; i < 64; i++) {
            uint32_t s1 = rotate(v[4], 6) ^ rotate(v[4], 11) ^ rotate(v[4], 25);
            uint32_t t1 = v[7] + s1 + ((v[4] & v[5]) ^ (~v[4] & v[6])) + constants[i] + w[i];
            uint32_t s0 = rotate(v[0], 2) ^ rotate(v[0], 13) ^ rotate(v[0], 22);
            uint32_t t2 = s0 + ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
            for (int j = 7; j > 0; j--)
                v[j] = v[j - 1];
            v[4] += t1;
            v[0] = t1 + t2;
        }
        for (int i = 0; i < 8; i++)
            h[i] += v[i];
    }
    return h[0] ^ h[7];
}

uint32_t row_copy(void) {
    uint32_t sum = 0;
    for (uint32_t size = 64; size <= COPY_BYTES; size *= 4)
        for (uint32_t i = 0; i < COPY_BYTES * 2 / size; i++) {
            memcpy(bytes_b, bytes_a, size);
            memset(bytes_a, (int)i, size / 2);
            sum += bytes_b[size - 1];
        }
    return sum;
}
