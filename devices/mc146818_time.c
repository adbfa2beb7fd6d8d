// Encoding and calendar of the clock's registers, after the Motorola MC146818A data sheet, "Time, Calendar, and Alarm
// Locations". The day of the week follows from the date.
#include "devices/mc146818_time.h"

#define SECONDS_A_DAY 86400
#define ALARM_ANY     0xc0 // "don't care": both top bits set

static unsigned decode(const uint8_t *cells, uint8_t value) {
    return cells[RTC_B] & RTC_B_DM ? value : (value >> 4) * 10u + (value & 15u);
}

static uint8_t encode(const uint8_t *cells, unsigned value) {
    return (uint8_t)(cells[RTC_B] & RTC_B_DM ? value : (value / 10) << 4 | value % 10);
}

static unsigned decode_hour(const uint8_t *cells, uint8_t value) {
    if (cells[RTC_B] & RTC_B_24H)
        return decode(cells, value);
    unsigned hour = decode(cells, value & (uint8_t)~RTC_HOUR_PM) % 12; // 12 is midnight or noon
    return hour + (value & RTC_HOUR_PM ? 12 : 0);
}

static uint8_t encode_hour(const uint8_t *cells, unsigned hour) {
    if (cells[RTC_B] & RTC_B_24H)
        return encode(cells, hour);
    uint8_t half = encode(cells, hour % 12 ? hour % 12 : 12);
    return (uint8_t)(half | (hour >= 12 ? RTC_HOUR_PM : 0));
}

// Days from 1970-01-01 to a date of the proleptic Gregorian calendar. Years begin in March here, so that the leap day
// is the last one: 153 days in every five months from then on.
static int64_t days_from_date(int64_t year, unsigned month, unsigned day) {
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (int64_t)((month + 9) % 12) + 2) / 5 + (int64_t)day - 1;
    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

static void date_from_days(int64_t days, int64_t *year, unsigned *month, unsigned *day) {
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t day_of_era = days - era * 146097;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t shifted_month = (5 * day_of_year + 2) / 153;
    *day = (unsigned)(day_of_year - (153 * shifted_month + 2) / 5 + 1);
    *month = (unsigned)(shifted_month < 10 ? shifted_month + 3 : shifted_month - 9);
    *year = year_of_era + era * 400 + (*month <= 2);
}

static int64_t floor_days(int64_t unix_s) {
    return (unix_s >= 0 ? unix_s : unix_s - (SECONDS_A_DAY - 1)) / SECONDS_A_DAY;
}

int64_t rtc_time_from_registers(const uint8_t cells[RTC_CELLS]) {
    unsigned month = decode(cells, cells[RTC_MONTH]);
    unsigned day = decode(cells, cells[RTC_DAY_OF_MONTH]);
    int64_t year = decode(cells, cells[RTC_CENTURY]) * 100 + decode(cells, cells[RTC_YEAR]);
    month = month < 1 ? 1 : month > 12 ? 12 : month;
    int64_t days = days_from_date(year, month, day < 1 ? 1 : day);
    return days * SECONDS_A_DAY + decode_hour(cells, cells[RTC_HOURS]) * 3600 + decode(cells, cells[RTC_MINUTES]) * 60 +
           decode(cells, cells[RTC_SECONDS]);
}

void rtc_time_to_registers(uint8_t cells[RTC_CELLS], int64_t unix_s) {
    int64_t days = floor_days(unix_s);
    unsigned second = (unsigned)(unix_s - days * SECONDS_A_DAY);
    int64_t year;
    unsigned month;
    unsigned day;
    date_from_days(days, &year, &month, &day);
    cells[RTC_SECONDS] = encode(cells, second % 60);
    cells[RTC_MINUTES] = encode(cells, second / 60 % 60);
    cells[RTC_HOURS] = encode_hour(cells, second / 3600);
    cells[RTC_DAY_OF_WEEK] = encode(cells, (unsigned)(((days + 4) % 7 + 7) % 7 + 1)); // 1970-01-01 was a Thursday
    cells[RTC_DAY_OF_MONTH] = encode(cells, day);
    cells[RTC_MONTH] = encode(cells, month);
    cells[RTC_YEAR] = encode(cells, (unsigned)(year % 100));
    cells[RTC_CENTURY] = encode(cells, (unsigned)(year / 100));
}

int64_t rtc_next_alarm(const uint8_t cells[RTC_CELLS], int64_t unix_s) {
    const uint8_t *alarm = cells;
    for (int64_t at = unix_s + 1; at <= unix_s + SECONDS_A_DAY;) {
        unsigned second = (unsigned)(at - floor_days(at) * SECONDS_A_DAY);
        unsigned left_in_hour = 3600 - second % 3600;
        unsigned left_in_minute = 60 - second % 60;
        if (alarm[RTC_HOURS_ALARM] < ALARM_ANY && alarm[RTC_HOURS_ALARM] != encode_hour(cells, second / 3600))
            at += left_in_hour;
        else if (alarm[RTC_MINUTES_ALARM] < ALARM_ANY && alarm[RTC_MINUTES_ALARM] != encode(cells, second / 60 % 60))
            at += left_in_minute;
        else if (alarm[RTC_SECONDS_ALARM] < ALARM_ANY && alarm[RTC_SECONDS_ALARM] != encode(cells, second % 60))
            at++;
        else
            return at;
    }
    return RTC_NO_ALARM;
}
