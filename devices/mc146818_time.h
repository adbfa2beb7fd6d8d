// The MC146818's time registers as numbers: encoding (BCD or binary, 12 or 24 hours), calendar, alarm comparison.
// Private to the clock; pure functions, no state of their own.
#ifndef DEVICES_MC146818_TIME_H
#define DEVICES_MC146818_TIME_H

#include <stdbool.h>
#include <stdint.h>

enum rtc_register {
    RTC_SECONDS = 0x00,
    RTC_SECONDS_ALARM = 0x01,
    RTC_MINUTES = 0x02,
    RTC_MINUTES_ALARM = 0x03,
    RTC_HOURS = 0x04,
    RTC_HOURS_ALARM = 0x05,
    RTC_DAY_OF_WEEK = 0x06, // 1 is Sunday
    RTC_DAY_OF_MONTH = 0x07,
    RTC_MONTH = 0x08,
    RTC_YEAR = 0x09,
    RTC_A = 0x0a,
    RTC_B = 0x0b,
    RTC_C = 0x0c,
    RTC_D = 0x0d,
    RTC_CENTURY = 0x32,
};

#define RTC_CELLS   128
#define RTC_B_24H   0x02
#define RTC_B_DM    0x04 // data mode: 1 is binary
#define RTC_HOUR_PM 0x80

#define RTC_NO_ALARM INT64_MAX

// Seconds since 1970 that the registers mean; nonsense in them gives some time, never a failure.
int64_t rtc_time_from_registers(const uint8_t cells[RTC_CELLS]);
// The registers for a time, in the encoding that register B asks for.
void rtc_time_to_registers(uint8_t cells[RTC_CELLS], int64_t unix_s);
// The first second after `unix_s` that the alarm registers match, within a day; RTC_NO_ALARM if they never match.
int64_t rtc_next_alarm(const uint8_t cells[RTC_CELLS], int64_t unix_s);

#endif
