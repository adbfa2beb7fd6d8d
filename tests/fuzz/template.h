// Every encoding that the fuzzer may use, sorted by the row of the classification table that it belongs to.
#ifndef TESTS_FUZZ_TEMPLATE_H
#define TESTS_FUZZ_TEMPLATE_H

#include "translator/table.h"

#include <stdbool.h>
#include <stdint.h>

// An instruction up to its ModRM byte, which has a memory operand's mod of 0 where `memory` is set.
struct fuzz_template {
    uint8_t bytes[6];
    uint8_t length;         // with the ModRM byte
    uint8_t modrm_at;       // 0: none
    uint8_t imm_size;       // of all immediates
    uint8_t size;           // operand size: of the memory operand, else of the largest register operand
    uint16_t read, written; // general registers, by number, implicit ones too
    bool memory;            // has a mod of memory
    bool vvvv;              // VEX, with a register in its vvvv field
    bool touches;           // accesses memory, by an operand or by itself
};

// A cell of the coverage table: with or without a memory operand, which may be implied; `size` by fuzz_size_class.
struct fuzz_goal {
    uint16_t row; // index in the list of rows
    uint8_t size;
    bool memory, fault;
};

struct fuzz_row {
    const struct table_row *row;
    struct fuzz_template *forms[2]; // without and with a memory operand
    unsigned count[2];
    const char *skipped; // why the fuzzer does not run it, or NULL
};

// The list is made once; it holds every row that is not undefined. Returns NULL when there is no memory.
struct fuzz_row *fuzz_rows(unsigned *count);
void fuzz_rows_free(struct fuzz_row *rows, unsigned count);

struct fuzz_facts {
    const struct table_row *row;
    uint8_t length, imm_size, size;
    uint16_t read, written;
    bool memory; // explicit
};
// What Zydis and the table say of an instruction; false where it is none.
bool fuzz_facts(const uint8_t *bytes, unsigned size, struct fuzz_facts *facts);
// Operand sizes as the coverage table sorts them: the size itself, or the next of its columns.
unsigned fuzz_size_class(unsigned size);
// Does it access memory, by an operand or by itself?
bool fuzz_touches_memory(const struct table_row *row, bool explicit_operand);

// An encoding of each kind that generate.c writes itself, with targets and set-up that fit, instead of by a template:
// `length` bytes, or NULL behind the last.
const uint8_t *fuzz_composed_sample(unsigned index, unsigned *length);

#endif
