// See trace_hot.h.
#include "app/trace_hot.h"

#include "app/block_view.h"
#include "translator/abi.h"

#include <inttypes.h>
#include <stdlib.h>

static uint64_t weight(const struct trace_block *block) {
    return block->chosen * block->insns;
}

static int compare(const void *a, const void *b, void *context) {
    const struct trace_block *blocks = context;
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    uint64_t p = weight(&blocks[x]), q = weight(&blocks[y]);
    return p != q ? (p < q) - (p > q) : (x > y) - (x < y);
}

long trace_hot_order(const struct trace_reader *reader, unsigned long most, uint32_t **order) {
    uint32_t count = 0;
    *order = malloc((reader->block_count + 1u) * sizeof **order);
    if (!*order)
        return -1;
    for (uint32_t i = 0; i < reader->block_count; i++)
        if (reader->blocks[i].chosen)
            (*order)[count++] = i;
    qsort_r(*order, count, sizeof **order, compare, reader->blocks);
    return count < most ? (long)count : (long)most;
}

static double percent(const struct trace_counts *counts, const struct trace_block *block) {
    return counts->insns ? 100.0 * (double)weight(block) / (double)counts->insns : 0;
}

static void print_host(const char *text, FILE *out) {
    for (const char *at = text; at && *at;) {
        int length = 0;
        while (at[length] && at[length] != '\n')
            length++;
        fprintf(out, "                        | %.*s\n", length, at);
        at += length + (at[length] == '\n');
    }
}

static void print_text(const struct trace_block *block, const struct block_view *view, bool host, FILE *out) {
    for (unsigned i = 0; i < view->count; i++) {
        const struct block_view_line *line = &view->lines[i];
        char hex[32] = "";
        for (unsigned k = 0; k < line->length && k < 15 && line->linear - block->linear + k < block->guest_size; k++)
            sprintf(hex + 2 * k, "%02x", block->bytes[line->linear - block->linear + k]);
        fprintf(out, "    %08" PRIx32 "  %-16s  %-36s  %s, %s\n", line->linear, hex, line->text, line->class_name,
                line->kind_name);
        if (host)
            print_host(line->host, out);
    }
    if (host && view->tail) {
        fputs("    out of line:\n", out);
        print_host(view->tail, out);
    }
}

// Disassemblies and names from the table are plain ASCII without quotes and backslashes.
static void print_json(const struct block_view *view, FILE *out) {
    fputs(", \"code\": [", out);
    for (unsigned i = 0; i < view->count; i++)
        fprintf(out, "%s{\"address\": %" PRIu32 ", \"text\": \"%s\", \"class\": \"%s\", \"kind\": \"%s\"}",
                i ? ", " : "", view->lines[i].linear, view->lines[i].text, view->lines[i].class_name,
                view->lines[i].kind_name);
    fputs("]}", out);
}

static void print_block(const struct trace_counts *counts, struct block_view_viewer *viewer, long rank, uint32_t id,
                        bool host, bool json, FILE *out) {
    const struct trace_block *block = &counts->reader->blocks[id];
    struct ringshade_error err;
    struct block_view view;
    int made = block_view_make(viewer, &view, block->bytes, block->guest_size, block->linear, block->mode, &err);
    if (json)
        fprintf(out,
                "%s\n  {\"block\": %" PRIu32 ", \"address\": %" PRIu32 ", \"cpl\": %u, \"runs\": %" PRIu64
                ", \"instructions\": %" PRIu32 ", \"percent\": %.4f",
                rank ? "," : "", id, block->linear, mode_cpl(block->mode), block->chosen, block->insns,
                percent(counts, block));
    else
        fprintf(out,
                "%ld. %08" PRIx32 " cpl %u: %.2f %% of all instructions, %" PRIu64 " runs of %" PRIu32
                " instructions; %" PRIu32 " bytes became %" PRIu32 "\n",
                rank + 1, block->linear, mode_cpl(block->mode), percent(counts, block), block->chosen, block->insns,
                block->guest_size, block->host_size);
    if (json)
        print_json(&view, out);
    else if (made)
        fprintf(out, "    %s\n", err.text);
    else
        print_text(block, &view, host, out);
    block_view_free(&view);
}

int trace_hot_print(const struct trace_counts *counts, unsigned long most, bool host, bool json, FILE *out) {
    struct block_view_viewer *viewer = block_view_create();
    uint32_t *order = NULL;
    long count = viewer ? trace_hot_order(counts->reader, most, &order) : -1;
    if (json && count >= 0)
        fputc('[', out);
    for (long i = 0; i < count; i++)
        print_block(counts, viewer, i, order[i], host, json, out);
    if (json && count >= 0)
        fputs("\n]\n", out);
    free(order);
    block_view_destroy(viewer);
    return count < 0 ? -1 : 0;
}
