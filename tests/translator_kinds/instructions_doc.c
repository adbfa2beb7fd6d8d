// Prints docs/instructions.md from the classification table. A test compares the file in the tree with what this
// prints.
#include "translator/abi.h"
#include "translator/table.h"

#include <stdio.h>
#include <string.h>

static const char *callout_name(unsigned id) {
    static const char *const names[] = {
#define CALLOUT_NAME(name, weight) #name,
        ABI_CALLOUTS(CALLOUT_NAME)
#undef CALLOUT_NAME
    };
    return id < sizeof names / sizeof *names ? names[id] : "?";
}

static const char *flags_text(unsigned flags, char *text) {
    static const struct {
        unsigned bit;
        char letter;
    } letters[] = {{FLAG_OF, 'O'}, {FLAG_DF, 'D'}, {FLAG_SF, 'S'}, {FLAG_ZF, 'Z'},
                   {FLAG_AF, 'A'}, {FLAG_PF, 'P'}, {FLAG_CF, 'C'}};
    char *p = text;
    for (unsigned i = 0; i < sizeof letters / sizeof *letters; i++)
        if (flags & letters[i].bit)
            *p++ = letters[i].letter;
    *p = 0;
    return text;
}

static const char *privilege_text(unsigned privilege) {
    return privilege == PRIVILEGE_CPL0 ? "CPL 0" : privilege == PRIVILEGE_IOPL ? "IOPL" : "";
}

static const char *mem_text(unsigned mem) {
    static const char *const names[] = {"", "address", "read", "write", "read-modify-write"};
    return names[mem];
}

static const struct table_row *row_of_kind(unsigned index, unsigned kind) {
    const struct table_row *row = table_find(index);
    return row->kind == kind && strcmp(row->name, "undefined") != 0 ? row : NULL;
}

// ---- Totals ---------------------------------------------------------------------------------------------------------

static void print_totals(void) {
    unsigned count[KIND_UD + 1][CLASS_SENSITIVE + 1] = {{0}};
    for (unsigned i = 0; i < TABLE_ROWS; i++)
        for (unsigned kind = 0; kind <= KIND_UD; kind++) {
            const struct table_row *row = row_of_kind(i, kind);
            if (row)
                count[kind][row->class]++;
        }
    puts("| kind | innocuous | privileged | sensitive |\n| --- | ---: | ---: | ---: |");
    for (unsigned kind = 0; kind <= KIND_UD; kind++)
        printf("| %s | %u | %u | %u |\n", table_kind_name(kind), count[kind][CLASS_INNOCUOUS],
               count[kind][CLASS_PRIVILEGED], count[kind][CLASS_SENSITIVE]);
    puts("");
}

// ---- What is translated ---------------------------------------------------------------------------------------------

static void print_row(const struct table_row *row) {
    char read[8], set[8], may[8];
    printf("| %s | %s | %s | %s | %s | %s | %s | %s | %s | %s |\n", row->name, table_class_name(row->class),
           privilege_text(row->privilege), row->callout ? callout_name(row->callout) : "", mem_text(row->mem),
           flags_text(row->flags_read, read), flags_text(row->flags_set, set), flags_text(row->flags_may, may),
           row->ends ? "yes" : "", row->why ? row->why : "");
}

static void print_kind(unsigned kind, const char *what) {
    printf("## %s\n\n%s\n\n", table_kind_name(kind), what);
    puts("| instruction | class | allowed at | C code | memory operand | flags read | set | may change | ends block "
         "| reason |");
    puts("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    for (unsigned i = 0; i < TABLE_ROWS; i++) {
        const struct table_row *row = row_of_kind(i, kind);
        if (row)
            print_row(row);
    }
    puts("");
}

// ---- What is copied, and what is not there --------------------------------------------------------------------------

static void print_names(unsigned kind, unsigned feature) {
    bool first = true;
    for (unsigned i = 0; i < TABLE_ROWS; i++) {
        const struct table_row *row = row_of_kind(i, kind);
        if (!row || row->feature != feature)
            continue;
        printf(first ? "**%s** %s" : ", %s", first ? table_feature_name(feature) : row->name, row->name);
        first = false;
    }
    if (!first)
        puts("\n");
}

static void print_by_feature(unsigned kind, const char *what) {
    printf("## %s\n\n%s\n\n", table_kind_name(kind), what);
    for (unsigned feature = 0; feature < FEATURE_COUNT; feature++)
        print_names(kind, feature);
}

int main(void) {
    puts("# Instructions\n\n"
         "Printed from the classification table (`translator/table.h`) by `instructions_doc`; do not edit.\n"
         "Classes follow Popek and Goldberg: a *privileged* instruction traps in user mode, a *sensitive* one shows\n"
         "or changes what the monitor owns and does not trap, everything else is *innocuous*. Flags: O D S Z A P C.\n");
    print_totals();
    print_kind(KIND_CONTROL, "A target in the same page is linked, every other one goes through the code map.");
    print_kind(KIND_STACK, "Put together from a move and an addition that leaves the flags alone.");
    print_kind(KIND_STRING, "The host's own instruction on window addresses in direct code, else C.");
    print_kind(KIND_REMOVED, "Not in 64-bit mode, and put together from other instructions.");
    print_kind(KIND_INLINE, "A few instructions on the virtual processor's structure.");
    print_kind(KIND_CALLOUT, "Left to C.");
    print_by_feature(KIND_IDENTITY, "The same instruction in 64-bit encoding. By the feature that announces it.");
    print_by_feature(KIND_FPU, "Copied, and the guest's instruction and operand pointers kept beside.");
    print_by_feature(KIND_UD, "Raise #UD: undefined by definition, or of a feature that CPUID does not announce.\n"
                              "So does every VEX and EVEX encoding.");
    return 0;
}
