// Development tool, not part of any guest: prints golden.h as this processor computes it, running the guest's own
// operations in 64-bit mode:
//     gcc -O1 -fno-toplevel-reorder -Iguests/fpu guests/fpu/{record,harness,ops_arith,ops_compare,ops_move}.c -o record
//     && ./record
// With the name of an operation (and the number of a set) it prints every case, as the word `trace` makes the guest do.
#define _GNU_SOURCE
#include "x87.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

static void bytes(const uint8_t *at, int count) {
    while (count--)
        printf("%02x", at[count]);
}

static void trace(const struct x87_op *op, const struct x87_case *in, const struct x87_result *out) {
    printf("%s fcw %04x depth %u st0 ", op->name, in->fcw, in->depth);
    bytes(in->st[in->depth ? in->depth - 1 : 0], 10);
    printf(" st1 ");
    bytes(in->st[in->depth > 1 ? in->depth - 2 : 0], 10);
    printf(" m ");
    bytes(in->memory, 10);
    printf(": fsw ");
    bytes(out->image + 4, 2);
    printf(" tags ");
    bytes(out->image + 8, 2);
    printf(" st0 ");
    bytes(out->image + 28, 10);
    printf(" st1 ");
    bytes(out->image + 38, 10);
    printf(" m ");
    bytes(out->memory, 10);
    printf(" eax %08x f %02x\n", out->eax, out->flags & 0x45);
}

int main(int argc, char **argv) {
    uint8_t *where = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    if (where == MAP_FAILED)
        return 1;
    for (const struct x87_op *op = __start_x87_ops; op < __stop_x87_ops; op++) {
        if (argc < 2)
            printf("{\"%s\", {0x%08x, 0x%08x, 0x%08x}},\n", op->name, x87_hash(op, X87_MASKED, where, NULL),
                   x87_hash(op, X87_UNMASKED, where, NULL), x87_hash(op, X87_PLAIN, where, NULL));
        else if (!strcmp(argv[1], op->name))
            x87_hash(op, argc > 2 ? (enum x87_set)(argv[2][0] - '0') : X87_MASKED, where, trace);
    }
    return 0;
}
