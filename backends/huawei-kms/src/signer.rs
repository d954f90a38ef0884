//! The signature of a call: SDK-HMAC-SHA256.

use std::{
    fmt::Write as _,
    time::{SystemTime, UNIX_EPOCH},
};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

/// The name of the way of signing.
const ALGORITHM: &str = "SDK-HMAC-SHA256";

/// What is signed of a call.
#[derive(Debug)]
pub(crate) struct Signed<'a> {
    pub(crate) method: &'a str,
    /// The path, whose steps need no escapes.
    pub(crate) path: &'a str,
    /// The query, sorted and escaped.
    pub(crate) query: &'a str,
    /// The headers by name, in small letters and sorted; the time is among them.
    pub(crate) headers: &'a [(&'a str, &'a str)],
    pub(crate) body: &'a [u8],
}

impl Signed<'_> {
    /// Returns the text of the header `Authorization`.
    pub(crate) fn authorization(&self, time: &str, access_key: &str, secret_key: &str) -> String {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| *name).collect();
        let names = names.join(";");
        let mut call = format!("{}\n{}", self.method, self.path);
        // The path of what is signed ends with a slash, also if that of the call does not.
        if !call.ends_with('/') {
            call.push('/');
        }
        let _ = writeln!(call, "\n{}", self.query);
        for (name, value) in self.headers {
            let _ = writeln!(call, "{name}:{}", value.trim());
        }
        let _ = write!(call, "\n{names}\n{}", hex(&Sha256::digest(self.body)));
        let text = format!("{ALGORITHM}\n{time}\n{}", hex(&Sha256::digest(call)));
        let mut mac = Hmac::<Sha256>::new_from_slice(secret_key.as_bytes())
            .expect("an HMAC takes keys of any length");
        mac.update(text.as_bytes());
        let signature = hex(&mac.finalize().into_bytes());
        format!("{ALGORITHM} Access={access_key}, SignedHeaders={names}, Signature={signature}")
    }
}

/// Returns the time as it is signed: `20060102T150405Z`.
pub(crate) fn timestamp(now: SystemTime) -> String {
    let seconds = now
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let (days, second) = (seconds / 86400, seconds % 86400);
    // Counted from the first of March of the year 0, so that the day that some years have more comes last.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn times() {
        for (seconds, text) in [
            (0, "19700101T000000Z"),
            (951_782_399, "20000228T235959Z"),
            (951_782_400, "20000229T000000Z"),
            (951_868_800, "20000301T000000Z"),
            (1_709_164_800, "20240229T000000Z"),
            (1_767_225_599, "20251231T235959Z"),
            (4_107_542_400, "21000301T000000Z"),
        ] {
            let time = UNIX_EPOCH + Duration::from_secs(seconds);
            assert_eq!(timestamp(time), text);
        }
        assert_eq!(
            timestamp(UNIX_EPOCH - Duration::from_secs(1)),
            "19700101T000000Z"
        );
    }
}
