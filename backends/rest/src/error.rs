//! Why a call came to nothing.

use std::time::Duration;

/// Why there is no answer. An answer that says no is an [`Answer`](crate::Answer).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The address is not one that can be called.
    #[error("the address cannot be used")]
    Address,
    /// The name of the host is not known.
    #[error("its name cannot be resolved")]
    UnknownHost,
    /// There was no answer in time.
    #[error("no answer within {} s", .0.as_secs_f32())]
    TimedOut(Duration),
    /// The connection could not be made, or broke.
    #[error("{0}")]
    Connection(String),
    /// The server cannot be trusted, or TLS failed in another way.
    #[error("TLS failed: {0}")]
    Tls(String),
    /// What came is no answer, or ends too early.
    #[error("the answer cannot be read")]
    Malformed,
    /// There is more of the answer than any real one has.
    #[error("the answer is too long")]
    TooLong,
    /// The proxy refused, or cannot be used.
    #[error("the proxy cannot be used")]
    Proxy,
}

impl CallError {
    /// Returns what to do about it, if there is something that holds for all services.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::UnknownHost | Self::Connection(_) => Some(
                "is the server running, and is this the right address and port? HTTPS_PROXY and NO_PROXY say how it is reached",
            ),
            Self::TimedOut(_) => {
                Some("is the server reachable from here? SOPS_KEY_TIMEOUT=SECONDS waits longer")
            }
            Self::Tls(_) => Some(
                "if the server's certificate is from an authority of your own, name that with SSL_CERT_FILE",
            ),
            Self::Proxy => Some("HTTPS_PROXY, HTTP_PROXY and NO_PROXY say which proxy is used"),
            Self::Address | Self::Malformed | Self::TooLong => None,
        }
    }

    /// Returns whether another attempt may go better.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(self, Self::Connection(_) | Self::Malformed)
    }

    pub(crate) fn from_ureq(error: &ureq::Error, limit: Duration) -> Self {
        use ureq::Error as E;
        match error {
            E::Timeout(_) => Self::TimedOut(limit),
            E::HostNotFound => Self::UnknownHost,
            E::BadUri(_) | E::Http(_) => Self::Address,
            E::Protocol(_) => Self::Malformed,
            E::BodyExceedsLimit(_) | E::LargeResponseHeader(..) => Self::TooLong,
            E::Rustls(error) => Self::Tls(error.to_string()),
            E::Tls(reason) => Self::Tls((*reason).to_owned()),
            E::InvalidProxyUrl | E::ConnectProxyFailed(_) => Self::Proxy,
            E::Io(error) => Self::from_io(error, limit),
            _ => Self::Connection("the connection failed".to_owned()),
        }
    }

    pub(crate) fn from_io(error: &std::io::Error, limit: Duration) -> Self {
        // What ureq and rustls meant is wrapped in what readers and writers can return.
        if let Some(inner) = error.get_ref() {
            if let Some(inner) = inner.downcast_ref::<ureq::Error>() {
                return Self::from_ureq(inner, limit);
            }
            if let Some(inner) = inner.downcast_ref::<rustls::Error>() {
                return Self::Tls(inner.to_string());
            }
        }
        match error.kind() {
            std::io::ErrorKind::TimedOut | std::io::ErrorKind::WouldBlock => Self::TimedOut(limit),
            std::io::ErrorKind::UnexpectedEof => {
                Self::Connection("the connection was closed before the answer ended".to_owned())
            }
            _ if error.to_string().contains("lookup address") => Self::UnknownHost,
            kind => Self::Connection(kind.to_string()),
        }
    }
}
