// See trace_load.h.
#include "app/trace_load.h"

#include "app/parse.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct source {
    FILE *in;
    const char *path;
    bool partial;
    uint8_t *records; // TRACE_CHUNK_MAX bytes
};

static int fail(const struct source *source, struct ringshade_error *err, const char *what) {
    return parse_error(err, "trace %s: %s", source->path, what);
}

// err holds what is wrong inside the file.
static int wrong(const struct source *source, struct ringshade_error *err) {
    struct ringshade_error inner = *err;
    return fail(source, err, inner.text);
}

static int check_end(const struct source *source, const struct trace_header *header, struct ringshade_error *err) {
    struct stat info;
    if (source->partial)
        return 0;
    if (header->end == TRACE_END_NONE)
        return fail(source, err, "unfinished: its run was killed or still goes on (--partial reads what there is)");
    if (fstat(fileno(source->in), &info) || (uint64_t)info.st_size != header->size)
        return fail(source, err, "its size is not what its header says: it was cut (--partial reads what there is)");
    return 0;
}

// 1: there is one; 0: the end; -1 with err filled.
static int next_chunk(struct trace_reader *reader, const struct source *source, struct ringshade_error *err) {
    struct trace_chunk chunk;
    size_t got = fread(&chunk, 1, sizeof chunk, source->in);
    if (got == 0 && !ferror(source->in))
        return 0;
    bool whole = got == sizeof chunk;
    if (whole && trace_reader_check_chunk(reader, &chunk, err))
        return wrong(source, err);
    whole = whole && fread(source->records, 1, chunk.size, source->in) == chunk.size;
    if (ferror(source->in))
        return fail(source, err, strerror(errno));
    if (!whole)
        return source->partial ? 0 : fail(source, err, "ends inside a chunk");
    return trace_reader_chunk(reader, &chunk, source->records, err) ? wrong(source, err) : 1;
}

static int load(struct trace_reader *reader, const struct source *source, struct ringshade_error *err) {
    struct trace_header header;
    errno = 0;
    if (fread(&header, 1, sizeof header, source->in) != sizeof header)
        return fail(source, err, ferror(source->in) ? strerror(errno) : "not a trace of Ringshade: too short");
    if (trace_reader_header(reader, &header, err))
        return wrong(source, err);
    if (check_end(source, &header, err))
        return -1;
    int more;
    do
        more = next_chunk(reader, source, err);
    while (more > 0 && !reader->enough);
    return more < 0 ? -1 : 0;
}

int trace_load(struct trace_reader *reader, const char *path, bool partial, struct ringshade_error *err) {
    struct source source = {.in = fopen(path, "rbe"), .path = path, .partial = partial};
    if (!source.in)
        return fail(&source, err, strerror(errno));
    source.records = malloc(TRACE_CHUNK_MAX);
    int status = source.records ? load(reader, &source, err) : fail(&source, err, "out of memory");
    free(source.records);
    fclose(source.in);
    return status;
}
