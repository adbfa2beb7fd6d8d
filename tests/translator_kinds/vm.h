// A virtual processor that is only as much as translated code needs: the product's stubs, one direct window of guest
// memory, and a structure that the test fills and reads. Callouts and exits end the run; so does a host fault, with the
// registers as the product's handler would see them.
#ifndef TESTS_TRANSLATOR_KINDS_VM_H
#define TESTS_TRANSLATOR_KINDS_VM_H

#include "translator/translator.h"

#include <stdbool.h>
#include <stdint.h>

#define VM_DATA      0x20000000u // linear address of guest memory
#define VM_DATA_SIZE 0x4000u     // its first and last page are not there: accesses fault
#define VM_GOOD      (VM_DATA + 0x1000)
#define VM_GOOD_END  (VM_DATA + 0x3000)
#define VM_CODE      0x00403000u // linear page of the instruction
#define VM_OFFSET    0x100u      // and where it stands in it

#define VM_FLAGS 0xcd5u // CF PF AF ZF SF DF OF

enum vm_end { VM_EXIT, VM_CALLOUT, VM_FAULT };

struct vm_run {
    enum vm_end end;
    uint32_t next; // VM_EXIT: linear address to go on at
    uint32_t id;   // VM_CALLOUT: enum callout_id
    uint32_t r8, r9, extra;
    uint32_t fault; // VM_FAULT: linear address
    bool string;    // VM_FAULT: the mark at the fault is a string one
};

int vm_open(void);                   // 0, or -1 with nothing usable
struct vcpu_abi *vm_abi(void);       // gpr, flags, sys_flags and so on, before and after a run
uint8_t *vm_memory(uint32_t linear); // of [VM_GOOD, VM_GOOD_END)
uint32_t vm_read32(uint32_t linear);
void vm_write32(uint32_t linear, uint32_t value);

// Flat 32-bit direct code at CPL 0 that may change IF.
#define VM_MODE (MODE_CODE32 | MODE_STACK32 | MODE_IOPL_OK)

// Translates the bytes, with HLT behind them, and runs the block.
struct vm_run vm_run(uint32_t mode, const uint8_t *bytes, unsigned size);

#endif
