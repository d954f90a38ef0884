//! What the contents of a file look like, for messages about files that were read as something else.

use sops_core::{EncryptedFile, Error, Format, SyntaxErrorKind};

use crate::{
    context::Target,
    error::{Doing, Failure},
};

/// What can be told of a text without parsing it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Appearance {
    /// The format that its metadata are written in, if it has any.
    format: Option<Format>,
    is_json: bool,
    is_blank: bool,
    is_utf16: bool,
}

impl Appearance {
    /// Looks at how lines begin.
    pub(crate) fn of(content: &[u8]) -> Self {
        let start = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content);
        let start = start.trim_ascii_start();
        let is_json = start.starts_with(b"{");
        Self {
            format: match is_json {
                true => Some(Format::Json),
                false => start.split(|&byte| byte == b'\n').find_map(format_of_line),
            },
            is_json,
            is_blank: start.is_empty(),
            is_utf16: content.starts_with(b"\xff\xfe") || content.starts_with(b"\xfe\xff"),
        }
    }
}

/// The format that has a line like this in its metadata.
fn format_of_line(line: &[u8]) -> Option<Format> {
    if line.starts_with(b"sops:") {
        Some(Format::Yaml)
    } else if line.starts_with(b"[sops]") {
        Some(Format::Ini)
    } else if line.starts_with(b"sops_") && line.contains(&b'=') {
        Some(Format::Dotenv)
    } else {
        None
    }
}

impl Target {
    /// Reads the encrypted file.
    ///
    /// # Errors
    ///
    /// Fails if it is not in the format that it was taken for, and says what it looks like.
    pub(crate) fn parse<'t>(&self, content: &'t [u8]) -> Result<EncryptedFile<'t>, Failure> {
        EncryptedFile::parse(content, self.format)
            .map_err(|error| self.unreadable(error, Doing::Decrypting, Appearance::of(content)))
    }

    /// Says of a text that cannot be read which format it may have.
    pub(crate) fn unreadable(&self, error: Error, doing: Doing, found: Appearance) -> Failure {
        let kind = match &error {
            Error::Syntax(error) => Some(error.kind),
            _ => None,
        };
        let is_malformed = kind == Some(SyntaxErrorKind::Malformed);
        let is_no_object = kind == Some(SyntaxErrorKind::NotAMapping);
        let is_about_format = kind.is_some() || matches!(error, Error::NotEncrypted);
        let failure = self.failed(doing)(error);
        if !is_about_format || found.is_blank {
            return failure;
        }
        let instead = |message: &str| Failure::new(failure.code, message).in_file(&self.name);
        if found.is_utf16 {
            return instead("the text is in UTF-16").hint(
                "convert it to UTF-8; in PowerShell: Get-Content FILE | Out-File -Encoding utf8 NEW",
            );
        }
        // What is encrypted as binary is JSON, and all JSON is YAML.
        let read_as = match self.format {
            Format::Binary => Format::Json,
            format => format,
        };
        let other = found.format.filter(|&format| format != read_as);
        let other = other.filter(|&format| (read_as, format) != (Format::Yaml, Format::Json));
        let looks = other.map(|format| {
            let name = format.name();
            format!("it looks like {name}: --input-type {name} reads it as that")
        });
        if self.is_format_open && (is_malformed || is_no_object) && !found.is_json {
            let reason = match self.is_unnamed {
                true => "there is no name that tells the format",
                false => "the name has no ending that tells the format",
            };
            let failure = instead(&format!(
                "{reason}, so it was read as an encrypted binary file, which is JSON; this is not"
            ));
            return failure.hint(looks.unwrap_or_else(|| {
                "if it is encrypted, --input-type says what it is: yaml, json, dotenv or ini"
                    .to_owned()
            }));
        }
        match looks {
            Some(looks) => failure.without_hints().hint(looks),
            None if is_malformed && read_as == Format::Json && !found.is_json => failure
                .without_hints()
                .hint("this is not JSON; if it is something else, --input-type says what: yaml, dotenv, ini or binary"),
            None => failure,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_tell_the_format() {
        for (text, expected) in [
            ("a: b\nsops:\n    x: y\n", Some(Format::Yaml)),
            ("{\"a\": 1}", Some(Format::Json)),
            ("\u{feff}\n {}", Some(Format::Json)),
            ("[sops]\nmac = x\n[a]\n", Some(Format::Ini)),
            ("A=b\r\nsops_mac=x\r\n", Some(Format::Dotenv)),
            ("sops_mac: x\n", None),
            ("a: b\n  sops: x\n", None),
            ("", None),
        ] {
            assert_eq!(Appearance::of(text.as_bytes()).format, expected, "{text}");
        }
    }

    #[test]
    fn byte_order_marks_tell_the_encoding() {
        assert!(Appearance::of(b"\xff\xfea\0").is_utf16);
        assert!(Appearance::of(b"\xfe\xff\0a").is_utf16);
        assert!(!Appearance::of(b"\xef\xbb\xbfa").is_utf16);
        assert!(Appearance::of(b"\xef\xbb\xbf \n").is_blank);
    }
}
