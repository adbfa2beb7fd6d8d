/* exits.c: what CPUID costs on this machine, in ticks of the time-stamp counter, the least of many. Under VT-x CPUID
   always leaves for the monitor, so in a virtual machine this is the price of a VM exit; on a bare machine it is the
   instruction alone. */
#include <cpuid.h>
#include <stdio.h>
#include <x86intrin.h>

#define TIMES      2000
#define HYPERVISOR (1u << 31) /* leaf 1, ECX */

int main(void) {
    unsigned a, b, c, d;
    unsigned long long least = ~0ull;
    for (int i = 0; i < TIMES; i++) {
        unsigned long long start = __rdtsc();
        __cpuid(0, a, b, c, d);
        unsigned long long ticks = __rdtsc() - start;
        least = ticks < least ? ticks : least;
    }
    __cpuid(1, a, b, c, d);
    printf("CPUID: %llu ticks, on a %s machine\n", least, c & HYPERVISOR ? "virtual" : "bare");
    return 0;
}
