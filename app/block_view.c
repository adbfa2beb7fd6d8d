// See block_view.h.
#include "app/block_view.h"

#include "app/explain_host.h"
#include "app/parse.h"
#include "translator/describe.h"
#include "translator/translator.h"

#include <stdlib.h>
#include <string.h>

#define PAGE_SIZE 4096u
#define HLT       0xf4

struct block_view_viewer {
    struct explain_printer *printer[2]; // for code of 16 and of 32 bits
    struct translate_output out;
    uint8_t page[PAGE_SIZE], next_page[PAGE_SIZE], code[TRANSLATE_MAX_HOST];
};

struct block_view_viewer *block_view_create(void) {
    struct block_view_viewer *viewer = calloc(1, sizeof *viewer);
    if (!viewer)
        return NULL;
    for (unsigned i = 0; i < 2; i++)
        viewer->printer[i] = explain_printer_create(i ? 32 : 16);
    if (viewer->printer[0] && viewer->printer[1])
        return viewer;
    block_view_destroy(viewer);
    return NULL;
}

void block_view_destroy(struct block_view_viewer *viewer) {
    for (unsigned i = 0; viewer && i < 2; i++)
        if (viewer->printer[i])
            explain_printer_destroy(viewer->printer[i]);
    free(viewer);
}

// The pages hold the block's bytes, and HLT around them.
static int translate(struct block_view_viewer *viewer, const uint8_t *bytes, uint32_t size, uint32_t offset,
                     uint32_t mode, struct ringshade_error *err) {
    struct error failure;
    struct translate_input in = {
        .page = viewer->page,
        .offset = offset,
        .mode = mode & ~(uint32_t)(MODE_TRACED | MODE_COUNTED),
        .code_rw = viewer->code,
        .code_rx = EXPLAIN_CODE_RX,
        .capacity = sizeof viewer->code,
    };
    memset(viewer->page, HLT, PAGE_SIZE);
    memset(viewer->next_page, HLT, PAGE_SIZE);
    for (uint32_t i = 0; i < size && offset + i < 2 * PAGE_SIZE; i++)
        *(offset + i < PAGE_SIZE ? &viewer->page[offset + i] : &viewer->next_page[offset + i - PAGE_SIZE]) = bytes[i];
    for (unsigned i = 0; i < STUB_COUNT; i++)
        in.stub[i] = explain_stub_address(i);
    enum translate_status status = translate_block(&in, &viewer->out, &failure);
    if (status == TRANSLATE_NEED_NEXT) {
        in.next = viewer->next_page;
        status = translate_block(&in, &viewer->out, &failure);
    }
    return status == TRANSLATE_OK ? 0 : parse_error(err, "%s", failure.text);
}

// Adds the host code between two offsets to *text, which is NULL or malloc'ed.
static void add_host(struct block_view_viewer *viewer, struct explain_printer *printer, char **text, uint32_t from,
                     uint32_t to) {
    char *more = NULL;
    size_t size;
    FILE *out = open_memstream(&more, &size);
    if (!out)
        return;
    if (*text)
        fputs(*text, out);
    explain_host_print(printer, out, "", viewer->code + from, to - from, EXPLAIN_CODE_RX + from);
    fclose(out);
    free(*text);
    *text = more;
}

static void add_line(struct block_view *view, struct explain_printer *printer, const uint8_t *bytes, uint32_t left,
                     uint32_t linear, bool code32) {
    struct insn_description insn;
    struct block_view_line *line = &view->lines[view->count++];
    *line = (struct block_view_line){.linear = linear, .class_name = "", .kind_name = ""};
    explain_guest_text(printer, bytes, left, linear, line->text, sizeof line->text);
    if (!describe_insn(bytes, left, code32, &insn))
        return;
    line->length = insn.length;
    line->class_name = table_class_name(insn.row->class);
    line->kind_name = table_kind_name(insn.row->kind);
    line->why = insn.row->why;
}

int block_view_make(struct block_view_viewer *viewer, struct block_view *view, const uint8_t *bytes, uint32_t size,
                    uint32_t linear, uint32_t mode, struct ringshade_error *err) {
    const struct translate_output *out = &viewer->out;
    bool code32 = mode & MODE_CODE32;
    struct explain_printer *printer = viewer->printer[code32];
    uint32_t offset = linear & (PAGE_SIZE - 1), next = offset;
    view->count = 0;
    view->tail = NULL;
    if (translate(viewer, bytes, size, offset, mode, err))
        return -1;
    for (unsigned i = 0; i < out->mark_count; i++) {
        const struct block_mark *mark = &out->marks[i];
        uint32_t end = i + 1u < out->mark_count ? out->marks[i + 1].host : out->host_size;
        if (mark->kind == MARK_TAIL) {
            add_host(viewer, printer, &view->tail, mark->host, end);
            continue;
        }
        if (mark->guest - offset >= size) // the HLT behind, where a block that is not recorded goes on
            continue;
        if (mark->guest >= next && view->count < BLOCK_VIEW_LINES) {
            uint32_t at = mark->guest - offset;
            add_line(view, printer, bytes + at, size - at, linear + at, code32);
            next = mark->guest + 1u;
        }
        if (view->count)
            add_host(viewer, printer, &view->lines[view->count - 1].host, mark->host, end);
    }
    return 0;
}

void block_view_free(struct block_view *view) {
    for (unsigned i = 0; i < view->count; i++)
        free(view->lines[i].host);
    free(view->tail);
    view->count = 0;
    view->tail = NULL;
}
