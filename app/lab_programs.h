// The laboratory's programs: one for each form of a sensitive unprivileged instruction, with what to look at
// afterwards and what the manual says must be there at ring 0.
#ifndef APP_LAB_PROGRAMS_H
#define APP_LAB_PROGRAMS_H

#include "app/lab_image.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LAB_VALUES_MAX 2

// Where an observed value is found in struct lab_state.
enum lab_place { LAB_EAX, LAB_ESP, LAB_CS, LAB_EFLAGS, LAB_DATA_0, LAB_DATA_2 };

struct lab_value {
    const char *name; // NULL behind the last
    enum lab_place place;
    uint32_t mask;   // what counts
    uint32_t manual; // what the manual's statement gives at ring 0 of this guest
    bool wide;       // in 64-bit mode the instruction stores eight bytes
};

struct lab_program {
    const char *name;      // of the row: "push-fs"
    const char *mnemonic;  // of the instruction: "push"
    const char *statement; // what the manual says, in a line
    const char *lesson;    // what goes wrong with it in user mode, in a line
    const char *twin;      // of only_32: the program that shows the same with bytes that exist in 64-bit mode
    const uint8_t *begin, *at, *end;
    bool reads;                     // asks for something that the system owns, else it changes it
    bool only_32;                   // the encoding does not exist in 64-bit mode
    bool based_data;                // descriptor 28h has LAB_DATA_BASE as its base
    bool umip;                      // UMIP makes it trap in user mode
    uint32_t eflags, esi, ecx, edi; // at the start
    struct lab_value values[LAB_VALUES_MAX];
};

#define LAB_DATA_BASE  8u          // of the guest's segment 28h for programs that load it
#define LAB_MARK_HOST  0x11111111u // at offset 16 of the data area: a segment without a base shows it
#define LAB_MARK_GUEST 0x22222222u // at offset 16 + LAB_DATA_BASE

extern const struct lab_program lab_programs[];
extern const size_t lab_program_count;

// The value in the state, masked; all eight bytes of one that 64-bit mode stores so.
uint64_t lab_value_get(const struct lab_value *value, const struct lab_state *state);

// The value as a reader wants it: "base=101000", "zf=1", "if=0 iopl=3".
void lab_value_text(const struct lab_value *value, const struct lab_state *state, char *text, size_t room);

// Do all values of the program agree between the two states?
bool lab_program_same(const struct lab_program *program, const struct lab_state *one, const struct lab_state *other);

// Are those of the state what the manual says?
bool lab_program_by_manual(const struct lab_program *program, const struct lab_state *state);

// How many values the program has.
unsigned lab_program_values(const struct lab_program *program);

#endif
