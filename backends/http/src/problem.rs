//! Why a call came to nothing.

use std::{io, time::Duration};

use sops_core::keys::KeyError;

/// Why a call could not be made, or brought no answer. Holds no credential, and can be kept and told again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
#[non_exhaustive]
pub struct Problem {
    /// What sort of problem it is.
    pub kind: ProblemKind,
    /// What failed, in words.
    pub message: String,
    /// What to do about it, if there is something.
    pub hint: Option<String>,
}

/// What sort of problem keeps a call from being answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProblemKind {
    /// A setting cannot be used.
    Setting,
    /// No connection: no such host, nothing that listens there, no route.
    Unreachable,
    /// The time was up.
    Slow,
    /// The certificate of the server is not trusted.
    Untrusted,
    /// TLS failed otherwise.
    Tls,
    /// The connection broke, or what came is no HTTP.
    Broken,
    /// The answer is larger than any that is expected, or goes where it must not.
    Refused,
}

impl Problem {
    /// Returns a problem.
    pub fn new(kind: ProblemKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            hint: None,
        }
    }

    /// Returns a problem with a setting.
    pub fn setting(message: impl Into<String>) -> Self {
        Self::new(ProblemKind::Setting, message)
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Says what it keeps from being done.
    #[must_use]
    pub fn when(mut self, doing: &str) -> Self {
        self.message = format!("{doing}: {}", self.message);
        self
    }

    /// Returns whether the same call may well succeed in a moment.
    pub(crate) fn is_passing(&self) -> bool {
        self.kind == ProblemKind::Broken
    }

    /// Says what `error` means to whoever waits for the answer, for at most `timeout`.
    pub(crate) fn from_ureq(error: &ureq::Error, timeout: Duration) -> Self {
        match error {
            ureq::Error::Timeout(_) => Self::slow(timeout),
            ureq::Error::HostNotFound => {
                Self::new(ProblemKind::Unreachable, "there is no such host")
            }
            ureq::Error::ConnectionFailed => {
                Self::new(ProblemKind::Unreachable, "no connection could be made")
            }
            ureq::Error::ConnectProxyFailed(reason) => Self::new(
                ProblemKind::Unreachable,
                format!("the proxy did not connect: {}", crate::tidy(reason, &[])),
            ),
            ureq::Error::Rustls(error) => Self::from_tls(error),
            ureq::Error::Io(error) => Self::from_io(error, timeout),
            ureq::Error::Protocol(_) => {
                Self::new(ProblemKind::Broken, "what came back is not HTTP")
            }
            ureq::Error::BadUri(_) | ureq::Error::Http(_) => {
                Self::new(ProblemKind::Setting, "not a usable address")
            }
            other => Self::new(ProblemKind::Broken, crate::tidy(&other.to_string(), &[])),
        }
    }

    /// Says what `error` means; the errors of TLS and of the pool travel inside such ones.
    pub(crate) fn from_io(error: &io::Error, timeout: Duration) -> Self {
        let inner = error.get_ref();
        if let Some(error) = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            return Self::from_tls(error);
        }
        if let Some(error) = inner.and_then(|inner| inner.downcast_ref::<ureq::Error>()) {
            return Self::from_ureq(error, timeout);
        }
        let kind = match error.kind() {
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => return Self::slow(timeout),
            io::ErrorKind::ConnectionRefused => {
                let message = "nothing listens there (connection refused)";
                return Self::new(ProblemKind::Unreachable, message);
            }
            io::ErrorKind::UnexpectedEof => {
                let message = "the connection was closed before the answer was complete";
                return Self::new(ProblemKind::Broken, message);
            }
            io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::NetworkDown
            | io::ErrorKind::AddrNotAvailable => ProblemKind::Unreachable,
            _ => ProblemKind::Broken,
        };
        Self::new(kind, crate::tidy(&error.to_string(), &[]))
    }

    fn from_tls(error: &rustls::Error) -> Self {
        match error {
            rustls::Error::InvalidCertificate(reason) => {
                let reason = match reason {
                    rustls::CertificateError::UnknownIssuer => {
                        "it was issued by an authority that is not trusted here".to_owned()
                    }
                    // The names that the certificate is for are what the server says.
                    reason => crate::tidy(&reason.to_string(), &[]),
                };
                let message = format!("the certificate of the server is not trusted: {reason}");
                Self::new(ProblemKind::Untrusted, message)
            }
            rustls::Error::InvalidMessage(_) => Self::new(
                ProblemKind::Tls,
                "what answers there does not speak TLS; is it http:// and not https://?",
            ),
            error => Self::new(ProblemKind::Tls, format!("TLS failed: {error}")),
        }
    }

    fn slow(timeout: Duration) -> Self {
        let message = format!("no answer within {} s", timeout.as_secs_f32());
        Self::new(ProblemKind::Slow, message)
    }
}

impl From<Problem> for KeyError {
    fn from(problem: Problem) -> Self {
        let error = Self::new(problem.message);
        match problem.hint {
            Some(hint) => error.with_hint(hint),
            None => error,
        }
    }
}
