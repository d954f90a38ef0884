//! The token, and where it is looked for.

use std::{env, fmt, fs::File, io, path::PathBuf};

use sops_core::SecretText;
use sops_http::{HeaderValue, Problem};

use crate::helper;

/// What holds the token.
const VARIABLE: &str = "VAULT_TOKEN";
/// Where `vault login` keeps it.
const FILE: &str = ".vault-token";
/// Longer ones are no tokens.
pub(crate) const MAX_TOKEN: usize = 64 << 10;

/// A token, and where it is from.
pub(crate) struct Token {
    text: SecretText,
    source: String,
}

impl Token {
    pub(crate) fn new(text: SecretText, source: impl Into<String>) -> Self {
        Self {
            text,
            source: source.into(),
        }
    }

    /// Returns where it is from.
    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    /// Returns the token itself.
    pub(crate) fn expose(&self) -> &str {
        self.text.expose()
    }

    /// Returns the token as the value of a header.
    ///
    /// # Errors
    ///
    /// Fails if it holds what no token does.
    pub(crate) fn header(&self) -> Result<HeaderValue, Problem> {
        let text = self.expose();
        let is_plain = text.chars().all(|letter| letter.is_ascii_graphic());
        let value = HeaderValue::from_str(text).ok().filter(|_| is_plain);
        let mut value = value.ok_or_else(|| {
            Problem::setting(format!("what is in {} is no token", self.source))
                .with_hint("a token has no blanks and no line breaks in it")
        })?;
        value.set_sensitive(true);
        Ok(value)
    }
}

/// Looks for the token: in `VAULT_TOKEN`, then what the token helper says, then in `~/.vault-token`. `None` if there is
/// none, which is enough for an agent that adds its own.
///
/// # Errors
///
/// Fails if there may be one, but it cannot be read.
pub(crate) fn find() -> Result<Option<Token>, Problem> {
    if let Some(text) = env::var(VARIABLE).ok().filter(|text| !text.is_empty()) {
        return Ok(Some(Token::new(SecretText::new(text), VARIABLE)));
    }
    let home = env::home_dir().filter(|home| !home.as_os_str().is_empty());
    let of_helper = helper::token(home.as_deref());
    if let Ok(Some(token)) = of_helper {
        return Ok(Some(token));
    }
    // The reference knows no helpers: one that fails is no reason not to use what it would.
    match home.map(|home| home.join(FILE)).map(from_file) {
        Some(Ok(Some(token))) => Ok(Some(token)),
        Some(Err(problem)) => Err(problem),
        _ => of_helper,
    }
}

fn from_file(path: PathBuf) -> Result<Option<Token>, Problem> {
    let failed = |error: &io::Error| {
        Problem::setting(format!(
            "cannot read the token in {}: {error}",
            path.display()
        ))
        .with_hint("set VAULT_TOKEN, or log in again: `vault login`")
    };
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(&error)),
    };
    let text = read(file).map_err(|error| failed(&error))?;
    Ok(text.map(|text| Token::new(text, path.display().to_string())))
}

/// Reads a token, without the blanks around it; nothing is none.
pub(crate) fn read(source: impl io::Read) -> io::Result<Option<SecretText>> {
    let text = SecretText::read_limited(source, MAX_TOKEN)?;
    let token = text.expose().trim();
    Ok((!token.is_empty()).then(|| SecretText::new(token.to_owned())))
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_token() {
        let read = |text: &str| {
            let token = read(text.as_bytes()).expect("text");
            token.map(|token| token.expose().to_owned())
        };
        assert_eq!(read(" hvs.abc\n").as_deref(), Some("hvs.abc"));
        assert_eq!(read("\n"), None);
        assert!(super::read(&b"\xff"[..]).is_err());
        assert!(super::read(io::repeat(b'a')).is_err());
        let header = |text: &str| Token::new(SecretText::new(text.to_owned()), "X").header();
        assert!(header("hvs.CAESI-_.").is_ok());
        for bad in ["two words", "two\nlines", "\u{7f}", "ä"] {
            let problem = header(bad).expect_err(bad);
            assert!(!problem.message.contains(bad));
        }
    }

    #[test]
    fn a_file_that_is_not_there_is_no_token() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(FILE);
        assert!(from_file(path.clone()).expect("nothing").is_none());
        std::fs::create_dir(&path).expect("a folder");
        assert!(from_file(path).is_err());
    }
}
