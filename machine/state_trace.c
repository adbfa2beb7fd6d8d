#include "machine/state_trace.h"

#include <inttypes.h>
#include <unistd.h>
#include <xxhash.h>

#define PAGE_SIZE 4096u

// What cpu/ calls the architectural state, a piece after the other.
static void feed(void *opaque, const void *data, size_t size) {
    uint64_t *hash = opaque;
    *hash = XXH3_64bits_withSeed(data, size, *hash);
}

static uint64_t hash_processor(const struct ringshade *machine) {
    uint64_t hash = 0;
    vcpu_visit_state(machine->pc.vcpu, feed, &hash);
    return hash;
}

static bool is_zero(const uint8_t *page) {
    static const uint8_t zero[PAGE_SIZE];
    return __builtin_memcmp(page, zero, PAGE_SIZE) == 0;
}

// A page that was never touched is a hole of the file, and counts as one of zeros: neither goes into the hash.
static uint64_t hash_memory(const struct ringshade *machine) {
    const struct ram *ram = &machine->pc.ram;
    uint64_t hash = 0;
    off_t at = 0, end = 0, size = (off_t)ram->size;
    while (at < size && (at = lseek(ram->fd, end, SEEK_DATA)) >= 0 && at < size) {
        end = lseek(ram->fd, at, SEEK_HOLE);
        end = end < 0 || end > size ? size : end;
        for (at &= ~(off_t)(PAGE_SIZE - 1); at < end; at += PAGE_SIZE)
            if (!is_zero(ram->host + at))
                hash = XXH3_64bits_withSeed(ram->host + at, PAGE_SIZE, hash ^ (uint64_t)at);
    }
    return hash;
}

static void write_line(const struct ringshade *machine, uint64_t instructions, bool memory) {
    FILE *out = machine->config.hash_stream;
    fprintf(out, "%" PRIu64 " %" PRIu64 " %016" PRIx64, instructions, vcpu_clock_ns(machine->pc.vcpu),
            hash_processor(machine));
    if (memory)
        fprintf(out, " %016" PRIx64, hash_memory(machine));
    fputc('\n', out);
}

static uint64_t next_multiple(uint64_t count, uint64_t step) {
    return step ? (count / step + 1) * step : UINT64_MAX;
}

uint64_t state_trace_reached(struct ringshade *machine, uint64_t instructions) {
    const struct ringshade_config *config = &machine->config;
    if (config->hash_every && instructions % config->hash_every == 0)
        write_line(machine, instructions, config->hash_memory && instructions % config->hash_memory == 0);
    uint64_t next = next_multiple(instructions, config->hash_every);
    bool ends = config->stop_after > instructions && config->stop_after < next;
    return ends ? config->stop_after : next;
}

void state_trace_end(struct ringshade *machine) {
    if (machine->config.hash_every)
        write_line(machine, vcpu_instructions(machine->pc.vcpu), machine->config.hash_memory != 0);
}
