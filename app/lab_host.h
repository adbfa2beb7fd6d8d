// A program of the laboratory on the host's processor in ring 3: a child that owns nothing but the guest's three pages
// at their address, may make no system call, and is watched and ended by the monitor. The bytes are the guest's.
#ifndef APP_LAB_HOST_H
#define APP_LAB_HOST_H

#include "app/lab_run.h"
#include "app/lab_verdict.h"

#define LAB_CPU_MAX 64

struct lab_host {
    unsigned bits;         // of the children: 32, or 64 where the host gives no 32-bit code segment; 0: cannot run any
    char why[LAB_HOW_MAX]; // of 64 or 0: what the host said
    char cpu[LAB_CPU_MAX]; // CPUID's brand string
    bool umip_announced;   // CPUID leaf 7, ECX bit 2: the processor has UMIP. Whether it is on shows only in use
    enum lab_umip umip;    // filled by the caller, from a run of SGDT
};

// Finds out which children the host can run. `bits` is 0 for the best, or 32 or 64 to ask for that alone.
void lab_host_probe(struct lab_host *host, unsigned bits);

// Runs the program in a child as the probe found. Always fills `run`; of a child that could not be had it says why.
void lab_host_run(const struct lab_host *host, const struct lab_program *program, struct lab_run *run);

#endif
