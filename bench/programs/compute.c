// Times each compute row: "@begin NAME" before, "@row NAME NANOSECONDS CHECKSUM" (nanoseconds of one run of the piece
// of work, the best of several batches) and "@end NAME NANOSECONDS" (all that was timed, to compare with another clock)
// after it.
//
//     compute [--batch MILLISECONDS] [ROW]...
//     compute --list
#include "compute.h"

#include "runtime.h"

enum { BATCHES = 5, BATCH_MS = 60 };

static const struct compute_row rows[] = {
    {"integer", row_integer},
    {"divide", row_divide},
    {"sort", row_sort},
    {"sieve", row_sieve},
    {"chase", row_chase},
    {"crc", row_crc},
    {"sha256", row_sha},
    {"fib", row_fib},
    {"indirect", row_indirect},
    {"records", row_records},
    {"copy", row_copy},
    {"copy-small", row_copy_small},
    {"copy-large", row_copy_large},
    {"mixed", row_mixed},
    {"states", row_states},
    {"matrix-int", row_matrix_int},
    {"filter", row_filter},
    {"queens", row_queens},
    {"compress", row_compress},
    {"table", row_table},
    {"interpreter", row_interpreter},
    {"strings", row_strings},
    {"chase-far", row_chase_far},
    {"bodies-x87", row_bodies_x87},
    {"bodies-sse", row_bodies_sse},
    {"matrix-x87", row_matrix_x87},
    {"matrix-sse", row_matrix_sse},
    {"vector-sse", row_vector_sse},
};

struct timing {
    uint64_t best, total; // nanoseconds: of one run, of everything
    uint32_t checksum;
};

static uint64_t time_batch(const struct compute_row *row, uint32_t runs, struct timing *timing) {
    uint64_t from = now_ns();
    for (uint32_t i = 0; i < runs; i++)
        timing->checksum = row->run();
    uint64_t took = now_ns() - from;
    timing->total += took;
    return took;
}

static struct timing time_row(const struct compute_row *row, uint64_t batch_ns) {
    struct timing timing = {.best = UINT64_MAX};
    uint32_t runs = 1;
    uint64_t took = time_batch(row, runs, &timing);
    while (took < batch_ns / 2 && runs < 1u << 24) {
        runs *= 2;
        took = time_batch(row, runs, &timing);
    }
    for (int i = 0; i < BATCHES; i++) {
        took = time_batch(row, runs, &timing) / runs;
        if (took < timing.best)
            timing.best = took;
    }
    return timing;
}

static void print_row(const struct compute_row *row, uint64_t batch_ns) {
    put_text("@begin ");
    put_text(row->name);
    put_text("\n");
    struct timing timing = time_row(row, batch_ns);
    put_text("@row ");
    put_text(row->name);
    put_text(" ");
    put_number(timing.best);
    put_text(" ");
    put_number(timing.checksum);
    put_text("\n@end ");
    put_text(row->name);
    put_text(" ");
    put_number(timing.total);
    put_text("\n");
}

static uint32_t parse(const char *text) {
    uint32_t value = 0;
    while (*text >= '0' && *text <= '9')
        value = value * 10 + (uint32_t)(*text++ - '0');
    return value;
}

int main(int argc, char **argv) {
    uint64_t batch_ns = BATCH_MS * 1000000u;
    int first = 1;
    if (argc == 2 && !strcmp(argv[1], "--list")) {
        for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
            put_text(rows[i].name);
            put_text("\n");
        }
        return 0;
    }
    if (argc > 2 && !strcmp(argv[1], "--batch")) {
        batch_ns = (uint64_t)parse(argv[2]) * 1000000u;
        first = 3;
    }
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (is_wanted(rows[i].name, argc, argv, first))
            print_row(&rows[i], batch_ns);
    return 0;
}
