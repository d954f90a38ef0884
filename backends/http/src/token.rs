//! Access tokens that are got once and used until shortly before they expire.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use sops_core::SecretText;

/// How long before its end a token is not used any more.
const MARGIN: Duration = Duration::from_secs(120);

/// A token that lets somebody use a service for a while.
pub struct AccessToken {
    /// The token.
    pub secret: SecretText,
    /// Whose it is, and where it is from, in words.
    pub origin: String,
    expires: Option<Instant>,
}

impl AccessToken {
    /// Returns a token that is valid for `seconds`, or for as long as the program runs.
    #[must_use]
    pub fn new(secret: SecretText, origin: impl Into<String>, seconds: Option<u64>) -> Self {
        let expires =
            seconds.and_then(|seconds| Instant::now().checked_add(Duration::from_secs(seconds)));
        Self {
            secret,
            origin: origin.into(),
            expires,
        }
    }

    /// Returns whether the token can still be used.
    fn is_fresh(&self) -> bool {
        self.expires
            .is_none_or(|expires| Instant::now() + MARGIN < expires)
    }
}

/// The tokens that were got so far, by what they are for.
#[derive(Default)]
pub struct Tokens(Mutex<Vec<(String, Arc<AccessToken>)>>);

impl Tokens {
    /// Returns the token for `purpose`, which `get` gets if there is none. Whoever comes meanwhile waits for it instead of
    /// getting another.
    ///
    /// # Errors
    ///
    /// Those of `get`.
    pub fn get_or_try<E>(
        &self,
        purpose: &str,
        get: impl FnOnce() -> Result<AccessToken, E>,
    ) -> Result<Arc<AccessToken>, E> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|(_, token)| token.is_fresh());
        if let Some((_, token)) = known.iter().find(|(other, _)| other == purpose) {
            return Ok(Arc::clone(token));
        }
        let token = Arc::new(get()?);
        known.push((purpose.to_owned(), Arc::clone(&token)));
        Ok(token)
    }

    /// Forgets all tokens, for example because one was refused.
    pub fn forget(&self) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(seconds: Option<u64>) -> Result<AccessToken, ()> {
        Ok(AccessToken::new(
            SecretText::new("t".to_owned()),
            "a test",
            seconds,
        ))
    }

    #[test]
    fn tokens_are_kept_while_they_are_valid() {
        let tokens = Tokens::default();
        assert!(
            tokens
                .get_or_try("a", || Err::<AccessToken, _>(()))
                .is_err()
        );
        assert!(tokens.get_or_try("a", || token(Some(3600))).is_ok());
        assert!(tokens.get_or_try("a", || Err::<AccessToken, _>(())).is_ok());
        assert!(
            tokens
                .get_or_try("b", || Err::<AccessToken, _>(()))
                .is_err()
        );
        tokens.forget();
        assert!(tokens.get_or_try("a", || token(Some(60))).is_ok());
        assert!(
            tokens
                .get_or_try("a", || Err::<AccessToken, _>(()))
                .is_err()
        );
        assert!(tokens.get_or_try("a", || token(None)).is_ok());
        assert!(tokens.get_or_try("a", || Err::<AccessToken, _>(())).is_ok());
    }
}
