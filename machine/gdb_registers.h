// The registers as gdb sees them: the standard features of i386 (core and SSE, in gdb's order), then a feature of our
// own with control, debug and system registers and the hidden parts of segments.
#ifndef MACHINE_GDB_REGISTERS_H
#define MACHINE_GDB_REGISTERS_H

#include "cpu/cpu.h"
#include "machine/gdb_packet.h"

#define GDB_REGISTERS_PLAIN 41 // those that gdb knows without a description

extern const unsigned gdb_register_count;

// Appends register `number` in hexadecimal, in the target's byte order. False if there is no such register.
bool gdb_register_read(struct vcpu *v, unsigned number, struct gdb_reply *reply);
// Appends the first `count` registers.
void gdb_registers_read(struct vcpu *v, unsigned count, struct gdb_reply *reply);
// Writes one register, or as many as `hex` holds. 0, or -1 if something of it cannot be written.
int gdb_register_write(struct vcpu *v, unsigned number, const char *hex);
int gdb_registers_write(struct vcpu *v, const char *hex);
// The description of the target. Returns its length; text has `size` bytes.
size_t gdb_registers_describe(char *text, size_t size);

#endif
