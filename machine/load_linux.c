// Linux's 32-bit boot protocol: the setup header is checked and copied into a zero page, the protected-mode part goes
// to 1 MiB, the initrd as high as the kernel and the RAM allow. Follows Documentation/arch/x86/boot.rst and
// zero-page.rst. Never runs the 16-bit setup code of the image; what that would have asked the firmware for (memory
// map, video mode) is filled in here.
#include "machine/load_linux.h"

#include "machine/entry_state.h"
#include "machine/memory_map.h"

#include <string.h>

// Offsets in the file, which are the same in the zero page.
enum setup_field {
    SETUP_SECTS = 0x1f1,
    SETUP_SYSSIZE = 0x1f4,
    SETUP_VID_MODE = 0x1fa,
    SETUP_BOOT_FLAG = 0x1fe,
    SETUP_JUMP_LENGTH = 0x201,
    SETUP_HEADER = 0x202,
    SETUP_VERSION = 0x206,
    SETUP_TYPE_OF_LOADER = 0x210,
    SETUP_LOADFLAGS = 0x211,
    SETUP_CODE32_START = 0x214,
    SETUP_RAMDISK_IMAGE = 0x218,
    SETUP_RAMDISK_SIZE = 0x21c,
    SETUP_CMD_LINE_PTR = 0x228,
    SETUP_INITRD_ADDR_MAX = 0x22c,
    SETUP_KERNEL_ALIGNMENT = 0x230,
    SETUP_RELOCATABLE = 0x234,
    SETUP_XLOADFLAGS = 0x236,
    SETUP_CMDLINE_SIZE = 0x238,
    SETUP_PREF_ADDRESS = 0x258,
    SETUP_INIT_SIZE = 0x260,
    SETUP_END_2_04 = 0x230, // bytes that a header of protocol 2.04 has
};

enum zero_page_field {
    ZERO_PAGE_EXT_MEM_K = 0x002,
    ZERO_PAGE_ALT_MEM_K = 0x1e0,
    ZERO_PAGE_E820_ENTRIES = 0x1e8,
    ZERO_PAGE_E820_TABLE = 0x2d0,
    ZERO_PAGE_SIZE = 0x1000,
    ZERO_PAGE_HEADER_MAX = 0x290, // the header may grow up to here
};

#define HEADER_MAGIC             0x53726448u // "HdrS"
#define BOOT_FLAG_MAGIC          0xaa55u
#define PROTOCOL_MIN             0x0204u
#define LOADFLAGS_LOADED_HIGH    0x01u
#define LOADFLAGS_KEEP_SEGMENTS  0x40u
#define LOADFLAGS_CAN_USE_HEAP   0x80u
#define XLOADFLAGS_KERNEL_64     0x01u
#define TYPE_OF_LOADER_UNDEFINED 0xffu
#define VID_MODE_NORMAL          0xffffu
#define SECTOR                   512u
#define E820_ENTRY_SIZE          20u
#define INITRD_ADDR_MAX_DEFAULT  0x37ffffffu
#define CMDLINE_SIZE_DEFAULT     255u

// What the header says, with the defaults of old protocols filled in.
struct linux_image {
    const uint8_t *header;  // the file's start: fields by enum setup_field
    uint64_t header_end;    // offset of the first byte behind the header
    const uint8_t *payload; // the protected-mode part
    uint64_t payload_size;
    uint32_t version;
    uint32_t initrd_addr_max;
    uint32_t cmdline_size; // without the NUL
    uint64_t run_end;      // the kernel uses memory up to here before it reads the memory map
};

// Two arguments of printf for "%u.%02u".
#define VERSION_PARTS(version) (unsigned)(version) >> 8, (unsigned)(version)&0xffu
#define MIB_UP(bytes)          (unsigned long long)(((bytes) + (1u << 20) - 1) >> 20)

bool load_linux_recognises(const struct file_image *kernel) {
    return kernel->size >= SETUP_VERSION + 2 && get_le16(kernel->data + SETUP_BOOT_FLAG) == BOOT_FLAG_MAGIC &&
           get_le32(kernel->data + SETUP_HEADER) == HEADER_MAGIC;
}

static uint64_t align_up(uint64_t value, uint64_t alignment) {
    return alignment ? (value + alignment - 1) / alignment * alignment : value;
}

// The end of the memory that the kernel needs from its start: it moves itself to pref_address, or to the next aligned
// address if it was loaded above that, and wants init_size bytes there (protocol 2.10).
static uint64_t run_end(const struct linux_image *image) {
    uint64_t loaded_end = LINUX_LOAD_ADDRESS + image->payload_size;
    if (image->version < 0x020a)
        return loaded_end;
    uint64_t start = (uint64_t)get_le32(image->header + SETUP_PREF_ADDRESS) |
                     (uint64_t)get_le32(image->header + SETUP_PREF_ADDRESS + 4) << 32;
    if (image->header[SETUP_RELOCATABLE] && start < LINUX_LOAD_ADDRESS)
        start = align_up(LINUX_LOAD_ADDRESS, get_le32(image->header + SETUP_KERNEL_ALIGNMENT));
    if (start > UINT32_MAX)
        start = UINT32_MAX; // needs more memory than any machine has, and says so
    uint64_t end = start + get_le32(image->header + SETUP_INIT_SIZE);
    return end > loaded_end ? end : loaded_end;
}

static int parse_header(struct linux_image *image, const struct file_image *kernel, struct error *err) {
    const uint8_t *header = kernel->data;
    *image = (struct linux_image){.header = header, .version = get_le16(header + SETUP_VERSION)};
    if (image->version < PROTOCOL_MIN)
        return file_image_error(kernel, err, "speaks Linux boot protocol %u.%02u, but at least %u.%02u is needed",
                                VERSION_PARTS(image->version), VERSION_PARTS(PROTOCOL_MIN));
    image->header_end = SETUP_HEADER + (uint64_t)header[SETUP_JUMP_LENGTH];
    if (image->header_end < SETUP_END_2_04 || image->header_end > ZERO_PAGE_HEADER_MAX)
        return file_image_error(kernel, err, "has a Linux setup header of a wrong length (%llu bytes)",
                                (unsigned long long)image->header_end - SETUP_SECTS);
    uint64_t sectors = header[SETUP_SECTS] ? header[SETUP_SECTS] : 4;
    uint64_t setup_size = (sectors + 1) * SECTOR;
    image->payload_size = (uint64_t)get_le32(header + SETUP_SYSSIZE) * 16;
    if (kernel->size < image->header_end || kernel->size < setup_size + image->payload_size || !image->payload_size)
        return file_image_error(kernel, err, "is truncated: %llu bytes, its header says %llu",
                                (unsigned long long)kernel->size,
                                (unsigned long long)(setup_size + image->payload_size));
    image->payload = kernel->data + setup_size;
    if (!(header[SETUP_LOADFLAGS] & LOADFLAGS_LOADED_HIGH))
        return file_image_error(kernel, err, "is a Linux zImage; only the bzImage format can be loaded");
    if (image->version >= 0x020c && get_le16(header + SETUP_XLOADFLAGS) & XLOADFLAGS_KERNEL_64)
        return file_image_error(kernel, err, "is a 64-bit Linux kernel; the guest is a 32-bit (i386) PC");
    image->initrd_addr_max = get_le32(header + SETUP_INITRD_ADDR_MAX);
    if (!image->initrd_addr_max)
        image->initrd_addr_max = INITRD_ADDR_MAX_DEFAULT;
    image->cmdline_size = image->version >= 0x0206 ? get_le32(header + SETUP_CMDLINE_SIZE) : 0;
    if (!image->cmdline_size)
        image->cmdline_size = CMDLINE_SIZE_DEFAULT;
    if (image->cmdline_size > LINUX_CMDLINE_MAX - 1)
        image->cmdline_size = LINUX_CMDLINE_MAX - 1;
    image->run_end = run_end(image);
    return 0;
}

static int place_kernel(const struct linux_image *image, const struct guest *guest, struct ram *ram,
                        struct error *err) {
    if (image->run_end > ram->size)
        return file_image_error(&guest->kernel, err, "needs %llu MiB of memory, the machine has %llu MiB",
                                MIB_UP(image->run_end), (unsigned long long)ram->size >> 20);
    if (ram_load(ram, LINUX_LOAD_ADDRESS, image->payload, image->payload_size))
        return file_image_error(&guest->kernel, err, "does not fit into the memory");
    return 0;
}

// Fills *address with the place of the initrd, 0 where there is none.
static int place_initrd(const struct linux_image *image, const struct guest *guest, struct ram *ram, uint32_t *address,
                        struct error *err) {
    *address = 0;
    if (!guest->initrd.size)
        return 0;
    uint64_t end = (uint64_t)image->initrd_addr_max + 1;
    if (end > ram->size)
        end = ram->size;
    uint64_t size = guest->initrd.size;
    uint64_t start = end > size ? (end - size) & ~(uint64_t)(RAM_PAGE_SIZE - 1) : 0;
    if (start < image->run_end) {
        if (ram->size > image->initrd_addr_max)
            return file_image_error(&guest->initrd, err,
                                    "is too large (%llu MiB) for this kernel, which takes it below "
                                    "%llu MiB only",
                                    MIB_UP(size), MIB_UP(image->initrd_addr_max));
        return file_image_error(&guest->initrd, err,
                                "needs %llu MiB of memory together with the kernel, the machine has "
                                "%llu MiB",
                                MIB_UP(image->run_end + align_up(size, RAM_PAGE_SIZE)),
                                (unsigned long long)ram->size >> 20);
    }
    *address = (uint32_t)start;
    return file_image_place(&guest->initrd, ram, start, err);
}

static int place_cmdline(const struct linux_image *image, const struct guest *guest, struct ram *ram,
                         struct error *err) {
    size_t length = strlen(guest->append);
    if (length > image->cmdline_size)
        return file_image_error(&guest->kernel, err, "takes a command line of at most %u bytes, %zu were given",
                                image->cmdline_size, length);
    return ram_load(ram, LINUX_CMDLINE_ADDRESS, guest->append, length + 1)
               ? error_set(err, "the command line does not fit into the memory")
               : 0;
}

static void fill_memory(uint8_t *page, uint64_t ram_size) {
    struct memory_range map[MEMORY_MAP_ENTRIES];
    memory_map_fill(map, ram_size);
    for (unsigned i = 0; i < MEMORY_MAP_ENTRIES; i++) {
        uint8_t *entry = page + ZERO_PAGE_E820_TABLE + i * E820_ENTRY_SIZE;
        put_le64(entry, map[i].start);
        put_le64(entry + 8, map[i].size);
        put_le32(entry + 16, (uint32_t)map[i].type);
    }
    page[ZERO_PAGE_E820_ENTRIES] = MEMORY_MAP_ENTRIES;
    uint32_t extended_kib = (uint32_t)((ram_size - MEMORY_HIGH_START) >> 10);
    put_le32(page + ZERO_PAGE_ALT_MEM_K, extended_kib);
    uint32_t clipped = extended_kib > 0xffff ? 0xffff : extended_kib;
    page[ZERO_PAGE_EXT_MEM_K] = (uint8_t)clipped;
    page[ZERO_PAGE_EXT_MEM_K + 1] = (uint8_t)(clipped >> 8);
}

// screen_info stays zero: no lines and no columns means that nobody may write to a VGA text screen.
static void fill_zero_page(uint8_t *page, const struct linux_image *image, const struct guest *guest,
                           uint32_t initrd_address, uint64_t ram_size) {
    memset(page, 0, ZERO_PAGE_SIZE);
    memcpy(page + SETUP_SECTS, image->header + SETUP_SECTS, image->header_end - SETUP_SECTS);
    page[SETUP_TYPE_OF_LOADER] = TYPE_OF_LOADER_UNDEFINED;
    page[SETUP_LOADFLAGS] &= (uint8_t) ~(LOADFLAGS_KEEP_SEGMENTS | LOADFLAGS_CAN_USE_HEAP);
    page[SETUP_VID_MODE] = (uint8_t)VID_MODE_NORMAL;
    page[SETUP_VID_MODE + 1] = (uint8_t)(VID_MODE_NORMAL >> 8);
    put_le32(page + SETUP_CODE32_START, LINUX_LOAD_ADDRESS);
    put_le32(page + SETUP_RAMDISK_IMAGE, initrd_address);
    put_le32(page + SETUP_RAMDISK_SIZE, (uint32_t)guest->initrd.size);
    put_le32(page + SETUP_CMD_LINE_PTR, LINUX_CMDLINE_ADDRESS);
    fill_memory(page, ram_size);
}

int load_linux(const struct guest *guest, struct ram *ram, struct cpu_state *state, struct error *err) {
    struct linux_image image;
    uint32_t initrd_address;
    if (parse_header(&image, &guest->kernel, err) || place_kernel(&image, guest, ram, err) ||
        place_initrd(&image, guest, ram, &initrd_address, err) || place_cmdline(&image, guest, ram, err))
        return -1;
    uint8_t page[ZERO_PAGE_SIZE];
    fill_zero_page(page, &image, guest, initrd_address, ram->size);
    uint8_t gdt[ENTRY_GDT_SIZE];
    entry_gdt_fill(gdt);
    if (ram_load(ram, LINUX_ZERO_PAGE_ADDRESS, page, sizeof page) || ram_load(ram, LINUX_GDT_ADDRESS, gdt, sizeof gdt))
        return error_set(err, "the boot parameters do not fit into the memory");
    entry_state_fill(state, LINUX_GDT_ADDRESS);
    state->eip = LINUX_LOAD_ADDRESS;
    state->gpr[CPU_ESI] = LINUX_ZERO_PAGE_ADDRESS;
    return 0;
}
