// Output files in two steps, opening and beginning. Never empties a file before the run is sure to start.
#include "app/output_file.h"

#include "app/parse.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

int output_file_open(struct output_file *file, const char *role, const char *path, struct ringshade_error *err) {
    *file = (struct output_file){.path = path};
    if (!path)
        return 0;
    int flags = O_WRONLY | O_CLOEXEC | O_NOCTTY;
    int fd = open(path, flags);
    if (fd < 0 && errno == ENOENT) {
        fd = open(path, flags | O_CREAT, 0666);
        file->created = fd >= 0;
    }
    if (fd < 0)
        return parse_error(err, "%s %s: cannot open for writing: %s", role, path, strerror(errno));
    file->stream = fdopen(fd, "w");
    if (file->stream) {
        setvbuf(file->stream, NULL, _IOLBF, BUFSIZ); // the lines before a crash are those that count
        return 0;
    }
    close(fd);
    return parse_error(err, "%s %s: out of memory", role, path);
}

void output_file_begin(struct output_file *file) {
    if (file->stream && ftruncate(fileno(file->stream), 0))
        return; // a pipe or a terminal: nothing to empty
}

int output_file_close(struct output_file *file, struct ringshade_error *err) {
    if (!file->stream)
        return 0;
    bool failed = ferror(file->stream);
    failed |= fclose(file->stream) != 0;
    file->stream = NULL;
    return failed ? parse_error(err, "%s: cannot write: %s", file->path, strerror(errno)) : 0;
}

void output_file_discard(struct output_file *file) {
    if (!file->stream)
        return;
    fclose(file->stream);
    file->stream = NULL;
    if (file->created)
        unlink(file->path);
}
