//! What is sent, and what comes back.

use std::time::Duration;

use sops_core::SecretBytes;
use zeroize::Zeroizing;

/// One request. Headers and body may hold secrets: they are wiped when dropped.
pub struct Call<'a> {
    pub(crate) method: &'static str,
    pub(crate) url: &'a str,
    pub(crate) headers: Vec<(&'a str, Zeroizing<String>)>,
    pub(crate) body: Option<&'a SecretBytes>,
    pub(crate) is_tried_again: bool,
    pub(crate) time_limit: Option<Duration>,
}

impl<'a> Call<'a> {
    /// Returns a request for what is at `url`.
    #[must_use]
    pub fn get(url: &'a str) -> Self {
        Self::new("GET", url, None)
    }

    /// Returns a request that sends `body` to `url`.
    #[must_use]
    pub fn post(url: &'a str, body: &'a SecretBytes) -> Self {
        Self::new("POST", url, Some(body))
    }

    /// Returns a request that puts `body` at `url`.
    #[must_use]
    pub fn put(url: &'a str, body: &'a SecretBytes) -> Self {
        Self::new("PUT", url, Some(body))
    }

    fn new(method: &'static str, url: &'a str, body: Option<&'a SecretBytes>) -> Self {
        Self {
            method,
            url,
            headers: Vec::new(),
            body,
            is_tried_again: true,
            time_limit: None,
        }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &'a str, value: &str) -> Self {
        self.headers.push((name, Zeroizing::new(value.to_owned())));
        self
    }

    /// Makes it a request that is sent once, whatever comes of it: for what answers in an instant or not at all.
    #[must_use]
    pub fn once(mut self, time_limit: Duration) -> Self {
        self.is_tried_again = false;
        self.time_limit = Some(time_limit);
        self
    }
}

/// What a server answered. The body may hold secrets: it is wiped when dropped.
pub struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: ureq::http::HeaderMap,
    pub(crate) body: Zeroizing<Vec<u8>>,
}

impl Answer {
    /// Returns the status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Returns whether the server did what it was asked to.
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Returns a header, if it is there and a text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Returns the body.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Reads the body as JSON.
    ///
    /// # Errors
    ///
    /// Fails if the body is not that. The error has no piece of the body.
    pub fn json<'de, T: serde::Deserialize<'de>>(&'de self) -> Result<T, super::CallError> {
        super::read_json(&self.body)
    }
}
