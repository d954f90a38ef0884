//! Lengths of time as people write them into variables.

use std::time::Duration;

/// Returns the length of time that `text` says: seconds, as in `30` or `2.5`, or with units, as in `1m30s` or `500ms`.
/// `None` if it says none.
#[must_use]
pub fn seconds(text: &str) -> Option<Duration> {
    let text = text.trim();
    if !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.')
    {
        return whole(number(text)?);
    }
    let mut rest = text;
    let mut total = 0.0;
    while !rest.is_empty() {
        let end = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.')?;
        let (amount, after) = rest.split_at(end);
        let end = after
            .find(|letter: char| letter.is_ascii_digit() || letter == '.')
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        let factor = match unit {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            "d" => 86400.0,
            _ => return None,
        };
        total += number(amount)? * factor;
        rest = after;
    }
    (!text.is_empty()).then(|| whole(total))?
}

fn number(text: &str) -> Option<f64> {
    text.parse().ok()
}

fn whole(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_units() {
        for (text, milliseconds) in [
            ("30", 30_000),
            (" 2.5 ", 2_500),
            ("0", 0),
            ("500ms", 500),
            ("1m30s", 90_000),
            ("1.5h", 5_400_000),
            ("1d", 86_400_000),
        ] {
            assert_eq!(
                seconds(text),
                Some(Duration::from_millis(milliseconds)),
                "{text}"
            );
        }
        for text in [
            "",
            " ",
            "s",
            "-1",
            "1x",
            "1 s",
            "1s2",
            "..",
            "1e5",
            "inf",
            "nan",
            "1..2s",
            "99999999999999999999d",
        ] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }
}
