//! Why a service says no, in the forms that most services have for that.

use std::fmt;

use serde_json::Value;

use crate::{Answer, tidy};

/// What a service says about its refusal: what Azure and Google answer, and who gives out access tokens.
///
/// Printed in one line of bounded length, without control characters. Whether it holds what was sent, the service decides:
/// only those are read so that repeat no secrets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reason {
    /// The name of the error; may be empty.
    pub code: String,
    /// What is said to people; may be empty.
    pub message: String,
    /// The name of what is behind the error; mostly empty.
    pub detail: String,
}

impl Answer {
    /// Reads why the service said no. What cannot be read is an empty reason.
    #[must_use]
    pub fn reason(&self) -> Reason {
        Reason::read(&self.body)
    }
}

impl Reason {
    fn read(body: &[u8]) -> Self {
        let said: Value = serde_json::from_slice(body).unwrap_or_default();
        let error = &said["error"];
        let first = |places: &[&Value]| {
            let text = places.iter().find_map(|place| place.as_str());
            text.unwrap_or_default().to_owned()
        };
        Self {
            // Google has a number as the code.
            code: first(&[error, &error["code"], &error["status"]]),
            message: first(&[
                &error["message"],
                &said["error_description"],
                &said["message"],
            ]),
            detail: first(&[&error["innererror"]["code"], &error["innerError"]["code"]]),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said = tidy(&format!("{} {}", self.code, self.message), &[]);
        match said.is_empty() {
            true => f.write_str("it does not say why"),
            false => f.write_str(&said),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        for (body, shown, detail) in [
            (
                r#"{"error":{"code":"Forbidden","message":"not\n now","innererror":{"code":"KeyDisabled"}}}"#,
                "Forbidden not now",
                "KeyDisabled",
            ),
            (
                r#"{"error":{"code":403,"status":"DENIED","message":"no","innerError":{"code":"X"}}}"#,
                "DENIED no",
                "X",
            ),
            (
                r#"{"error":"invalid_grant","error_description":"Bad Request"}"#,
                "invalid_grant Bad Request",
                "",
            ),
            (
                r#"{"statusCode":400,"message":"no identity"}"#,
                "no identity",
                "",
            ),
            (r#"{"error":{}}"#, "it does not say why", ""),
            (r#"["error"]"#, "it does not say why", ""),
            ("<html>", "it does not say why", ""),
            ("", "it does not say why", ""),
        ] {
            let reason = Reason::read(body.as_bytes());
            assert_eq!(reason.to_string(), shown, "{body}");
            assert_eq!(reason.detail, detail, "{body}");
        }
    }
}
