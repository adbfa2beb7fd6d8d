// See explain_input.h. An ELF file is known by its magic number; text, by being nothing but hexadecimal bytes, blanks
// and comments from # to the end of the line.
#include "app/explain_input.h"

#include "app/parse.h"

#include <ctype.h>
#include <elf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int read_all(struct explain_input *input, const char *path, struct ringshade_error *err) {
    FILE *file = strcmp(path, "-") ? fopen(path, "rb") : stdin;
    if (!file)
        return parse_error(err, "%s: cannot open: %s", path, strerror(errno));
    input->data = malloc(EXPLAIN_BYTES_MAX + 1);
    size_t size = input->data ? fread(input->data, 1, EXPLAIN_BYTES_MAX + 1, file) : 0;
    int failed = ferror(file) ? errno : 0;
    if (file != stdin)
        fclose(file);
    if (!input->data)
        return parse_error(err, "out of memory");
    if (failed)
        return parse_error(err, "%s: cannot read: %s", path, strerror(failed));
    if (!size)
        return parse_error(err, "%s: is empty", path);
    if (size > EXPLAIN_BYTES_MAX)
        return parse_error(err, "%s: is larger than %u MiB", path, EXPLAIN_BYTES_MAX >> 20);
    input->size = (uint32_t)size;
    return 0;
}

static void add(struct explain_input *input, uint32_t address, const uint8_t *bytes, uint32_t size) {
    if (size && input->count < EXPLAIN_SECTIONS_MAX)
        input->sections[input->count++] = (struct explain_section){.address = address, .size = size, .bytes = bytes};
}

// ---- Text ----------------------------------------------------------------------------------------------------------

static int digit(uint8_t c) {
    return isdigit(c) ? c - '0' : isxdigit(c) ? tolower(c) - 'a' + 10 : -1;
}

// Puts the bytes that the text names at its own start, which they cannot overtake. Returns their number, or -1.
static int64_t decode_text(uint8_t *text, uint32_t size) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < size;) {
        if (text[i] == '#') {
            while (i < size && text[i] != '\n')
                i++;
        } else if (isspace(text[i]) || text[i] == ',') {
            i++;
        } else if (text[i] == '0' && i + 1 < size && (text[i + 1] | 0x20) == 'x') {
            i += 2;
        } else {
            int high = digit(text[i]), low = i + 1 < size ? digit(text[i + 1]) : -1;
            if (high < 0 || low < 0)
                return -1;
            text[count++] = (uint8_t)(high << 4 | low);
            i += 2;
        }
    }
    return count;
}

static bool is_text(const uint8_t *data, uint32_t size) {
    bool comment = false;
    for (uint32_t i = 0; i < size; i++) {
        comment = data[i] == '#' || (comment && data[i] != '\n');
        if (!comment && !isxdigit(data[i]) && !isspace(data[i]) && data[i] != ',' && data[i] != 'x')
            return false;
    }
    return true;
}

static int take_text(struct explain_input *input, const char *path, uint32_t address, struct ringshade_error *err) {
    int64_t count = decode_text(input->data, input->size);
    if (count <= 0)
        return parse_error(err, "%s: is not a list of hexadecimal bytes", path);
    add(input, address, input->data, (uint32_t)count);
    return 0;
}

// ---- ELF -----------------------------------------------------------------------------------------------------------

static bool is_elf(const struct explain_input *input) {
    return input->size >= SELFMAG && !memcmp(input->data, ELFMAG, SELFMAG);
}

static int take_elf(struct explain_input *input, const char *path, struct ringshade_error *err) {
    Elf32_Ehdr header;
    if (!is_elf(input) || input->size < sizeof header)
        return parse_error(err, "%s: is not an ELF file", path);
    memcpy(&header, input->data, sizeof header);
    if (header.e_ident[EI_CLASS] != ELFCLASS32 || header.e_machine != EM_386)
        return parse_error(err, "%s: is not an ELF file for i386", path);
    for (unsigned i = 0; i < header.e_phnum; i++) {
        Elf32_Phdr program;
        uint64_t at = (uint64_t)header.e_phoff + (uint64_t)i * header.e_phentsize;
        if (header.e_phentsize < sizeof program || at + sizeof program > input->size)
            return parse_error(err, "%s: is truncated: its program headers are cut off", path);
        memcpy(&program, input->data + at, sizeof program);
        if (program.p_type != PT_LOAD || !(program.p_flags & PF_X))
            continue;
        if ((uint64_t)program.p_offset + program.p_filesz > input->size)
            return parse_error(err, "%s: is truncated: a segment ends behind the file", path);
        add(input, program.p_vaddr, input->data + program.p_offset, program.p_filesz);
    }
    return input->count ? 0 : parse_error(err, "%s: has no executable segment", path);
}

int explain_input_read(struct explain_input *input, const char *path, enum explain_format format, uint32_t address,
                       struct ringshade_error *err) {
    *input = (struct explain_input){0};
    int status = read_all(input, path, err);
    if (!status) {
        if (format == EXPLAIN_AUTO)
            format = is_elf(input) ? EXPLAIN_ELF : is_text(input->data, input->size) ? EXPLAIN_HEX : EXPLAIN_RAW;
        if (format == EXPLAIN_ELF)
            status = take_elf(input, path, err);
        else if (format == EXPLAIN_HEX)
            status = take_text(input, path, address, err);
        else
            add(input, address, input->data, input->size);
    }
    if (status)
        explain_input_free(input);
    return status;
}

void explain_input_free(struct explain_input *input) {
    free(input->data);
    *input = (struct explain_input){0};
}
