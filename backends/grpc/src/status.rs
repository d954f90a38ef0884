//! Why a call came to nothing.

use std::time::Duration;

use sops_http::tidy;
use sops_runtime::RuntimeError;
use tonic::{Code, ConnectError, Status, TimeoutExpired};

/// Why a call came to nothing. Holds nothing that was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CallError {
    /// There is nobody there, or nobody who is trusted or trusts us. Why, in words.
    Unreachable(String),
    /// The connection broke. How, in words.
    Broken(String),
    /// The time was up.
    TimedOut(Duration),
    /// The service said no. What it said is one line.
    Refused(Code, String),
}

impl CallError {
    pub(crate) fn from_status(status: &Status, limit: Duration) -> Self {
        let said = tidy(status.message(), &[]);
        match status.code() {
            _ if is_caused_by::<ConnectError>(status) => {
                Self::Unreachable(tidy(&innermost(status), &[]))
            }
            _ if is_caused_by::<TimeoutExpired>(status) => Self::TimedOut(limit),
            _ if std::error::Error::source(status).is_some() => {
                Self::Broken(tidy(&innermost(status), &[]))
            }
            Code::DeadlineExceeded | Code::Cancelled => Self::TimedOut(limit),
            code => Self::Refused(code, said),
        }
    }

    pub(crate) fn from_runtime(error: &RuntimeError) -> Self {
        match error {
            RuntimeError::TimedOut(limit) => Self::TimedOut(*limit),
            error => Self::Unreachable(error.to_string()),
        }
    }

    /// Whether the same call may well succeed in a moment.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Broken(_) => true,
            Self::Refused(code, _) => matches!(
                code,
                Code::Unavailable | Code::ResourceExhausted | Code::Internal | Code::Unknown
            ),
            _ => false,
        }
    }
}

fn is_caused_by<E: std::error::Error + 'static>(status: &Status) -> bool {
    let mut cause = std::error::Error::source(status);
    while let Some(error) = cause {
        if error.is::<E>() {
            return true;
        }
        cause = error.source();
    }
    false
}

/// The last of the causes: what the system said.
fn innermost(status: &Status) -> String {
    let mut error: &dyn std::error::Error = status;
    while let Some(cause) = error.source() {
        error = cause;
    }
    let inner = error.downcast_ref::<std::io::Error>();
    let tls = inner
        .and_then(|error| error.get_ref())
        .and_then(|error| error.downcast_ref::<rustls::Error>())
        .or_else(|| error.downcast_ref::<rustls::Error>());
    match tls {
        Some(rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer)) => {
            "the certificate of the server is not trusted: it was issued by an authority that is not trusted here"
                .to_owned()
        }
        Some(rustls::Error::InvalidCertificate(reason)) => {
            format!("the certificate of the server is not trusted: {reason}")
        }
        Some(rustls::Error::InvalidMessage(_)) => {
            "what answers there does not speak TLS".to_owned()
        }
        Some(rustls::Error::AlertReceived(alert)) => {
            format!("the server ended the connection: {alert:?}")
        }
        Some(error) => format!("TLS failed: {error}"),
        None => error.to_string(),
    }
}
