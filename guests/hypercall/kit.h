// Calls into the monitor under `--hypercalls`, from C and with all registers checked.
#ifndef HYPERCALL_KIT_H
#define HYPERCALL_KIT_H

#include "paging.h"
#include "pc.h"
#include "ringshade_hypercalls.h"

// EAX after the call. `ebx` and `ecx` are what the call left there, where they are not NULL.
struct answer {
    s32 status;
    u32 ebx, ecx;
};
struct answer call(u32 number, u32 ebx, u32 ecx, u32 edx);

// The call with patterns in all other registers and flags; checks that it changed EAX alone. Returns EAX.
s32 call_alone(u32 number, u32 ebx, u32 ecx, u32 edx);

u64 clock_now(void); // ns

#endif
