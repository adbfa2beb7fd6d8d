// Where things lie in the memory of the engine tests' guest. Linear is physical but in the window of SPECIAL pages.
// Read by C and by the guest's assembly.
#ifndef TESTS_ENGINE_LAYOUT_H
#define TESTS_ENGINE_LAYOUT_H

#define GUEST_MEMORY   0x400000
#define PAGE_DIRECTORY 0x1000
#define PAGE_TABLE     0x2000 // of linear 0 to 4 MiB
#define SPECIAL_TABLE  0x3000 // of linear 4 to 8 MiB: each test's own
#define GUEST_GDT      0x4000
#define GUEST_IDT      0x5000
#define GUEST_TSS      0x6000
#define STACK0_TOP     0x9000 // of programs at CPL 0
#define TSS_STACK_TOP  0xb000 // of handlers entered from CPL 3
#define HANDLER_VARS   0xc000 // not compared between runs
#define VAR_IRQ_COUNT  0xc000
#define VAR_LOG_NEXT   0xc004 // where the next exception is logged
#define VAR_RESUME     0xc008 // where exceptions resume; 0: the program ends
#define VAR_DEMAND     0xc00c // not 0: a page fault makes the page present and returns
#define VAR_IRQ_ENDS   0xc010 // not 0: the interrupt handler ends the program
#define VAR_TRACE      0xc014 // not 0: exceptions resume at the start of the next 64 bytes (random programs)
#define LOG_START      0xd000 // exceptions: vector, error, EIP, CR2
#define LOG_END        0xf000
#define PROGRAMS       0x20000 // programs.S
#define USER_STACK_TOP 0x58000
#define DATA           0x60000 // compared between runs
#define DATA_END       0x80000
#define SPECIAL        0x400000 // linear
#define DEVICE_GPA     0xd0000000
#define DEVICE_SIZE    0x1000

#define SEL_CODE0 0x08
#define SEL_DATA0 0x10
#define SEL_CODE3 0x1b
#define SEL_DATA3 0x23
#define SEL_TSS   0x28
#define SEL_BASED 0x33 // flat but for a base of 100h, DPL 3
#define SEL_SMALL 0x3b // a limit of DATA + 0fffh, DPL 3

#define IRQ_VECTOR 0x20
#define END_VECTOR 0x80 // int 80h ends a program at any privilege

#endif
