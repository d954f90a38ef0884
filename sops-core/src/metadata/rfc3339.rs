//! Times of the metadata: texts in RFC 3339.

use std::time::SystemTime;

use crate::tree::timestamp::Timestamp;

/// Returns a time as the metadata writes it: RFC 3339, UTC, whole seconds.
#[must_use]
pub fn rfc3339(time: SystemTime) -> String {
    let seconds = match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_secs()).unwrap_or(i64::MAX),
        Err(before) => -i64::try_from(before.duration().as_secs()).unwrap_or(i64::MAX),
    };
    format(Timestamp {
        seconds,
        nanoseconds: 0,
        offset_minutes: 0,
    })
}

/// Checks that `text` is a time in RFC 3339 and returns it with a precision of seconds: the fraction is dropped, a zero
/// offset becomes `Z`, any other offset stays.
pub(super) fn to_seconds(text: &str) -> Option<String> {
    let time = Timestamp::from_rfc3339(text.as_bytes())?;
    Some(format(Timestamp {
        nanoseconds: 0,
        ..time
    }))
}

/// Writes a time in RFC 3339.
pub(super) fn format(time: Timestamp) -> String {
    let mut text = Vec::new();
    time.push_rfc3339(&mut text);
    String::from_utf8_lossy(&text).into_owned()
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
}
