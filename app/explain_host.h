// Host code as a reader wants it: Capstone's text with the monitor's names in place of its addresses.
#ifndef APP_EXPLAIN_HOST_H
#define APP_EXPLAIN_HOST_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define EXPLAIN_CODE_RX 0x10000000u // where explained host code pretends to run

// The pretended address of a stub (enum abi_stub).
uint32_t explain_stub_address(unsigned stub);

struct explain_printer;

// Disassemblers for guest code of 16 or 32 bits and for host code. NULL when memory is out.
struct explain_printer *explain_printer_create(unsigned guest_bits);
void explain_printer_destroy(struct explain_printer *printer);

// The guest instruction in bytes[0, size) as "mnemonic operands"; text has room for `room` characters.
void explain_guest_text(struct explain_printer *printer, const uint8_t *bytes, size_t size, uint32_t address,
                        char *text, size_t room);

// The length of the guest instruction in bytes[0, size), 0 if there is none.
size_t explain_guest_length(struct explain_printer *printer, const uint8_t *bytes, size_t size);

// Prints host code, one instruction a line, each behind `indent`.
void explain_host_print(struct explain_printer *printer, FILE *out, const char *indent, const uint8_t *code,
                        size_t size, uint32_t address);

#endif
