// The rows of the compute benchmark. Each runs a fixed piece of work once and returns a checksum of its result, which
// must be the same everywhere.
#ifndef BENCH_PROGRAMS_COMPUTE_H
#define BENCH_PROGRAMS_COMPUTE_H

#include <stdbool.h>
#include <stdint.h>

struct compute_row {
    const char *name;
    uint32_t (*run)(void);
};

uint32_t row_integer(void);     // adds, shifts, xors, multiplications in registers
uint32_t row_divide(void);      // 32-bit divisions, 64-bit multiplications
uint32_t row_sort(void);        // quicksort of 32 Ki integers
uint32_t row_sieve(void);       // sieve of Eratosthenes over 256 KiB of flags
uint32_t row_chase(void);       // dependent loads through a random ring of 64 KiB
uint32_t row_crc(void);         // CRC-32 by table
uint32_t row_sha(void);         // SHA-256
uint32_t row_fib(void);         // recursion: calls and returns
uint32_t row_indirect(void);    // calls through a table of functions, a switch
uint32_t row_records(void);     // structures, strings and small functions, in the manner of Dhrystone
uint32_t row_copy(void);        // rep movs and rep stos, of 64 bytes to 64 KiB
uint32_t row_mixed(void);       // lists, a matrix, a scanner and a CRC, in the manner of CoreMark
uint32_t row_states(void);      // a scanner as a state machine
uint32_t row_matrix_int(void);  // product of matrices of 16-bit integers
uint32_t row_filter(void);      // finite impulse response
uint32_t row_queens(void);      // backtracking: recursion with little work in it
uint32_t row_compress(void);    // Lempel-Ziv, there and back
uint32_t row_table(void);       // hash table with open addressing
uint32_t row_interpreter(void); // a switch over the bytes of a program
uint32_t row_strings(void);     // numbers to text, sorted by comparison
uint32_t row_chase_far(void);   // dependent loads through a random ring of 4 MiB
uint32_t row_copy_small(void);  // word by word, 4 to 256 bytes
uint32_t row_copy_large(void);  // rep movs and rep stos of 1 MiB
uint32_t row_bodies_x87(void);  // bodies that attract each other: sums, products, divisions, square roots
uint32_t row_bodies_sse(void);
uint32_t row_matrix_x87(void); // double-precision matrix product, x87
uint32_t row_matrix_sse(void); // double-precision matrix product, SSE2 scalar
uint32_t row_vector_sse(void); // single precision, SSE packed

#endif
