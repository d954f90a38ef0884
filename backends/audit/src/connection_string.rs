//! Connection strings as the reference's driver reads them: TLS is required unless they say otherwise, and
//! `sslmode=verify-ca`, `sslmode=verify-full` and `sslrootcert` have their meaning.

use std::path::PathBuf;

use postgres::config::{Config, SslMode};

/// What the server's certificate has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verify {
    /// Anything: against eavesdroppers only.
    Nothing,
    /// Signed by an authority that is trusted.
    Authority,
    /// Signed so, and for the name of the host.
    AuthorityAndName,
}

/// A connection string that was read.
pub(crate) struct ConnectionString {
    pub(crate) config: Config,
    pub(crate) verify: Verify,
    /// The authorities that are trusted, instead of those of the system.
    pub(crate) root_certificates: Option<PathBuf>,
}

impl ConnectionString {
    /// Reads a URL or `key=value` pairs. The error is a reason without any piece of the text.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let is_url = text.starts_with("postgres://") || text.starts_with("postgresql://");
        let (rest, settings) = match is_url {
            true => from_url(text),
            false => from_pairs(text)?,
        };
        let mut config: Config = rest.parse().map_err(|error: postgres::Error| {
            // The driver names the key that it does not know, at most.
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            cause.unwrap_or_else(|| "it is none".to_owned())
        })?;
        let mut verify = Verify::Nothing;
        let mut root_certificates = None;
        config.ssl_mode(SslMode::Require);
        for (key, value) in settings {
            match (key.as_str(), value.as_str()) {
                ("sslrootcert", path) => root_certificates = Some(PathBuf::from(path)),
                (_, "disable") => drop(config.ssl_mode(SslMode::Disable)),
                (_, "allow" | "prefer") => drop(config.ssl_mode(SslMode::Prefer)),
                (_, "require") => {}
                (_, "verify-ca") => verify = Verify::Authority,
                (_, "verify-full") => verify = Verify::AuthorityAndName,
                _ => {
                    return Err(
                        "sslmode is none of disable, prefer, require, verify-ca and verify-full"
                            .to_owned(),
                    );
                }
            }
        }
        // As libpq has it: who names authorities wants them checked.
        if root_certificates.is_some() && verify == Verify::Nothing {
            verify = Verify::Authority;
        }
        Ok(Self {
            config,
            verify,
            root_certificates,
        })
    }
}

type Settings = Vec<(String, String)>;

fn is_own(key: &str) -> bool {
    matches!(key, "sslmode" | "sslrootcert")
}

/// Takes the settings that the driver does not know out of a URL.
fn from_url(text: &str) -> (String, Settings) {
    let Some((address, query)) = text.split_once('?') else {
        return (text.to_owned(), Vec::new());
    };
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let (own, others): (Vec<_>, Vec<_>) = pairs.partition(|(key, _)| is_own(key));
    let others: Vec<String> = others
        .into_iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    let own = own
        .into_iter()
        .map(|(key, value)| (key.to_owned(), unescaped(value)));
    let rest = match others.is_empty() {
        true => address.to_owned(),
        false => format!("{address}?{}", others.join("&")),
    };
    (rest, own.collect())
}

/// Resolves `%2F` and the like.
fn unescaped(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let digits = after
            .get(..2)
            .and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match (first, byte) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            _ => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Takes them out of pairs like `host=localhost password='a b'`.
fn from_pairs(text: &str) -> Result<(String, Settings), String> {
    let mut rest = text.trim_start();
    let mut others = String::new();
    let mut own = Vec::new();
    while !rest.is_empty() {
        let (key, after) = rest.split_once('=').ok_or("a key has no value")?;
        let after = after.trim_start();
        let (value, length) = value(after)?;
        let key = key.trim();
        match is_own(key) {
            true => own.push((key.to_owned(), value)),
            false => others += &format!("{key}={} ", &after[..length]),
        }
        rest = after[length..].trim_start();
    }
    Ok((others, own))
}

/// Reads a value, and how many bytes it takes.
fn value(text: &str) -> Result<(String, usize), String> {
    let is_quoted = text.starts_with('\'');
    let mut value = String::new();
    let mut letters = text.char_indices().skip(usize::from(is_quoted));
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\'' if is_quoted => return Ok((value, at + 1)),
            '\\' => match letters.next() {
                Some((_, escaped)) => value.push(escaped),
                None => return Err("it ends with a backslash".to_owned()),
            },
            blank if blank.is_whitespace() && !is_quoted => return Ok((value, at)),
            letter => value.push(letter),
        }
    }
    match is_quoted {
        true => Err("a quote is not closed".to_owned()),
        false => Ok((value, text.len())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tls_is_required_unless_it_is_switched_off() {
        for (text, mode, verify) in [
            ("postgres://u:p@h/d", SslMode::Require, Verify::Nothing),
            (
                "postgres://u:p@h/d?sslmode=disable",
                SslMode::Disable,
                Verify::Nothing,
            ),
            (
                "postgresql://h/d?sslmode=prefer&connect_timeout=3",
                SslMode::Prefer,
                Verify::Nothing,
            ),
            (
                "postgres://h/d?connect_timeout=3&sslmode=verify-ca",
                SslMode::Require,
                Verify::Authority,
            ),
            (
                "postgres://h/d?sslmode=verify-full",
                SslMode::Require,
                Verify::AuthorityAndName,
            ),
            (
                "postgres://h/d?sslmode=require&sslrootcert=%2Fca.pem",
                SslMode::Require,
                Verify::Authority,
            ),
            (
                "host=h user=u password='a b' dbname=d",
                SslMode::Require,
                Verify::Nothing,
            ),
            (
                "host=h sslmode=disable user=u",
                SslMode::Disable,
                Verify::Nothing,
            ),
            (
                "host = h sslmode = 'verify-full' ",
                SslMode::Require,
                Verify::AuthorityAndName,
            ),
        ] {
            let parsed = ConnectionString::parse(text).expect(text);
            assert_eq!(parsed.config.get_ssl_mode(), mode, "{text}");
            assert_eq!(parsed.verify, verify, "{text}");
        }
    }

    #[test]
    fn other_settings_reach_the_driver() {
        let parsed =
            ConnectionString::parse("host=h password='a\\' b' sslrootcert=/x/ca.pem port=5433")
                .unwrap();
        assert_eq!(parsed.config.get_password(), Some(b"a' b".as_slice()));
        assert_eq!(parsed.config.get_ports(), [5433]);
        assert_eq!(parsed.root_certificates, Some(PathBuf::from("/x/ca.pem")));
        let parsed =
            ConnectionString::parse("postgres://u:p%20q@h:5433/d?sslrootcert=%2Fx%20y.pem")
                .unwrap();
        assert_eq!(parsed.config.get_password(), Some(b"p q".as_slice()));
        assert_eq!(parsed.config.get_dbname(), Some("d"));
        assert_eq!(parsed.root_certificates, Some(PathBuf::from("/x y.pem")));
    }

    #[test]
    fn errors_hold_nothing_of_the_text() {
        for text in [
            "s3cret",
            "host=h password='s3cret",
            "host=h sslmode=s3cret",
            "postgres://u:s3cret@h:port/d",
            "host=h password=s3cret port=x",
            "host=h password=s3cret\\",
        ] {
            let reason = ConnectionString::parse(text).err().expect(text);
            assert!(!reason.contains("s3cret"), "{reason}");
        }
    }
}
