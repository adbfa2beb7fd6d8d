// CPUID of the announced processor: an Intel Atom of the first generation with SSE4.2 and POPCNT, which no
// processor-bug list of an operating system holds anything against (docs/decisions/cpuid.md). Intel SDM vol. 2A,
// CPUID. What the host cannot run is left out.
#include "cpu/hypercall.h"
#include "ringshade_hypercalls.h"

#include <cpuid.h>

// Family 6, model 28, stepping 10.
#define SIGNATURE 0x000106cau

#define LEAF1_EDX_FPU          (1u << 0)
#define LEAF1_EDX_VME          (1u << 1)
#define LEAF1_EDX_DE           (1u << 2)
#define LEAF1_EDX_PSE          (1u << 3)
#define LEAF1_EDX_TSC          (1u << 4)
#define LEAF1_EDX_MSR          (1u << 5)
#define LEAF1_EDX_PAE          (1u << 6)
#define LEAF1_EDX_CX8          (1u << 8)
#define LEAF1_EDX_SEP          (1u << 11)
#define LEAF1_EDX_PGE          (1u << 13)
#define LEAF1_EDX_CMOV         (1u << 15)
#define LEAF1_EDX_MMX          (1u << 23)
#define LEAF1_EDX_FXSR         (1u << 24)
#define LEAF1_EDX_SSE          (1u << 25)
#define LEAF1_EDX_SSE2         (1u << 26)
#define LEAF1_ECX_SSE3         (1u << 0)
#define LEAF1_ECX_SSSE3        (1u << 9)
#define LEAF1_ECX_SSE4_1       (1u << 19)
#define LEAF1_ECX_SSE4_2       (1u << 20)
#define LEAF1_ECX_POPCNT       (1u << 23)
#define LEAF1_ECX_XSAVE        (1u << 26)
#define LEAF1_ECX_OSXSAVE      (1u << 27)
#define LEAF1_ECX_AVX          (1u << 28)
#define LEAF1_ECX_HYPERVISOR   (1u << 31)
#define LEAF7_EBX_TSC_ADJUST   (1u << 1)
#define LEAF7_EBX_AVX2         (1u << 5)
#define LEAF7_EBX_SMEP         (1u << 7)
#define LEAF7_EBX_SMAP         (1u << 20)
#define LEAF7_EBX_NO_FCS_FDS   (1u << 13) // environments hold zero for the selectors of the x87 pointers
#define EXT1_EDX_NX            (1u << 20)
#define EXT7_EDX_INVARIANT_TSC (1u << 8)

#define ANNOUNCED_EDX                                                                                                  \
    (LEAF1_EDX_FPU | LEAF1_EDX_VME | LEAF1_EDX_DE | LEAF1_EDX_PSE | LEAF1_EDX_TSC | LEAF1_EDX_MSR | LEAF1_EDX_PAE |    \
     LEAF1_EDX_CX8 | LEAF1_EDX_SEP | LEAF1_EDX_PGE | LEAF1_EDX_CMOV | LEAF1_EDX_MMX | LEAF1_EDX_FXSR | LEAF1_EDX_SSE | \
     LEAF1_EDX_SSE2)

enum { LAST_BASIC = 0x16, LAST_EXTENDED = 0x80000008u, PHYSICAL_BITS = MMU_PHYSICAL_BITS, LINEAR_BITS = 32 };

static const char brand[48] = "Ringshade IA-32 Processor";

static uint32_t word_of(const char *text) {
    uint32_t word;
    __builtin_memcpy(&word, text, 4);
    return word;
}

// What the host has, from where the compiler's start-up code keeps it: the host's own CPUID may trap and take
// microseconds, and every new process of a guest asks a dozen times.
static uint32_t host_features(void) {
    uint32_t ecx = 0;
    ecx |= __builtin_cpu_supports("sse3") ? LEAF1_ECX_SSE3 : 0;
    ecx |= __builtin_cpu_supports("ssse3") ? LEAF1_ECX_SSSE3 : 0;
    ecx |= __builtin_cpu_supports("sse4.1") ? LEAF1_ECX_SSE4_1 : 0;
    ecx |= __builtin_cpu_supports("sse4.2") ? LEAF1_ECX_SSE4_2 : 0;
    ecx |= __builtin_cpu_supports("popcnt") ? LEAF1_ECX_POPCNT : 0;
    return ecx;
}

bool cpuid_host_avx(void) {
    return __builtin_cpu_supports("avx2");
}

// What an answer depends on besides the host.
struct announced {
    bool invariant_tsc;
    uint32_t xcr0_supported, xcr0;
    bool osxsave;
};

static void basic_leaf1(const struct announced *a, uint32_t regs[4]) {
    regs[0] = SIGNATURE;
    regs[2] = host_features();
    if (a->xcr0_supported)
        regs[2] |= LEAF1_ECX_XSAVE | LEAF1_ECX_AVX;
    if (a->osxsave)
        regs[2] |= LEAF1_ECX_OSXSAVE;
    regs[3] = ANNOUNCED_EDX;
}

// Deterministic cache parameters: first-level data and instruction caches of 32 KiB, 8 ways, a second level of 2 MiB,
// 8 ways; lines of 64 bytes, one core.
static void basic_leaf4(uint32_t subleaf, uint32_t regs[4]) {
    static const struct {
        uint32_t type, level, ways, sets;
    } caches[] = {{1, 1, 8, 64}, {2, 1, 8, 64}, {3, 2, 8, 4096}};
    if (subleaf >= sizeof caches / sizeof *caches)
        return;
    const uint32_t self_initialising = 1u << 8;
    regs[0] = caches[subleaf].type | caches[subleaf].level << 5 | self_initialising;
    regs[1] = (caches[subleaf].ways - 1) << 22 | (64 - 1);
    regs[2] = caches[subleaf].sets - 1;
}

static void basic_leaf7(const struct announced *a, uint32_t regs[4]) {
    regs[1] = LEAF7_EBX_TSC_ADJUST | LEAF7_EBX_NO_FCS_FDS;
    if (a->xcr0_supported)
        regs[1] |= LEAF7_EBX_AVX2;
}

// The XSAVE image: how long it is with what XCR0 enables and at most, and where the upper halves of YMM stand.
static void basic_leaf13(const struct announced *a, uint32_t subleaf, uint32_t regs[4]) {
    enum { LEGACY_AND_HEADER = 576, YMM_SIZE = 256 };
    if (!a->xcr0_supported)
        return;
    if (subleaf == 0) {
        regs[0] = a->xcr0_supported;
        regs[1] = LEGACY_AND_HEADER + (a->xcr0 & XCR0_AVX ? YMM_SIZE : 0u);
        regs[2] = LEGACY_AND_HEADER + YMM_SIZE;
    } else if (subleaf == 2) {
        regs[0] = YMM_SIZE;
        regs[1] = LEGACY_AND_HEADER;
    }
}

static void basic(const struct announced *a, uint32_t leaf, uint32_t subleaf, uint32_t regs[4]) {
    switch (leaf) {
    case 0:
        regs[0] = LAST_BASIC;
        regs[1] = word_of("Genu");
        regs[3] = word_of("ineI");
        regs[2] = word_of("ntel");
        break;
    case 1: basic_leaf1(a, regs); break;
    case 2: // descriptors: TLBs of 4 KiB pages (B0 B3), L1 data 2C, L1 instructions 30, L2 of 2 MiB with 64-byte lines
            // 7D
        regs[0] = 0x00b3b001;
        regs[3] = 0x007d302c;
        break;
    case 4: basic_leaf4(subleaf, regs); break;
    case 7:
        if (subleaf == 0)
            basic_leaf7(a, regs);
        break;
    case 13: basic_leaf13(a, subleaf, regs); break;
    default: break;
    }
}

static void extended(uint32_t leaf, bool invariant_tsc, uint32_t regs[4]) {
    switch (leaf) {
    case 0x80000000u: regs[0] = LAST_EXTENDED; break;
    case 0x80000001u:
        regs[3] = EXT1_EDX_NX; // done by the page-table walk, whatever the host has
        break;
    case 0x80000002u:
    case 0x80000003u:
    case 0x80000004u:
        for (unsigned i = 0; i < 4; i++)
            regs[i] = word_of(brand + (leaf - 0x80000002u) * 16 + i * 4);
        break;
    case 0x80000006u: regs[2] = 2048u << 16 | 6u << 12 | 64u; break; // L2: KiB, 8 ways, line size
    case 0x80000007u: regs[3] = invariant_tsc ? EXT7_EDX_INVARIANT_TSC : 0; break;
    case 0x80000008u: regs[0] = LINEAR_BITS << 8 | PHYSICAL_BITS; break;
    default: break;
    }
}

// Leaves out of range answer as the highest basic one (SDM vol. 2A, CPUID).
static uint32_t effective_leaf(uint32_t leaf) {
    bool known = leaf <= LAST_BASIC || (leaf >= 0x80000000u && leaf <= LAST_EXTENDED);
    return known ? leaf : LAST_BASIC;
}

static void announce(const struct announced *a, uint32_t leaf, uint32_t subleaf, uint32_t regs[4]) {
    regs[0] = regs[1] = regs[2] = regs[3] = 0;
    if (leaf >= 0x80000000u)
        extended(leaf, a->invariant_tsc, regs);
    else
        basic(a, leaf, subleaf, regs);
}

bool cpuid_host_invariant_tsc(void) {
    uint32_t host[4] = {0};
    __get_cpuid(0x80000007u, &host[0], &host[1], &host[2], &host[3]);
    return host[3] & EXT7_EDX_INVARIANT_TSC;
}

void cpu_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t regs[4]) {
    leaf = effective_leaf(leaf);
    const struct announced a = {.invariant_tsc = leaf == 0x80000007u && cpuid_host_invariant_tsc(), .xcr0 = XCR0_X87};
    announce(&a, leaf, subleaf, regs);
}

// The rate of the time-stamp counter, which only a running processor knows: 15h as a multiple of a crystal of 100 kHz
// (a kernel multiplies in 32 bits), 16h in MHz.
static void tsc_leaves(struct vcpu *v, uint32_t leaf, uint32_t regs[4]) {
    if (leaf == 0x15) {
        regs[0] = 100;
        regs[1] = tsc_rate_khz(v);
        regs[2] = 100000;
    } else if (leaf == 0x16) {
        regs[0] = regs[1] = (tsc_rate_khz(v) + 500) / 1000;
        regs[2] = 100;
    }
}

// What the run asked for (struct cpu_config).
static uint32_t optional_leaf7(const struct vcpu *v) {
    return (v->cr4_optional & CR4_SMEP ? LEAF7_EBX_SMEP : 0) | (v->cr4_optional & CR4_SMAP ? LEAF7_EBX_SMAP : 0);
}

static void answer(struct vcpu *v, uint32_t regs[4]) {
    if (v->config.hypercalls &&
        (v->abi.gpr[CPU_EAX] == RINGSHADE_CPUID_SIGNATURE || v->abi.gpr[CPU_EAX] == RINGSHADE_CPUID_CALLS)) {
        hypercall_cpuid(v->abi.gpr[CPU_EAX], regs);
        return;
    }
    uint32_t leaf = effective_leaf(v->abi.gpr[CPU_EAX]);
    const struct announced a = {.invariant_tsc = v->tsc_rate.invariant,
                                .xcr0_supported = v->xcr0_supported,
                                .xcr0 = v->xcr0,
                                .osxsave = v->abi.cr4 & CR4_OSXSAVE};
    announce(&a, leaf, v->abi.gpr[CPU_ECX], regs);
    tsc_leaves(v, leaf, regs);
    if (leaf == 7 && v->abi.gpr[CPU_ECX] == 0)
        regs[1] |= optional_leaf7(v);
    if (leaf == 1 && v->config.hypercalls)
        regs[2] |= LEAF1_ECX_HYPERVISOR;
}

enum callout_result callout_CPUID(struct vcpu *v, uint32_t r8, uint32_t r9, uint32_t word) {
    (void)r8, (void)r9, (void)word;
    uint32_t regs[4], leaf = v->abi.gpr[CPU_EAX];
    answer(v, regs);
    if (effective_leaf(leaf) == leaf && leaf != 4 && leaf != 7 && leaf != 13) // these look at ECX too
        v->abi.cpuid[leaf % ABI_CPUID_LEAVES] =
            (struct abi_cpuid){.leaf = leaf, .eax = regs[0], .ebx = regs[1], .ecx = regs[2], .edx = regs[3]};
    v->abi.gpr[CPU_EAX] = regs[0];
    v->abi.gpr[CPU_EBX] = regs[1];
    v->abi.gpr[CPU_ECX] = regs[2];
    v->abi.gpr[CPU_EDX] = regs[3];
    return CALLOUT_CONTINUE;
}
