//! The hooks in `.pre-commit-hooks.yaml`, run by the real pre-commit on the commits of a scratch repository.
//!
//! `SOPS_PRE_COMMIT` names the program; else it is looked for on `PATH`. Without it the tests pass and say so, unless
//! `SOPS_TEST_PEERS` is `required`.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use tempfile::TempDir;

const RECIPIENT: &str = "age1xtlm3l8ndq7wdcxxv9vz7adsxnmfrf00u07q4qprx29hseqfrfusx0e8cj";

const PLAIN: &str = "# of the database\npassword: hunter2\n";

#[test]
fn a_secret_in_the_clear_is_not_committed() {
    let Some(project) = Project::new("sops-check-system") else {
        return;
    };
    project.write("README.md", "Nothing secret.\n");
    project.stage("README.md");
    project.commits("Begin");

    project.write("secrets/db.yaml", PLAIN);
    project.stage("secrets/db.yaml");
    let shown = project.refuses("Add a secret");
    assert!(
        shown.contains("secrets/db.yaml:1:1: the file is not encrypted"),
        "{shown}"
    );
    assert!(!shown.contains("hunter2"), "{shown}");

    let encrypting = project.sops(&["encrypt", "--in-place", "secrets/db.yaml"]);
    assert!(encrypting.status.success(), "{}", shown_by(&encrypting));
    // What counts is what is staged.
    project.refuses("Add a secret, encrypted but not staged");
    project.stage("secrets/db.yaml");
    project.commits("Add a secret");
    assert!(!project.committed("secrets/db.yaml").contains("hunter2"));
}

#[test]
fn an_encrypted_file_that_was_damaged_is_not_committed() {
    let Some(project) = Project::new("sops-check-system") else {
        return;
    };
    project.write("secrets/db.yaml", PLAIN);
    let encrypting = project.sops(&["encrypt", "--in-place", "secrets/db.yaml"]);
    assert!(encrypting.status.success(), "{}", shown_by(&encrypting));
    let mut text = project.read("secrets/db.yaml");
    text.insert_str(0, "token: hunter3\n");
    project.write("secrets/db.yaml", &text);
    project.stage("secrets/db.yaml");
    let shown = project.refuses("Add a value by hand");
    assert!(shown.contains("token"), "{shown}");
    assert!(!shown.contains("hunter3"), "{shown}");
}

#[test]
fn a_secret_in_the_clear_is_encrypted() {
    let Some(project) = Project::new("sops-encrypt-system") else {
        return;
    };
    project.write("secrets/db.yaml", PLAIN);
    project.write("values.yaml", PLAIN);
    project.stage("secrets/db.yaml");
    project.stage("values.yaml");
    let shown = project.refuses("Add a secret");
    assert!(shown.contains("secrets/db.yaml"), "{shown}");
    assert!(!shown.contains("hunter2"), "{shown}");
    let encrypted = project.read("secrets/db.yaml");
    assert!(
        encrypted.contains("password: ENC[AES256_GCM,"),
        "{encrypted}"
    );

    project.stage("secrets/db.yaml");
    project.commits("Add a secret");
    assert_eq!(project.committed("secrets/db.yaml"), encrypted);
    assert_eq!(
        project.committed("values.yaml"),
        PLAIN,
        "no rule covers this"
    );
}

/// A repository whose commits run one hook.
struct Project {
    folder: TempDir,
    pre_commit: PathBuf,
}

impl Project {
    /// Returns `None` if there is no pre-commit and that is acceptable.
    fn new(hook: &str) -> Option<Self> {
        let pre_commit = find_pre_commit()?;
        let folder = tempfile::tempdir().expect("a temporary folder");
        let project = Self { folder, pre_commit };
        for folder in ["hooks", "project/secrets", "home"] {
            fs::create_dir_all(project.folder.path().join(folder)).expect("a new folder");
        }

        // The hooks come from a repository, as they do for users.
        let hooks = project.folder.path().join("hooks");
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.pre-commit-hooks.yaml");
        fs::copy(manifest, hooks.join(".pre-commit-hooks.yaml")).expect("a copy of the manifest");
        project.succeeds(&hooks, "git", &["init", "--quiet"]);
        project.succeeds(&hooks, "git", &["add", "."]);
        project.succeeds(&hooks, "git", &["commit", "--quiet", "-m", "Hooks"]);
        let revision = project.succeeds(&hooks, "git", &["rev-parse", "HEAD"]);

        project.write(
            ".pre-commit-config.yaml",
            &format!(
                "repos:\n- repo: {}\n  rev: {}\n  hooks:\n  - id: {hook}\n",
                hooks.display(),
                revision.trim()
            ),
        );
        project.write(
            ".sops.yaml",
            &format!("creation_rules:\n- path_regex: ^secrets/\n  age: {RECIPIENT}\n"),
        );
        project.run_in_project("git", &["init", "--quiet"]);
        project.stage(".pre-commit-config.yaml");
        project.stage(".sops.yaml");
        let program = project.pre_commit.display().to_string();
        project.run_in_project(&program, &["install"]);
        Some(project)
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join("project").join(file)
    }

    fn write(&self, file: &str, text: &str) {
        fs::write(self.path(file), text).expect("a file is written");
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.path(file)).expect("a file is read")
    }

    fn stage(&self, file: &str) {
        self.run_in_project("git", &["add", file]);
    }

    /// The text of a file as it was committed.
    fn committed(&self, file: &str) -> String {
        self.run_in_project("git", &["show", &format!("HEAD:{file}")])
    }

    fn commits(&self, message: &str) {
        self.run_in_project("git", &["commit", "-m", message]);
    }

    /// Commits, which has to fail; returns what is shown.
    fn refuses(&self, message: &str) -> String {
        let output = self.run(&self.path(""), "git", &["commit", "-m", message]);
        assert!(!output.status.success(), "committed: {message}");
        shown_by(&output)
    }

    fn sops(&self, arguments: &[&str]) -> Output {
        self.run(&self.path(""), env!("CARGO_BIN_EXE_sops"), arguments)
    }

    fn run_in_project(&self, program: &str, arguments: &[&str]) -> String {
        self.succeeds(&self.path(""), program, arguments)
    }

    fn succeeds(&self, folder: &Path, program: &str, arguments: &[&str]) -> String {
        let output = self.run(folder, program, arguments);
        assert!(
            output.status.success(),
            "{program} {arguments:?}: {}",
            shown_by(&output)
        );
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    /// Runs a program with our `sops` first on `PATH`, and nothing of the user's configuration.
    fn run(&self, folder: &Path, program: &str, arguments: &[&str]) -> Output {
        let ours = Path::new(env!("CARGO_BIN_EXE_sops"))
            .parent()
            .expect("it is in a folder");
        let path = env::var_os("PATH").unwrap_or_default();
        let path = env::join_paths([ours.to_owned()].into_iter().chain(env::split_paths(&path)))
            .expect("they were split from such a text");
        let home = self.folder.path().join("home");
        let mut command = Command::new(program);
        command.args(arguments).current_dir(folder);
        for (name, _) in env::vars_os() {
            let text = name.to_string_lossy();
            if ["SOPS_", "GIT_", "PRE_COMMIT"]
                .iter()
                .any(|prefix| text.starts_with(prefix))
            {
                command.env_remove(&name);
            }
        }
        command
            .env("PATH", path)
            .env("HOME", &home)
            .env("XDG_CONFIG_HOME", &home)
            .env("PRE_COMMIT_HOME", home.join("pre-commit"))
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_AUTHOR_NAME", "Test")
            .env("GIT_AUTHOR_EMAIL", "test@example.com")
            .env("GIT_COMMITTER_NAME", "Test")
            .env("GIT_COMMITTER_EMAIL", "test@example.com")
            .output()
            .unwrap_or_else(|error| panic!("{program} cannot be run: {error}"))
    }
}

fn shown_by(output: &Output) -> String {
    let streams = [&output.stdout, &output.stderr];
    streams
        .map(|stream| String::from_utf8_lossy(stream).into_owned())
        .concat()
}

fn find_pre_commit() -> Option<PathBuf> {
    let named = env::var_os("SOPS_PRE_COMMIT").map(PathBuf::from);
    let found = named.or_else(|| {
        env::split_paths(&env::var_os("PATH")?)
            .map(|folder| folder.join("pre-commit"))
            .find(|program| program.is_file())
    });
    if found.is_none() {
        assert!(
            env::var_os("SOPS_TEST_PEERS").is_none_or(|peers| peers != "required"),
            "pre-commit is required, and neither on PATH nor named by SOPS_PRE_COMMIT"
        );
        eprintln!("SKIPPED: there is no pre-commit (set SOPS_PRE_COMMIT)");
    }
    found
}
