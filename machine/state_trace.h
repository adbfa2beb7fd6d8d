// The trace of a run under the virtual clock: a line for every so many guest instructions with a hash of the
// processor's architectural state, and now and then one of guest RAM. Two runs that should be the same are compared
// line by line (docs/usage.md, --hash-every).
#ifndef MACHINE_STATE_TRACE_H
#define MACHINE_STATE_TRACE_H

#include "machine/machine.h"

// Writes the line that is due at this count, if any. Returns the next count at which something of the configuration is
// due (a hash, or the end of the run). On the vCPU's thread.
uint64_t state_trace_reached(struct ringshade *machine, uint64_t instructions);

// The last line of a run that has ended, with RAM if that is hashed at all.
void state_trace_end(struct ringshade *machine);

#endif
