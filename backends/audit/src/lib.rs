//! Records of what is encrypted, decrypted and rotated, in PostgreSQL databases: the audit log of SOPS.
//!
//! The databases are named in a configuration, `/etc/sops/audit.yaml`:
//!
//! ```yaml
//! backends:
//!   postgres:
//!     - connection_string: postgres://sops:password@db.example.com/sops?sslmode=verify-full
//! ```
//!
//! Each event becomes a row of the table `audit_event`, with `action`, `username` and `file`. What cannot be recorded
//! must not happen: [`Auditor::record`] fails, and the caller has to stop.

mod connection_string;
mod tls;

use std::fmt;

use postgres::Client;
use serde::Deserialize;
use sops_core::keys::{one_line, words_of};

use connection_string::ConnectionString;

/// More of what a database complains about helps nobody.
const MAX_WORDS: usize = 600;

/// Which databases there are.
#[derive(Debug, Default, Deserialize)]
#[non_exhaustive]
pub struct Config {
    /// Where events go.
    #[serde(default)]
    pub backends: Backends,
}

/// Where events go.
#[derive(Debug, Default, Deserialize)]
#[non_exhaustive]
pub struct Backends {
    /// PostgreSQL databases; every one of them gets every event.
    #[serde(default)]
    pub postgres: Vec<Postgres>,
}

/// A PostgreSQL database.
#[derive(Deserialize)]
#[non_exhaustive]
pub struct Postgres {
    /// A URL, or `key=value` pairs, as libpq takes them.
    pub connection_string: String,
}

/// Shows no password.
impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Postgres([REDACTED])")
    }
}

/// What happens to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// It is encrypted.
    Encrypt,
    /// It is decrypted.
    Decrypt,
    /// It gets a new data key.
    Rotate,
}

impl Action {
    fn name(self) -> &'static str {
        match self {
            Self::Encrypt => "encrypt",
            Self::Decrypt => "decrypt",
            Self::Rotate => "rotate",
        }
    }
}

/// Why an event was not recorded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// A connection string cannot be read.
    #[error("the connection string of audit database {number} cannot be read: {reason}")]
    ConnectionString {
        /// Which one, counted from 1.
        number: usize,
        /// What is wrong, without any piece of it.
        reason: String,
    },
    /// A database does not answer.
    #[error("connecting to audit database {number} failed: {reason}")]
    Connect {
        /// Which one, counted from 1.
        number: usize,
        /// Why.
        reason: String,
    },
    /// A database does not take the event.
    #[error("failed to insert audit record into database {number}: {reason}")]
    Insert {
        /// Which one, counted from 1.
        number: usize,
        /// Why.
        reason: String,
    },
}

/// Connections to all databases.
pub struct Auditor {
    clients: Vec<Client>,
}

impl fmt::Debug for Auditor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Auditor({} databases)", self.clients.len())
    }
}

impl Auditor {
    /// Connects to all databases, one after the other.
    ///
    /// # Errors
    /// Fails if one of them cannot be reached.
    pub fn connect(config: &Config) -> Result<Self, AuditError> {
        let mut clients = Vec::new();
        for (number, database) in (1..).zip(&config.backends.postgres) {
            let parsed = ConnectionString::parse(&database.connection_string)
                .map_err(|reason| AuditError::ConnectionString { number, reason })?;
            let failed = |reason: String| AuditError::Connect { number, reason };
            let tls = tls::connector(&parsed).map_err(failed)?;
            let client = parsed.config.connect(tls);
            clients.push(client.map_err(|error| failed(reason(&error)))?);
        }
        Ok(Self { clients })
    }

    /// Records an event in every database.
    ///
    /// # Errors
    /// Fails if one of them does not take it.
    pub fn record(&mut self, action: Action, user: &str, file: &str) -> Result<(), AuditError> {
        const INSERT: &str = "INSERT INTO audit_event (action, username, file) VALUES ($1, $2, $3)";
        for (number, client) in (1..).zip(&mut self.clients) {
            client
                .execute(INSERT, &[&action.name(), &user, &file])
                .map_err(|error| AuditError::Insert {
                    number,
                    reason: reason(&error),
                })?;
        }
        Ok(())
    }
}

/// What the error and its causes say, some of it in the words of the server.
fn reason(error: &postgres::Error) -> String {
    one_line(&words_of(error), MAX_WORDS)
}
