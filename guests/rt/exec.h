// Running a piece of code from a complete processor state, at any privilege, until it traps. A snippet ends with
// INT EXEC_DONE; whatever stops it, the whole state at the trap comes back, so that flags, registers, vector, error
// code, CR2 and EIP can all be compared.
//
//     SNIPPET(divide, "mov $0, %ecx", "div %ecx")      // snippet, snippet_at = the last instruction
//     TEST(divide_error) { EXPECT_FAULT(divide, 0, 0); }
#ifndef RT_EXEC_H
#define RT_EXEC_H

#include "rt.h"
#include "segments.h"

enum { EXEC_DONE = 0x81 };
enum {
    VEC_DE = 0,
    VEC_DB = 1,
    VEC_NMI = 2,
    VEC_BP = 3,
    VEC_OF = 4,
    VEC_BR = 5,
    VEC_UD = 6,
    VEC_NM = 7,
    VEC_DF = 8,
    VEC_TS = 10,
    VEC_NP = 11,
    VEC_SS = 12,
    VEC_GP = 13,
    VEC_PF = 14,
    VEC_MF = 16,
    VEC_AC = 17,
};
enum { PF_P = 1, PF_W = 2, PF_U = 4, PF_RSVD = 8, PF_I = 16 };

struct regs {
    u32 edi, esi, ebp, esp, ebx, edx, ecx, eax;
    u32 eip, eflags;
    u32 cs, ss, ds, es, fs, gs;
};

struct trap {
    struct regs r; // at the trap
    u32 vector, error, cr2;
    bool inner; // it came from an outer ring: ESP and SS are those of that ring, else those above the trap frame
};

// The frame that the stubs build; what a hook may look at and change.
struct trap_frame {
    u32 gs, fs, es, ds;
    u32 edi, esi, ebp, unused, ebx, edx, ecx, eax;
    u32 vector, error, eip, cs, eflags, esp, ss; // ESP and SS only from an outer ring
};

#define SNIPPET(name, setup, instruction)                                                                              \
    __asm__(".pushsection .snippets, \"awx\"\n.globl " #name ", " #name "_at, " #name "_end\n" #name ":\n" setup       \
            "\n" #name "_at:\n" instruction "\n" #name "_end:\nint $0x81\n.popsection");                               \
    extern u8 name[], name##_at[], name##_end[];

// Registers for ring 0 or ring 3 with flat segments, zero in the general registers, interrupts off, and a stack
// of its own.
struct regs regs_for(unsigned ring);
// Runs `code` from `in` (whose eip is ignored). Sets *out.
void exec(const void *code, const struct regs *in, struct trap *out);
struct trap exec_ring(const void *code, unsigned ring); // from regs_for(ring)

// A hook gets traps of its vector before anything else does, also outside exec; it returns true if the interrupted code
// shall go on from the frame.
typedef bool (*trap_hook)(struct trap_frame *frame);
void hook_set(u8 vector, trap_hook hook);

void exec_init(void);
void exec_reset(void); // no hooks, interrupts and paging off, flags and control registers as at the start
void exec_end_of_test(void);

extern u8 user_stack_top[], user_buffer[]; // ring 3 may use them: 4 pages of stack, 4 pages of buffer, page-aligned
enum { USER_BUFFER_SIZE = 4 * 4096 };

// The trap was `vector` with error code `error`, at `eip`.
bool check_trap(const char *what, const struct trap *t, u32 vector, u32 error, const void *eip, const char *file,
                int line);
// The snippet ran to its end.
bool check_done(const char *what, const struct trap *t, const char *file, int line);
#define CHECK_TRAP(t, vector, error, eip) check_trap(#vector " at " #eip, &(t), vector, error, eip, __FILE__, __LINE__)
#define CHECK_PF(t, error, address, eip)                                                                               \
    ((void)(CHECK_TRAP(t, VEC_PF, error, eip) && CHECK_EQ("CR2", (t).cr2, address)))
#define CHECK_DONE(what, t) check_done(what, &(t), __FILE__, __LINE__)
// The snippet, at ring 0 or 3, must fault at its last instruction.
#define EXPECT_FAULT_RING(ring, name, vector, error)                                                                   \
    do {                                                                                                               \
        struct trap trap_ = exec_ring(name, ring);                                                                     \
        check_trap(#name, &trap_, vector, error, name##_at, __FILE__, __LINE__);                                       \
    } while (0)
#define EXPECT_FAULT(name, vector, error) EXPECT_FAULT_RING(0, name, vector, error)
#define EXPECT_DONE_RING(ring, name)                                                                                   \
    do {                                                                                                               \
        struct trap trap_ = exec_ring(name, ring);                                                                     \
        check_done(#name, &trap_, __FILE__, __LINE__);                                                                 \
    } while (0)

#endif
