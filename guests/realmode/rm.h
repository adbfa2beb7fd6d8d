// Running a piece of 16-bit code in real-address mode, from a complete state until an exception or INT 81h brings it
// back. Memory below 640 KiB belongs to it: the vector table at 0, this kit at 20000h, code, data and stack segments.
#ifndef REALMODE_RM_H
#define REALMODE_RM_H

#include "exec.h"

enum { RM_STATE = 0x20000, RM_KIT = 0x21000, RM_CODE = 0x30000, RM_DATA = 0x40000, RM_STACK = 0x50000 };
enum { RM_CODE_SEG = RM_CODE >> 4, RM_DATA_SEG = RM_DATA >> 4, RM_STACK_SEG = RM_STACK >> 4 };
enum { RM_DONE = 0x81, RM_STACK_TOP = 0xff00 };
enum { SEL_RM_CODE = SEL_FREE, SEL_RM_DATA = SEL_FREE + 8 }; // limit 64 KiB, at RM_KIT and 0

// What goes in and comes out; its layout is known to rm.S.
struct rm {
    u32 eax, ecx, edx, ebx, esp, ebp, esi, edi;
    u16 ds, es, fs, gs, ss, cs, ip, flags;
    u16 vector;             // out: what ended it
    u16 selector;           // in: protected-mode selector that DS, ES, FS and GS hold last, for their hidden parts
    u16 stack, table_limit; // in: the same for SS; the limit of the vector table
    u32 saved_esp, saved_cr0;
};

// 16-bit code that runs at RM_CODE_SEG:0; it ends with INT 81h by itself.
#define RM_SNIPPET(name, text)                                                                                         \
    __asm__(".pushsection .rodata\n.globl " #name ", " #name "_end\n" #name ":\n.code16\n" text                        \
            "\nint $0x81\n.code32\n" #name "_end:\n.popsection");                                                      \
    extern const u8 name[], name##_end[]

// Everything zero but the segments, SP and the selectors; vectors 0 to 31 and 81h end the run. Ring 0, paging off.
void rm_init(struct rm *rm);
void rm_code(const u8 *from, const u8 *end, u16 at); // copies code to RM_CODE_SEG:at
void rm_vector(u8 vector, u16 segment, u16 offset);
void rm_go(struct rm *rm); // from rm->cs:ip
// The usual: copies the snippet and runs it.
struct rm rm_run(const u8 *from, const u8 *end, struct rm in);
#define RM_RUN(name, in) rm_run(name, name##_end, in)

static inline u16 rm_word(u32 address) {
    __asm__("" : "+r"(address)); // the table lies at address 0
    return *(volatile u16 *)address;
}

#endif
