// Writes an initramfs, the "newc" form of cpio (Linux: Documentation/driver-api/early-userspace/buffer-format.rst),
// from a list, so that an image can hold device nodes without root and is the same byte for byte each time: owner 0,
// time 0, inode numbers counted from 1. It must never look at what is on the host beyond the files that it is told of.
//
//     mkinitramfs LIST > image.cpio
//
// One entry a line; empty lines and lines that begin with # are left out:
//     dir PATH MODE
//     file PATH MODE SOURCE
//     link PATH TARGET
//     node PATH MODE c|b MAJOR MINOR
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_MAX_BYTES = 4096, WORDS_MAX = 6, TYPE_DIR = 0040000, TYPE_FILE = 0100000, TYPE_LINK = 0120000 };
enum { TYPE_CHAR = 0020000, TYPE_BLOCK = 0060000, NEWC_ALIGN = 4 };

struct entry {
    const char *path;
    uint32_t mode;
    uint32_t major, minor;
    const char *data;
    size_t size;
};

struct image {
    FILE *out;
    uint64_t written;
    uint32_t inode;
};

__attribute__((noreturn, format(printf, 1, 2))) static void fail(const char *format, ...) {
    va_list args;
    va_start(args, format);
    fputs("mkinitramfs: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(1);
}

static void put(struct image *image, const void *data, size_t size) {
    if (size && fwrite(data, 1, size, image->out) != size)
        fail("cannot write: %s", strerror(errno));
    image->written += size;
}

static void put_padding(struct image *image) {
    static const char zeros[NEWC_ALIGN];
    put(image, zeros, (size_t)(-image->written % NEWC_ALIGN));
}

static void put_entry(struct image *image, const struct entry *entry) {
    char header[128];
    size_t name_size = strlen(entry->path) + 1;
    uint32_t links = (entry->mode & 0170000) == TYPE_DIR ? 2 : 1;
    int length =
        snprintf(header, sizeof header, "070701%08X%08X%08X%08X%08X%08X%08zX%08X%08X%08X%08X%08zX%08X", image->inode++,
                 entry->mode, 0u, 0u, links, 0u, entry->size, 0u, 0u, entry->major, entry->minor, name_size, 0u);
    put(image, header, (size_t)length);
    put(image, entry->path, name_size);
    put_padding(image);
    put(image, entry->data, entry->size);
    put_padding(image);
}

static char *read_whole(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END))
        fail("cannot read %s: %s", path, strerror(errno));
    long length = ftell(file);
    if (length < 0 || length > INT32_MAX)
        fail("%s has an unusable size", path);
    char *data = malloc((size_t)length + 1);
    rewind(file);
    if (!data || fread(data, 1, (size_t)length, file) != (size_t)length)
        fail("cannot read %s", path);
    fclose(file);
    *size = (size_t)length;
    return data;
}

static uint32_t number(const char *text, int base, const char *line) {
    char *end;
    errno = 0;
    unsigned long value = strtoul(text, &end, base);
    if (errno || *end || end == text || value > UINT32_MAX)
        fail("not a number: '%s' in: %s", text, line);
    return (uint32_t)value;
}

static int split(char *line, char *words[WORDS_MAX]) {
    int count = 0;
    char *save;
    for (char *word = strtok_r(line, " \t\n", &save); word; word = strtok_r(NULL, " \t\n", &save)) {
        if (count == WORDS_MAX)
            return -1;
        words[count++] = word;
    }
    return count;
}

static void put_line(struct image *image, char *words[WORDS_MAX], int count, const char *line) {
    struct entry entry = {.path = words[1]};
    char *content = NULL;
    if (!strcmp(words[0], "dir") && count == 3) {
        entry.mode = TYPE_DIR | number(words[2], 8, line);
    } else if (!strcmp(words[0], "file") && count == 4) {
        entry.mode = TYPE_FILE | number(words[2], 8, line);
        entry.data = content = read_whole(words[3], &entry.size);
    } else if (!strcmp(words[0], "link") && count == 3) {
        entry.mode = TYPE_LINK | 0777;
        entry.data = words[2];
        entry.size = strlen(words[2]);
    } else if (!strcmp(words[0], "node") && count == 6) {
        entry.mode = (words[3][0] == 'c' ? TYPE_CHAR : TYPE_BLOCK) | number(words[2], 8, line);
        entry.major = number(words[4], 10, line);
        entry.minor = number(words[5], 10, line);
    } else {
        fail("cannot make sense of: %s", line);
    }
    put_entry(image, &entry);
    free(content);
}

int main(int argc, char **argv) {
    if (argc != 2)
        fail("usage: mkinitramfs LIST > image.cpio");
    FILE *list = fopen(argv[1], "r");
    if (!list)
        fail("cannot read %s: %s", argv[1], strerror(errno));
    struct image image = {.out = stdout, .inode = 1};
    char line[LINE_MAX_BYTES], copy[LINE_MAX_BYTES];
    while (fgets(line, sizeof line, list)) {
        char *words[WORDS_MAX];
        memcpy(copy, line, sizeof copy);
        int count = split(copy, words);
        if (count == 0 || words[0][0] == '#')
            continue;
        if (count < 2)
            fail("cannot make sense of: %s", line);
        put_line(&image, words, count, line);
    }
    fclose(list);
    image.inode = 0;
    struct entry trailer = {.path = "TRAILER!!!"};
    put_entry(&image, &trailer);
    if (fflush(stdout))
        fail("cannot write: %s", strerror(errno));
    return 0;
}
