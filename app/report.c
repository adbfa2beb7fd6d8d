// See report.h. Data of a run stand in the page as JSON; its script draws them.
#include "app/report.h"

#include "app/output_file.h"
#include "app/parse.h"
#include "app/report_data.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DATA_MARK "@DATA@"

// report_page.S: the page, with DATA_MARK where the data go.
extern const char report_page[], report_page_end[];

struct report {
    char *dir, *path;
    bool made_dir;
    struct output_file file;
    struct report_data data;
    struct trace_reader reader;
    bool begun;                 // the header has come
    bool failed;                // nothing more is taken
    struct ringshade_error why; // it failed
};

// ---- Taking the trace ----------------------------------------------------------------------------------------------

static int take(struct report *report, const uint8_t *data, size_t size, struct ringshade_error *err) {
    struct trace_chunk chunk;
    if (!report->begun) {
        report->begun = true;
        if (size != sizeof(struct trace_header) || trace_reader_header(&report->reader, data, err))
            return parse_error(err, "the trace begins with no header");
        report_data_begin(&report->data, (enum trace_clock)report->reader.header.clock);
        return 0;
    }
    if (size < sizeof chunk)
        return parse_error(err, "the trace has a part that is no chunk");
    memcpy(&chunk, data, sizeof chunk);
    if (size != sizeof chunk + chunk.size)
        return parse_error(err, "the trace has a part that is no chunk");
    return trace_reader_chunk(&report->reader, &chunk, data + sizeof chunk, err);
}

int report_take(void *opaque, const void *data, size_t size) {
    struct report *report = opaque;
    if (!report->failed)
        report->failed = take(report, data, size, &report->why) < 0;
    return report->failed ? -1 : 0;
}

// ---- The page ------------------------------------------------------------------------------------------------------

// JSON inside of a script element: no `<` may stand in it, and outside of strings JSON has none.
static void put_data(const char *json, size_t size, FILE *out) {
    for (size_t i = 0; i < size; i++)
        if (json[i] == '<')
            fputs("\\u003c", out);
        else
            fputc(json[i], out);
}

static int write_page(struct report *report, const char *json, size_t size) {
    FILE *out = report->file.stream;
    size_t whole = (size_t)(report_page_end - report_page);
    const char *mark = memmem(report_page, whole, DATA_MARK, strlen(DATA_MARK));
    if (!mark)
        return -1;
    output_file_begin(&report->file);
    fwrite(report_page, 1, (size_t)(mark - report_page), out);
    put_data(json, size, out);
    mark += strlen(DATA_MARK);
    fwrite(mark, 1, (size_t)(report_page_end - mark), out);
    return 0;
}

int report_write(struct report *report, const struct ringshade *machine, const struct run_options *options,
                 struct ringshade_error *err) {
    char *json = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&json, &size);
    if (!out)
        return parse_error(err, "%s: out of memory", report->path);
    int status = report_data_write(&report->data, machine, options, out, err);
    if (fclose(out))
        status = parse_error(err, "%s: out of memory", report->path);
    if (!status)
        status = write_page(report, json, size);
    free(json);
    if (output_file_close(&report->file, err))
        status = -1;
    if (!status && report->failed)
        status = parse_error(err, "%s: not all of the run is in it: %s", report->path, report->why.text);
    return status;
}

// ---- Life ----------------------------------------------------------------------------------------------------------

static int open_all(struct report *report, const char *dir, struct ringshade_error *err) {
    report->dir = strdup(dir);
    if (!report->dir || asprintf(&report->path, "%s/index.html", dir) < 0) {
        report->path = NULL;
        return parse_error(err, "out of memory");
    }
    report->made_dir = mkdir(dir, 0777) == 0;
    if (!report->made_dir && errno != EEXIST)
        return parse_error(err, "report folder %s: cannot make it: %s", dir, strerror(errno));
    return output_file_open(&report->file, "report", report->path, err);
}

struct report *report_open(const char *dir, struct ringshade_error *err) {
    struct report *report = calloc(1, sizeof *report);
    if (!report) {
        parse_error(err, "out of memory");
        return NULL;
    }
    struct trace_visitor visitor = report_data_visitor(&report->data, &report->reader);
    trace_reader_begin(&report->reader, &visitor);
    if (!open_all(report, dir, err))
        return report;
    report_destroy(report);
    return NULL;
}

void report_destroy(struct report *report) {
    if (!report)
        return;
    bool unused = report->file.stream != NULL;
    output_file_discard(&report->file);
    if (report->made_dir && (unused || !report->path))
        rmdir(report->dir);
    trace_reader_end(&report->reader);
    free(report->dir);
    free(report->path);
    free(report);
}
