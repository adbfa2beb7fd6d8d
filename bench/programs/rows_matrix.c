// Compute rows on floating point. This file is compiled twice: for x87, and with SSE (BENCH_SSE) where the compiler
// uses scalar SSE2 for the same source; the packed row is written with vector types.
#include "compute.h"

enum { SIZE = 48, VECTORS = 2048, PASSES = 8, BODIES = 5, STEPS = 200 };

typedef double matrix[SIZE][SIZE];

static void fill(matrix a, int first) {
    for (int i = 0; i < SIZE; i++)
        for (int j = 0; j < SIZE; j++)
            a[i][j] = (double)(first + (i * 7 + j * 3) % 11) * 0.25;
}

static uint32_t matrix_product(void) {
    static matrix a, b, c;
    fill(a, 2);
    fill(b, -4);
    for (int i = 0; i < SIZE; i++)
        for (int j = 0; j < SIZE; j++) {
            double sum = 0;
            for (int k = 0; k < SIZE; k++)
                sum += a[i][k] * b[k][j];
            c[i][j] = sum;
        }
    uint32_t checksum = 0;
    for (int i = 0; i < SIZE; i++)
        for (int j = 0; j < SIZE; j++)
            checksum = checksum * 31 + (uint32_t)(int32_t)(c[i][j] * 16);
    return checksum;
}

// By the instruction: there is no library.
#ifdef BENCH_SSE
#define SQUARE_ROOT(value) __asm__("sqrtsd %0, %0" : "+x"(value))
#else
#define SQUARE_ROOT(value) __asm__("fsqrt" : "+t"(value))
#endif

struct body {
    double place[3], speed[3], mass;
};

static void bodies_step(struct body *bodies) {
    const double time = 0.01;
    for (int i = 0; i < BODIES; i++)
        for (int j = i + 1; j < BODIES; j++) {
            double way[3], square = 0.1;
            for (int k = 0; k < 3; k++) {
                way[k] = bodies[i].place[k] - bodies[j].place[k];
                square += way[k] * way[k];
            }
            double root = square;
            SQUARE_ROOT(root);
            double pull = time / (square * root);
            for (int k = 0; k < 3; k++) {
                bodies[i].speed[k] -= way[k] * bodies[j].mass * pull;
                bodies[j].speed[k] += way[k] * bodies[i].mass * pull;
            }
        }
    for (int i = 0; i < BODIES; i++)
        for (int k = 0; k < 3; k++)
            bodies[i].place[k] += time * bodies[i].speed[k];
}

// The checksum is coarse: a value that the compiler keeps in a wider register here and stores there may differ in its
// last place.
static uint32_t bodies_move(void) {
    struct body bodies[BODIES];
    double sum = 0;
    for (int i = 0; i < BODIES; i++)
        for (int k = 0; k < 3; k++) {
            bodies[i].place[k] = i * 1.5 + k * 0.75 - (i & 1);
            bodies[i].speed[k] = 0.1 * k - 0.05 * i;
            bodies[i].mass = 1.0 / (i + 1);
        }
    for (int step = 0; step < STEPS; step++)
        bodies_step(bodies);
    for (int i = 0; i < BODIES; i++)
        for (int k = 0; k < 3; k++)
            sum += bodies[i].place[k] * bodies[i].place[k];
    return (uint32_t)(int32_t)(sum * 1000);
}

#ifdef BENCH_SSE
uint32_t row_bodies_sse(void) {
    return bodies_move();
}

typedef float vector __attribute__((vector_size(16)));

uint32_t row_matrix_sse(void) {
    return matrix_product();
}

uint32_t row_vector_sse(void) {
    static vector x[VECTORS], y[VECTORS];
    vector sum = {0, 0, 0, 0}, factor = {0.5f, 0.25f, 2.0f, 1.0f};
    for (int i = 0; i < VECTORS; i++) {
        x[i] = (vector){(float)(i % 16), 1.0f, (float)(i % 3), 2.0f};
        y[i] = factor;
    }
    for (int pass = 0; pass < PASSES; pass++)
        for (int i = 0; i < VECTORS; i++) {
            y[i] = x[i] * factor + y[i] * 0.5f;
            sum += y[i];
        }
    return (uint32_t)(int32_t)(sum[0] + sum[1] + sum[2] + sum[3]);
}
#else
uint32_t row_bodies_x87(void) {
    return bodies_move();
}

uint32_t row_matrix_x87(void) {
    return matrix_product();
}
#endif
