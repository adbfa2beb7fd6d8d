// The laboratory's guest: a Multiboot kernel of three pages that runs one program of lab_image.S at ring 0, catches
// whatever stops it, and sends the state at that point to COM1. The same pages, at the same address, are what a child
// of the monitor has in its memory when it runs the program on the host's processor.
#ifndef APP_LAB_IMAGE_H
#define APP_LAB_IMAGE_H

// Guest-physical and linear addresses; paging is off. Also read by lab_image.S.
#define LAB_BASE       0x100000
#define LAB_SIZE       0x3000
#define LAB_GDT        (LAB_BASE + 0x1000)
#define LAB_IDT        (LAB_BASE + 0x1100)
#define LAB_TSS        (LAB_BASE + 0x1600)
#define LAB_START      (LAB_BASE + 0x1700) // EDI ESI EBP - EBX EDX ECX EAX, EFLAGS, address of the program
#define LAB_DATA       (LAB_BASE + 0x1800) // EBX of every program
#define LAB_DATA_SIZE  32
#define LAB_RESULT     (LAB_BASE + 0x1900)
#define LAB_STACK      (LAB_BASE + 0x2800) // of the program
#define LAB_USER_STACK (LAB_BASE + 0x2c00)
#define LAB_TRAP_STACK (LAB_BASE + 0x3000) // of ring 0 after a trap from ring 3

#define LAB_GDT_SIZE 0x60
#define LAB_IDT_SIZE 0x408 // vectors 0 to 80h
#define LAB_CR0      0x31  // PE, ET, NE

// Selectors. 23h, 2Bh and 33h are those of Linux's user code and data segments, so that a program means something under
// both; here the two for code are conforming segments of ring 0.
#define LAB_CODE    0x08
#define LAB_KDATA   0x10
#define LAB_LDT     0x18
#define LAB_CODE_32 0x23 // Linux: 32-bit user code
#define LAB_DATA_3  0x2b // Linux: user data and stack
#define LAB_CODE_64 0x33 // Linux: 64-bit user code
#define LAB_TASK    0x58 // none of the selectors that a kernel's task register has (Linux: 40h)

#define LAB_SYSCALL_ANSWER 0x600d600d // what the handler of INT 80h leaves in EAX; no process has this number

// What the kernel sends: the words that its common handler pushed, then the data area.
#define LAB_FRAME_WORDS 19
#define LAB_OUTPUT_SIZE (LAB_FRAME_WORDS * 4 + LAB_DATA_SIZE)

#ifndef __ASSEMBLER__

#include <stdbool.h>
#include <stdint.h>

struct lab_program;

// The state in which a program stopped, the same for all three ways of running it.
struct lab_state {
    uint32_t eax, ecx, edx, ebx, esp, ebp, esi, edi, eip, eflags;
    uint16_t cs, ss, ds, es, fs, gs;
    uint32_t vector;             // guest: of the exception that stopped it; 3 at its end
    bool wide;                   // it ran in 64-bit mode: SGDT and SIDT have stored eight bytes of base
    uint8_t data[LAB_DATA_SIZE]; // the data area afterwards
};

// Fills `image` with the kernel and its tables, set to run the program. `code_selector` is what EDX holds: LAB_CODE_32,
// or LAB_CODE_64 for a child that runs it in 64-bit mode.
void lab_image_build(const struct lab_program *program, uint16_t code_selector, uint8_t image[LAB_SIZE]);

// Takes apart what the kernel sends.
void lab_image_decode(const uint8_t output[LAB_OUTPUT_SIZE], struct lab_state *state);

// A program's registers at its first instruction.
struct lab_start {
    uint32_t edi, esi, ebp, unused, ebx, edx, ecx, eax, eflags, eip;
};
void lab_image_start(const struct lab_program *program, uint16_t code_selector, struct lab_start *start);

// Guest address of something inside lab_image.S.
uint32_t lab_image_address(const uint8_t *label);

#endif
#endif
