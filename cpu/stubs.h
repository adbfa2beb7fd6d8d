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
#define STUB_SYS_FLAGS     72
#define STUB_SELECTOR_CS   188
#define STUB_YMM           9664

// Inside the FXSAVE image, and values of STUB_FPU_PARKED.
#define STUB_FX_MXCSR       24
#define STUB_FX_XMM         160
#define STUB_PARKED_VECTORS 1
#define STUB_PARKED_ALL     2

// Behind the part that translated code sees, and of struct vcpu.
#define STUB_VIEW_CHANGES   9808
#define STUB_STAY_SINCE     9816
#define STUB_STAY_UNTIMED   9824
#define STUB_STAY_USER      9828
#define STUB_STAY_KEPT      9829
#define STUB_EMPTY_ROOT     9832
#define STUB_ROOT_SLOT      9840
#define STUB_CALLOUT_COUNTS 9848
#define STUB_CROSSING       9856
#define STUB_CROSSING_SIZE  72
#define STUB_V_CS           10700
#define STUB_V_SS           10712
#define STUB_V_CPL          10796
#define STUB_V_ESP          10844
#define STUB_V_EIP          10848
#define STUB_V_MODE         11016
#define STUB_V_SEGMENT_MODE 11020
#define STUB_V_SS_MEMO      11882

#define STUB_GUARD_PAGE    10000
#define STUB_SEGMENT_LOADS 10008
#define STUB_CPUID_TABLE   10016
#define STUB_LOADS         10272
#define STUB_CR0           9792
#define STUB_TLB_READ      832
#define STUB_TLB_ADDEND    2880
#define STUB_SELECTOR      184
#define STUB_BASE          160
#define STUB_BASE_P        112
#define STUB_V_SEG         10688
#define STUB_V_GDT_BASE    10784
#define STUB_V_USER_OPEN   10892
#define STUB_ID_CPUID      41

// struct abi_segment_load
#define LOAD_DESCRIPTOR 0
#define LOAD_KEY        8
#define LOAD_CODE       12
#define LOAD_BASE       16
#define LOAD_LIMIT      20
#define LOAD_MASK       24
#define LOAD_BITS       28
#define LOAD_SIZE_SHIFT 5

// struct abi_crossing
#define CROSSING_FROM         0
#define CROSSING_TO           4
#define CROSSING_CHANGES      8
#define CROSSING_FLAGS        12
#define CROSSING_ROOT_SERVES  16
#define CROSSING_ROOT         24
#define CROSSING_MAP          32
#define CROSSING_WINDOW       40
#define CROSSING_SELECTORS    48
#define CROSSING_CODE         56
#define CROSSING_STACK        60
#define CROSSING_SEGMENT_MODE 64

#define ROOT_SERVES      8  // of struct root
#define STUB_ID_SYSENTER 42 // callouts
#define STUB_ID_SYSEXIT  43
#define STUB_FLAGS_KEY   0x43000 // IOPL, AC
#define STUB_FLAGS_ENTER 0x30200 // IF, RF, VM: what SYSENTER clears

#ifndef __ASSEMBLER__
#include <stdint.h>

// Code from stubs_begin to stubs_end is copied to the start of the arena; it is position-independent.
extern const uint8_t stubs_begin[], stubs_end[];
extern const uint8_t stub_enter[], stub_miss[], stub_exit[], stub_link[], stub_fault[];
extern const uint8_t stub_callout[], stub_soft_miss[], stub_writeback[];
extern const uint8_t stub_sysenter[], stub_sysexit[], stub_cpuid[], stub_load_seg[];
extern const uint8_t stub_quick[], stub_quick_end[];
extern const uint8_t stub_gate[], stub_gate_end[];
extern const uint8_t stub_cross[], stub_cross_end[];
#endif

#endif
