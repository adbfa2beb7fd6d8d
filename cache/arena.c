// The arena of translated code: a memfd mapped twice, so that no page is ever writable and executable. It lies below
// 1 GiB because code-map entries are 4 bytes and stubs are reached by 32-bit displacements. A position-independent
// monitor leaves that range free.
#include "cache/cache.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define ARENA_FIRST 0x10000000u // where the search for a free place begins
#define ARENA_LAST  0x40000000u
#define ARENA_STEP  0x04000000u

int arena_create(struct arena *arena, uint32_t size, struct error *err) {
    arena->fd = memfd_create("ringshade-code", MFD_CLOEXEC);
    if (arena->fd < 0)
        return error_set(err, "memfd_create: %s", strerror(errno));
    arena->size = size;
    if (ftruncate(arena->fd, size) < 0) {
        close(arena->fd);
        return error_set(err, "code cache of %u MiB: %s", size >> 20, strerror(errno));
    }
    for (uint32_t at = ARENA_FIRST; at + size <= ARENA_LAST; at += ARENA_STEP) {
        void *rx =
            mmap((void *)(uintptr_t)at, size, PROT_READ | PROT_EXEC, MAP_SHARED | MAP_FIXED_NOREPLACE, arena->fd, 0);
        if (rx == MAP_FAILED)
            continue;
        if (rx != (void *)(uintptr_t)at) { // a kernel that takes the flag for a hint
            munmap(rx, size);
            continue;
        }
        void *rw = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, arena->fd, 0);
        if (rw == MAP_FAILED) {
            munmap(rx, size);
            break;
        }
        arena->rx = at;
        arena->rw = rw;
        return 0;
    }
    close(arena->fd);
    return error_set(err, "no room below 1 GiB for a code cache of %u MiB", size >> 20);
}

void arena_destroy(struct arena *arena) {
    munmap((void *)(uintptr_t)arena->rx, arena->size);
    munmap(arena->rw, arena->size);
    close(arena->fd);
}
