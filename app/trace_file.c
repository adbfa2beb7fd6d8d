// See trace_file.h. A chunk is written with one call, and taken back if only a part of it fits; how the trace ended is
// put into the header at the end, which needs no more room.
#include "app/trace_file.h"

#include "app/parse.h"
#include "machine/trace_format.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int trace_file_open(struct trace_file *file, const char *path, uint64_t limit, struct ringshade_error *err) {
    *file = (struct trace_file){.path = path, .fd = -1, .limit = limit};
    struct stat info;
    if (!path)
        return 0;
    const int flags = O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
    int fd = open(path, flags);
    if (fd < 0 && errno == ENOENT) {
        fd = open(path, flags | O_CREAT, 0666);
        file->created = fd >= 0;
    }
    if (fd < 0)
        return parse_error(err, "trace file %s: cannot open for writing: %s", path, strerror(errno));
    file->fd = fd;
    if (!fstat(fd, &info) && S_ISREG(info.st_mode))
        return 0;
    trace_file_discard(file);
    return parse_error(err, "trace file %s: not a regular file", path);
}

// All of it, or an error.
static int write_all(int fd, const uint8_t *data, size_t size) {
    while (size) {
        ssize_t done = write(fd, data, size);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return -1;
        data += done;
        size -= (size_t)done;
    }
    return 0;
}

int trace_file_write(void *opaque, const void *data, size_t size) {
    struct trace_file *file = opaque;
    if (file->full || file->error)
        return -1;
    file->full = file->size + size > file->limit;
    if (file->full || (file->size == 0 && ftruncate(file->fd, 0)) || write_all(file->fd, data, size)) {
        file->error = file->full ? 0 : errno;
        if (ftruncate(file->fd, (off_t)file->size))
            file->error = errno;
        return -1;
    }
    file->size += size;
    return 0;
}

static int put(const struct trace_file *file, const void *data, size_t size, size_t at) {
    return pwrite(file->fd, data, size, (off_t)at) == (ssize_t)size ? 0 : -1;
}

int trace_file_close(struct trace_file *file, struct ringshade_error *err) {
    if (file->fd < 0)
        return 0;
    uint32_t end = file->full ? TRACE_END_LIMIT : file->error ? TRACE_END_ERROR : TRACE_END_COMPLETE;
    bool failed = file->size && (put(file, &file->size, sizeof file->size, offsetof(struct trace_header, size)) ||
                                 put(file, &end, sizeof end, offsetof(struct trace_header, end)));
    failed |= close(file->fd) != 0;
    file->fd = -1;
    if (failed || file->error)
        return parse_error(err, "trace file %s: cannot write: %s; the trace ends there", file->path,
                           strerror(file->error ? file->error : errno));
    if (file->full)
        return parse_error(err, "trace file %s: reached %llu MiB; the trace ends there (see --trace-limit)", file->path,
                           (unsigned long long)file->limit >> 20);
    return 0;
}

void trace_file_discard(struct trace_file *file) {
    if (file->fd < 0)
        return;
    close(file->fd);
    file->fd = -1;
    if (file->created)
        unlink(file->path);
}
