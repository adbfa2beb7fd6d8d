// Where things lie in the fuzzer's guest, and in the child process that plays the processor: linear addresses of code
// and data are the same in both. Read by C and by the guest's assembly.
#ifndef TESTS_FUZZ_LAYOUT_H
#define TESTS_FUZZ_LAYOUT_H

#define FUZZ_RAM            0x800000
#define FUZZ_PAGE_DIRECTORY 0x1000
#define FUZZ_PT_LOW         0x2000 // linear 0 to 8 MiB is physical, and the supervisor's (two tables)
#define FUZZ_PT_CODE        0x4000
#define FUZZ_PT_DATA        0x5000
#define FUZZ_GDT            0x6000
#define FUZZ_IDT            0x7000
#define FUZZ_TSS            0x8000
#define FUZZ_STACK_TOP      0xb000
#define FUZZ_KERNEL         0x10000 // guest.S
#define FUZZ_VAR_COUNT      0x20000 // cases of this batch
#define FUZZ_VAR_INDEX      0x20004
#define FUZZ_VAR_CASE       0x20008 // address of the current case
#define FUZZ_VAR_RESULT     0x2000c // of its result
#define FUZZ_VAR_LOG        0x20010 // of its next exception
#define FUZZ_VAR_AVX        0x20014 // not 0: with the upper halves of the YMM registers
#define FUZZ_PRISTINE       0x30000 // what the writable data pages hold at the start of every case
#define FUZZ_DATA_FRAMES    0x40000 // frames of the data pages, in the order of their linear addresses
#define FUZZ_CASES          0x100000
#define FUZZ_RESULTS        0x200000
#define FUZZ_CODE_FRAMES    0x400000

#define FUZZ_BATCH 64 // cases

// Linear. Each case has two code pages of its own, which all of them may read.
#define FUZZ_CODE        0x10000000
#define FUZZ_CODE_STRIDE 0x2000
// Data pages: writable, writable, read-only, absent, writable, absent, the supervisor's. Nothing lies around them.
#define FUZZ_DATA       0x20000000
#define FUZZ_DATA_PAGES 7
#define FUZZ_MEMORY     0x3000 // bytes of the three writable pages

// A case as the guest's driver finds it: offsets in FUZZ_CASES + index * FUZZ_CASE_STRIDE.
#define FUZZ_CASE_GPR     0 // EAX ECX EDX EBX ESP EBP ESI EDI
#define FUZZ_CASE_EFLAGS  32
#define FUZZ_CASE_EIP     36
#define FUZZ_CASE_CODE    40 // linear address of the first instruction
#define FUZZ_CASE_FX      64
#define FUZZ_CASE_LENGTHS 576 // by offset in the code: length of the instruction that starts here; 255: the end
#define FUZZ_LENGTHS      1216
#define FUZZ_CASE_YMM     1792 // upper halves of YMM0 to YMM7
#define FUZZ_CASE_STRIDE  2048

// A result: likewise.
#define FUZZ_RESULT_GPR    0
#define FUZZ_RESULT_EFLAGS 32
#define FUZZ_RESULT_FAULTS 36 // how many
#define FUZZ_RESULT_EIP    40 // where the case ended
#define FUZZ_RESULT_FX     64
#define FUZZ_RESULT_LOG    576
#define FUZZ_FAULT         64 // bytes of one: vector, error, EIP, CR2, EFLAGS, EAX .. EDI
#define FUZZ_FAULTS        96
#define FUZZ_RESULT_YMM    7168
#define FUZZ_RESULT_MEMORY 8192
#define FUZZ_RESULT_STRIDE 0x5000

#define FUZZ_SEL_CODE0   0x08
#define FUZZ_SEL_DATA0   0x10
#define FUZZ_SEL_CODE3   0x1b
#define FUZZ_SEL_DATA3   0x23 // base 0
#define FUZZ_SEL_TSS     0x28
#define FUZZ_SEL_BASED   0x33       // base FUZZ_DATA
#define FUZZ_LAST_OFFSET 0xffffefff // of both, where they have a limit

#endif
