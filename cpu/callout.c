// The table of callouts: one function a row of ABI_CALLOUTS (translator/abi.h), and their names.
#include "cpu/semantics.h"

const callout_fn callout_table[CALLOUT_COUNT] = {
#define CALLOUT_ENTRY(name, weight) callout_##name,
    ABI_CALLOUTS(CALLOUT_ENTRY)
#undef CALLOUT_ENTRY
};

const char *cpu_callout_name(unsigned index) {
    static const char *const names[CALLOUT_COUNT] = {
#define CALLOUT_NAME(name, weight) #name,
        ABI_CALLOUTS(CALLOUT_NAME)
#undef CALLOUT_NAME
    };
    return index < CALLOUT_COUNT ? names[index] : NULL;
}

// No instruction is left to C whole today; a block that asks for it was made by mistake.
enum callout_result callout_SLOW(struct vcpu *v, uint32_t r8, uint32_t r9, uint32_t word) {
    (void)r8, (void)r9, (void)word;
    cpu_stop_unsupported(v, "an instruction that the translator left whole");
    return CALLOUT_LEAVE;
}
