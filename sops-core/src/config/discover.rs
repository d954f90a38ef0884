//! Finding `.sops.yaml`.

use std::path::{Path, PathBuf};

use super::{Config, ConfigWarning};

/// What [`Config::discover`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Discovery {
    /// The configuration file, if there is one.
    pub path: Option<PathBuf>,
    /// A file on the way that looks like one, but has the wrong name.
    pub warning: Option<ConfigWarning>,
}

impl Config {
    /// The name of the file.
    pub const FILE_NAME: &'static str = ".sops.yaml";

    /// Looks for `.sops.yaml` in the folder `start` and in up to 99 above it.
    ///
    /// Like the reference's, this search is meant to start in the working directory, not where the file to encrypt is.
    /// It looks at the disk; a relative `start` is taken from the working directory.
    #[must_use]
    pub fn discover(start: &Path) -> Discovery {
        let start = std::path::absolute(start).unwrap_or_else(|_| start.to_owned());
        let mut misnamed = None;
        for folder in start.ancestors().take(MAX_FOLDERS) {
            let path = folder.join(Self::FILE_NAME);
            if path.metadata().is_ok() {
                let message = format!(
                    "ignored: the configuration must be called {}; using {}",
                    Self::FILE_NAME,
                    path.display()
                );
                return Discovery {
                    path: Some(path),
                    warning: misnamed.map(|misnamed| warning(misnamed, message)),
                };
            }
            if misnamed.is_none() {
                misnamed = Some(folder.join(MISNAMED)).filter(|path| path.metadata().is_ok());
            }
        }
        let message = format!(
            "ignored: the configuration must be called {}",
            Self::FILE_NAME
        );
        Discovery {
            path: None,
            warning: misnamed.map(|misnamed| warning(misnamed, message)),
        }
    }
}

const MAX_FOLDERS: usize = 100;

const MISNAMED: &str = ".sops.yml";

fn warning(path: PathBuf, message: String) -> ConfigWarning {
    ConfigWarning {
        path,
        position: None,
        message,
        hint: Some(format!("rename it to {}", Config::FILE_NAME)),
    }
}
