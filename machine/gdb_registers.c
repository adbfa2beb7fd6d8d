// The table of registers and what gdb asks of it ("Debugging with GDB", appendix G.5.17, i386 features). Values lie in
// struct cpu_state or in the image of FXSAVE; the tag word is converted (cpu/fx_image.h).
#include "machine/gdb_registers.h"

#include "cpu/fx_image.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum source { FROM_STATE, FROM_SELECTOR, FROM_FX, FROM_TAGS, FROM_EFER };
enum feature { FEATURE_CORE, FEATURE_SSE, FEATURE_SYSTEM, FEATURE_COUNT };

struct gdb_register {
    const char *name, *type;
    uint8_t feature, source;
    uint8_t size;  // bytes for gdb
    uint8_t bytes; // bytes of the value
    uint16_t offset;
};

#define STATE(name, type, field)                                                                                       \
    {                                                                                                                  \
        name, type, FEATURE_CORE, FROM_STATE, 4, sizeof(((struct cpu_state *)0)->field),                               \
            offsetof(struct cpu_state, field)                                                                          \
    }
#define SEG(name, seg)                                                                                                 \
    { name, "int32", FEATURE_CORE, FROM_SELECTOR, 4, 2, seg }
#define ST(n)                                                                                                          \
    { "st" #n, "i387_ext", FEATURE_CORE, FROM_FX, 10, 10, FX_ST + 16 * (n) }
#define X87(name, bytes, at)                                                                                           \
    { name, "int", FEATURE_CORE, FROM_FX, 4, bytes, at }
#define XMM(n)                                                                                                         \
    { "xmm" #n, "vec128", FEATURE_SSE, FROM_FX, 16, 16, FX_XMM + 16 * (n) }
#define SYS(name, field)                                                                                               \
    {                                                                                                                  \
        name, "int32", FEATURE_SYSTEM, FROM_STATE, 4, sizeof(((struct cpu_state *)0)->field),                          \
            offsetof(struct cpu_state, field)                                                                          \
    }
#define HIDDEN(name, field)                                                                                            \
    SYS(name "_base", field.base), SYS(name "_limit", field.limit), SYS(name "_attr", field.attr)

static const struct gdb_register registers[] = {
    STATE("eax", "int32", gpr[CPU_EAX]),
    STATE("ecx", "int32", gpr[CPU_ECX]),
    STATE("edx", "int32", gpr[CPU_EDX]),
    STATE("ebx", "int32", gpr[CPU_EBX]),
    STATE("esp", "data_ptr", gpr[CPU_ESP]),
    STATE("ebp", "data_ptr", gpr[CPU_EBP]),
    STATE("esi", "int32", gpr[CPU_ESI]),
    STATE("edi", "int32", gpr[CPU_EDI]),
    STATE("eip", "code_ptr", eip),
    STATE("eflags", "eflags", eflags),
    SEG("cs", CPU_SEG_CS),
    SEG("ss", CPU_SEG_SS),
    SEG("ds", CPU_SEG_DS),
    SEG("es", CPU_SEG_ES),
    SEG("fs", CPU_SEG_FS),
    SEG("gs", CPU_SEG_GS),
    ST(0),
    ST(1),
    ST(2),
    ST(3),
    ST(4),
    ST(5),
    ST(6),
    ST(7),
    X87("fctrl", 2, FX_FCW),
    X87("fstat", 2, FX_FSW),
    {"ftag", "int", FEATURE_CORE, FROM_TAGS, 4, 2, FX_FTW},
    X87("fiseg", 2, FX_FCS),
    X87("fioff", 4, FX_FIP),
    X87("foseg", 2, FX_FDS),
    X87("fooff", 4, FX_FDP),
    X87("fop", 2, FX_FOP),
    XMM(0),
    XMM(1),
    XMM(2),
    XMM(3),
    XMM(4),
    XMM(5),
    XMM(6),
    XMM(7),
    {"mxcsr", "mxcsr", FEATURE_SSE, FROM_FX, 4, 4, FX_MXCSR},
    SYS("cr0", cr0),
    SYS("cr2", cr2),
    SYS("cr3", cr3),
    SYS("cr4", cr4),
    {"efer", "int32", FEATURE_SYSTEM, FROM_EFER, 4, 4, 0},
    SYS("dr0", dr[0]),
    SYS("dr1", dr[1]),
    SYS("dr2", dr[2]),
    SYS("dr3", dr[3]),
    SYS("dr6", dr[6]),
    SYS("dr7", dr[7]),
    HIDDEN("cs", seg[CPU_SEG_CS]),
    HIDDEN("ss", seg[CPU_SEG_SS]),
    HIDDEN("ds", seg[CPU_SEG_DS]),
    HIDDEN("es", seg[CPU_SEG_ES]),
    HIDDEN("fs", seg[CPU_SEG_FS]),
    HIDDEN("gs", seg[CPU_SEG_GS]),
    SYS("ldtr", ldtr.selector),
    HIDDEN("ldtr", ldtr),
    SYS("tr", tr.selector),
    HIDDEN("tr", tr),
    SYS("gdtr_base", gdt_base),
    SYS("gdtr_limit", gdt_limit),
    SYS("idtr_base", idt_base),
    SYS("idtr_limit", idt_limit),
};

const unsigned gdb_register_count = sizeof registers / sizeof *registers;

struct image {
    struct cpu_state state;
    uint8_t fx[512];
};

static void load(struct vcpu *v, struct image *image) {
    vcpu_get_state(v, &image->state);
    vcpu_get_fx(v, image->fx);
}

// ---- Reading -------------------------------------------------------------------------------------------------------

static void read_one(struct vcpu *v, const struct image *image, const struct gdb_register *r, struct gdb_reply *reply) {
    uint8_t value[16] = {0};
    uint32_t word;
    switch ((enum source)r->source) {
    case FROM_STATE: memcpy(value, (const uint8_t *)&image->state + r->offset, r->bytes); break;
    case FROM_SELECTOR: memcpy(value, &image->state.seg[r->offset].selector, 2); break;
    case FROM_FX: memcpy(value, image->fx + r->offset, r->bytes); break;
    case FROM_TAGS:
        word = fx_full_tags(image->fx);
        memcpy(value, &word, 4);
        break;
    case FROM_EFER:
        word = (uint32_t)vcpu_get_efer(v);
        memcpy(value, &word, 4);
        break;
    }
    gdb_reply_hex(reply, value, r->size);
}

bool gdb_register_read(struct vcpu *v, unsigned number, struct gdb_reply *reply) {
    struct image image;
    if (number >= gdb_register_count)
        return false;
    load(v, &image);
    read_one(v, &image, &registers[number], reply);
    return true;
}

void gdb_registers_read(struct vcpu *v, unsigned count, struct gdb_reply *reply) {
    struct image image;
    load(v, &image);
    for (unsigned i = 0; i < count && i < gdb_register_count; i++)
        read_one(v, &image, &registers[i], reply);
}

// ---- Writing -------------------------------------------------------------------------------------------------------

// Into the image; selectors are loaded afterwards. 0 or -1.
static int write_one(struct image *image, const struct gdb_register *r, const uint8_t *value) {
    uint32_t word;
    switch ((enum source)r->source) {
    case FROM_STATE: memcpy((uint8_t *)&image->state + r->offset, value, r->bytes); return 0;
    case FROM_FX: memcpy(image->fx + r->offset, value, r->bytes); return 0;
    case FROM_TAGS:
        memcpy(&word, value, 4);
        image->fx[FX_FTW] = fx_abridged_tags(word);
        return 0;
    case FROM_SELECTOR: return 0;
    case FROM_EFER: break;
    }
    return -1;
}

// Segment registers whose selector is to change.
static int load_selector(struct vcpu *v, const struct image *before, const struct gdb_register *r,
                         const uint8_t *value) {
    uint16_t selector;
    memcpy(&selector, value, 2);
    if (r->source != FROM_SELECTOR || selector == before->state.seg[r->offset].selector)
        return 0;
    return vcpu_debug_load_segment(v, r->offset, selector);
}

int gdb_register_write(struct vcpu *v, unsigned number, const char *hex) {
    struct image image;
    uint8_t value[16];
    if (number >= gdb_register_count || gdb_parse_hex(hex, value, registers[number].size) != registers[number].size)
        return -1;
    load(v, &image);
    if (write_one(&image, &registers[number], value))
        return -1;
    if (registers[number].source == FROM_SELECTOR)
        return load_selector(v, &image, &registers[number], value);
    if (registers[number].source == FROM_STATE)
        vcpu_set_state(v, &image.state);
    else
        vcpu_set_fx(v, image.fx);
    return 0;
}

int gdb_registers_write(struct vcpu *v, const char *hex) {
    struct image before, image;
    uint8_t value[16];
    load(v, &before);
    image = before;
    const char *at = hex;
    unsigned count = 0;
    for (; count < gdb_register_count && *at; count++) {
        const struct gdb_register *r = &registers[count];
        if (gdb_parse_hex(at, value, r->size) != r->size)
            return -1;
        (void)write_one(&image, r, value); // EFER stays
        at += 2 * r->size;
    }
    vcpu_set_state(v, &image.state);
    vcpu_set_fx(v, image.fx);
    int result = 0;
    at = hex;
    for (unsigned i = 0; i < count; at += 2 * registers[i].size, i++) {
        gdb_parse_hex(at, value, registers[i].size);
        result |= load_selector(v, &before, &registers[i], value);
    }
    return result;
}

// ---- Description ---------------------------------------------------------------------------------------------------

static const char *const feature_names[FEATURE_COUNT] = {
    [FEATURE_CORE] = "org.gnu.gdb.i386.core",
    [FEATURE_SSE] = "org.gnu.gdb.i386.sse",
    [FEATURE_SYSTEM] = "org.ringshade.i386.system",
};

struct bit_name {
    const char *name;
    uint8_t from, to;
};
static const struct bit_name eflags_bits[] = {
    {"CF", 0, 0},   {"PF", 2, 2},   {"AF", 4, 4},    {"ZF", 6, 6},     {"SF", 7, 7},   {"TF", 8, 8},
    {"IF", 9, 9},   {"DF", 10, 10}, {"OF", 11, 11},  {"IOPL", 12, 13}, {"NT", 14, 14}, {"RF", 16, 16},
    {"VM", 17, 17}, {"AC", 18, 18}, {"VIF", 19, 19}, {"VIP", 20, 20},  {"ID", 21, 21},
};
static const struct bit_name mxcsr_bits[] = {
    {"IE", 0, 0},   {"DE", 1, 1},   {"ZE", 2, 2},   {"OE", 3, 3},   {"UE", 4, 4},
    {"PE", 5, 5},   {"DAZ", 6, 6},  {"IM", 7, 7},   {"DM", 8, 8},   {"ZM", 9, 9},
    {"OM", 10, 10}, {"UM", 11, 11}, {"PM", 12, 12}, {"RC", 13, 14}, {"FZ", 15, 15},
};

struct text {
    char *at;
    size_t size, length;
};

__attribute__((format(printf, 2, 3))) static void print(struct text *text, const char *format, ...) {
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text->at + text->length, text->size - text->length, format, args);
    va_end(args);
    if (n > 0)
        text->length += (size_t)n < text->size - text->length ? (size_t)n : text->size - text->length - 1;
}

static void print_flags(struct text *text, const char *id, const struct bit_name *bits, size_t count) {
    print(text, "<flags id=\"%s\" size=\"4\">", id);
    for (size_t i = 0; i < count; i++)
        print(text, "<field name=\"%s\" start=\"%u\" end=\"%u\"%s/>", bits[i].name, bits[i].from, bits[i].to,
              bits[i].from == bits[i].to ? "" : " type=\"uint32\"");
    print(text, "</flags>");
}

static void print_vectors(struct text *text) {
    static const struct {
        const char *field, *type;
        unsigned count;
    } views[] = {{"v4_float", "ieee_single", 4}, {"v2_double", "ieee_double", 2}, {"v16_int8", "int8", 16},
                 {"v8_int16", "int16", 8},       {"v4_int32", "int32", 4},        {"v2_int64", "int64", 2}};
    for (size_t i = 0; i < sizeof views / sizeof *views; i++)
        print(text, "<vector id=\"%s\" type=\"%s\" count=\"%u\"/>", views[i].field, views[i].type, views[i].count);
    print(text, "<union id=\"vec128\">");
    for (size_t i = 0; i < sizeof views / sizeof *views; i++)
        print(text, "<field name=\"%s\" type=\"%s\"/>", views[i].field, views[i].field);
    print(text, "<field name=\"uint128\" type=\"uint128\"/></union>");
}

size_t gdb_registers_describe(char *to, size_t size) {
    struct text text = {.at = to, .size = size};
    print(&text, "<?xml version=\"1.0\"?><!DOCTYPE target SYSTEM \"gdb-target.dtd\"><target version=\"1.0\">"
                 "<architecture>i386</architecture>");
    int feature = -1;
    for (unsigned i = 0; i < gdb_register_count; i++) {
        const struct gdb_register *r = &registers[i];
        if (r->feature != feature) {
            print(&text, "%s<feature name=\"%s\">", feature < 0 ? "" : "</feature>", feature_names[r->feature]);
            feature = r->feature;
            if (feature == FEATURE_CORE)
                print_flags(&text, "eflags", eflags_bits, sizeof eflags_bits / sizeof *eflags_bits);
            if (feature == FEATURE_SSE) {
                print_vectors(&text);
                print_flags(&text, "mxcsr", mxcsr_bits, sizeof mxcsr_bits / sizeof *mxcsr_bits);
            }
        }
        const char *group = r->feature == FEATURE_SYSTEM ? " group=\"system\""
                            : !strcmp(r->type, "int")    ? " group=\"float\""
                                                         : "";
        print(&text, "<reg name=\"%s\" bitsize=\"%u\" type=\"%s\" regnum=\"%u\"%s/>", r->name, r->size * 8u, r->type, i,
              group);
    }
    print(&text, "</feature></target>");
    return text.length;
}
