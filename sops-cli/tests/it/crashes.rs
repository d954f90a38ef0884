//! What a crash leaves behind: memory holds secrets, and a core file is a copy of it.

use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    os::unix::process::ExitStatusExt as _,
    process::Command,
};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Program::Ours, RECIPIENT, Scratch, read_testdata, skip};

const ALLOW_CORES: &str = "ulimit -c unlimited; exec \"$@\"";

/// A command that runs with core files allowed.
fn with_cores(scratch: &Scratch, words: &[&str]) -> Command {
    let ours = scratch.command(Ours);
    let mut command = Command::new("sh");
    command.args(["-c", ALLOW_CORES, "sh"]).args(words);
    command.env_clear().current_dir(scratch.folder());
    for (name, value) in ours.get_envs() {
        value.map(|value| command.env(name, value));
    }
    command
}

/// Lets a program read an identity from a pipe, makes it crash while it waits for more, and returns whether that left a
/// core file.
fn leaves_a_core(scratch: &Scratch, words: &[&str]) -> bool {
    let pipe = scratch.path("identities");
    let made = Command::new("mkfifo").arg(&pipe).status();
    assert!(made.expect("mkfifo starts").success());
    let mut command = with_cores(scratch, words);
    command.env("SOPS_AGE_KEY_FILE", "identities");
    let mut child = command.spawn().expect("sh starts");
    // Opens when the program has opened it.
    let writing = OpenOptions::new().write(true).open(&pipe);
    let mut identities = writing.expect("the pipe");
    let keys = read_testdata("golden/keys/age.txt");
    identities.write_all(&keys).expect("room in the pipe");
    kill_process(Pid::from_child(&child), Signal::ABORT).expect("a child of ours");
    let status = child.wait().expect("it ends");
    fs::remove_file(pipe).expect("ours");
    assert_eq!(status.signal(), Some(Signal::ABORT.as_raw()));
    status.core_dumped()
}

#[test]
fn a_crash_leaves_no_core() {
    let scratch = Scratch::new();
    if !leaves_a_core(&scratch, &["cat", "identities"]) {
        return skip("a system that writes core files");
    }
    let ours = env!("CARGO_BIN_EXE_sops");
    let encrypted = scratch.encrypt(Ours, "a.yaml", b"a: b\n").ok();
    scratch.write("a.yaml", &encrypted);
    assert!(!leaves_a_core(&scratch, &[ours, "decrypt", "a.yaml"]));

    // What it runs crashes as it would without.
    scratch.write("b.yaml", "a: b\n");
    scratch
        .run(Ours, ["encrypt", "-i", "--age", RECIPIENT, "b.yaml"])
        .ok();
    let crash = "ulimit -c; kill -ABRT $$";
    let output = with_cores(&scratch, &[ours, "exec-env", "b.yaml", crash]).output();
    let output = output.expect("sh starts");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "unlimited\n");
    assert!(output.status.core_dumped());
}
