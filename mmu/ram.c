// Guest RAM: creation, the monitor's mapping and the loader's accessors. One memfd holds all of it, so that windows can
// show any frame at any linear address. Must never reserve host memory for what the guest has not touched.
#include "mmu/ram.h"

#include "base/populate.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int ram_create(struct ram *ram, uint64_t size, struct error *err) {
    *ram = (struct ram){.fd = -1, .hole_start = RAM_HOLE_START, .hole_end = RAM_HOLE_END};
    if (size < RAM_MIN_SIZE || size > RAM_MAX_SIZE || size % RAM_PAGE_SIZE) {
        return error_set(err, "memory size %llu is not between %u and %u MiB, whole pages", (unsigned long long)size,
                         RAM_MIN_SIZE >> 20, RAM_MAX_SIZE >> 20);
    }
    ram->size = size;
    ram->fd = memfd_create("ringshade-ram", MFD_CLOEXEC);
    if (ram->fd < 0) {
        return error_set(err, "guest memory: memfd_create: %s", strerror(errno));
    }
    if (ftruncate(ram->fd, (off_t)size) < 0) {
        error_set(err, "guest memory: %llu MiB: %s", (unsigned long long)(size >> 20), strerror(errno));
        ram_destroy(ram);
        return -1;
    }
    void *host = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, ram->fd, 0);
    if (host == MAP_FAILED) {
        error_set(err, "guest memory: cannot map %llu MiB: %s", (unsigned long long)(size >> 20), strerror(errno));
        ram_destroy(ram);
        return -1;
    }
    ram->host = host;
    void *flags = mmap(NULL, size / RAM_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (flags == MAP_FAILED) {
        error_set(err, "guest memory: cannot map frame flags: %s", strerror(errno));
        ram_destroy(ram);
        return -1;
    }
    ram->frame_flags = flags;
    return 0;
}

void ram_destroy(struct ram *ram) {
    if (ram->frame_flags) {
        munmap(ram->frame_flags, ram->size / RAM_PAGE_SIZE);
    }
    if (ram->host) {
        munmap(ram->host, ram->size);
    }
    if (ram->fd >= 0) {
        close(ram->fd);
    }
    *ram = (struct ram){.fd = -1};
}

bool ram_contains(const struct ram *ram, uint64_t gpa, uint64_t size) {
    uint64_t end = gpa + size;
    if (end < gpa || end > ram->size) {
        return false;
    }
    return ram->hole_start == ram->hole_end || end <= ram->hole_start || gpa >= ram->hole_end;
}

int ram_load(struct ram *ram, uint64_t gpa, const void *data, uint64_t size) {
    if (!ram_contains(ram, gpa, size)) {
        return -1;
    }
    populate_write(ram->host + gpa, size);
    memcpy(ram->host + gpa, data, size);
    return 0;
}

int ram_fetch(const struct ram *ram, uint64_t gpa, void *data, uint64_t size) {
    if (!ram_contains(ram, gpa, size)) {
        return -1;
    }
    memcpy(data, ram->host + gpa, size);
    return 0;
}
