// ELF32 program headers. Trusts nothing in the file: every offset and size is checked before it is used.
#include "machine/load_elf.h"

#include <string.h>

enum elf_header_field {
    ELF_CLASS = 4,
    ELF_DATA = 5,
    ELF_TYPE = 16,
    ELF_MACHINE = 18,
    ELF_ENTRY = 24,
    ELF_PHOFF = 28,
    ELF_PHENTSIZE = 42,
    ELF_PHNUM = 44,
    ELF_HEADER_SIZE = 52,
};

enum elf_program_field {
    PROGRAM_TYPE = 0,
    PROGRAM_OFFSET = 4,
    PROGRAM_VADDR = 8,
    PROGRAM_PADDR = 12,
    PROGRAM_FILESZ = 16,
    PROGRAM_MEMSZ = 20,
    PROGRAM_HEADER_SIZE = 32,
};

#define ELFCLASS32  1
#define ELFCLASS64  2
#define ELFDATA2LSB 1
#define ET_EXEC     2
#define EM_386      3
#define PT_LOAD     1

bool elf_recognises(const struct file_image *kernel) {
    static const uint8_t magic[4] = {0x7f, 'E', 'L', 'F'};
    return kernel->size >= sizeof magic && !memcmp(kernel->data, magic, sizeof magic);
}

static int check_header(const struct file_image *kernel, struct error *err) {
    const uint8_t *header = kernel->data;
    if (kernel->size < ELF_HEADER_SIZE)
        return file_image_error(kernel, err, "is truncated: its ELF header is cut off");
    if (header[ELF_CLASS] == ELFCLASS64)
        return file_image_error(kernel, err, "is a 64-bit ELF file; the guest is a 32-bit (i386) PC");
    if (header[ELF_CLASS] != ELFCLASS32 || header[ELF_DATA] != ELFDATA2LSB || get_le16(header + ELF_MACHINE) != EM_386)
        return file_image_error(kernel, err, "is an ELF file for another machine than i386");
    if (get_le16(header + ELF_TYPE) != ET_EXEC)
        return file_image_error(kernel, err, "is an ELF file but not an executable");
    if (get_le16(header + ELF_PHENTSIZE) < PROGRAM_HEADER_SIZE)
        return file_image_error(kernel, err, "has a wrong ELF program header size");
    return 0;
}

static int add_segment(struct kernel_layout *layout, const struct file_image *kernel, const uint8_t *program,
                       struct error *err) {
    struct kernel_segment segment = {
        .address = get_le32(program + PROGRAM_PADDR),
        .memory_size = get_le32(program + PROGRAM_MEMSZ),
        .file_offset = get_le32(program + PROGRAM_OFFSET),
        .file_size = get_le32(program + PROGRAM_FILESZ),
    };
    if (!segment.memory_size)
        return 0;
    if (segment.file_size > segment.memory_size || (uint64_t)segment.address + segment.memory_size > UINT32_MAX)
        return file_image_error(kernel, err, "has an ELF segment with impossible sizes at %08xh", segment.address);
    if (segment.file_offset + segment.file_size > kernel->size)
        return file_image_error(kernel, err, "is truncated: an ELF segment ends at byte %llu, the file has %llu",
                                (unsigned long long)segment.file_offset + segment.file_size,
                                (unsigned long long)kernel->size);
    if (layout->count == KERNEL_SEGMENTS_MAX)
        return file_image_error(kernel, err, "has more than %d ELF segments", KERNEL_SEGMENTS_MAX);
    layout->segments[layout->count++] = segment;
    uint32_t entry = get_le32(kernel->data + ELF_ENTRY);
    uint32_t vaddr = get_le32(program + PROGRAM_VADDR);
    if (entry - vaddr < segment.memory_size) // wraps to a large number where the entry lies below
        layout->entry = entry - vaddr + segment.address;
    return 0;
}

int elf_parse(struct kernel_layout *layout, const struct file_image *kernel, struct error *err) {
    *layout = (struct kernel_layout){0};
    if (check_header(kernel, err))
        return -1;
    layout->entry = get_le32(kernel->data + ELF_ENTRY);
    uint64_t offset = get_le32(kernel->data + ELF_PHOFF);
    uint64_t stride = get_le16(kernel->data + ELF_PHENTSIZE);
    unsigned count = get_le16(kernel->data + ELF_PHNUM);
    if (offset + stride * count > kernel->size)
        return file_image_error(kernel, err, "is truncated: its ELF program headers are cut off");
    for (unsigned i = 0; i < count; i++) {
        const uint8_t *program = kernel->data + offset + i * stride;
        if (get_le32(program + PROGRAM_TYPE) == PT_LOAD && add_segment(layout, kernel, program, err))
            return -1;
    }
    return layout->count ? 0 : file_image_error(kernel, err, "has no loadable ELF segment");
}
