// The log of a run (`--log blocks,exits,faults,mmu,devices`): one line an event, to a stream of the caller's choice.
// Never called from a light callout: writing is library code (PITFALLS 6 of the design: such code may use SSE).
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stdio.h>

enum log_topic {
    LOG_BLOCKS = 1 << 0,  // translation, linking, killing
    LOG_EXITS = 1 << 1,   // exits from translated code and callouts
    LOG_FAULTS = 1 << 2,  // guest exceptions and interrupts
    LOG_MMU = 1 << 3,     // windows, shadow faults, flushes
    LOG_DEVICES = 1 << 4, // port and MMIO accesses, interrupt lines
};

struct log {
    unsigned topics; // bits of enum log_topic
    FILE *out;
};

static inline bool log_on(const struct log *log, enum log_topic topic) {
    return log && (log->topics & (unsigned)topic);
}

// Writes "TOPIC: text\n" if the topic is on. Safe from several threads (stdio locks the stream).
void log_line(const struct log *log, enum log_topic topic, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// Parses a comma-separated list of topic names ("all" means every one). Returns 0, or -1 for an unknown name, whose
// start is then left in *bad.
int log_parse_topics(const char *list, unsigned *topics, const char **bad);

#endif
