// What the outcome of a program means for a monitor that lets it run.
#ifndef APP_LAB_VERDICT_H
#define APP_LAB_VERDICT_H

#include "app/lab_run.h"

enum lab_verdict {
    LAB_NO_VERDICT, // was not run
    LAB_TRAPS,      // a monitor hears of it
    LAB_WRONG,      // went on with something else than ring 0 gives, and nobody was told
    LAB_LEAKS,      // gave what belongs to the host or shows the privilege
    LAB_RIGHT,      // the same as at ring 0
};

// UMIP (CR4 bit 11; SDM vol. 3A, section 2.5) as seen by what the five instructions gave in user mode.
enum lab_umip {
    LAB_UMIP_UNSEEN, // they gave values of their own: off
    LAB_UMIP_FAKED,  // on, and the kernel answered their #GP with made-up values
    LAB_UMIP_TRAPS,  // on, and the program got the #GP
};

// The verdict on a child's run.
enum lab_verdict lab_verdict_of_child(const struct lab_program *program, const struct lab_run *bare,
                                      const struct lab_run *child, enum lab_umip umip);

// The verdict on a guest's run: right if all that its kernel sent is the same, every register included.
enum lab_verdict lab_verdict_of_guest(const struct lab_run *bare, const struct lab_run *guest);

// "traps", "wrong", "leaks", "right", "-".
const char *lab_verdict_name(enum lab_verdict verdict);

// What SGDT's run says of UMIP.
enum lab_umip lab_umip_seen(const struct lab_run *sgdt);

#endif
