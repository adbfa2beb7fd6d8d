// What the classification table says of an instruction given by its bytes: for programs that explain translation and
// for tests. The translator itself does not use it.
#ifndef TRANSLATOR_DESCRIBE_H
#define TRANSLATOR_DESCRIBE_H

#include "translator/table.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct insn_description {
    unsigned length;             // bytes, 1 to 15; of an undecodable one 1
    const struct table_row *row; // never NULL
};

// Describes the instruction in bytes[0, size). Returns false if the bytes end inside it or it is longer than 15 bytes.
bool describe_insn(const uint8_t *bytes, size_t size, bool code32, struct insn_description *description);

#endif
