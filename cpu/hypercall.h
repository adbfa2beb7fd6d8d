// What the calls of a guest into the monitor need besides their callout. Private to cpu/.
#ifndef CPU_HYPERCALL_H
#define CPU_HYPERCALL_H

#include "cpu/semantics.h"

// The leaves of CPUID that announce the calls: RINGSHADE_CPUID_SIGNATURE and RINGSHADE_CPUID_CALLS.
void hypercall_cpuid(uint32_t leaf, uint32_t regs[4]);

#endif
