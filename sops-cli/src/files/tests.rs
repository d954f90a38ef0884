//! Files are replaced as a whole, and stay what they were else.

use super::*;

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn replaces_the_content_and_leaves_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.yaml");
    fs::write(&path, "old").unwrap();
    Original::read(&path).unwrap().replace(b"new").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"new");
    assert_eq!(names(folder.path()), ["a.yaml"]);
}

#[test]
fn refuses_to_replace_what_changed_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.yaml");
    fs::write(&path, "old").unwrap();
    let original = Original::read(&path).unwrap();
    fs::write(&path, "other").unwrap();
    let failure = original.replace(b"new").unwrap_err();
    assert_eq!(failure.code, Code::Generic);
    assert_eq!(fs::read(&path).unwrap(), b"other");
    assert_eq!(names(folder.path()), ["a.yaml"]);
}

#[test]
fn of_many_that_replace_at_once_one_wins_and_the_others_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.yaml");
    fs::write(&path, "old").unwrap();
    let originals: Vec<_> = (0..8).map(|_| Original::read(&path).unwrap()).collect();
    let won = std::thread::scope(|scope| {
        let threads: Vec<_> = originals
            .iter()
            .enumerate()
            .map(|(number, original)| {
                scope.spawn(move || original.replace(format!("new {number}").as_bytes()))
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap().is_ok())
            .collect::<Vec<_>>()
    });
    let winner = won.iter().position(|&won| won).expect("one of them wins");
    assert_eq!(won.iter().filter(|&&won| won).count(), 1);
    assert_eq!(fs::read_to_string(&path).unwrap(), format!("new {winner}"));
    assert_eq!(names(folder.path()), ["a.yaml"]);
}

#[test]
fn says_what_cannot_be_read() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(read(folder.path()).unwrap_err().code, Code::Input);
    let missing = folder.path().join("missing");
    assert_eq!(read(&missing).unwrap_err().code, Code::NoFile);
}

#[test]
fn says_what_cannot_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("missing").join("a.yaml");
    assert_eq!(write(&path, b"new").unwrap_err().code, Code::Output);
    assert_eq!(write(folder.path(), b"new").unwrap_err().code, Code::Output);
}

#[test]
fn does_not_create_over_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.yaml");
    create(&path, b"first").unwrap();
    assert_eq!(create(&path, b"second").unwrap_err().code, Code::Output);
    assert_eq!(fs::read(&path).unwrap(), b"first");
    assert_eq!(names(folder.path()), ["a.yaml"]);
}

#[cfg(unix)]
mod unix {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn keeps_the_mode_and_the_link() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.yaml");
        let link = folder.path().join("link.yaml");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        symlink("a.yaml", &link).unwrap();
        Original::read(&link).unwrap().replace(b"new").unwrap();
        assert_eq!(mode(&path), 0o640);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&path).unwrap(), b"new");
        write(&link, b"newer").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&path).unwrap(), b"newer");
        assert_eq!(mode(&path), 0o640);
    }

    #[test]
    fn writes_through_a_link_to_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link.yaml");
        symlink("a.yaml", &link).unwrap();
        write(&link, b"new").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(folder.path().join("a.yaml")).unwrap(), b"new");
    }

    #[test]
    fn writes_to_a_device() {
        write(Path::new("/dev/null"), b"new").unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
    }
}
