// The values that options take. Each function returns 0, or -1 with err filled by a line that names the value.
#ifndef APP_PARSE_H
#define APP_PARSE_H

#include "ringshade.h"

#include <stdint.h>

// A size: digits and K, M, G or nothing, which means MiB ("512", "512M", "1G"). In bytes; limits are not checked here.
int parse_size(const char *text, uint64_t *bytes, struct ringshade_error *err);

// A count of seconds, decimal, with or without a fraction ("30", "0.5"): more than 0, at most RINGSHADE_TIMEOUT_MAX.
int parse_seconds(const char *text, double *seconds, struct ringshade_error *err);

// "stdio", "null", "pty" or "file:PATH". *path points into text, or is NULL.
int parse_serial(const char *text, enum ringshade_serial *serial, const char **path, struct ringshade_error *err);

// "host" or "virtual".
int parse_clock(const char *text, enum ringshade_clock *clock, struct ringshade_error *err);

// A date and time of UTC in ISO 8601 ("2026-02-03", "2026-02-03T04:05:06", with or without a Z behind it), or seconds
// since 1970 ("@0" and "0" alike). The years 1970 to 9999. In seconds since 1970.
int parse_time(const char *text, int64_t *seconds, struct ringshade_error *err);

// A count of instructions: digits and K, M, G (powers of 1,000) or nothing; more than 0.
int parse_count(const char *text, uint64_t *count, struct ringshade_error *err);

// A list of the names in RINGSHADE_ABLATIONS, separated by commas, or "all".
int parse_ablate(const char *text, uint32_t *ablate, struct ringshade_error *err);
// A list of "smep", "smap" and "avx", separated by commas; sets the members of config with these names.
int parse_cpu(const char *text, struct ringshade_config *config, struct ringshade_error *err);

// "adaptive", "direct" or "soft".
int parse_mmu(const char *text, enum ringshade_mmu *mmu, struct ringshade_error *err);

// Names the option that getopt_long refused by returning `code`, ':' or '?': argv[optind - 1] is the one just read.
// Fills err and returns -1.
int parse_refused(int code, char **argv, struct ringshade_error *err);

// Fills err and returns -1.
int parse_error(struct ringshade_error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
