//! Patterns that name files, where no shell has expanded them.

use std::path::{Component, Path, PathBuf};

use ignore::{WalkBuilder, overrides::OverrideBuilder};

use crate::error::{Code, Failure};

/// Returns the files that a pattern such as `secrets/**/*.yaml` names, sorted. Whatever exists under its own name is no
/// pattern, and whatever has no `*`, `?` or `[` in it.
pub(crate) fn expand(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    let Some((folder, pattern)) = split(path) else {
        return Ok(vec![path.to_owned()]);
    };
    let failed =
        |what: String| Failure::new(Code::Generic, what).in_file(&path.display().to_string());
    let mut overrides = OverrideBuilder::new(&folder);
    let overrides = overrides
        .add(&format!("/{pattern}"))
        .and_then(|overrides| overrides.build())
        .map_err(|error| failed(format!("not a pattern for files: {error}")))?;
    let mut files = Vec::new();
    let walk = WalkBuilder::new(&folder)
        .standard_filters(false)
        .overrides(overrides)
        .sort_by_file_path(Path::cmp)
        .build();
    for entry in walk {
        let entry = entry.map_err(|error| failed(format!("cannot look for files: {error}")))?;
        let path = entry.path();
        if path.is_file() {
            files.push(path.strip_prefix("./").unwrap_or(path).to_owned());
        }
    }
    if files.is_empty() {
        return Err(failed("no file has a name like this".to_owned()));
    }
    Ok(files)
}

/// Splits a pattern into the folder to look in, which is the same for all files, and the rest.
fn split(path: &Path) -> Option<(PathBuf, String)> {
    let is_pattern = |component: &Component<'_>| {
        let text = component.as_os_str().to_string_lossy();
        text.contains(['*', '?', '['])
    };
    let components: Vec<Component<'_>> = path.components().collect();
    let at = components.iter().position(is_pattern)?;
    if path.exists() {
        return None;
    }
    let folder: PathBuf = components[..at].iter().collect();
    let folder = match folder.as_os_str().is_empty() {
        true => PathBuf::from("."),
        false => folder,
    };
    let steps = components[at..].iter();
    let steps: Vec<_> = steps
        .map(|step| step.as_os_str().to_string_lossy())
        .collect();
    Some((folder, steps.join("/")))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn expands_patterns_and_nothing_else() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let root = folder.path();
        for name in [
            "a.yaml",
            "b.yaml",
            "b.json",
            ".c.yaml",
            "deep/d.yaml",
            "deep/er/e.yaml",
            "deep/er/f.txt",
            "odd/[x].yaml",
        ] {
            let path = root.join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder is made");
            fs::write(path, "").expect("a file is written");
        }
        for (pattern, expected) in [
            ("*.yaml", &[".c.yaml", "a.yaml", "b.yaml"][..]),
            ("?.yaml", &["a.yaml", "b.yaml"]),
            ("[ab].*", &["a.yaml", "b.json", "b.yaml"]),
            ("deep/*.yaml", &["deep/d.yaml"]),
            ("deep/**/*.yaml", &["deep/d.yaml", "deep/er/e.yaml"]),
            ("*/er/*", &["deep/er/e.yaml", "deep/er/f.txt"]),
            ("odd/[x].yaml", &["odd/[x].yaml"]),
            // What is no pattern need not exist.
            ("a.yaml", &["a.yaml"]),
            ("none.yaml", &["none.yaml"]),
            ("deep", &["deep"]),
        ] {
            let found = expand(&root.join(pattern)).expect(pattern);
            let found: Vec<_> = found
                .iter()
                .map(|path| path.strip_prefix(root).expect("below it"))
                .collect();
            let expected: Vec<_> = expected.iter().map(Path::new).collect();
            assert_eq!(found, expected, "{pattern}");
        }
        for pattern in ["*.toml", "none/*.yaml", "deep/[", "deep/e[r/*"] {
            assert!(expand(&root.join(pattern)).is_err(), "{pattern}");
        }
    }
}
