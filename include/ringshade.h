// Ringshade as a library: create a PC, load a kernel into it, run it, stop it, look into it. The command line is one
// user of this header; it needs nothing else. Everything here may be called from one thread at a time, except where a
// function says "from any thread". Nothing here prints, and nothing here ends the process.
//
//     struct ringshade_config config = ringshade_default_config();
//     struct ringshade_guest guest = {.kernel = "vmlinuz", .append = "console=ttyS0"};
//     struct ringshade_error error;
//     struct ringshade *machine = ringshade_create(&config, &error);
//     if (machine && !ringshade_load(machine, &guest, &error))
//         printf("%s\n", ringshade_stop_name(ringshade_run(machine)));
//     ringshade_destroy(machine);
#ifndef RINGSHADE_H
#define RINGSHADE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

#define RINGSHADE_VERSION "0.1.0"

// Guest RAM in bytes. A size between these is rounded up to a multiple of RINGSHADE_MEMORY_STEP.
#define RINGSHADE_MEMORY_MIN  (4ull << 20)
#define RINGSHADE_MEMORY_MAX  (3584ull << 20)
#define RINGSHADE_MEMORY_STEP (4ull << 20)

#define RINGSHADE_TIMEOUT_MAX 31536000.0 // seconds, a year
#define RINGSHADE_MODULES_MAX 32         // Multiboot modules, the initrd included
#define RINGSHADE_ERROR_MAX   256        // bytes of an error text with its final NUL

// One line without a newline that names what was wrong. Every function that can fail fills it, or takes NULL.
struct ringshade_error {
    char text[RINGSHADE_ERROR_MAX];
};

// A machine: RAM, a PC's buses and devices, one virtual processor. Two of them share nothing, but each thread runs at
// most one.
struct ringshade;

// How guest memory accesses are translated; all three give the same results.
enum ringshade_mmu {
    RINGSHADE_MMU_ADAPTIVE, // each address space gets the form that suits it
    RINGSHADE_MMU_DIRECT,   // always through the host's own page tables
    RINGSHADE_MMU_SOFT,     // always through a software TLB
};

// Where the first serial port (COM1, ports 3F8h-3FFh, IRQ 4) leads.
enum ringshade_serial {
    RINGSHADE_SERIAL_NULL,  // output is dropped, no input
    RINGSHADE_SERIAL_STDIO, // the process's standard input and output, with the console keys (Ctrl-A h)
    RINGSHADE_SERIAL_FILE,  // output to serial_path, created or emptied; no input
    RINGSHADE_SERIAL_PTY,   // a new pseudo-terminal, whose name ringshade_serial_name gives
};

// What the guest's clocks (TSC, 8254, RTC) go by.
enum ringshade_clock {
    RINGSHADE_CLOCK_HOST,    // the host's time
    RINGSHADE_CLOCK_VIRTUAL, // guest instructions, one a nanosecond; HLT skips to the next event. Two runs without
                             // input are the same to the last bit, in every form of the MMU
};

// Techniques that a run may do without, to show what each buys; results stay the same. For each: the name behind
// RINGSHADE_ABLATE_, its bit, and the name of the command line.
#define RINGSHADE_ABLATIONS(X)                                                                                         \
    X(CODE_MAP, 0, "code-map") /* every transfer out of a page, and every return, is looked up by the monitor */       \
    X(FAULT_AROUND, 1, "fault-around") /* a direct access that faults gets its own page and no neighbours */           \
    X(IRET_PREFILL, 2, "iret-prefill") /* the page of a guest's page fault is not mapped before the guest goes on */   \
    X(HOT_SAMPLING, 3, "hot-sampling") /* user address spaces stay soft, however much time they use */                 \
    X(FORM_CHANGE, 4, "form-change")   /* instructions stay direct, however often they fault */                        \
    X(RETAIN, 5, "retain")             /* translations of code that went are not kept */                               \
    X(DESCRIPTOR_FAST, 6, "descriptor-fast") /* each segment load reads and checks its descriptor in full */

enum ringshade_ablation {
#define RINGSHADE_ABLATION(name, bit, text) RINGSHADE_ABLATE_##name = 1 << (bit),
    RINGSHADE_ABLATIONS(RINGSHADE_ABLATION)
#undef RINGSHADE_ABLATION
        RINGSHADE_ABLATE_ALL = 0x7f
};

#define RINGSHADE_RTC_DEFAULT INT64_MIN    // rtc: the host's date, or RINGSHADE_RTC_VIRTUAL under the virtual clock
#define RINGSHADE_RTC_VIRTUAL 1735689600ll // 2025-01-01 00:00:00 UTC

struct ringshade_config {
    uint64_t memory; // bytes, RINGSHADE_MEMORY_MIN to RINGSHADE_MEMORY_MAX
    enum ringshade_mmu mmu;
    enum ringshade_serial serial;
    const char *serial_path; // for RINGSHADE_SERIAL_FILE, else ignored
    bool verify;             // check every translated block with the verifier; a rejected block ends the run
    bool no_link;            // send every jump through the code map: slow, for finding faults of linking
    uint32_t ablate;         // bits of enum ringshade_ablation: do without these techniques
    bool no_reboot;          // a reset by the guest ends the run instead of starting it again
    bool dma_test;           // add the DMA test device
    bool smep, smap;         // announce supervisor-mode execution and access prevention
    bool avx;                // announce XSAVE, AVX and AVX2; an error on hosts without them
    bool hypercalls;        // offer the guest calls into the monitor (docs/hypercalls.md), announced by CPUID 40000000h
    bool nmi_test;          // add the NMI test device; then HLT with interrupts off waits for it
    uint32_t cache_mib;     // size of the code cache in MiB, 0 for the default
    double timeout;         // seconds of wall time for one ringshade_run, 0 for none, at most RINGSHADE_TIMEOUT_MAX
    const char *gdb;        // NULL, or where a debugger connects: "unix:PATH", or a TCP port of 127.0.0.1 ("1234")
    bool gdb_no_wait;       // the guest runs at once; else it waits for the debugger before its first instruction
    const char *log_topics; // NULL or a comma-separated list: blocks, exits, faults, mmu, devices, all
    FILE *log_stream;       // where the log goes, from the first run on; NULL means stderr. Stays the caller's
    // NULL, or what takes a trace of the run (docs/trace.md): called on the thread of ringshade_run, first with its
    // header, then with whole chunks. Returns 0, or -1: the trace ends, the guest goes on at full speed.
    int (*trace)(void *opaque, const void *data, size_t size);
    void *trace_opaque;
    enum ringshade_clock clock;
    int64_t rtc; // the date at the start, in seconds since 1970 (UTC), or RINGSHADE_RTC_DEFAULT
    // Only with the virtual clock; counts are of guest instructions, 0 means never.
    uint64_t hash_every;  // write a line with a hash of the processor's state to hash_stream every so many
    uint64_t hash_memory; // with a hash of guest RAM in every so many, a multiple of hash_every, and in the last line
    FILE *hash_stream;    // stays the caller's
    uint64_t stop_after;  // end the run after so many
};

// The defaults: 256 MiB, adaptive, no serial port connected, everything else off.
struct ringshade_config ringshade_default_config(void);

// A file that a Multiboot kernel finds in memory, and the text that goes with it.
struct ringshade_module {
    const char *path;
    const char *args; // NULL means none
};

// What to load, read during ringshade_load only. The kind of the kernel is found out from its content: a Linux bzImage
// (boot protocol 2.04 or later, Documentation/arch/x86/boot.rst) or Multiboot 1 (ELF32 or with the address fields of
// its header).
struct ringshade_guest {
    const char *kernel;
    const char *initrd;                     // NULL for none; for a Multiboot kernel it becomes the first module
    const char *append;                     // the kernel's command line; NULL means none
    const struct ringshade_module *modules; // Multiboot only
    size_t module_count;                    // at most RINGSHADE_MODULES_MAX, less one for an initrd
};

// Why ringshade_run came back.
enum ringshade_stop {
    RINGSHADE_STOP_HALT,         // HLT with interrupts off and nothing that could wake the processor
    RINGSHADE_STOP_RESET,        // the guest reset the machine under no_reboot
    RINGSHADE_STOP_DEBUG_EXIT,   // the guest wrote to the debug-exit port (F4h)
    RINGSHADE_STOP_CONSOLE,      // the user pressed Ctrl-A x on the console
    RINGSHADE_STOP_REQUEST,      // ringshade_request_stop
    RINGSHADE_STOP_TIMEOUT,      // config.timeout has passed
    RINGSHADE_STOP_COUNT,        // config.stop_after instructions have been executed
    RINGSHADE_STOP_TRIPLE_FAULT, // the registers are those of the instruction that faulted
    RINGSHADE_STOP_DEBUGGER,     // a debugger ended the run
    RINGSHADE_STOP_ERROR,        // an error of the monitor; ringshade_stop_text says which
};

// A segment register with its hidden part. attr has the layout of bits 8-23 of the second word of a segment
// descriptor (Intel SDM, vol. 3A, figure 3-8), without the limit: type 0-3, S 4, DPL 5-6, P 7, AVL 8, D/B 10, G 11.
struct ringshade_segment {
    uint16_t selector;
    uint16_t attr;
    uint32_t base;
    uint32_t limit; // in bytes, inclusive
};

// The processor's registers outside x87, MMX and SSE.
struct ringshade_registers {
    uint32_t eax, ecx, edx, ebx, esp, ebp, esi, edi;
    uint32_t eip, eflags;
    uint32_t cr0, cr2, cr3, cr4;
    uint32_t dr[8];
    struct ringshade_segment es, cs, ss, ds, fs, gs, ldtr, tr;
    uint32_t gdt_base, idt_base;
    uint16_t gdt_limit, idt_limit;
};

// Creates a machine without a kernel. Returns NULL and fills error when the configuration is out of range, when a file
// of it cannot be opened, or when the host lacks something (BMI2, FSGSBASE, memfd, memory).
struct ringshade *ringshade_create(const struct ringshade_config *config, struct ringshade_error *error);

// Ends the machine and gives everything back, the terminal's settings included. NULL is allowed.
void ringshade_destroy(struct ringshade *machine);

// Reads the guest's files into the host's memory and places them in guest RAM; the processor then stands at the
// kernel's first instruction. The files are not needed again: a reset loads from the same memory. Returns 0, or -1
// with error filled (it names the file and what is wrong); then the machine has no kernel.
int ringshade_load(struct ringshade *machine, const struct ringshade_guest *guest, struct ringshade_error *error);

// Runs the guest on the calling thread until something of enum ringshade_stop happens. After a stop by request, by
// timeout or by the console it may be called again and goes on where it was; after any other stop, call ringshade_load
// or ringshade_restart first. A machine without a kernel gives RINGSHADE_STOP_ERROR.
enum ringshade_stop ringshade_run(struct ringshade *machine);

// Loads the guest again, as after a reset. Returns 0, or -1 with error filled. Not while ringshade_run runs.
int ringshade_restart(struct ringshade *machine, struct ringshade_error *error);

// Ends the current ringshade_run, or the next one if none runs. From any thread, and from a signal handler whose
// sa_mask is full: it sends a signal to the thread that runs, which must not be delivered on top of another handler.
void ringshade_request_stop(struct ringshade *machine);

// Resets the machine as its reset line does, after the current guest instruction. From any thread.
void ringshade_request_reset(struct ringshade *machine);

// A non-maskable interrupt, as from a front panel's button: taken after the current guest instruction, or after the
// IRET of the handler that runs. Several before it is taken are one. What the guest does at ports 61h and 70h does not
// hold it back. It wakes a halted guest that has not stopped. From any thread.
void ringshade_raise_nmi(struct ringshade *machine);

// A word for a stop cause: "halt", "reset", "debug-exit", "console", "stop", "timeout", "count", "triple-fault",
// "debugger", "error".
const char *ringshade_stop_name(enum ringshade_stop cause);

// One line on the last stop: where the triple fault was, what the monitor's error was, or just the cause. Valid until
// the next call of ringshade_run.
const char *ringshade_stop_text(const struct ringshade *machine);

// The byte that the guest wrote to the debug-exit port; meaningful after RINGSHADE_STOP_DEBUG_EXIT.
uint8_t ringshade_debug_exit_value(const struct ringshade *machine);

// The name of the pseudo-terminal under RINGSHADE_SERIAL_PTY ("/dev/pts/3"), else NULL.
const char *ringshade_serial_name(const struct ringshade *machine);

// Puts the terminal under RINGSHADE_SERIAL_STDIO into raw mode again, for a handler of SIGCONT: a shell sets its own
// modes while a process is stopped. Async-signal-safe; does nothing for other kinds.
void ringshade_resume_console(const struct ringshade *machine);

// Registers, while ringshade_run does not run. Writing them drops cached translations of addresses.
void ringshade_get_registers(const struct ringshade *machine, struct ringshade_registers *registers);
void ringshade_set_registers(struct ringshade *machine, const struct ringshade_registers *registers);

// Prints the registers in a fixed layout of several lines, each ending in a newline.
void ringshade_print_registers(const struct ringshade_registers *registers, FILE *out);

// The size of guest RAM in bytes, after rounding.
uint64_t ringshade_memory_size(const struct ringshade *machine);

// Guest-physical memory, while ringshade_run does not run. Returns 0, or -1 if a part of the range is not RAM (then
// nothing is copied).
int ringshade_read_memory(const struct ringshade *machine, uint64_t address, void *data, size_t size);
int ringshade_write_memory(struct ringshade *machine, uint64_t address, const void *data, size_t size);

// One counter by its name in the statistics ("blocks_translated"). Returns 0, or -1 if there is none of that name.
int ringshade_get_counter(const struct ringshade *machine, const char *name, uint64_t *value);

// Writes every counter, figures derived from them, callouts by name and the last stop as one JSON object. While
// ringshade_run does not run. Returns 0, or -1 with error filled when the stream fails.
int ringshade_write_stats(const struct ringshade *machine, FILE *out, struct ringshade_error *error);

#ifdef __cplusplus
}
#endif

#endif
