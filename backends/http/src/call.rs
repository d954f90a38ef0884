//! Calls of a fixed form, put together piece by piece.

use serde::Deserialize;
use zeroize::Zeroizing;

use crate::{
    Answer, Client, HeaderName, HeaderValue, Method, Problem, ProblemKind, Redirects, Request,
};

/// One call, which goes where it says and nowhere else. Headers may hold secrets: they are wiped when dropped.
pub struct Call<'a> {
    method: Method,
    url: &'a str,
    headers: Vec<(&'a str, Zeroizing<String>)>,
    body: &'a [u8],
}

impl<'a> Call<'a> {
    /// Returns a call for what is at `url`.
    #[must_use]
    pub fn get(url: &'a str) -> Self {
        Self::new(Method::GET, url, &[])
    }

    /// Returns a call that sends `body` to `url`.
    #[must_use]
    pub fn post(url: &'a str, body: &'a [u8]) -> Self {
        Self::new(Method::POST, url, body)
    }

    /// Returns a call that puts `body` at `url`.
    #[must_use]
    pub fn put(url: &'a str, body: &'a [u8]) -> Self {
        Self::new(Method::PUT, url, body)
    }

    fn new(method: Method, url: &'a str, body: &'a [u8]) -> Self {
        Self {
            method,
            url,
            headers: Vec::new(),
            body,
        }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &'a str, value: &str) -> Self {
        self.headers.push((name, Zeroizing::new(value.to_owned())));
        self
    }
}

impl Client {
    /// Makes a call, and repeats it as [`send`](Self::send) does.
    ///
    /// # Errors
    ///
    /// Those of [`send`](Self::send); fails if the address or a header cannot be sent.
    pub fn call(&self, call: &Call<'_>) -> Result<Answer, Problem> {
        let uri = call
            .url
            .parse()
            .map_err(|_| Problem::setting("not a usable address"))?;
        let mut headers = Vec::with_capacity(call.headers.len());
        for (name, text) in &call.headers {
            let unusable = || Problem::setting(format!("the header {name} cannot be sent"));
            let mut value = HeaderValue::from_str(text).map_err(|_| unusable())?;
            value.set_sensitive(true);
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| unusable())?;
            headers.push((name, value));
        }
        self.send(&Request {
            method: call.method.clone(),
            uri,
            headers: &headers,
            body: call.body,
            redirects: Redirects::Refused,
        })
    }
}

impl Answer {
    /// Returns whether the service did what it was asked to.
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Reads the body as JSON.
    ///
    /// # Errors
    ///
    /// Fails if the body is not what was expected. The error has no piece of it.
    pub fn json<'de, T: Deserialize<'de>>(&'de self) -> Result<T, Problem> {
        read_json(&self.body)
    }
}

/// Reads JSON.
///
/// # Errors
///
/// Fails if it is not what was expected. The error has no piece of it.
pub fn read_json<'de, T: Deserialize<'de>>(text: &'de [u8]) -> Result<T, Problem> {
    serde_json::from_slice(text).map_err(|_| {
        Problem::new(
            ProblemKind::Broken,
            "what came back is not what was expected",
        )
    })
}
