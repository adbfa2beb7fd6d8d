// See explain.h. The host code is the translator's own: this calls translate_block for every block, as the engine
// would, and only prints what comes out.
#include "app/explain.h"

#include "app/explain_guest.h"
#include "app/explain_host.h"
#include "app/explain_input.h"
#include "app/help.h"
#include "app/parse.h"
#include "app/run.h"
#include "translator/describe.h"
#include "translator/translator.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_SIZE   4096u
#define CLASS_COUNT (CLASS_SENSITIVE + 1u)
#define KIND_COUNT  (KIND_UD + 1u)

// How the code runs, as far as options say it; the rest is the guest's, or the default.
struct choices {
    unsigned bits, cpl;
    bool real, v86, soft, mode_given, cpl_given;
};

struct explain {
    const char *path, *gdb; // one of them is given
    enum explain_format format;
    struct choices choices;
    uint32_t address, length, mode;
    bool address_given, code32, help;
    struct explain_printer *printer;
    const struct explain_section *section;
    uint32_t guest_insns, guest_bytes, host_bytes, blocks;
    uint32_t by_class[CLASS_COUNT], by_kind[KIND_COUNT];
    struct translate_output out;
    uint8_t page[PAGE_SIZE], next_page[PAGE_SIZE], code[TRANSLATE_MAX_HOST];
};

// ---- Options -------------------------------------------------------------------------------------------------------

enum {
    OPTION_MODE = 256,
    OPTION_CPL,
    OPTION_MMU,
    OPTION_ADDRESS,
    OPTION_FORMAT,
    OPTION_GDB,
    OPTION_LENGTH,
    OPTION_HELP,
};

static const struct option long_options[] = {
    {"mode", required_argument, NULL, OPTION_MODE},
    {"cpl", required_argument, NULL, OPTION_CPL},
    {"mmu", required_argument, NULL, OPTION_MMU},
    {"address", required_argument, NULL, OPTION_ADDRESS},
    {"format", required_argument, NULL, OPTION_FORMAT},
    {"gdb", required_argument, NULL, OPTION_GDB},
    {"length", required_argument, NULL, OPTION_LENGTH},
    {"help", no_argument, NULL, OPTION_HELP},
    {NULL, 0, NULL, 0},
};

static int choose_mode(struct choices *choices, const char *text, struct ringshade_error *err) {
    choices->mode_given = true;
    choices->real = !strcmp(text, "real");
    choices->bits = strcmp(text, "32") ? 16 : 32;
    return choices->real || !strcmp(text, "16") || !strcmp(text, "32")
               ? 0
               : parse_error(err, "--mode %s is not 16, 32 or real", text);
}

static int choose_format(struct explain *explain, const char *text, struct ringshade_error *err) {
    static const char *const names[] = {"auto", "raw", "hex", "elf"};
    for (unsigned i = 0; i < 4; i++)
        if (!strcmp(text, names[i])) {
            explain->format = (enum explain_format)i;
            return 0;
        }
    return parse_error(err, "--format %s is not auto, raw, hex or elf", text);
}

static int choose_address(struct explain *explain, const char *text, struct ringshade_error *err) {
    char *end;
    unsigned long long value = strtoull(text, &end, 16);
    if (end == text || *end || *text == '-' || value > UINT32_MAX)
        return parse_error(err, "--address %s is not a hexadecimal address of 32 bits", text);
    explain->address = (uint32_t)value;
    explain->address_given = true;
    return 0;
}

static int choose_length(struct explain *explain, const char *text, struct ringshade_error *err) {
    char *end;
    unsigned long long value = strtoull(text, &end, 10);
    if (*text < '1' || *text > '9' || *end || value > EXPLAIN_BYTES_MAX)
        return parse_error(err, "--length %s is not a number of bytes from 1 to %u", text, EXPLAIN_BYTES_MAX);
    explain->length = (uint32_t)value;
    return 0;
}

static int apply(struct explain *explain, int code, const char *value, struct ringshade_error *err) {
    struct choices *choices = &explain->choices;
    switch (code) {
    case OPTION_MODE: return choose_mode(choices, value, err);
    case OPTION_FORMAT: return choose_format(explain, value, err);
    case OPTION_ADDRESS: return choose_address(explain, value, err);
    case OPTION_GDB: explain->gdb = value; return 0;
    case OPTION_LENGTH: return choose_length(explain, value, err);
    case OPTION_CPL:
        choices->cpl_given = true;
        choices->cpl = (unsigned)(value[0] - '0');
        return choices->cpl <= 3 && !value[1] ? 0 : parse_error(err, "--cpl %s is not 0, 1, 2 or 3", value);
    case OPTION_MMU:
        choices->soft = !strcmp(value, "soft");
        return choices->soft || !strcmp(value, "direct") ? 0
                                                         : parse_error(err, "--mmu %s is not direct or soft", value);
    default: explain->help = true; return 0;
    }
}

// Flat segments with FS and GS as a kernel has them; of 16-bit code, segments with a limit. IOPL is 0.
static uint32_t mode_of(const struct choices *choices) {
    uint32_t mode = (choices->soft ? MODE_SOFT : 0u) | choices->cpl << MODE_CPL_SHIFT;
    mode |= choices->cpl ? 0u : MODE_IOPL_OK;
    unsigned kind = choices->bits == 32 ? MODE_SEG_FLAT : MODE_SEG_CHECKED;
    for (unsigned seg = 0; seg < 6; seg++) {
        unsigned own = seg >= 4 && kind == MODE_SEG_FLAT ? MODE_SEG_BASED : seg == 1 ? MODE_SEG_FLAT : kind;
        mode |= own << (MODE_SEG_SHIFT + 2 * seg);
    }
    mode |= choices->v86 ? MODE_V86 : 0u;
    return mode | (choices->bits == 32 ? MODE_CODE32 | MODE_STACK32 : MODE_CS_CHECKED | MODE_ONE);
}

static int parse(struct explain *explain, int argc, char **argv, struct ringshade_error *err) {
    int code;
    explain->choices.bits = 32;
    optind = 0;
    opterr = 0;
    while ((code = getopt_long(argc, argv, ":", long_options, NULL)) != -1) {
        if (code == ':' || code == '?')
            return parse_refused(code, argv, err);
        if (apply(explain, code, optarg, err))
            return -1;
    }
    if (explain->help)
        return 0;
    if (explain->gdb && optind < argc)
        return parse_error(err, "--gdb and a file given");
    if (!explain->gdb && optind != argc - 1)
        return parse_error(err, optind == argc ? "no file given" : "more than one file given");
    if (!explain->gdb && explain->length)
        return parse_error(err, "--length is for --gdb");
    if (explain->choices.real && explain->choices.cpl)
        return parse_error(err, "real mode has no privilege levels: --cpl must be 0");
    explain->path = explain->gdb ? NULL : argv[optind];
    return 0;
}

// ---- One block -----------------------------------------------------------------------------------------------------

// Fills `page` with the section's bytes from the page of `linear`; HLT around them, which ends a block.
static void fill_page(const struct explain_section *section, uint32_t linear, uint8_t page[PAGE_SIZE]) {
    uint64_t start = linear & ~(PAGE_SIZE - 1), end = (uint64_t)section->address + section->size;
    memset(page, 0xf4, PAGE_SIZE);
    for (uint32_t i = 0; i < PAGE_SIZE; i++)
        if (start + i >= section->address && start + i < end)
            page[i] = section->bytes[start + i - section->address];
}

static const uint8_t *guest_bytes(const struct explain *explain, uint32_t linear, uint32_t *left) {
    *left = explain->section->address + explain->section->size - linear;
    return explain->section->bytes + (linear - explain->section->address);
}

static void print_insn(struct explain *explain, uint32_t linear, const struct insn_description *insn) {
    uint32_t left;
    const uint8_t *bytes = guest_bytes(explain, linear, &left);
    char text[128], hex[48] = "";
    explain_guest_text(explain->printer, bytes, insn->length < left ? insn->length : left, linear, text, sizeof text);
    for (unsigned i = 0; i < insn->length && i < left; i++)
        sprintf(hex + 2 * i, "%02x", bytes[i]);
    printf("  %08x  %-16s  %-36s  %s, %s", linear, hex, text, table_class_name(insn->row->class),
           table_kind_name(insn->row->kind));
    printf(insn->row->why ? ": %s\n" : "\n", insn->row->why);
    explain->guest_insns++;
    explain->guest_bytes += insn->length;
    explain->by_class[insn->row->class]++;
    explain->by_kind[insn->row->kind]++;
}

// The host code between two marks. Out-of-line parts come behind all instructions.
static void print_host(struct explain *explain, uint32_t from, uint32_t to) {
    explain_host_print(explain->printer, stdout, "                              | ", explain->code + from, to - from,
                       EXPLAIN_CODE_RX + from);
}

static uint32_t host_end(const struct translate_output *out, unsigned mark) {
    return mark + 1 < out->mark_count ? out->marks[mark + 1].host : out->host_size;
}

// Is the instruction of this mark one that was given, and not the HLT behind the last?
static bool is_given(const struct explain *explain, uint32_t linear, const struct block_mark *mark) {
    uint32_t at = (linear & ~(PAGE_SIZE - 1)) + mark->guest;
    return at - explain->section->address < explain->section->size;
}

// Prints the block at `linear` and returns how far it reaches.
static uint32_t print_block(struct explain *explain, uint32_t linear) {
    const struct translate_output *out = &explain->out;
    const struct block_mark *last = NULL;
    uint32_t next = linear, left, host_size = 0;
    (void)guest_bytes(explain, linear, &left);
    for (unsigned i = 0; i < out->mark_count; i++)
        host_size += is_given(explain, linear, &out->marks[i]) ? host_end(out, i) - out->marks[i].host : 0;
    explain->blocks++;
    explain->host_bytes += host_size;
    printf("block %08x: %u bytes of guest code become %u\n", linear, out->guest_size < left ? out->guest_size : left,
           host_size);
    for (unsigned i = 0; i < out->mark_count; i++) {
        const struct block_mark *mark = &out->marks[i];
        uint32_t at = (linear & ~(PAGE_SIZE - 1)) + mark->guest;
        if (!is_given(explain, linear, mark))
            continue;
        const uint8_t *bytes = guest_bytes(explain, next, &left);
        struct insn_description insn;
        if (mark->kind == MARK_TAIL && (!last || last->kind != MARK_TAIL))
            printf("  out of line:\n");
        else if (mark->kind != MARK_TAIL && at == next && left) {
            if (!describe_insn(bytes, left, explain->code32, &insn)) { // what it becomes hangs on bytes not given
                printf("  %08x  (cut off)\n", next);
                break;
            }
            print_insn(explain, next, &insn);
            next += insn.length;
        }
        print_host(explain, mark->host, host_end(out, i));
        last = mark;
    }
    return out->guest_size ? linear + out->guest_size : linear + 1;
}

static int explain_block(struct explain *explain, uint32_t *linear, struct ringshade_error *err) {
    struct error failure;
    struct translate_input in = {
        .page = explain->page,
        .offset = *linear & (PAGE_SIZE - 1),
        .mode = explain->mode,
        .code_rw = explain->code,
        .code_rx = EXPLAIN_CODE_RX,
        .capacity = sizeof explain->code,
    };
    for (unsigned i = 0; i < STUB_COUNT; i++)
        in.stub[i] = explain_stub_address(i);
    fill_page(explain->section, *linear, explain->page);
    enum translate_status status = translate_block(&in, &explain->out, &failure);
    if (status == TRANSLATE_NEED_NEXT) {
        fill_page(explain->section, *linear + PAGE_SIZE, explain->next_page);
        in.next = explain->next_page;
        status = translate_block(&in, &explain->out, &failure);
    }
    if (status != TRANSLATE_OK)
        return parse_error(err, "at %08x: %s", *linear, failure.text);
    *linear = print_block(explain, *linear);
    return 0;
}

// ---- What is read --------------------------------------------------------------------------------------------------

// A guest says itself how its code runs; options have the last word.
static void take_mode(struct choices *choices, const struct explain_mode *guest) {
    if (!choices->mode_given) {
        choices->bits = guest->bits;
        choices->real = guest->real;
        choices->v86 = guest->v86;
    }
    if (!choices->cpl_given)
        choices->cpl = guest->cpl;
}

static int read_input(struct explain *explain, struct explain_input *input, struct ringshade_error *err) {
    struct explain_mode guest;
    if (!explain->gdb)
        return explain_input_read(input, explain->path, explain->format, explain->address, err);
    if (explain_guest_read(input, explain->gdb, explain->address_given ? &explain->address : NULL,
                           explain->length ? explain->length : EXPLAIN_GUEST_LENGTH, &guest, err))
        return -1;
    take_mode(&explain->choices, &guest);
    const struct choices *choices = &explain->choices;
    printf("%s code of %u bits, CPL %u\n",
           choices->v86    ? "virtual-8086"
           : choices->real ? "real-mode"
                           : "protected-mode",
           choices->bits, choices->cpl);
    return 0;
}

// ---- The whole -----------------------------------------------------------------------------------------------------

static void print_totals(const struct explain *explain) {
    printf("\n%u instructions in %u blocks; %u bytes of guest code become %u bytes of host code (%.1f times)\n",
           explain->guest_insns, explain->blocks, explain->guest_bytes, explain->host_bytes,
           explain->guest_bytes ? (double)explain->host_bytes / explain->guest_bytes : 0.0);
    printf("by class\n");
    for (unsigned i = 0; i < CLASS_COUNT; i++)
        if (explain->by_class[i])
            printf("  %-12s %u\n", table_class_name(i), explain->by_class[i]);
    printf("by kind\n");
    for (unsigned i = 0; i < KIND_COUNT; i++)
        if (explain->by_kind[i])
            printf("  %-12s %u\n", table_kind_name(i), explain->by_kind[i]);
}

static int explain_all(struct explain *explain, const struct explain_input *input, struct ringshade_error *err) {
    for (unsigned i = 0; i < input->count; i++) {
        explain->section = &input->sections[i];
        uint32_t linear = explain->section->address;
        while (linear - explain->section->address < explain->section->size)
            if (explain_block(explain, &linear, err))
                return -1;
    }
    print_totals(explain);
    return 0;
}

int explain_main(int argc, char **argv) {
    struct ringshade_error err;
    struct explain_input input = {0};
    struct explain *explain = calloc(1, sizeof *explain);
    int status = explain ? parse(explain, argc, argv, &err) : parse_error(&err, "out of memory");
    if (!status && explain->help) {
        help_print_explain(stdout);
    } else if (!status) {
        status = read_input(explain, &input, &err);
        explain->code32 = explain->choices.bits == 32;
        explain->mode = mode_of(&explain->choices);
        if (!status)
            explain->printer = explain_printer_create(explain->code32 ? 32 : 16);
        if (!status && !explain->printer)
            status = parse_error(&err, "out of memory");
        if (!status)
            status = explain_all(explain, &input, &err);
    }
    if (status)
        fprintf(stderr, "ringshade: explain: %s\n", err.text);
    if (explain && explain->printer)
        explain_printer_destroy(explain->printer);
    explain_input_free(&input);
    free(explain);
    return status ? RUN_STATUS_BAD_INPUT : RUN_STATUS_OK;
}
