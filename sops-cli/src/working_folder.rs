//! The working folder, by the name that the shell has for it: the reference matches paths by that.

use std::{
    env, io,
    path::{Path, PathBuf},
};

use crate::error::{Code, Failure};

/// The absolute path of a file.
pub(crate) fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    let failed = |error| {
        Failure::new(
            Code::Generic,
            format!("the working folder cannot be found: {error}"),
        )
    };
    if path == Path::new(".") {
        return working_folder().map_err(failed);
    }
    if path.is_relative()
        && let Some(folder) = folder_of_shell()
    {
        return Ok(folder.join(path));
    }
    std::path::absolute(path).map_err(failed)
}

fn working_folder() -> io::Result<PathBuf> {
    folder_of_shell().map_or_else(env::current_dir, Ok)
}

/// The path of a configuration as it is seen from the working folder that the shell names: paths are matched by text, as
/// in the reference, and those of files begin with that name.
pub(crate) fn by_shell(config: &Path) -> PathBuf {
    let Some(folder) = folder_of_shell() else {
        return config.to_owned();
    };
    if config.is_relative() {
        return folder.join(config);
    }
    let real = env::current_dir().unwrap_or_default();
    let above = config
        .parent()
        .and_then(|above| real.strip_prefix(above).ok());
    match (above, config.file_name()) {
        (Some(above), Some(name)) => {
            let ways_up = above.components().map(|_| Path::new(".."));
            ways_up.fold(folder, |path, up| path.join(up)).join(name)
        }
        _ => config.to_owned(),
    }
}

/// The name that the shell has for the working folder (`PWD`), if that is another than the system's: it leads there by
/// a symbolic link. The reference goes by it.
#[cfg(unix)]
fn folder_of_shell() -> Option<PathBuf> {
    use std::os::unix::fs::MetadataExt as _;

    let named = PathBuf::from(env::var_os("PWD")?);
    let identity = |path: &Path| {
        let found = path.metadata().ok()?;
        Some((found.dev(), found.ino()))
    };
    let is_other = named.is_absolute()
        && env::current_dir().is_ok_and(|real| real != named)
        && identity(&named)? == identity(Path::new("."))?;
    is_other.then_some(named)
}

#[cfg(not(unix))]
fn folder_of_shell() -> Option<PathBuf> {
    None
}
