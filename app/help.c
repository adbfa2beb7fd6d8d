// What the command line says about itself. docs/usage.md says the same at length.
#include "app/help.h"

#include "ringshade.h"

void help_print(FILE *out) {
    fputs(
        "Usage: ringshade run --kernel FILE [OPTION]...\n"
        "       ringshade explain [OPTION]... FILE|-\n"
        "       ringshade trace [OPTION]... FILE\n"
        "       ringshade lab [OPTION]... [PROGRAM]...\n"
        "       ringshade --help | --version\n"
        "\n"
        "Ringshade runs an unmodified 32-bit PC operating system in an ordinary process, by translating its code.\n"
        "\n"
        "Commands:\n"
        "  run      boot a kernel; 'ringshade run --help' lists the options\n"
        "  explain  show what machine code becomes, and why; 'ringshade explain --help' lists the options\n"
        "  trace    show what ran, from a file that 'run --trace' wrote; 'ringshade trace --help' lists the options\n"
        "  lab      run the sensitive unprivileged instructions three ways, side by side; see 'ringshade lab --help'\n",
        out);
}

void help_print_run(FILE *out) {
    fputs("Usage: ringshade run --kernel FILE [OPTION]...\n"
          "\n"
          "What to boot:\n"
          "  --kernel FILE           a Linux bzImage (i386) or a Multiboot 1 kernel\n"
          "  --initrd FILE           Linux: the initial RAM disk; Multiboot: the first module\n"
          "  --module \"FILE ARGS\"    Multiboot: a module and its text; may be repeated\n"
          "  --append TEXT           the kernel's command line\n"
          "\n"
          "The machine:\n"
          "  --memory SIZE           RAM, with K, M or G, else in MiB; 4M to 3584M, default 256M\n"
          "  --serial stdio|null|file:PATH|pty\n"
          "                          where COM1 leads; default stdio\n"
          "  --cpu smep,smap,avx     features to announce besides those of every run\n"
          "  --hypercalls            offer the guest calls into the monitor, by VMCALL, and say so in CPUID\n"
          "  --dma-test              add the DMA test device\n"
          "  --nmi-test              add the NMI test device\n"
          "  --clock host|virtual    what the guest's clocks go by; default host\n"
          "  --rtc TIME              the date at the start (UTC): 2026-02-03T04:05:06, or seconds since 1970\n"
          "  --no-reboot             a reset ends the run instead of starting again\n"
          "  --gdb unix:PATH|PORT    a port for gdb, TCP on 127.0.0.1; the guest waits for the debugger\n"
          "  --gdb-no-wait           with --gdb: the guest runs at once, a debugger may come later\n"
          "  --timeout SECONDS       end the run after this wall time\n"
          "\n"
          "The engine:\n"
          "  --mmu adaptive|direct|soft\n"
          "                          how memory accesses are translated; default adaptive\n"
          "  --verify                check every translated block before it runs\n"
          "  --no-link               never link blocks with each other\n"
          "  --ablate LIST           do without code-map, fault-around, iret-prefill, hot-sampling, form-change,\n"
          "                          retain, descriptor-fast, or all: slower, for measuring what each buys\n"
          "  --stats FILE            write statistics as JSON at the end\n"
          "  --hash-every N:FILE     --clock virtual: a hash of the processor's state every N instructions\n"
          "  --hash-memory N         and one of guest RAM every N, a multiple of the other\n"
          "  --stop-after N          end the run after N instructions\n"
          "  --trace FILE            write what runs to FILE, for 'ringshade trace'\n"
          "  --report DIR            write a page about the run to DIR/index.html\n"
          "  --trace-limit SIZE      end the trace at this size, the guest goes on; default 1G\n"
          "  --log WHAT[:FILE]       log blocks,exits,faults,mmu,devices or all; to stderr or FILE\n"
          "\n"
          "Keys on the console: Ctrl-A x leaves, Ctrl-A a sends Ctrl-A, Ctrl-A h helps.\n"
          "\n"
          "Exit status: 0 halt or left by Ctrl-A x; (v<<1)|1 after a write of v to the debug-exit port;\n"
          "2 bad input or unusable host; 4 triple fault; 6 timeout; 8 error of the monitor; 128+N signal N.\n",
          out);
}

void help_print_explain(FILE *out) {
    fputs("Usage: ringshade explain [OPTION]... FILE|-\n"
          "       ringshade explain --gdb unix:PATH|PORT [OPTION]...\n"
          "\n"
          "Prints the machine code in FILE, on standard input, or in a running guest, with the class of each "
          "instruction, how it is "
          "translated\n"
          "and why, and the host code that it becomes.\n"
          "\n"
          "  --format auto|raw|hex|elf  what FILE is: raw bytes, hexadecimal text, a 32-bit ELF file; default auto\n"
          "  --address HEX              where raw bytes and text begin; default 0\n"
          "  --mode 32|16|real          the size of the code, in protected mode or in real mode; default 32\n"
          "  --cpl 0|1|2|3              the privilege that it runs with (IOPL is 0); default 0\n"
          "  --mmu direct|soft          the form of its memory operands; default direct\n"
          "  --gdb unix:PATH|PORT       read from the guest whose run has this gdb port, at --address or where it "
          "stands,\n"
          "                             in the mode that its processor is in; the guest goes on afterwards\n"
          "  --length N                 with --gdb: so many bytes; default 64\n",
          out);
}

void help_print_trace(FILE *out) {
    fputs("Usage: ringshade trace [OPTION]... FILE\n"
          "\n"
          "Counts what is in FILE, which 'ringshade run --trace FILE' wrote; or one of\n"
          "  --list                 print the records, one a line\n"
          "  --hot N                the N blocks in which most instructions ran, with their code\n"
          "\n"
          "  --kind KIND[,...]      only block, callout, fault, interrupt, shadow, mode, space, sample\n"
          "  --address FROM[-TO]    only at linear addresses from FROM to TO, hexadecimal\n"
          "  --cpl 0|1|2|3          only at this privilege\n"
          "  --time FROM-TO         only then: seconds, or instructions for a run with --clock virtual\n"
          "  --limit N              with --list: at most N lines\n"
          "  --host                 with --hot: the host code, too\n"
          "  --json                 as JSON; with --list an object a line\n"
          "  --partial              read a trace whose run was killed, as far as it goes\n",
          out);
}

void help_print_lab(FILE *out) {
    fputs("Usage: ringshade lab [OPTION]... [PROGRAM]...\n"
          "\n"
          "Runs a small program for each sensitive unprivileged instruction three ways and shows the results side by "
          "side: bare\n"
          "at ring 0 (recorded), deprivileged in ring 3 of this host's processor, and translated by the engine.\n"
          "With the names of programs or of instructions, those alone and at length.\n"
          "\n"
          "  --json             the results as JSON\n"
          "  --html FILE        the results as a page of its own; nothing is printed but with --json\n"
          "  --child 32|64      the size of the deprivileged code; default 32 where the host can, else 64\n"
          "  --list             the names of the programs\n"
          "  --image FILE       write the one program given as a Multiboot kernel, to boot elsewhere\n",
          out);
}

void help_print_version(FILE *out) {
    fprintf(out, "ringshade %s\n", RINGSHADE_VERSION);
}
