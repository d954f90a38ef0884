//! `sops check` as a gate before a commit: which files it looks at. What git would commit must not be missed.

use std::{fs, process::Command};

use crate::support::{Program::Ours, RECIPIENT, Ran, Scratch};

const PLAIN: &str = "password: hunter2\n";

/// A repository in the folder `project`, with a rule for all files.
struct Project(Scratch);

impl Project {
    fn new() -> Self {
        let project = Self(Scratch::new());
        let rule = format!("creation_rules:\n  - age: {RECIPIENT}\n");
        project.0.write("project/.sops.yaml", rule);
        project.git(&["init", "-q", "."]);
        project
    }

    fn write(&self, name: &str, text: &str) {
        self.0.write(&format!("project/{name}"), text);
    }

    fn git(&self, arguments: &[&str]) {
        self.git_in("", arguments);
    }

    #[track_caller]
    fn git_in(&self, folder: &str, arguments: &[&str]) {
        let ran = self
            .prepared(Command::new("git"), folder)
            .args(arguments)
            .output();
        let ran = ran.expect("git is there");
        assert!(ran.status.success(), "{arguments:?}: {ran:?}");
    }

    fn prepared(&self, mut command: Command, folder: &str) -> Command {
        for (name, value) in self.0.command(Ours).get_envs() {
            if let Some(value) = value {
                command.env(name, value);
            }
        }
        command
            .current_dir(self.0.path("project").join(folder))
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_AUTHOR_NAME", "Test")
            .env("GIT_AUTHOR_EMAIL", "test@example.com")
            .env("GIT_COMMITTER_NAME", "Test")
            .env("GIT_COMMITTER_EMAIL", "test@example.com");
        command
    }

    fn check_in(&self, folder: &str, arguments: &[&str]) -> Ran {
        let ours = self.0.command(Ours);
        let mut command = self.prepared(Command::new(ours.get_program()), folder);
        command.arg("check").args(arguments);
        command.output().expect("the program starts").into()
    }

    /// The files that are reported.
    #[track_caller]
    fn found_in(&self, folder: &str, arguments: &[&str]) -> Vec<String> {
        let ran = self.check_in(folder, arguments);
        assert!(!ran.stderr.contains("error"), "{}", ran.stderr);
        let text = ran.text();
        let lines = text.lines().filter(|line| !line.starts_with(' '));
        let files: Vec<String> = lines
            .filter_map(|line| Some(line.split_once(':')?.0.to_owned()))
            .collect();
        assert_eq!(ran.code, i32::from(!files.is_empty()), "{text}");
        files
    }

    #[track_caller]
    fn found(&self, arguments: &[&str]) -> Vec<String> {
        self.found_in("", arguments)
    }
}

#[test]
fn what_git_would_commit_is_checked() {
    let project = Project::new();
    // Git reads none of these.
    project.0.write(".gitignore", "*\n");
    project.write(".ignore", "*\n");
    project.write(".rgignore", "*\n");
    project.write(".gitignore", "ignored*\n");
    for name in [
        "new.yaml",
        "ignored.yaml",
        "ignored-but-tracked.yaml",
        "sub/a.yaml",
        "gone.yaml",
    ] {
        project.write(name, PLAIN);
    }
    project.git(&[
        "add",
        "-f",
        "ignored-but-tracked.yaml",
        "sub/a.yaml",
        "gone.yaml",
    ]);
    fs::remove_file(project.0.path("project/gone.yaml")).expect("it was written");
    let all = ["ignored-but-tracked.yaml", "new.yaml", "sub/a.yaml"];
    assert_eq!(project.found(&[]), all);
    assert_eq!(project.found_in("sub", &[]), ["a.yaml"]);
    assert_eq!(
        project.found_in("sub", &[".."]),
        all.map(|name| format!("../{name}"))
    );
    // In a hook, git says where it is.
    let mut hook = project.prepared(Command::new(project.0.command(Ours).get_program()), "");
    hook.env("GIT_INDEX_FILE", ".git/index").arg("check");
    let ran: Ran = hook.output().expect("the program starts").into();
    assert_eq!(
        ran.text().matches("not encrypted").count(),
        3,
        "{}",
        ran.text()
    );
}

#[test]
fn without_git_its_files_are_read() {
    let project = Project::new();
    project.0.write(".gitignore", "*\n");
    project.write(".ignore", "*\n");
    project.write(".gitignore", "ignored*\n");
    project.write("new.yaml", PLAIN);
    project.write("ignored.yaml", PLAIN);
    let ours = project.0.command(Ours);
    let mut command = project.prepared(Command::new(ours.get_program()), "");
    command
        .env("PATH", "/nonexistent")
        .args(["check", "--verbose"]);
    let ran: Ran = command.output().expect("the program starts").into();
    assert_eq!(ran.code, 1);
    assert!(ran.text().starts_with("new.yaml:1:1: "), "{}", ran.text());
    assert!(!ran.text().contains("ignored.yaml"), "{}", ran.text());
    assert!(ran.stderr.contains("git does not list"), "{}", ran.stderr);
}

#[test]
fn a_repository_starts_no_program() {
    let project = Project::new();
    project.write("a.yaml", PLAIN);
    let mark = project.0.path("mark");
    project.write("monitor", &format!("#!/bin/sh\ntouch {}\n", mark.display()));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let path = project.0.path("project/monitor");
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("our own file");
    }
    project.git(&["config", "core.fsmonitor", "./monitor"]);
    assert_eq!(project.found(&[]), ["a.yaml"]);
    assert!(!mark.exists());
}

#[test]
fn submodules_are_checked_too() {
    let project = Project::new();
    project.write("inner/secret.yaml", PLAIN);
    project.write("inner/.gitignore", "ignored.yaml\n");
    project.write("inner/ignored.yaml", PLAIN);
    project.git_in("inner", &["init", "-q", "."]);
    assert_eq!(project.found(&[]), ["inner/secret.yaml"]);
    project.git_in("inner", &["add", "."]);
    project.git_in("inner", &["commit", "-qm", "Inner"]);
    project.git(&["-c", "advice.addEmbeddedRepo=false", "add", "inner"]);
    assert_eq!(project.found(&[]), ["inner/secret.yaml"]);
    // One that is not checked out is an empty folder.
    project.git(&["commit", "-qm", "Outer"]);
    fs::remove_dir_all(project.0.path("project/inner")).expect("our own folder");
    fs::create_dir(project.0.path("project/inner")).expect("it is gone");
    assert!(project.found(&[]).is_empty());
    assert!(project.found_in("inner", &[]).is_empty());
}

#[test]
fn folders_can_be_named() {
    let project = Project::new();
    for name in ["a.yaml", "sub/b.yaml", "sub/notes.txt", ".tools/sub/c.yaml"] {
        project.write(name, PLAIN);
    }
    assert_eq!(project.found(&["."]), ["a.yaml", "sub/b.yaml"]);
    assert_eq!(project.found(&["sub"]), ["sub/b.yaml"]);
    assert_eq!(project.found(&["sub", "a.yaml"]), ["sub/b.yaml", "a.yaml"]);
    assert_eq!(project.found(&[".tools"]), [".tools/sub/c.yaml"]);
    let whole = project.0.path("project/.tools/sub").display().to_string();
    assert_eq!(project.found(&[&whole]), [format!("{whole}/c.yaml")]);
    // A file that is named has to be encrypted, whatever it is.
    assert_eq!(project.found(&["sub/notes.txt"]), ["sub/notes.txt"]);
    fs::create_dir(project.0.path("project/empty")).expect("a new folder");
    let ran = project.check_in("", &["empty"]);
    assert_eq!(ran.code, 0);
    assert!(ran.stderr.starts_with("nothing to check"), "{}", ran.stderr);
    let ran = project.check_in("", &["missing.yaml"]);
    assert_eq!(ran.code, 100);
    assert!(!ran.stderr.contains("nothing to check"), "{}", ran.stderr);
}

#[test]
fn hidden_files_of_secrets_are_checked() {
    let project = Project::new();
    let secrets = [
        ".env",
        ".env.local",
        ".env.production",
        ".secrets/a.yaml",
        ".secrets.yaml",
        "app/.env.local",
    ];
    let settings = [
        ".env.example",
        ".github/workflows/a.yaml",
        ".gitlab-ci.yml",
        ".pre-commit-config.yaml",
    ];
    for name in secrets.iter().chain(&settings) {
        let text = if name.contains(".env") {
            "A=b\n"
        } else {
            PLAIN
        };
        project.write(name, text);
    }
    assert_eq!(project.found(&[]), secrets);
    let named: Vec<&str> = ["--pre-commit", ".sops.yaml", ".gitignore"]
        .into_iter()
        .chain(secrets)
        .chain(settings)
        .collect();
    project.write(".gitignore", "a\n");
    assert_eq!(project.found(&named), secrets);
    // Not even a rule for everything means what nobody can encrypt.
    let rule = format!("creation_rules:\n  - path_regex: .\n    age: {RECIPIENT}\n");
    project.write(".sops.yaml", &rule);
    let found = project.found(&[]);
    assert!(found.contains(&".gitlab-ci.yml".to_owned()), "{found:?}");
    assert!(!found.contains(&".gitignore".to_owned()), "{found:?}");
    assert!(
        !found.contains(&".pre-commit-config.yaml".to_owned()),
        "{found:?}"
    );
}

#[test]
fn variables_are_encrypted_in_either_way() {
    let project = Project::new();
    for (name, options) in [
        (".env.local", vec![]),
        (
            ".env.production",
            vec!["--input-type", "dotenv", "--output-type", "dotenv"],
        ),
    ] {
        project.write(name, "A=b\n");
        let file = project
            .0
            .path(&format!("project/{name}"))
            .display()
            .to_string();
        let words = [
            vec!["encrypt", "-i", "--age", RECIPIENT],
            options,
            vec![&file],
        ]
        .concat();
        project.0.run(Ours, words).ok();
    }
    assert!(project.found(&[]).is_empty());
    let text = project.0.read_text("project/.env.production");
    assert!(text.starts_with("A=ENC["), "{text}");
    project.write(".env.production", &format!("B=c\n{text}"));
    assert_eq!(project.found(&[]), [".env.production"]);
}
