// Every counter of a run, in one list: the JSON of --stats and the printed summary both read it.
// Counters are plain 64-bit words that belong to the vCPU thread (device counters: to whoever holds the device lock).
#ifndef BASE_STATS_H
#define BASE_STATS_H

#include <stdint.h>

#define STATS_COUNTERS(X)                                                                                              \
    X(insns_translated, "guest instructions translated, repeats included")                                             \
    X(insns_identity, "of these, copied with re-encoded operands only")                                                \
    X(insns_inline, "of these, virtualised in line")                                                                   \
    X(insns_callout, "of these, calls into the monitor and nothing else")                                              \
    X(insns_rewritten, "of these, written anew: branches, stack and string instructions; the four are all")            \
    X(blocks_translated, "blocks translated")                                                                          \
    X(blocks_killed_write, "blocks killed by a guest write")                                                           \
    X(blocks_killed_dma, "blocks killed by a device write")                                                            \
    X(blocks_killed_evict, "blocks evicted because the cache was full")                                                \
    X(retained_hits, "blocks brought back by content hash")                                                            \
    X(links_made, "direct jumps linked")                                                                               \
    X(links_cut, "direct jumps unlinked")                                                                              \
    X(codemap_misses, "transfers that missed the code map")                                                            \
    X(codemap_fills, "root entries filled")                                                                            \
    X(dispatches, "entries into translated code from the dispatcher")                                                  \
    X(operands_direct, "memory operands emitted in direct form")                                                       \
    X(operands_soft, "memory operands emitted in soft form")                                                           \
    X(forms_to_soft, "instructions changed from direct to soft")                                                       \
    X(forms_to_direct, "instructions changed from soft to direct")                                                     \
    X(views_to_direct, "address spaces changed from soft to direct")                                                   \
    X(views_to_soft, "address spaces changed from direct to soft")                                                     \
    X(softtlb_misses, "software-TLB misses")                                                                           \
    X(softtlb_flushes, "software-TLB sweeps")                                                                          \
    X(bounces_read, "operands bounced, read")                                                                          \
    X(bounces_write, "operands bounced, written")                                                                      \
    X(shadow_faults, "host signals for window pages")                                                                  \
    X(gs_restores, "window bases lost to a host context switch and restored by the fault handler")                     \
    X(host_signals, "host signals of every kind")                                                                      \
    X(host_maps, "mmap calls for windows")                                                                             \
    X(host_unmaps, "munmap calls for windows")                                                                         \
    X(host_protects, "mprotect calls for windows")                                                                     \
    X(host_map_errors, "host mapping calls that failed")                                                               \
    X(pages_filled, "window pages filled")                                                                             \
    X(revalidations, "regions compared with their snapshot")                                                           \
    X(revalidations_clean, "of these, unchanged")                                                                      \
    X(page_faults, "guest page faults delivered")                                                                      \
    X(exceptions, "guest exceptions delivered, page faults included")                                                  \
    X(interrupts, "device interrupts delivered")                                                                       \
    X(kicks, "signals sent to the vCPU thread")                                                                        \
    X(halts, "HLT instructions that waited")                                                                           \
    X(cr3_loads, "loads of CR3")                                                                                       \
    X(hypercall_ptes, "page-table entries stored by calls of the guest")                                               \
    X(yields, "calls of the guest to wait")                                                                            \
    X(segment_loads, "segment register loads through a callout")                                                       \
    X(cache_bytes, "bytes of translated code")                                                                         \
    X(cache_evictions, "generations of the code cache evicted")                                                        \
    X(slices, "code-map slices in use")                                                                                \
    X(roots, "code-map roots in use")                                                                                  \
    X(ns_translate, "time in translation, ns")                                                                         \
    X(ns_faults, "time in host fault handlers, without the host's own part of a signal, ns")                           \
    X(ns_devices, "time in device accesses of the vCPU, ns")                                                           \
    X(ns_halted, "time halted, ns")                                                                                    \
    X(ns_total, "time of the run, ns")

#define STATS_CALLOUT_MAX 256

struct stats {
#define STATS_FIELD(name, text) uint64_t name;
    STATS_COUNTERS(STATS_FIELD)
#undef STATS_FIELD
    uint64_t callouts[STATS_CALLOUT_MAX]; // by callout number (translator/abi.h names them)
};

#endif
