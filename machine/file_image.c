// Reading of files, and error texts that name them. Never maps a file: a file that shrinks later must not be able to
// raise SIGBUS in a running machine.
#include "machine/file_image.h"

#include "base/populate.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_SHOWN_MAX 120 // characters of a path in an error text

int file_image_error(const struct file_image *image, struct error *err, const char *format, ...) {
    char reason[ERROR_TEXT_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(reason, sizeof reason, format, args);
    va_end(args);
    const char *path = image->path ? image->path : "?";
    const char *dots = "";
    size_t length = strlen(path);
    if (length > PATH_SHOWN_MAX) {
        path += length - PATH_SHOWN_MAX;
        dots = "...";
    }
    return error_set(err, "%s %s%s: %s", image->role ? image->role : "file", dots, path, reason);
}

// Reads to the end of fd, whatever fstat says of its size: it may be a pipe.
static int read_all(struct file_image *image, int fd, uint64_t size_hint, struct error *err) {
    uint64_t capacity = size_hint + 1; // one more, so that the end of a regular file is seen without growing
    image->data = malloc(capacity);
    if (image->data)
        populate_write(image->data, capacity);
    while (image->data) {
        ssize_t got = read(fd, image->data + image->size, capacity - image->size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return file_image_error(image, err, "cannot read: %s", strerror(errno));
        if (!got)
            return 0;
        image->size += (uint64_t)got;
        if (image->size > FILE_IMAGE_MAX)
            return file_image_error(image, err, "is larger than %llu MiB", FILE_IMAGE_MAX >> 20);
        if (image->size == capacity) {
            capacity = capacity * 2 + 65536;
            uint8_t *larger = realloc(image->data, capacity);
            if (!larger)
                break;
            image->data = larger;
        }
    }
    return file_image_error(image, err, "cannot read: out of memory");
}

// With `keep`, a regular file is only opened.
static int open_and_read(struct file_image *image, bool keep, struct error *err) {
    int fd = open(image->path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return file_image_error(image, err, "cannot open: %s", strerror(errno));
    struct stat st;
    int status = 0;
    if (fstat(fd, &st))
        status = file_image_error(image, err, "cannot read: %s", strerror(errno));
    else if (S_ISDIR(st.st_mode))
        status = file_image_error(image, err, "is a directory");
    else if (S_ISREG(st.st_mode) && (uint64_t)st.st_size > FILE_IMAGE_MAX)
        status = file_image_error(image, err, "is larger than %llu MiB", FILE_IMAGE_MAX >> 20);
    else if (S_ISREG(st.st_mode) && keep)
        image->size = (uint64_t)st.st_size;
    else
        status = read_all(image, fd, S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 65536, err);
    if (!status && !image->data) {
        image->open = true;
        image->fd = fd;
    } else {
        close(fd);
    }
    if (!status && !image->size)
        status = file_image_error(image, err, "is empty");
    return status;
}

static int take(struct file_image *image, const char *role, const char *path, bool keep, struct error *err) {
    *image = (struct file_image){.role = strdup(role), .path = strdup(path)};
    int status = image->role && image->path ? open_and_read(image, keep, err) : error_set(err, "out of memory");
    if (status)
        file_image_free(image);
    return status;
}

int file_image_read(struct file_image *image, const char *role, const char *path, struct error *err) {
    return take(image, role, path, false, err);
}

int file_image_open(struct file_image *image, const char *role, const char *path, struct error *err) {
    return take(image, role, path, true, err);
}

// Reads what the file holds straight into RAM: on many hosts memory that is touched for the first time is dear.
static int read_into(const struct file_image *image, uint8_t *at, struct error *err) {
    uint64_t done = 0;
    while (done < image->size) {
        ssize_t got = pread(image->fd, at + done, image->size - done, (off_t)done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return file_image_error(image, err, "cannot read: %s", strerror(errno));
        if (!got)
            return file_image_error(image, err, "has become shorter since it was opened");
        done += (uint64_t)got;
    }
    return 0;
}

int file_image_place(const struct file_image *image, struct ram *ram, uint64_t gpa, struct error *err) {
    if (image->open && ram_contains(ram, gpa, image->size)) {
        populate_write(ram->host + gpa, image->size);
        return read_into(image, ram->host + gpa, err);
    }
    if (image->open || ram_load(ram, gpa, image->data, image->size))
        return file_image_error(image, err, "does not fit into the memory");
    return 0;
}

void file_image_free(struct file_image *image) {
    free(image->role);
    free(image->path);
    free(image->data);
    if (image->open)
        close(image->fd);
    *image = (struct file_image){0};
}
