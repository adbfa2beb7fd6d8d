// The run log: topic names, and one formatted line an event.
#include "base/log.h"

#include <stdarg.h>
#include <string.h>

static const struct {
    const char *name;
    enum log_topic topic;
} topic_names[] = {
    {"blocks", LOG_BLOCKS}, {"exits", LOG_EXITS}, {"faults", LOG_FAULTS}, {"mmu", LOG_MMU}, {"devices", LOG_DEVICES},
};

static const char *topic_name(enum log_topic topic) {
    for (size_t i = 0; i < sizeof topic_names / sizeof *topic_names; i++)
        if (topic_names[i].topic == topic)
            return topic_names[i].name;
    return "?";
}

void log_line(const struct log *log, enum log_topic topic, const char *format, ...) {
    if (!log_on(log, topic))
        return;
    char line[512];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    fprintf(log->out, "%s: %s\n", topic_name(topic), line);
}

int log_parse_topics(const char *list, unsigned *topics, const char **bad) {
    *topics = 0;
    for (const char *at = list; *at;) {
        size_t length = strcspn(at, ",");
        unsigned found = 0;
        if (length == 3 && !strncmp(at, "all", 3))
            found = ~0U;
        for (size_t i = 0; i < sizeof topic_names / sizeof *topic_names; i++)
            if (strlen(topic_names[i].name) == length && !strncmp(at, topic_names[i].name, length))
                found = (unsigned)topic_names[i].topic;
        if (!found) {
            *bad = at;
            return -1;
        }
        *topics |= found;
        at += length + (at[length] == ',');
    }
    return 0;
}
