//! `exec-env` and `exec-file`: what the program gets, how it ends, and that nothing is left behind.

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::support::{Program::Ours, RECIPIENT, Ran, Scratch, ignoring};

const FLAT: &str = "user: admin\npassword: 'it''s $HOME `x` \"q\"'\nlines: \"a\\nb\\n\"\n";
const NESTED: &str = "db:\n  user: admin\n  ports: [1, 2]\nbase: &base {x: 1, y: 2}\nderived: {<<: *base, y: 3}\nflag: true\n";

fn scratch() -> Scratch {
    let scratch = Scratch::new();
    for (name, text) in [
        ("flat.yaml", FLAT),
        ("nested.yaml", NESTED),
        ("other.env", "user=other\nmore=1\n"),
    ] {
        scratch.write(name, text);
        let arguments = ["encrypt", "-i", "--age", RECIPIENT, name];
        scratch.run(Ours, arguments).ok();
    }
    scratch
}

fn run(arguments: &[&str]) -> Ran {
    let scratch = scratch();
    let ran = scratch.run(Ours, arguments);
    scratch.assert_nothing_left();
    ran
}

#[test]
fn values_reach_the_program_as_they_are() {
    for arguments in [
        [
            "exec-env",
            "flat.yaml",
            "printf '%s|' \"$password\" \"$lines\"",
        ]
        .as_slice(),
        &[
            "exec-env",
            "flat.yaml",
            "--",
            "sh",
            "-c",
            "printf '%s|' \"$password\" \"$lines\"",
        ],
    ] {
        assert_eq!(run(arguments).text(), "it's $HOME `x` \"q\"|a\nb\n|");
    }
}

#[test]
fn a_program_with_arguments_needs_no_shell() {
    let ran = run(&[
        "exec-env",
        "flat.yaml",
        "--",
        "printf",
        "%s\n",
        "$user",
        "a b",
        "-x",
        "--pristine",
    ]);
    assert_eq!(ran.text(), "$user\na b\n-x\n--pristine\n");
    let ran = run(&["exec-file", "other.env", "--", "cat", "--", "{}"]);
    assert_eq!(ran.text(), "user=other\nmore=1\n");
}

#[test]
fn later_files_win() {
    for (files, expected) in [
        (["flat.yaml", "other.env"], "other\n"),
        (["other.env", "flat.yaml"], "admin\n"),
    ] {
        let ran = run(&["exec-env", files[0], files[1], "--", "printenv", "user"]);
        assert_eq!(ran.text(), expected);
    }
}

#[test]
fn maps_and_lists_are_flattened_on_demand() {
    let ran = run(&[
        "exec-env",
        "--flatten",
        "--prefix",
        "T__",
        "nested.yaml",
        "env | grep T__ | sort",
    ]);
    let expected = "T__base_x=1\nT__base_y=2\nT__db_ports_0=1\nT__db_ports_1=2\nT__db_user=admin\nT__derived_x=1\nT__derived_y=3\nT__flag=true\n";
    assert_eq!(ran.text(), expected);
    for only in ["db_user", "db_ports_1,flag"] {
        let ran = run(&[
            "exec-env",
            "--flatten",
            "--only",
            only,
            "--pristine",
            "nested.yaml",
            "/usr/bin/env",
        ]);
        let names = only.split(',').count();
        let own = ran
            .text()
            .lines()
            .filter(|line| {
                !line.starts_with("PWD=") && !line.starts_with('_') && !line.starts_with("SHLVL")
            })
            .count();
        assert_eq!(own, names, "{}", ran.text());
    }
}

#[test]
fn says_which_value_is_none_for_the_environment() {
    for (arguments, message) in [
        (
            ["exec-env", "nested.yaml", "true"].as_slice(),
            "offending key db",
        ),
        (
            &["exec-env", "--only", "db", "nested.yaml", "true"],
            "offending key db",
        ),
        (
            &["exec-env", "--only", "flg", "nested.yaml", "true"],
            "did you mean flag?",
        ),
        (
            &["exec-env", "flat.yaml", "--", "/no/such/program", "x"],
            "cannot start \"/no/such/program\"",
        ),
        (
            &["exec-file", "--filename", "a/../../b", "flat.yaml", "true"],
            "not a local path",
        ),
        (
            &["exec-file", "flat.yaml", "flat.yaml", "--", "cat", "{}"],
            "2 files, but 1",
        ),
        (
            &["exec-file", "flat.yaml", "--", "/no/such/program", "{}"],
            "cannot start",
        ),
    ] {
        let ran = run(arguments);
        assert_eq!(ran.code, 1, "{arguments:?}: {}", ran.stderr);
        assert!(
            ran.stderr.contains(message),
            "{arguments:?}: {}",
            ran.stderr
        );
        assert!(
            ran.stdout.is_empty() && !ran.stderr.contains("admin"),
            "{}",
            ran.stderr
        );
    }
}

#[test]
fn zero_bytes_are_refused() {
    let scratch = Scratch::new();
    scratch.write("zero.json", "{\"a\": \"x\\u0000y\"}");
    scratch
        .run(Ours, ["encrypt", "-i", "--age", RECIPIENT, "zero.json"])
        .ok();
    let ran = scratch.run(Ours, ["exec-env", "zero.json", "true"]);
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("zero bytes"), "{}", ran.stderr);
}

#[test]
fn files_can_be_read_more_than_once() {
    for arguments in [
        ["exec-file", "flat.yaml", "cat {} {}"].as_slice(),
        &["exec-file", "flat.yaml", "file={}; cat $file; cat $file"],
        &["exec-file", "--no-fifo", "flat.yaml", "cat {} {}"],
        &[
            "exec-file",
            "flat.yaml",
            "flat.yaml",
            "--",
            "cat",
            "{}",
            "{}",
        ],
    ] {
        assert_eq!(run(arguments).text(), FLAT.repeat(2), "{arguments:?}");
    }
    let ran = run(&[
        "exec-file",
        "flat.yaml",
        "other.env",
        "--",
        "diff",
        "-q",
        "{}",
        "{}",
    ]);
    assert_eq!(ran.code, 1, "they differ");
}

#[test]
fn a_file_may_have_any_name() {
    for name in [".next", ".2", "2", ".2/.2", "./.2", "a/.next"] {
        for fifo in ["--no-fifo=true", "--no-fifo=false"] {
            let ran = run(&[
                "exec-file",
                fifo,
                "--filename",
                name,
                "flat.yaml",
                "cat {} {}",
            ]);
            assert_eq!(ran.text(), FLAT.repeat(2), "{name} {fifo}: {}", ran.stderr);
        }
    }
}

/// With few files that may be open, it works or fails, and nobody waits for anybody.
#[test]
fn few_open_files_are_enough_or_too_few() {
    let scratch = scratch();
    let binary = scratch.command(Ours).get_program().to_owned();
    let mut worked = 0;
    for limit in 3..16 {
        let line =
            format!("ulimit -n {limit}; exec \"$0\" exec-file flat.yaml 'cat {{}} {{}} {{}}'");
        let mut shell = Command::new("sh");
        shell.args(["-c", &line]).arg(&binary);
        shell.current_dir(scratch.folder()).env_clear();
        for (name, value) in scratch.command(Ours).get_envs() {
            shell.env(name, value.expect("set, not removed"));
        }
        shell.stdout(Stdio::piped()).stderr(Stdio::piped());
        let ran = Ran::of(shell.spawn().expect("it starts"));
        match ran.code {
            0 => {
                assert_eq!(ran.text(), FLAT.repeat(3), "{limit} files");
                worked += 1;
            }
            _ => assert!(ran.stdout.is_empty(), "{limit} files: {}", ran.stderr),
        }
    }
    assert!(worked > 0);
    scratch.assert_nothing_left();
}

#[test]
fn a_reader_may_stop_early_or_never_start() {
    for command in [
        "head -c 1 {} >&2",
        "true",
        "true {}",
        "rm {}",
        "rm -r $(dirname {})",
    ] {
        let ran = run(&["exec-file", "flat.yaml", command]);
        assert_eq!(ran.code, 0, "{command}: {}", ran.stderr);
    }
}

/// Whose program it is, and who can look into the folder.
#[test]
fn another_user_owns_what_is_made_for_it() {
    if !is_root() {
        eprintln!("\n*** SKIPPED: only root can become another user ***\n");
        return;
    }
    for fifo in ["--no-fifo=true", "--no-fifo=false"] {
        let command =
            "id -un; id -Gn; stat -c '%U %a' {} $(dirname {}); cat {} | head -1; printenv HOME";
        let ran = run(&["exec-file", "--user", "nobody", fifo, "flat.yaml", command]);
        let text = ran.text();
        let expected = "nobody\nnogroup\nnobody 600\nnobody 7";
        assert!(text.starts_with(expected), "{text}{}", ran.stderr);
        assert!(text.contains("user: admin\n/nonexistent"), "{text}");
    }
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().expect("id is there");
    id.stdout == b"0\n"
}

#[test]
fn a_program_in_the_background_gets_the_file_all_the_same() {
    let scratch = scratch();
    let ran = scratch.run(
        Ours,
        [
            "exec-file",
            "--background",
            "flat.yaml",
            "cat {} > copy; mv copy done",
        ],
    );
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    wait_for(&scratch.path("done"));
    assert_eq!(scratch.read_text("done"), FLAT);
    // It cleans up after that.
    let start = Instant::now();
    while !is_empty(&scratch.temporary()) {
        assert!(start.elapsed() < Duration::from_secs(20));
        thread::sleep(Duration::from_millis(10));
    }
    let ran = scratch.run(
        Ours,
        ["exec-file", "--background", "missing.yaml", "cat {}"],
    );
    assert_eq!(ran.code, 2, "{}", ran.stderr);
}

fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder)
        .expect("a readable folder")
        .next()
        .is_none()
}

fn wait_for(path: &Path) {
    let start = Instant::now();
    while !path.exists() {
        assert!(
            start.elapsed() < Duration::from_secs(20),
            "{path:?} appears"
        );
        thread::sleep(Duration::from_millis(5));
    }
}

fn signal(child: &Child, name: &str) {
    let id = child.id().to_string();
    let sent = Command::new("kill").args(["-s", name, &id]).status();
    assert!(sent.expect("kill is there").success());
}

fn started(scratch: &Scratch, arguments: &[&str]) -> Child {
    let child = scratch.command(Ours).args(arguments).spawn();
    let child = child.expect("it starts");
    wait_for(&scratch.path("started"));
    child
}

#[test]
fn a_signal_is_passed_on_and_leaves_nothing() {
    for (name, code) in [
        ("TERM", 143),
        ("INT", 130),
        ("HUP", 129),
        ("QUIT", 131),
        ("USR1", 138),
    ] {
        for fifo in ["--no-fifo=true", "--no-fifo=false"] {
            let scratch = scratch();
            let command = "touch started; test -e {}; exec sleep 30";
            let child = started(&scratch, &["exec-file", fifo, "flat.yaml", command]);
            let start = Instant::now();
            signal(&child, name);
            let ran = Ran::of(child);
            assert_eq!(ran.code, code, "{name}: {}", ran.stderr);
            assert!(start.elapsed() < Duration::from_secs(20), "{name} ends it");
            scratch.assert_nothing_left();
        }
    }
}

/// A program that handles the signal is waited for, and its code counts.
#[test]
fn a_program_may_handle_the_signal() {
    for verb in ["exec-file", "exec-env"] {
        let scratch = scratch();
        let command = "trap 'kill $!; exit 9' TERM; sleep 30 & touch started; wait";
        let child = started(&scratch, &[verb, "flat.yaml", command]);
        signal(&child, "TERM");
        let ran = Ran::of(child);
        assert_eq!(ran.code, 9, "{verb}: {}", ran.stderr);
        scratch.assert_nothing_left();
    }
}

/// `nohup` stays in effect.
#[test]
fn an_ignored_signal_stays_ignored() {
    let scratch = scratch();
    let mut command = scratch.command(Ours);
    command.args(["exec-file", "flat.yaml", "touch started; sleep 1; exit 3"]);
    let child = ignoring("HUP", &command).spawn().expect("it starts");
    wait_for(&scratch.path("started"));
    signal(&child, "HUP");
    let ran = Ran::of(child);
    assert_eq!(ran.code, 3, "{}", ran.stderr);
}

/// Some daemons never wait for what they start, and whoever they start inherits that.
#[test]
fn a_caller_may_ignore_its_children() {
    let scratch = scratch();
    let binary = scratch.command(Ours).get_program().to_owned();
    let mut command = Command::new("env");
    command
        .arg("--ignore-signal=CHLD")
        .arg(binary)
        .args(["exec-file", "flat.yaml", "sleep 0.2; exit 3"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .current_dir(scratch.folder());
    for (name, value) in scratch.command(Ours).get_envs() {
        command.env(name, value.expect("set, not removed"));
    }
    let ran = Ran::of(command.spawn().expect("it starts"));
    assert_eq!(ran.code, 3, "{}", ran.stderr);
}
