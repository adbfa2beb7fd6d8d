// Parsing of the options about time and counts of instructions.
#include "app/parse.h"

#include <string.h>

#define COUNT_MAX  1000000000000000ull // eleven days at one a nanosecond
#define TIME_MAX   253402300799ll      // 9999-12-31T23:59:59
#define DAY_S      86400
#define YEAR_FIRST 1970

int parse_clock(const char *text, enum ringshade_clock *clock, struct ringshade_error *err) {
    if (!strcmp(text, "host"))
        *clock = RINGSHADE_CLOCK_HOST;
    else if (!strcmp(text, "virtual"))
        *clock = RINGSHADE_CLOCK_VIRTUAL;
    else
        return parse_error(err, "'%s' is not a clock; give host or virtual", text);
    return 0;
}

// Digits at *at, at most `most`, to a number; returns how many.
static unsigned take_digits(const char **at, unsigned most, uint64_t *number) {
    unsigned count = 0;
    for (*number = 0; count < most && **at >= '0' && **at <= '9'; count++)
        *number = *number * 10 + (uint64_t)(*(*at)++ - '0');
    return count;
}

int parse_count(const char *text, uint64_t *count, struct ringshade_error *err) {
    static const struct {
        const char *suffix;
        uint64_t factor;
    } units[] = {{"", 1}, {"K", 1000}, {"M", 1000000}, {"G", 1000000000}};
    const char *at = text;
    uint64_t number;
    unsigned digits = take_digits(&at, 16, &number);
    for (size_t i = 0; digits && i < sizeof units / sizeof *units; i++) {
        if (strcmp(at, units[i].suffix) || number == 0 || number > COUNT_MAX / units[i].factor)
            continue;
        *count = number * units[i].factor;
        return 0;
    }
    return parse_error(err, "'%s' is not a count of instructions; give a number with K, M, G or nothing", text);
}

static bool is_leap(uint64_t year) {
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static uint64_t month_days(uint64_t year, uint64_t month) {
    static const uint8_t days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return days[month - 1] + (month == 2 && is_leap(year) ? 1u : 0u);
}

// YYYY-MM-DD
static bool take_date(const char **at, uint64_t *days) {
    uint64_t year, month, day;
    if (take_digits(at, 4, &year) != 4 || *(*at)++ != '-' || take_digits(at, 2, &month) != 2 || *(*at)++ != '-' ||
        take_digits(at, 2, &day) != 2)
        return false;
    if (year < YEAR_FIRST || month < 1 || month > 12 || day < 1 || day > month_days(year, month))
        return false;
    *days = day - 1;
    for (uint64_t y = YEAR_FIRST; y < year; y++)
        *days += is_leap(y) ? 366 : 365;
    for (uint64_t m = 1; m < month; m++)
        *days += month_days(year, m);
    return true;
}

// HH:MM[:SS]
static bool take_time(const char **at, uint64_t *seconds) {
    uint64_t hour, minute, second = 0;
    if (take_digits(at, 2, &hour) != 2 || *(*at)++ != ':' || take_digits(at, 2, &minute) != 2)
        return false;
    if (**at == ':' && ((*at)++, take_digits(at, 2, &second) != 2))
        return false;
    *seconds = hour * 3600 + minute * 60 + second;
    return hour < 24 && minute < 60 && second < 60;
}

static bool is_date(const char *text, int64_t *seconds) {
    const char *at = text;
    uint64_t days, time = 0;
    if (strlen(text) < 10 || !take_date(&at, &days))
        return false;
    if ((*at == 'T' || *at == ' ') && (at++, !take_time(&at, &time)))
        return false;
    at += *at == 'Z';
    *seconds = (int64_t)(days * DAY_S + time);
    return !*at;
}

int parse_time(const char *text, int64_t *seconds, struct ringshade_error *err) {
    const char *at = text + (*text == '@');
    uint64_t number;
    if (take_digits(&at, 12, &number) && !*at && number <= TIME_MAX) {
        *seconds = (int64_t)number;
        return 0;
    }
    if (is_date(text, seconds))
        return 0;
    return parse_error(err, "'%s' is not a time; give 2026-02-03T04:05:06 or seconds since 1970", text);
}
