// Emitted code as text, by Capstone: the independent reader that the golden tests use.
#ifndef TESTS_TRANSLATOR_DISASM_H
#define TESTS_TRANSLATOR_DISASM_H

#include <stddef.h>
#include <stdint.h>

// Writes one line an instruction ("mov eax, ecx\n") into text; an undecodable byte ends it with "(bad)\n". Jump and
// call targets are printed as absolute addresses.
void disasm(const uint8_t *code, size_t size, uint64_t address, char *text, size_t text_size);

#endif
