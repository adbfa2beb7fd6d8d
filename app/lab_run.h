// What one run of a program of the laboratory gave, whichever way it was run.
#ifndef APP_LAB_RUN_H
#define APP_LAB_RUN_H

#include "app/lab_programs.h"

enum lab_end {
    LAB_NOT_RUN, // `how` says why
    LAB_ENDED,   // reached the INT3 at its end
    LAB_TRAPPED, // the instruction in question trapped; `how` names the exception or signal
    LAB_STRAYED, // something else stopped it, before or behind the instruction; `how` names it
};

#define LAB_HOW_MAX 96

struct lab_run {
    enum lab_end end;
    struct lab_state state;          // unless LAB_NOT_RUN
    uint8_t output[LAB_OUTPUT_SIZE]; // of a guest: what its kernel sent, all zero for a child
    char how[LAB_HOW_MAX];
    char became[LAB_HOW_MAX]; // of the translated run: what the translation made of the instruction
};

// Takes apart what the guest's kernel sent and says how the program ended.
void lab_run_of_guest(const struct lab_program *program, const uint8_t output[LAB_OUTPUT_SIZE], struct lab_run *run);

// Where the program stopped, from its EIP there: `trap` tells a fault from the INT3, which has EIP behind it.
enum lab_end lab_end_of(const struct lab_program *program, uint64_t eip, bool trap);

#endif
