// Building of the Multiboot information block: fixed parts first, then the texts, in one piece of memory.
#include "machine/multiboot_info.h"

#include "machine/entry_state.h"
#include "machine/memory_map.h"

#include <stdlib.h>
#include <string.h>

enum info_field {
    INFO_FLAGS = 0,
    INFO_MEM_LOWER = 4,
    INFO_MEM_UPPER = 8,
    INFO_CMDLINE = 16,
    INFO_MODS_COUNT = 20,
    INFO_MODS_ADDR = 24,
    INFO_MMAP_LENGTH = 44,
    INFO_MMAP_ADDR = 48,
    INFO_BOOT_LOADER_NAME = 64,
    INFO_SIZE = 120, // all fields that the specification defines, rounded up
};

#define INFO_FLAG_MEMORY           (1u << 0)
#define INFO_FLAG_CMDLINE          (1u << 2)
#define INFO_FLAG_MODS             (1u << 3)
#define INFO_FLAG_MMAP             (1u << 6)
#define INFO_FLAG_BOOT_LOADER_NAME (1u << 9)

#define MODULE_ENTRY_SIZE 16u
#define MMAP_ENTRY_SIZE   24u // with the size field, which does not count itself

// Offsets of the parts within the block.
#define PART_GDT                 ((uint64_t)INFO_SIZE)
#define PART_MMAP                (PART_GDT + ENTRY_GDT_SIZE)
#define PART_MODULES             (PART_MMAP + (uint64_t)MEMORY_MAP_ENTRIES * MMAP_ENTRY_SIZE)
#define PART_TEXTS(module_count) (PART_MODULES + (uint64_t)(module_count)*MODULE_ENTRY_SIZE)

static const char loader_name[] = "Ringshade " RINGSHADE_VERSION;

void multiboot_info_add_module(struct multiboot_info *info, uint32_t start, uint32_t end) {
    info->modules[info->module_count].start = start;
    info->modules[info->module_count].end = end;
    info->module_count++;
}

// Length of "PATH ARGS" without the NUL.
static uint64_t text_length(const char *path, const char *args) {
    return strlen(path) + (*args ? 1 + strlen(args) : 0);
}

uint64_t multiboot_info_size(const struct guest *guest) {
    uint64_t size = PART_TEXTS(guest->module_count) + sizeof loader_name;
    size += text_length(guest->kernel.path, guest->append) + 1;
    for (size_t i = 0; i < guest->module_count; i++)
        size += text_length(guest->modules[i].file.path, guest->modules[i].args) + 1;
    return size;
}

// A block under construction: bytes, and the address at which they will stand.
struct builder {
    uint8_t *bytes;
    uint64_t used;
    uint32_t address;
};

// Appends "PATH ARGS" and returns its guest-physical address.
static uint32_t add_text(struct builder *block, const char *path, const char *args) {
    uint32_t at = block->address + (uint32_t)block->used;
    char *out = (char *)block->bytes + block->used;
    strcpy(out, path);
    if (*args) {
        strcat(out, " ");
        strcat(out, args);
    }
    block->used += strlen(out) + 1;
    return at;
}

static void put_memory_map(uint8_t *at, uint64_t ram_size) {
    struct memory_range map[MEMORY_MAP_ENTRIES];
    memory_map_fill(map, ram_size);
    for (unsigned i = 0; i < MEMORY_MAP_ENTRIES; i++, at += MMAP_ENTRY_SIZE) {
        put_le32(at, MMAP_ENTRY_SIZE - 4);
        put_le64(at + 4, map[i].start);
        put_le64(at + 12, map[i].size);
        put_le32(at + 20, (uint32_t)map[i].type);
    }
}

static void fill(struct multiboot_info *info, struct builder *block, const struct guest *guest, uint64_t ram_size) {
    uint8_t *bytes = block->bytes;
    block->used = PART_TEXTS(guest->module_count);
    put_le32(bytes + INFO_FLAGS,
             INFO_FLAG_MEMORY | INFO_FLAG_CMDLINE | INFO_FLAG_MODS | INFO_FLAG_MMAP | INFO_FLAG_BOOT_LOADER_NAME);
    put_le32(bytes + INFO_MEM_LOWER, MEMORY_LOW_END >> 10);
    put_le32(bytes + INFO_MEM_UPPER, (uint32_t)((ram_size - MEMORY_HIGH_START) >> 10));
    put_le32(bytes + INFO_MODS_COUNT, info->module_count);
    put_le32(bytes + INFO_MODS_ADDR, block->address + (uint32_t)PART_MODULES);
    put_le32(bytes + INFO_MMAP_LENGTH, MEMORY_MAP_ENTRIES * MMAP_ENTRY_SIZE);
    put_le32(bytes + INFO_MMAP_ADDR, block->address + (uint32_t)PART_MMAP);
    put_le32(bytes + INFO_CMDLINE, add_text(block, guest->kernel.path, guest->append));
    put_le32(bytes + INFO_BOOT_LOADER_NAME, add_text(block, loader_name, ""));
    entry_gdt_fill(bytes + PART_GDT);
    info->gdt_address = block->address + (uint32_t)PART_GDT;
    put_memory_map(bytes + PART_MMAP, ram_size);
    for (unsigned i = 0; i < info->module_count; i++) {
        uint8_t *entry = bytes + PART_MODULES + (uint64_t)i * MODULE_ENTRY_SIZE;
        put_le32(entry, info->modules[i].start);
        put_le32(entry + 4, info->modules[i].end);
        put_le32(entry + 8, add_text(block, guest->modules[i].file.path, guest->modules[i].args));
    }
}

int multiboot_info_store(struct multiboot_info *info, const struct guest *guest, struct ram *ram, uint32_t address,
                         struct error *err) {
    uint64_t size = multiboot_info_size(guest);
    struct builder block = {.bytes = calloc(1, size), .address = address};
    if (!block.bytes)
        return error_set(err, "out of memory");
    fill(info, &block, guest, ram->size);
    int status = ram_load(ram, address, block.bytes, size);
    free(block.bytes);
    return status ? file_image_error(&guest->kernel, err, "leaves no memory for the boot information") : 0;
}
