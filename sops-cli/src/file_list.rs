//! The files below a folder that matter to git: those it tracks, whatever it is told to ignore, and those that it would
//! add. Git itself knows best; where it cannot be asked, the `.gitignore` files are read.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use ignore::WalkBuilder;

use crate::{
    error::{Code, Failure},
    ui::Ui,
};

/// What git tells its hooks about the repository of the working folder, which is not that of another folder.
const OF_HOOKS: [&str; 4] = ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"];

/// Returns the regular files below a folder, as paths that begin with it, in the order of their names. Those in
/// repositories inside of it, such as submodules, are among them.
///
/// # Errors
///
/// Fails if the folder, or one in it, cannot be read.
pub(crate) fn below(folder: &Path, ui: Ui) -> Result<Vec<PathBuf>, Failure> {
    let mut files = BTreeSet::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let Some(paths) = known_to_git(&folder, ui) else {
            files.extend(found_by_walking(&folder)?);
            continue;
        };
        for path in paths {
            let path = joined(&folder, &path);
            // What is tracked may have been removed; a link is only a name.
            match fs::symlink_metadata(&path) {
                Ok(found) if found.is_file() => {
                    files.insert(path);
                }
                // Git names the folder of a submodule, or of a repository that is not tracked, and nothing in it.
                Ok(found) if found.is_dir() && path.join(".git").exists() => folders.push(path),
                _ => {}
            }
        }
    }
    Ok(files.into_iter().collect())
}

/// The paths that git lists in a folder, seen from there. `None` if that is no place in the work tree of a repository, or
/// there is no git.
fn known_to_git(folder: &Path, ui: Ui) -> Option<Vec<PathBuf>> {
    let repository = repository_of(folder)?;
    let mut git = Command::new("git");
    if folder != Path::new(".") {
        git.current_dir(folder);
        for variable in OF_HOOKS {
            git.env_remove(variable);
        }
    }
    // The configuration of a repository may name a program that watches its files, which would be run.
    git.args(["-c", "core.fsmonitor=false", "ls-files", "-z"])
        .args(["--cached", "--others", "--exclude-standard"])
        .stdin(Stdio::null());
    let problem = match git.output() {
        Ok(output) if output.status.success() => {
            let names = output.stdout.split(|&byte| byte == 0);
            let names = names.filter(|name| !name.is_empty());
            return Some(names.map(path_of_bytes).collect());
        }
        Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        Err(error) => error.to_string(),
    };
    ui.detail(&format!(
        "git does not list the files of {}, so .gitignore files are read instead: {problem}",
        repository.display()
    ));
    None
}

#[cfg(unix)]
fn path_of_bytes(name: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt as _;

    PathBuf::from(std::ffi::OsStr::from_bytes(name))
}

#[cfg(not(unix))]
fn path_of_bytes(name: &[u8]) -> PathBuf {
    PathBuf::from(String::from_utf8_lossy(name).into_owned())
}

/// The folder of the repository that a folder is in.
fn repository_of(folder: &Path) -> Option<PathBuf> {
    let folder = fs::canonicalize(folder).ok()?;
    let mut above = folder.ancestors();
    above
        .find(|folder| folder.join(".git").exists())
        .map(Path::to_owned)
}

/// The files that no `.gitignore` excludes: one of the same repository or, where there is none, one below the folder.
fn found_by_walking(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let is_in_repository = repository_of(folder).is_some();
    let walk = WalkBuilder::new(folder)
        .hidden(false)
        // Files of another program, which say what not to search.
        .ignore(false)
        // With it, what stands above the repository does not count; without, every `.gitignore` does.
        .require_git(is_in_repository)
        .parents(is_in_repository)
        .filter_entry(|entry| entry.file_name() != ".git")
        .build();
    let mut files = Vec::new();
    for entry in walk {
        let entry = entry.map_err(|error| {
            Failure::new(
                Code::Input,
                format!("cannot look through the folder: {error}"),
            )
        })?;
        if entry.file_type().is_some_and(|kind| kind.is_file()) {
            let path = entry.into_path();
            files.push(match path.strip_prefix(folder) {
                Ok(path) => joined(folder, path),
                Err(_) => path,
            });
        }
    }
    Ok(files)
}

fn joined(folder: &Path, path: &Path) -> PathBuf {
    match folder == Path::new(".") {
        true => path.to_owned(),
        false => folder.join(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::Loudness;

    struct Tree(tempfile::TempDir);

    impl Tree {
        fn new(files: &[(&str, &str)]) -> Self {
            let tree = Self(tempfile::tempdir().unwrap());
            for (name, content) in files {
                let path = tree.0.path().join(name);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, content).unwrap();
            }
            tree
        }

        fn walked(&self, folder: &str) -> Vec<String> {
            let folder = self.0.path().join(folder);
            let mut found: Vec<String> = found_by_walking(&folder)
                .unwrap()
                .iter()
                .map(|path| path.strip_prefix(&folder).unwrap().display().to_string())
                .collect();
            found.sort();
            found
        }
    }

    #[test]
    fn outside_of_repositories_only_what_is_below_counts() {
        let tree = Tree::new(&[
            (".gitignore", "*\n"),
            ("in/.gitignore", "ignored\n"),
            ("in/.ignore", "*.yaml\n"),
            ("in/a.yaml", ""),
            ("in/ignored", ""),
            ("in/b/ignored", ""),
            ("in/.env.local", ""),
        ]);
        let found = [".env.local", ".gitignore", ".ignore", "a.yaml"];
        assert_eq!(tree.walked("in"), found);
        let folder = tree.0.path().join("in");
        let listed = below(&folder, Ui::new(Loudness::Quiet)).unwrap();
        assert_eq!(listed, found.map(|name| folder.join(name)));
    }

    #[test]
    fn without_git_the_files_of_the_repository_count() {
        let tree = Tree::new(&[
            (".gitignore", "*\n"),
            ("in/.git/config", "no repository for git"),
            ("in/.gitignore", "ignored\n"),
            ("in/a.yaml", ""),
            ("in/b/ignored", ""),
            ("in/b/c.yaml", ""),
        ]);
        assert_eq!(tree.walked("in"), [".gitignore", "a.yaml", "b/c.yaml"]);
        assert_eq!(tree.walked("in/b"), ["c.yaml"]);
    }
}
