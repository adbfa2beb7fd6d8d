// The translator: guest bytes and a mode in, host code and side tables out. It is pure: it knows no cache, no guest
// memory and no device. Design: docs/architecture.md; register convention: translator/abi.h.
#ifndef TRANSLATOR_TRANSLATOR_H
#define TRANSLATOR_TRANSLATOR_H

#include "base/error.h"
#include "translator/abi.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TRANSLATE_MAX_INSNS 64    // guest instructions a block
#define TRANSLATE_MAX_HOST  32768 // bytes of host code a block, tails included
#define TRANSLATE_MAX_EXITS 16    // direct transfers inside the page
#define TRANSLATE_MAX_MARKS 1024  // entries of the side table

struct translate_input {
    const uint8_t *page;      // the frame's 4,096 bytes, a snapshot
    const uint8_t *next;      // the following page's bytes, or NULL; asked for by TRANSLATE_NEED_NEXT
    uint64_t next_slice;      // with next: host address of the code-map slice of (next frame, mode): what a crossing
                              // block checks behind its link entry
    uint32_t offset;          // of the first instruction, 0 to 4095
    uint32_t mode;            // enum mode_bit
    bool no_split_locks;      // the host refuses LOCK across a cache line: locked operands go through STUB_SOFT_MISS
    const uint64_t *soft_map; // 4,096 bits: instructions (by offset) to be soft in direct mode; NULL for none
    bool self_checking;       // compare the block's own bytes before it runs; end after every store. A block that finds
                              // others leaves through STUB_EXIT at its own address: the dispatcher must then kill it
    uint64_t live, next_live; // with self_checking: host addresses at which translated code reads the bytes of the
                              // frame of `page`, and of that of `next`
    uint32_t trace_id;        // MODE_TRACED: what the block's record names it by, below TRACE_EVENT
    uint32_t stub[STUB_COUNT]; // addresses of the stubs
    uint8_t *code_rw;          // where to emit
    uint32_t code_rx;          // the address at which that code will run
    uint32_t capacity;         // bytes that may be written at code_rw, at least TRANSLATE_MAX_HOST
};

enum mark_kind {
    MARK_INSN,     // the code of one guest instruction begins
    MARK_TRANSFER, // a code-map transfer sequence begins (up to the next mark): rewinding to it is safe
    MARK_TAIL,     // out-of-line code of a guest instruction begins
};

// Host code from `host` up to the next mark belongs to the guest instruction at `guest`.
struct block_mark {
    uint16_t host;      // offset in the block's host code, ascending
    uint16_t guest;     // offset of the instruction in its page
    uint8_t kind;       // enum mark_kind
    uint8_t length;     // of the guest instruction
    uint8_t string : 1; // direct REP string: interrupted iterations leave a state that is restartable at `guest` once
                        // ESI and EDI are truncated to 32 bits
    uint8_t access : 7; // direct operand: enum operand_intent of the first access + 1; 0 if no guest memory is touched
    int8_t esp_late;    // by how many words guest ESP is above r12d there, in a run of PUSH and POP
};

// A direct transfer to an instruction of the same page. Before it is linked the branch at `site` goes to `cold`, which
// does lea r8d,[r11+target]; call STUB_LINK (the return address is cold_return).
struct block_exit {
    uint16_t site;        // offset of the branch's rel32 field in the host code
    uint16_t cold;        // offset of the unlinked path
    uint16_t cold_return; // offset of the instruction behind its call
    uint16_t target;      // guest page offset
};

struct translate_output {
    uint32_t host_size;  // bytes emitted
    uint16_t link_entry; // offset behind the leading LEA; at least 5 bytes follow it
    uint16_t guest_size; // bytes of guest code covered from `offset` on (beyond the page if crossing)
    bool crossing;       // the one instruction runs into the next page
    uint16_t exit_count, mark_count;
    struct block_exit exits[TRANSLATE_MAX_EXITS];
    struct block_mark marks[TRANSLATE_MAX_MARKS];
    uint32_t insns, identity, inlined, callouts; // counts of guest instructions; an inline one may call out, too
    uint32_t called;                             // those that are a callout and nothing else
    uint32_t operands_direct, operands_soft;
};

enum translate_status {
    TRANSLATE_OK,
    TRANSLATE_NEED_NEXT, // the instruction at `offset` crosses the page: call again with `next` (if that page cannot be
                         // fetched, its fault is the instruction's own)
    TRANSLATE_FAILED,    // an error of the monitor; err says which
};

// Translates one block. An undecodable instruction becomes a RAISE #UD callout, never a failure; an instruction longer
// than 15 bytes raises #GP(0).
enum translate_status translate_block(const struct translate_input *in, struct translate_output *out,
                                      struct error *err);

// ---- x87 pointers inside a run (translator/x87_run.c)
// -----------------------------------------------------------------

#define X87_NO_REGISTER 0xffu

struct x87_pointers {
    bool fip, fdp;   // there is a new value
    uint32_t fip_at; // of the instruction, in bytes from the block's first
    // fdp is base + (index << scale) + disp, cut to address_size (2 or 4); registers in the order of struct vcpu_abi
    uint8_t base, index, scale, address_size;
    uint32_t disp;
};

// What a run of x87 instructions that has come to the instruction at `at` would have left in the pointers. bytes[0,
// size) are the block's guest bytes, the first at page offset `offset`.
void translate_x87_pointers(const uint8_t *bytes, uint32_t size, uint32_t offset, bool code32, uint32_t at,
                            struct x87_pointers *pointers);

// ---- Verifier (translator/verify*.c): reads emitted bytes back with Capstone
// -------------------------------------------

struct verify_input {
    const uint8_t *code;
    uint32_t code_rx, size;
    const struct translate_output *out; // entry points and marks of this block
    const uint32_t *stub;               // STUB_COUNT addresses
    uint64_t next_slice;                // as given to the translator
    uint64_t live, next_live;           // likewise; 0 where the block does not check itself
    uint32_t mode;
    uint32_t trace_id; // as given to the translator
};

// Returns 0 if every instruction is on the allow-list and every memory operand, jump and reserved register obeys the
// rules of docs/verifier.md; -1 with err naming the offset and the rule otherwise.
int verify_block(const struct verify_input *in, struct error *err);

#endif
