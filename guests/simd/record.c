// Development tool, not part of any guest: prints golden.h as this processor computes it, running the guest's own
// operations in 64-bit mode:
//     gcc -O1 -fno-toplevel-reorder -Iguests/simd guests/simd/{record,harness,ops_float,ops_integer,ops_move}.c -o
//     record
//     ./record >guests/simd/golden.h
// With the name of an operation it prints every case, as the word `trace` makes the guest do.
#define _GNU_SOURCE
#include "simd.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

static void bytes(const char *name, const uint8_t *at, int count) {
    printf(" %s ", name);
    while (count--)
        printf("%02x", at[count]);
}

static void trace(const struct simd_op *op, const struct simd_case *in, const struct simd_result *out) {
    printf("%s mxcsr %04x eax %08x ecx %08x edx %08x", op->name, in->mxcsr, in->eax, in->ecx, in->edx);
    bytes("a", in->a, 16);
    bytes("b", in->b, 16);
    bytes(": xmm0", out->xmm[0], 16);
    bytes("xmm1", out->xmm[1], 16);
    bytes("mm0", out->mm[0], 8);
    bytes("mm1", out->mm[1], 8);
    bytes("m", out->memory, 16);
    printf(" mxcsr %04x eax %08x ecx %08x edx %08x f %03x\n", out->mxcsr, out->eax, out->ecx, out->edx, out->flags);
}

int main(int argc, char **argv) {
    uint8_t *where = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    if (where == MAP_FAILED)
        return 1;
    for (const struct simd_op *op = __start_simd_ops; op < __stop_simd_ops; op++) {
        if (argc < 2)
            printf("{\"%s\", {0x%08x, 0x%08x}},\n", op->name, simd_hash(op, SIMD_FULL, where, NULL),
                   simd_hash(op, SIMD_PLAIN, where, NULL));
        else if (!strcmp(argv[1], op->name))
            simd_hash(op, argc > 2 ? SIMD_PLAIN : SIMD_FULL, where, trace);
    }
    return 0;
}
