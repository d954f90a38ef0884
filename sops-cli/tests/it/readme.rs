//! The examples in README.md and docs/: every fenced block marked `console` is run, and its output compared.
//!
//! Lines that start with `$ ` are commands, those that follow are what they print to both streams. `…` stands for
//! anything, also for several lines. The blocks of a file run in order, in one scratch folder with a scratch home.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

const FENCE: &str = "```";
const MARK: &str = "```console";

/// One command of a block, and what it should print.
struct Step {
    line: usize,
    command: String,
    expected: String,
}

#[test]
fn console_examples_print_what_they_say() {
    // Among them are those of records.
    if cfg!(not(all(unix, feature = "audit"))) {
        return;
    }
    let mut problems = Vec::new();
    let mut count = 0;
    for file in documents() {
        let text = fs::read_to_string(&file).expect("the document can be read");
        let steps = steps(&text);
        count += steps.len();
        run(&file, &steps, &mut problems);
    }
    assert!(count > 20, "only {count} commands were found");
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

/// README.md and all of docs/.
fn documents() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files: Vec<_> = fs::read_dir(root.join("docs"))
        .expect("there is a folder docs")
        .map(|entry| entry.expect("docs can be listed").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect();
    files.sort();
    files.insert(0, root.join("README.md"));
    files
}

/// Every page is in the book and can be asked for with `sops help`, and every link leads somewhere.
#[test]
fn pages_are_listed_and_linked() {
    let binary = env!("CARGO_BIN_EXE_sops");
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let summary = fs::read_to_string(docs.join("SUMMARY.md")).expect("the table of contents");
    let mut count = 0;
    for file in documents() {
        let text = fs::read_to_string(&file).expect("the document can be read");
        let folder = file.parent().expect("it is in a folder");
        for link in text.split("](").skip(1) {
            let target = link.split([')', '#']).next().unwrap_or_default();
            if !target.is_empty() && !target.contains("://") {
                assert!(folder.join(target).exists(), "{}: {target}", file.display());
            }
        }
        let name = file
            .file_stem()
            .and_then(|name| name.to_str())
            .expect("a name");
        if file.parent().is_some_and(|folder| folder.ends_with("docs")) && name != "SUMMARY" {
            count += 1;
            assert!(
                summary.contains(&format!("]({name}.md)")),
                "{name} is not in SUMMARY.md"
            );
            let shown = Command::new(binary)
                .args(["help", name])
                .output()
                .expect("it starts");
            // A command of that name has a help of its own.
            assert!(shown.status.success(), "sops help {name}");
            assert!(
                shown.stdout == text.as_bytes() || name == "check",
                "sops help {name}"
            );
        }
    }
    assert!(count > 10, "only {count} pages");
}

/// The commands of all console blocks of a document.
fn steps(text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut in_block = false;
    for (index, line) in text.lines().enumerate() {
        if !in_block {
            in_block = line.trim_end() == MARK;
        } else if line.trim_end() == FENCE {
            in_block = false;
        } else if let Some(command) = line.strip_prefix("$ ") {
            steps.push(Step {
                line: index + 1,
                command: command.to_owned(),
                expected: String::new(),
            });
        } else {
            let step = steps.last_mut().expect("a block starts with a command");
            step.expected.push_str(line);
            step.expected.push('\n');
        }
    }
    steps
}

fn run(file: &Path, steps: &[Step], problems: &mut Vec<String>) {
    let home = tempfile::tempdir().expect("a scratch home can be made");
    let folder = home.path().join("project");
    fs::create_dir(&folder).expect("a scratch folder can be made");
    let binary = Path::new(env!("CARGO_BIN_EXE_sops"));
    let mut path = vec![binary.parent().expect("it is in a folder").to_owned()];
    path.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
    let path = env::join_paths(path).expect("the paths came from such a list");

    for step in steps {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("{{ {}\n}} 2>&1", step.command)]);
        // Neither the keys nor the settings of whoever runs the tests.
        let foreign = ["SOPS_", "XDG_", "GIT_", "EDITOR", "VISUAL"];
        for (name, _) in env::vars_os() {
            let text = name.to_string_lossy();
            if foreign.iter().any(|prefix| text.starts_with(prefix)) {
                command.env_remove(&name);
            }
        }
        command
            .current_dir(&folder)
            .stdin(Stdio::null())
            .env("HOME", home.path())
            .env("PATH", &path)
            .env("NO_COLOR", "1")
            .env("LC_ALL", "C")
            .env("GIT_CONFIG_NOSYSTEM", "1");
        let output = command.output().expect("there is a shell");
        let printed = String::from_utf8_lossy(&output.stdout);
        let expected = step.expected.trim_end();
        if !is_like(printed.trim_end(), expected) {
            problems.push(format!(
                "{}:{}: $ {}\n--- expected\n{expected}\n--- printed\n{printed}",
                file.display(),
                step.line,
                step.command,
            ));
        }
    }
}

/// Whether a text is the pattern, in which `…` stands for any text. Trailing blanks of lines do not count.
fn is_like(text: &str, pattern: &str) -> bool {
    let trimmed = |text: &str| -> String {
        let lines: Vec<_> = text.lines().map(str::trim_end).collect();
        lines.join("\n")
    };
    let (text, pattern) = (trimmed(text), trimmed(pattern));
    let mut pieces = pattern.split('…');
    let first = pieces.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let mut last = None;
    for piece in pieces {
        // What stands before the last piece may be found anywhere; the last one ends the text.
        if let Some(piece) = last.replace(piece) {
            match rest.find(piece) {
                Some(at) => rest = &rest[at + piece.len()..],
                None => return false,
            }
        }
    }
    match last {
        Some(piece) => rest.ends_with(piece),
        None => rest.is_empty(),
    }
}

#[test]
fn wildcards_stand_for_any_text() {
    for (text, pattern, expected) in [
        ("a", "a", true),
        ("a", "b", false),
        ("ab", "a", false),
        ("a b c", "a…c", true),
        ("a b c", "a…b…", true),
        ("a\nb\nc", "a\n…\nc", true),
        ("abc", "…d…", false),
        ("abc", "a…b", false),
        ("", "…", true),
        ("x  \ny", "x\ny", true),
    ] {
        assert_eq!(is_like(text, pattern), expected, "{text:?} {pattern:?}");
    }
}
