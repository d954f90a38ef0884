//! Points in time with an offset from UTC, as Go's `time.Time` holds them for YAML and RFC 3339.

use std::fmt;

/// A point in time and the offset it was written with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timestamp {
    /// Seconds since 1970-01-01T00:00:00Z.
    pub(crate) seconds: i64,
    /// Nanoseconds within the second.
    pub(crate) nanoseconds: u32,
    /// Minutes east of UTC.
    pub(crate) offset_minutes: i16,
}

/// The text is a time, but its offset of a day or more has no spelling in RFC 3339.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OffsetOutOfRange;

impl Timestamp {
    /// Reads RFC 3339 as Go's `Time.UnmarshalText` does, which also takes an hour of one digit and a comma before the
    /// fraction. A date alone, lower-case letters and offsets of a day or more are refused.
    pub(crate) fn from_rfc3339(text: &[u8]) -> Option<Self> {
        let mut cursor = Cursor(text);
        let date = cursor.date(Digits::Two)?;
        cursor.expect(b'T')?;
        let time = cursor.time(Digits::Two)?;
        let offset = cursor.offset()?;
        cursor.end()?;
        Self::new(date, time, offset).ok()
    }

    /// Reads the spellings that an untagged YAML scalar can have: a date, a date and time with `T` and an offset, or a
    /// date and time with blanks and no offset; `None` if the text is none of these.
    pub(crate) fn from_yaml(text: &[u8]) -> Option<Result<Self, OffsetOutOfRange>> {
        let mut cursor = Cursor(text);
        let date = cursor.date(Digits::OneOrTwo)?;
        let (time, offset) = match cursor.0.first() {
            None => (Time::default(), 0),
            Some(b'T' | b't') => {
                cursor.0 = &cursor.0[1..];
                (cursor.time(Digits::OneOrTwo)?, cursor.offset()?)
            }
            Some(b' ') => {
                cursor.skip_blanks();
                (cursor.time(Digits::OneOrTwo)?, 0)
            }
            Some(_) => return None,
        };
        cursor.end()?;
        Some(Self::new(date, time, offset))
    }

    /// Appends the time as RFC 3339 with the fewest digits for the fraction.
    pub(crate) fn push_rfc3339(&self, out: &mut Vec<u8>) {
        let local = self.seconds + i64::from(self.offset_minutes) * 60;
        let (year, month, day) = civil_from_days(local.div_euclid(SECONDS_PER_DAY));
        let second_of_day = local.rem_euclid(SECONDS_PER_DAY);
        push_padded(out, year, 4);
        for (separator, number) in [
            (b'-', month),
            (b'-', day),
            (b'T', second_of_day / 3600),
            (b':', second_of_day / 60 % 60),
            (b':', second_of_day % 60),
        ] {
            out.push(separator);
            push_padded(out, number, 2);
        }
        if self.nanoseconds != 0 {
            out.push(b'.');
            push_padded(out, i64::from(self.nanoseconds), 9);
            while out.last() == Some(&b'0') {
                out.pop();
            }
        }
        if self.offset_minutes == 0 {
            out.push(b'Z');
            return;
        }
        out.push(if self.offset_minutes < 0 { b'-' } else { b'+' });
        let offset = i64::from(self.offset_minutes).abs();
        push_padded(out, offset / 60, 2);
        out.push(b':');
        push_padded(out, offset % 60, 2);
    }

    fn new(date: Date, time: Time, offset_minutes: i16) -> Result<Self, OffsetOutOfRange> {
        if offset_minutes.abs() >= MINUTES_PER_DAY {
            return Err(OffsetOutOfRange);
        }
        Ok(Self {
            seconds: date.days * SECONDS_PER_DAY + time.second_of_day
                - i64::from(offset_minutes) * 60,
            nanoseconds: time.nanoseconds,
            offset_minutes,
        })
    }
}

/// RFC 3339.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Vec::with_capacity("2001-12-14T21:59:43.123456789-05:00".len());
        self.push_rfc3339(&mut text);
        f.write_str(&String::from_utf8_lossy(&text))
    }
}

const SECONDS_PER_DAY: i64 = 86_400;
const MINUTES_PER_DAY: i16 = 1_440;

/// How many digits a month, a day, a minute or a second has.
#[derive(Clone, Copy, PartialEq)]
enum Digits {
    Two,
    OneOrTwo,
}

struct Date {
    /// Days since 1970-01-01.
    days: i64,
}

#[derive(Default)]
struct Time {
    second_of_day: i64,
    nanoseconds: u32,
}

/// What is left to read.
struct Cursor<'a>(&'a [u8]);

impl Cursor<'_> {
    fn date(&mut self, digits: Digits) -> Option<Date> {
        let (year, rest) = self.0.split_at_checked(4)?;
        self.0 = rest;
        let year = year.iter().try_fold(0, |year, byte| {
            byte.is_ascii_digit()
                .then(|| year * 10 + i64::from(byte - b'0'))
        })?;
        self.expect(b'-')?;
        let month = self.number(digits)?;
        self.expect(b'-')?;
        let day = self.number(digits)?;
        if !(1..=12).contains(&month) || !(1..=days_in(year, month)).contains(&day) {
            return None;
        }
        Some(Date {
            days: days_from_civil(year, month, day),
        })
    }

    fn time(&mut self, digits: Digits) -> Option<Time> {
        let hour = self.number(Digits::OneOrTwo)?;
        self.expect(b':')?;
        let minute = self.number(digits)?;
        self.expect(b':')?;
        let second = self.number(digits)?;
        if hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        Some(Time {
            second_of_day: hour * 3600 + minute * 60 + second,
            nanoseconds: self.fraction(),
        })
    }

    /// Reads a fraction, if there is one. Digits after the ninth are cut.
    fn fraction(&mut self) -> u32 {
        let [b'.' | b',', digits @ ..] = self.0 else {
            return 0;
        };
        let length = digits.iter().take_while(|b| b.is_ascii_digit()).count();
        if length == 0 {
            return 0;
        }
        self.0 = &digits[length..];
        (0..9).fold(0, |nanoseconds, place| {
            let digit = if place < length {
                digits[place] - b'0'
            } else {
                0
            };
            nanoseconds * 10 + u32::from(digit)
        })
    }

    /// Reads `Z` or `±hh:mm`, in minutes. As in Go, 24 hours and 60 minutes are in bounds here.
    fn offset(&mut self) -> Option<i16> {
        let sign = match self.0.split_first()? {
            (b'Z', rest) => {
                self.0 = rest;
                return Some(0);
            }
            (b'+', rest) => {
                self.0 = rest;
                1
            }
            (b'-', rest) => {
                self.0 = rest;
                -1
            }
            _ => return None,
        };
        let hours = self.number(Digits::Two)?;
        self.expect(b':')?;
        let minutes = self.number(Digits::Two)?;
        if hours > 24 || minutes > 60 {
            return None;
        }
        i16::try_from(sign * (hours * 60 + minutes)).ok()
    }

    fn number(&mut self, digits: Digits) -> Option<i64> {
        match *self.0 {
            [a @ b'0'..=b'9', b @ b'0'..=b'9', ref rest @ ..] => {
                self.0 = rest;
                Some(i64::from(a - b'0') * 10 + i64::from(b - b'0'))
            }
            [a @ b'0'..=b'9', ref rest @ ..] if digits == Digits::OneOrTwo => {
                self.0 = rest;
                Some(i64::from(a - b'0'))
            }
            _ => None,
        }
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        (first == byte).then_some(())
    }

    fn end(&self) -> Option<()> {
        self.0.is_empty().then_some(())
    }

    fn skip_blanks(&mut self) {
        while let [b' ', rest @ ..] = self.0 {
            self.0 = rest;
        }
    }
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a date of the proleptic Gregorian calendar. Years are counted from March, so that the leap
/// day is the last of its year, and in eras of 400 years, which all have the same number of days.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * DAYS_PER_ERA + day_of_era - DAYS_TO_1970
}

/// The inverse of [`days_from_civil`]: year, month, day.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + DAYS_TO_1970;
    let era = days.div_euclid(DAYS_PER_ERA);
    let day_of_era = days.rem_euclid(DAYS_PER_ERA);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day)
}

const DAYS_PER_ERA: i64 = 146_097;
/// From 0000-03-01 to 1970-01-01.
const DAYS_TO_1970: i64 = 719_468;

fn push_padded(out: &mut Vec<u8>, number: i64, width: u32) {
    for place in (0..width).rev() {
        let digit = number / 10_i64.pow(place) % 10;
        out.push(b'0' + u8::try_from(digit).unwrap_or(0));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(time: Timestamp) -> String {
        time.to_string()
    }

    #[test]
    fn reads_rfc3339_as_leniently_as_go() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z"),
            ("2001-12-14T1:02:03Z", "2001-12-14T01:02:03Z"),
            ("2001-12-14T01:02:03,5Z", "2001-12-14T01:02:03.5Z"),
            ("2001-12-14T01:02:03.050Z", "2001-12-14T01:02:03.05Z"),
            ("2001-12-14T01:02:03+05:60", "2001-12-14T01:02:03+06:00"),
            ("2001-12-14T01:02:03-00:30", "2001-12-14T01:02:03-00:30"),
            ("2001-12-14T01:02:03-00:00", "2001-12-14T01:02:03Z"),
            ("0000-01-01T00:00:00+05:00", "0000-01-01T00:00:00+05:00"),
            ("9999-12-31T23:59:59-23:59", "9999-12-31T23:59:59-23:59"),
            (
                "2000-02-29T01:02:03.1234567899Z",
                "2000-02-29T01:02:03.123456789Z",
            ),
        ] {
            let time = Timestamp::from_rfc3339(text.as_bytes()).expect(text);
            assert_eq!(written(time), expected);
        }
    }

    #[test]
    fn refuses_what_is_not_rfc3339() {
        for text in [
            "",
            "2001",
            "2001-12-14",
            "2001-12-14T",
            "2001-12-14T01:02:03",
            "2001-12-14t01:02:03Z",
            "2001-12-14T01:02:03z",
            "2001-12-14 01:02:03Z",
            "2001-12-14T01:02Z",
            "2001-12-14T01:2:03Z",
            "2001-12-14T01:02:3Z",
            "2001-1-14T01:02:03Z",
            "2001-12-14T01:02:03.Z",
            "2001-12-14T01:02:03+24:00",
            "2001-12-14T01:02:03+23:60",
            "2001-12-14T01:02:03+25:00",
            "2001-12-14T01:02:03+05:61",
            "2001-12-14T01:02:03+0500",
            "2001-12-14T01:02:03+05",
            "2001-12-14T01:02:03Z ",
            " 2001-12-14T01:02:03Z",
            "2001-12-14T24:00:00Z",
            "2001-12-14T23:60:00Z",
            "2001-12-14T23:59:60Z",
            "2001-00-14T00:00:00Z",
            "2001-13-14T00:00:00Z",
            "2001-12-00T00:00:00Z",
            "2001-12-32T00:00:00Z",
            "2001-02-29T00:00:00Z",
            "1900-02-29T00:00:00Z",
            "02001-12-14T00:00:00Z",
            "-001-12-14T00:00:00Z",
        ] {
            assert_eq!(Timestamp::from_rfc3339(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn knows_the_epoch_and_its_neighbours() {
        let seconds = |text: &str| Timestamp::from_rfc3339(text.as_bytes()).unwrap().seconds;
        assert_eq!(seconds("1970-01-01T00:00:00Z"), 0);
        assert_eq!(seconds("1969-12-31T23:59:59Z"), -1);
        assert_eq!(seconds("1970-01-01T01:00:00+01:00"), 0);
        assert_eq!(seconds("2000-03-01T00:00:00Z"), 951_868_800);
        assert_eq!(seconds("0000-01-01T00:00:00Z"), -62_167_219_200);
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(
            seconds in -62_167_100_000_i64..253_402_200_000,
            nanoseconds in prop_oneof![Just(0), Just(500_000_000), 0..1_000_000_000_u32],
            offset_minutes in -1_439..1_440_i16,
        ) {
            let time = Timestamp { seconds, nanoseconds, offset_minutes };
            prop_assert_eq!(Timestamp::from_rfc3339(written(time).as_bytes()), Some(time));
            prop_assert_eq!(Timestamp::from_yaml(written(time).as_bytes()), Some(Ok(time)));
        }
    }
}
