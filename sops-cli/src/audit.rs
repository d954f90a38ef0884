//! Records of what is encrypted and decrypted, where the administrator of the machine wants them.
//!
//! Nothing is connected to before there is something to record. What cannot be recorded does not happen.

use std::{
    env, io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use sops_audit::{Action, Auditor, Config};
use sops_core::{Format, PlainFile};

use crate::{
    error::{Code, Failure},
    files, user,
};

/// Where the administrator says so.
const CONFIG: &str = "/etc/sops/audit.yaml";

/// Names one more configuration: it adds databases, and takes none away.
const MORE: &str = "SOPS_AUDIT_CONFIG";

/// The databases, connected to when the first event comes.
#[derive(Default)]
pub(crate) struct Audit(Mutex<Option<Connected>>);

struct Connected {
    /// One for each configuration.
    auditors: Vec<Auditor>,
    user: String,
}

impl Audit {
    /// Records what happens to a file, in every database there is.
    pub(crate) fn record(&self, action: Action, file: &Path) -> Result<(), Failure> {
        let mut connected = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if connected.is_none() {
            *connected = Some(Connected::to_all()?);
        }
        let Some(connected) = connected.as_mut() else {
            return Ok(());
        };
        let file = file.to_string_lossy();
        for auditor in &mut connected.auditors {
            let recorded = auditor.record(action, &connected.user, &file);
            recorded.map_err(|error| failure(&error))?;
        }
        Ok(())
    }
}

impl Connected {
    fn to_all() -> Result<Self, Failure> {
        let more = env::var_os(MORE).map(PathBuf::from);
        let paths = [Some(PathBuf::from(CONFIG)), more];
        let mut auditors = Vec::new();
        for path in paths.into_iter().flatten() {
            let Some(config) = read(&path)? else { continue };
            if !config.backends.postgres.is_empty() {
                auditors.push(Auditor::connect(&config).map_err(|error| {
                    failure(&error).hint(format!("the databases are named in {}", path.display()))
                })?);
            }
        }
        let user = match auditors.is_empty() {
            true => String::new(),
            false => user::own_name()?,
        };
        Ok(Self { auditors, user })
    }
}

/// No file, or none that may be read, is no configuration, as in the reference.
fn read(path: &Path) -> Result<Option<Config>, Failure> {
    let text = match files::read_settings(path) {
        Ok(text) => text,
        Err(error) if is_absence(&error) => return Ok(None),
        Err(error) => return Err(Failure::reading(path, &error)),
    };
    let text = text.expose();
    if text.trim_ascii().is_empty() {
        return Ok(None);
    }
    PlainFile::parse(text, Format::Yaml)
        .and_then(|file| file.deserialize())
        .map(Some)
        .map_err(|error| {
            let message = format!("the audit configuration {} cannot be read", path.display());
            Failure::new(Code::Generic, format!("{message}: {error}"))
        })
}

fn is_absence(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

fn failure(error: &sops_audit::AuditError) -> Failure {
    Failure::new(Code::Generic, error.to_string())
        .hint("nothing is encrypted or decrypted that cannot be recorded")
}
