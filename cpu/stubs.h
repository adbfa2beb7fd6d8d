// Offsets of struct vcpu_abi that the hand-written stubs use, checked against the structure in engine.c, and the labels
// of the stub code. Offsets are from the start of the structure; the stubs subtract ABI_BIAS.
#ifndef CPU_STUBS_H
#define CPU_STUBS_H

#define STUB_GPR           16
#define STUB_FLAGS         48
#define STUB_PAGE          52
#define STUB_R8            56
#define STUB_R9            60
#define STUB_R10           64
#define STUB_REQUEST       76
#define STUB_FPU_PARKED    78
#define STUB_GATE_R9       80
#define STUB_HOST_RSP      88
#define STUB_LIVE_ROOT     96
#define STUB_WINDOW        104
#define STUB_EXIT_REASON   236
#define STUB_YMM_LIVE      237
#define STUB_EXIT_SITE     240
#define STUB_CALLOUT_ENTRY 256
#define STUB_MISS_ENTRY    264
#define STUB_WRITE_ENTRY   272
#define STUB_SLOW_ENTRY    280
#define STUB_EXIT_ENTRY    288
#define STUB_FX            320
#define STUB_YMM           9664

// Inside the FXSAVE image, and values of STUB_FPU_PARKED.
#define STUB_FX_MXCSR       24
#define STUB_FX_XMM         160
#define STUB_PARKED_VECTORS 1
#define STUB_PARKED_ALL     2

#ifndef __ASSEMBLER__
#include <stdint.h>

// Code from stubs_begin to stubs_end is copied to the start of the arena; it is position-independent.
extern const uint8_t stubs_begin[], stubs_end[];
extern const uint8_t stub_enter[], stub_miss[], stub_exit[], stub_link[], stub_fault[];
extern const uint8_t stub_callout[], stub_soft_miss[], stub_writeback[];
extern const uint8_t stub_gate[], stub_gate_end[];
#endif

#endif
