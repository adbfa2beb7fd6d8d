// The calls that a guest may make into the monitor under `ringshade run --hypercalls`: what stands in which register.
// docs/hypercalls.md says what each call does. For guests and for the monitor; nothing but constants and one layout.
//
//     mov eax, RINGSHADE_CALL_...; mov ebx, first argument; mov ecx, second; mov edx, third; vmcall
//
// EAX is the result: zero or more, or one of enum ringshade_call_error. Every other register but those that a call is
// said to fill, and the flags, are left alone. Addresses are guest-physical ones of RAM.
#ifndef RINGSHADE_HYPERCALLS_H
#define RINGSHADE_HYPERCALLS_H

#include <stdint.h>

// CPUID: the first leaf says in EAX which is the last, and RINGSHADE_SIGNATURE in EBX, ECX, EDX. The second says in EAX
// which calls there are, bit n for call n, and in EBX the version. Leaf 1, ECX bit 31 says that there is a monitor.
#define RINGSHADE_CPUID_SIGNATURE 0x40000000u
#define RINGSHADE_CPUID_CALLS     0x40000001u
#define RINGSHADE_SIGNATURE       "RingshadeVMM"
#define RINGSHADE_CALLS_VERSION   1u

enum ringshade_call {
    RINGSHADE_CALL_QUERY = 0,   // EBX = bits of the calls that exist, ECX = version
    RINGSHADE_CALL_CONSOLE = 1, // EBX = address of the text, ECX = its length; EAX = bytes taken
    RINGSHADE_CALL_YIELD = 2,   // EBX = ns at most; EAX = 1 if an interrupt waits, 0 if the time is over
    RINGSHADE_CALL_PTES = 3,    // EBX = address of struct ringshade_pte[], ECX = how many, EDX = bytes of an entry
    RINGSHADE_CALL_CLOCK = 4,   // EBX, ECX = lower and upper half of the time in ns
    RINGSHADE_CALLS
};

enum ringshade_call_error {
    RINGSHADE_CALL_E2BIG = -7,     // more than the call takes at one time
    RINGSHADE_CALL_EFAULT = -14,   // an address outside RAM
    RINGSHADE_CALL_EINVAL = -22,   // another argument is wrong
    RINGSHADE_CALL_ENOSYS = -1000, // no such call
};

#define RINGSHADE_CONSOLE_MAX 4096u // bytes
#define RINGSHADE_PTES_MAX    512u  // entries
#define RINGSHADE_PTE_DROP    1u    // in `page`: what the processor remembers of the page goes, as by INVLPG

// One change of a page table. Aligned to 8 bytes.
struct ringshade_pte {
    uint32_t entry; // address of the page-table entry, aligned to its size
    uint32_t page;  // linear address of a page, with RINGSHADE_PTE_DROP; 0 for none
    uint64_t value; // what the entry becomes; the upper half is zero for entries of 4 bytes
};

#endif
