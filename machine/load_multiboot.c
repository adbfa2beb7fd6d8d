// Multiboot 1: finds the header, places the kernel's segments and the modules behind them, and describes it all in an
// information block (sections 3.1 to 3.3 of the specification). Never places anything over a segment of the kernel.
#include "machine/load_multiboot.h"

#include "machine/entry_state.h"
#include "machine/load_elf.h"
#include "machine/multiboot_info.h"

#include <string.h>

enum multiboot_header_field {
    HEADER_MAGIC = 0,
    HEADER_FLAGS = 4,
    HEADER_CHECKSUM = 8,
    HEADER_SIZE = 12,
    HEADER_ADDR = 12,
    HEADER_LOAD_ADDR = 16,
    HEADER_LOAD_END_ADDR = 20,
    HEADER_BSS_END_ADDR = 24,
    HEADER_ENTRY_ADDR = 28,
    HEADER_SIZE_WITH_ADDRESSES = 32,
};

// Flags 0-15 are demands on the loader: page-aligned modules and the memory map are always given; a video mode table
// never is, which a kernel finds out from the information block.
#define FLAGS_UNKNOWN  0x0000fff8u
#define FLAG_ADDRESSES 0x00010000u

#define MIB_UP(bytes) (unsigned long long)(((bytes) + (1u << 20) - 1) >> 20)

// Returns the offset of the header, or -1.
static int64_t find_header(const struct file_image *kernel) {
    for (uint64_t at = 0; at + HEADER_SIZE <= kernel->size && at + HEADER_SIZE <= MULTIBOOT_SEARCH; at += 4) {
        const uint8_t *header = kernel->data + at;
        uint32_t magic = get_le32(header + HEADER_MAGIC);
        if (magic == MULTIBOOT_HEADER_MAGIC &&
            magic + get_le32(header + HEADER_FLAGS) + get_le32(header + HEADER_CHECKSUM) == 0)
            return (int64_t)at;
    }
    return -1;
}

bool load_multiboot_recognises(const struct file_image *kernel) {
    return find_header(kernel) >= 0;
}

// The a.out kludge: one segment, described by the header at file offset `at`.
static int parse_addresses(struct kernel_layout *layout, const struct file_image *kernel, uint64_t at,
                           struct error *err) {
    if (at + HEADER_SIZE_WITH_ADDRESSES > kernel->size)
        return file_image_error(kernel, err, "is truncated: its Multiboot header is cut off");
    const uint8_t *header = kernel->data + at;
    uint32_t header_addr = get_le32(header + HEADER_ADDR);
    uint32_t load_addr = get_le32(header + HEADER_LOAD_ADDR);
    uint64_t load_end = get_le32(header + HEADER_LOAD_END_ADDR);
    uint64_t bss_end = get_le32(header + HEADER_BSS_END_ADDR);
    if (load_addr > header_addr || header_addr - load_addr > at)
        return file_image_error(kernel, err, "has a Multiboot header whose load address is wrong");
    uint64_t file_offset = at - (header_addr - load_addr);
    uint64_t available = kernel->size - file_offset;
    if (!load_end)
        load_end = load_addr + available;
    if (load_end <= load_addr)
        return file_image_error(kernel, err, "has a Multiboot header whose load end address is wrong");
    if (load_end - load_addr > available)
        return file_image_error(
            kernel, err, "is truncated: its Multiboot header asks for %llu bytes, the file has %llu",
            (unsigned long long)(load_end - load_addr + file_offset), (unsigned long long)kernel->size);
    if (bss_end < load_end)
        bss_end = load_end;
    if (bss_end > UINT32_MAX)
        return file_image_error(kernel, err, "has a Multiboot header with addresses beyond 4 GiB");
    layout->count = 1;
    layout->entry = get_le32(header + HEADER_ENTRY_ADDR);
    layout->segments[0] = (struct kernel_segment){load_addr, (uint32_t)bss_end - load_addr, file_offset,
                                                  (uint32_t)(load_end - load_addr)};
    return 0;
}

static int parse_kernel(struct kernel_layout *layout, const struct file_image *kernel, struct error *err) {
    int64_t at = find_header(kernel);
    if (at < 0)
        return file_image_error(kernel, err, "has no Multiboot header");
    uint32_t flags = get_le32(kernel->data + at + HEADER_FLAGS);
    if (flags & FLAGS_UNKNOWN)
        return file_image_error(kernel, err, "demands an unknown Multiboot feature (flags %08xh)", flags);
    *layout = (struct kernel_layout){0};
    return flags & FLAG_ADDRESSES ? parse_addresses(layout, kernel, (uint64_t)at, err) : elf_parse(layout, kernel, err);
}

// Returns the end of the highest segment in *end.
static int place_kernel(const struct kernel_layout *layout, const struct file_image *kernel, struct ram *ram,
                        uint64_t *end, struct error *err) {
    *end = 0;
    for (unsigned i = 0; i < layout->count; i++) {
        const struct kernel_segment *segment = &layout->segments[i];
        uint64_t segment_end = (uint64_t)segment->address + segment->memory_size;
        if (segment_end > ram->size)
            return file_image_error(kernel, err, "needs %llu MiB of memory, the machine has %llu MiB",
                                    MIB_UP(segment_end), (unsigned long long)ram->size >> 20);
        if (!ram_contains(ram, segment->address, segment->memory_size))
            return file_image_error(kernel, err, "wants memory at %08xh, where the machine has no RAM",
                                    segment->address);
        if (segment->file_size &&
            ram_load(ram, segment->address, kernel->data + segment->file_offset, segment->file_size))
            return file_image_error(kernel, err, "does not fit into the memory");
        if (segment_end > *end)
            *end = segment_end;
    }
    return 0;
}

static uint64_t page_up(uint64_t value) {
    return (value + RAM_PAGE_SIZE - 1) & ~(uint64_t)(RAM_PAGE_SIZE - 1);
}

// Places each module on a page of its own from *end on, above 1 MiB, and notes its place in info.
static int place_modules(const struct guest *guest, struct ram *ram, struct multiboot_info *info, uint64_t *end,
                         struct error *err) {
    if (*end < RAM_HOLE_END)
        *end = RAM_HOLE_END;
    for (size_t i = 0; i < guest->module_count; i++) {
        const struct file_image *file = &guest->modules[i].file;
        uint64_t start = page_up(*end);
        if (start + file->size > ram->size)
            return file_image_error(file, err,
                                    "needs %llu MiB of memory together with the kernel, the machine has %llu "
                                    "MiB",
                                    MIB_UP(start + file->size), (unsigned long long)ram->size >> 20);
        if (ram_load(ram, start, file->data, file->size))
            return file_image_error(file, err, "does not fit into the memory");
        multiboot_info_add_module(info, (uint32_t)start, (uint32_t)(start + file->size));
        *end = start + file->size;
    }
    return 0;
}

// The first stretch of low memory that no segment of the kernel touches; 0 if there is none.
static uint64_t find_low_room(const struct kernel_layout *layout, uint64_t size) {
    uint64_t at = MULTIBOOT_LOW_START;
    for (unsigned i = 0; i < layout->count && at + size <= MULTIBOOT_LOW_END; i++) {
        const struct kernel_segment *segment = &layout->segments[i];
        uint64_t segment_end = (uint64_t)segment->address + segment->memory_size;
        if (segment->address < at + size && segment_end > at) {
            at = page_up(segment_end);
            i = UINT32_MAX; // start over: an earlier segment may reach into the new place
        }
    }
    return at + size <= MULTIBOOT_LOW_END ? at : 0;
}

static int place_info(const struct guest *guest, const struct kernel_layout *layout, struct ram *ram,
                      struct multiboot_info *info, uint64_t end, struct cpu_state *state, struct error *err) {
    uint64_t size = multiboot_info_size(guest);
    uint64_t at = find_low_room(layout, size);
    if (!at)
        at = page_up(end);
    if (!ram_contains(ram, at, size))
        return file_image_error(&guest->kernel, err,
                                "leaves no memory for the boot information, the machine has %llu MiB",
                                (unsigned long long)ram->size >> 20);
    if (multiboot_info_store(info, guest, ram, (uint32_t)at, err))
        return -1;
    entry_state_fill(state, info->gdt_address);
    state->eip = layout->entry;
    state->gpr[CPU_EAX] = MULTIBOOT_BOOTED_MAGIC;
    state->gpr[CPU_EBX] = (uint32_t)at;
    state->gpr[CPU_ESP] = MULTIBOOT_STACK;
    return 0;
}

int load_multiboot(const struct guest *guest, struct ram *ram, struct cpu_state *state, struct error *err) {
    struct kernel_layout layout;
    struct multiboot_info info = {0};
    uint64_t end;
    if (parse_kernel(&layout, &guest->kernel, err) || place_kernel(&layout, &guest->kernel, ram, &end, err) ||
        place_modules(guest, ram, &info, &end, err))
        return -1;
    return place_info(guest, &layout, ram, &info, end, state, err);
}
