//! Times of the metadata: texts in RFC 3339, as Go's `time.Parse` accepts them.

use crate::tree::timestamp::Timestamp;

/// Checks that `text` is a time in RFC 3339 and returns it with a precision of seconds: the fraction is dropped, a zero
/// offset becomes `Z`, any other offset stays.
///
/// Like Go, this takes an hour of one digit, and a comma before the fraction.
pub(super) fn to_seconds(text: &str) -> Option<String> {
    let mut rest = Cursor(text.as_bytes());
    let year = rest.digits(4)?;
    rest.byte(b'-')?;
    let month = rest.digits(2)?;
    rest.byte(b'-')?;
    let day = rest.digits(2)?;
    rest.byte(b'T')?;
    let hour = rest.digits(2).or_else(|| rest.digits(1))?;
    rest.byte(b':')?;
    let minute = rest.digits(2)?;
    rest.byte(b':')?;
    let second = rest.digits(2)?;
    rest.fraction();
    let offset = rest.offset()?;

    let in_range = rest.0.is_empty()
        && (1..=12).contains(&month)
        && (1..=days_in_month(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    in_range.then(|| {
        format!(
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{}",
            offset_text(offset)
        )
    })
}

/// Writes a time that YAML read from an unquoted scalar.
pub(super) fn format(time: Timestamp) -> String {
    let local = time.seconds + i64::from(time.offset_minutes) * 60;
    let (days, second_of_day) = (local.div_euclid(86_400), local.rem_euclid(86_400));
    let (year, month, day) = civil_from_days(days);
    let (hour, minute, second) = (
        second_of_day / 3600,
        second_of_day / 60 % 60,
        second_of_day % 60,
    );
    let fraction = format!(".{:09}", time.nanoseconds);
    let fraction = fraction.trim_end_matches('0').trim_end_matches('.');
    format!(
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}{}",
        offset_text(i64::from(time.offset_minutes))
    )
}

struct Cursor<'a>(&'a [u8]);

impl Cursor<'_> {
    fn byte(&mut self, byte: u8) -> Option<()> {
        self.0 = self.0.strip_prefix(&[byte])?;
        Some(())
    }

    fn digits(&mut self, count: usize) -> Option<i64> {
        let (digits, rest) = self.0.split_at_checked(count)?;
        if !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        self.0 = rest;
        Some(
            digits
                .iter()
                .fold(0, |number, digit| number * 10 + i64::from(digit - b'0')),
        )
    }

    fn fraction(&mut self) {
        if let [b'.' | b',', digits @ ..] = self.0 {
            let count = digits
                .iter()
                .take_while(|byte| byte.is_ascii_digit())
                .count();
            if count > 0 {
                self.0 = &digits[count..];
            }
        }
    }

    /// Minutes east of UTC.
    fn offset(&mut self) -> Option<i64> {
        if self.byte(b'Z').is_some() {
            return Some(0);
        }
        let sign = match self.byte(b'-') {
            Some(()) => -1,
            None => self.byte(b'+').map(|()| 1)?,
        };
        let hours = self.digits(2)?;
        self.byte(b':')?;
        let minutes = self.digits(2)?;
        // Go allows 24 and 60 here, "as some people do write" them.
        (hours <= 24 && minutes <= 60).then_some(sign * (hours * 60 + minutes))
    }
}

fn offset_text(minutes: i64) -> String {
    match minutes {
        0 => "Z".to_owned(),
        _ => {
            let sign = if minutes < 0 { '-' } else { '+' };
            let minutes = minutes.abs();
            format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60)
        }
    }
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// The date of the day `days` after 1970-01-01, in the Gregorian calendar extended to all years.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    // Years that begin in March put the leap day last; 400 of them have 146,097 days.
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_what_go_accepts() {
        for (text, expected) in [
            ("2024-05-01T12:00:00Z", "2024-05-01T12:00:00Z"),
            ("2024-05-01T12:00:00.987654321Z", "2024-05-01T12:00:00Z"),
            ("2024-05-01T12:00:00,5Z", "2024-05-01T12:00:00Z"),
            ("2024-05-01T12:00:00+00:00", "2024-05-01T12:00:00Z"),
            ("2024-05-01T12:00:00-00:00", "2024-05-01T12:00:00Z"),
            ("2024-05-01T12:00:00+05:30", "2024-05-01T12:00:00+05:30"),
            ("2024-05-01T12:00:00.1-07:00", "2024-05-01T12:00:00-07:00"),
            ("2024-02-29T23:59:59Z", "2024-02-29T23:59:59Z"),
            ("2024-05-01T9:00:00Z", "2024-05-01T09:00:00Z"),
            ("0000-01-01T00:00:00Z", "0000-01-01T00:00:00Z"),
        ] {
            assert_eq!(to_seconds(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn refuses_the_rest() {
        for text in [
            "",
            "2024-05-01",
            "2024-05-01 12:00:00Z",
            "2024-05-01t12:00:00Z",
            "2024-05-01T12:00:00z",
            "2024-05-01T12:00:00",
            "2024-05-01T12:00Z",
            "2024-5-1T12:00:00Z",
            "24-05-01T12:00:00Z",
            "2023-02-29T12:00:00Z",
            "1900-02-29T12:00:00Z",
            "2024-04-31T12:00:00Z",
            "2024-00-01T12:00:00Z",
            "2024-13-01T12:00:00Z",
            "2024-05-00T12:00:00Z",
            "2024-05-01T24:00:00Z",
            "2024-05-01T12:60:00Z",
            "2024-05-01T12:00:60Z",
            "2024-05-01T12:00:00.Z",
            "2024-05-01T12:00:00+0530",
            "2024-05-01T12:00:00+05",
            "2024-05-01T12:00:00+25:00",
            "2024-05-01T12:00:00+05:61",
            "2024-05-01T12:00:00Z ",
            " 2024-05-01T12:00:00Z",
            "2024-05-01T12:00:00ZZ",
        ] {
            assert_eq!(to_seconds(text), None, "{text}");
        }
    }

    #[test]
    fn writes_times() {
        let time = |seconds, nanoseconds, offset_minutes| {
            format(Timestamp {
                seconds,
                nanoseconds,
                offset_minutes,
            })
        };
        assert_eq!(time(0, 0, 0), "1970-01-01T00:00:00Z");
        assert_eq!(time(-1, 0, 0), "1969-12-31T23:59:59Z");
        assert_eq!(time(1_709_164_800, 0, 0), "2024-02-29T00:00:00Z");
        assert_eq!(
            time(1_008_385_183, 100_000_000, -300),
            "2001-12-14T21:59:43.1-05:00"
        );
    }
}
