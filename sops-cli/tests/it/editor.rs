//! Editing, with editors that are scripts.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::PermissionsExt,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::support::{Program::Ours, RECIPIENT, Ran, SECOND_RECIPIENT, Scratch, ignoring, skip};

const TEXT: &str = "# about\nuser: admin\npassword:   'old'   # note\nlist: [a, b]\n";

/// Makes a scratch folder with an encrypted file, and an editor that is a shell script; `$1` is the file to edit, `$WORK`
/// the folder.
fn scratch(script: &str) -> Scratch {
    let scratch = Scratch::new();
    scratch.write("secrets.yaml", TEXT);
    let arguments = ["encrypt", "-i", "--age", RECIPIENT, "secrets.yaml"];
    scratch.run(Ours, arguments).ok();
    let work = scratch.folder();
    let editor = scratch.write(
        "editor.sh",
        format!("#!/bin/sh\nWORK='{}'\n{script}\n", work.display()),
    );
    fs::set_permissions(editor, fs::Permissions::from_mode(0o755)).expect("our own file");
    scratch
}

fn command(scratch: &Scratch, arguments: &[&str]) -> Command {
    let mut command = scratch.command(Ours);
    command
        .env("SOPS_EDITOR", scratch.path("editor.sh"))
        .args(arguments);
    command
}

fn edit(scratch: &Scratch, arguments: &[&str]) -> Ran {
    command(scratch, arguments)
        .output()
        .expect("it starts")
        .into()
}

fn decrypted(scratch: &Scratch) -> String {
    String::from_utf8(scratch.run(Ours, ["decrypt", "secrets.yaml"]).ok()).expect("a text")
}

#[test]
fn an_unchanged_file_is_not_written() {
    for form in [["edit", "secrets.yaml"].as_slice(), &["secrets.yaml"]] {
        let scratch = scratch("touch \"$1\"");
        let before = scratch.read("secrets.yaml");
        let ran = edit(&scratch, form);
        assert_eq!(ran.code, 200, "{}", ran.stderr);
        assert!(ran.stdout.is_empty());
        assert!(ran.stderr.contains("has not changed"), "{}", ran.stderr);
        assert!(scratch.read("secrets.yaml") == before);
        scratch.assert_nothing_left();
    }
}

#[test]
fn a_change_changes_its_own_line_and_the_metadata() {
    let scratch = scratch("cp \"$1\" \"$WORK/seen\"; sed -i s/old/new/ \"$1\"");
    let before = scratch.read_text("secrets.yaml");
    let ran = edit(&scratch, &["secrets.yaml"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(scratch.read_text("seen"), TEXT);
    assert_eq!(decrypted(&scratch), TEXT.replace("old", "new"));
    let after = scratch.read_text("secrets.yaml");
    let changed: Vec<&str> = before
        .lines()
        .zip(after.lines())
        .filter(|(before, after)| before != after)
        .map(|(_, after)| after.trim().split(':').next().unwrap_or_default())
        .filter(|key| *key != "layout")
        .collect();
    assert!(
        changed == ["password", "lastmodified", "mac"] || changed == ["password", "mac"],
        "{changed:?}"
    );
    scratch.assert_nothing_left();
}

/// Some editors write a new file and move it over the old one.
#[test]
fn an_editor_may_replace_the_file() {
    let scratch = scratch("sed s/old/new/ \"$1\" > \"$1.new\"; mv \"$1.new\" \"$1\"");
    assert_eq!(edit(&scratch, &["edit", "secrets.yaml"]).code, 0);
    assert_eq!(decrypted(&scratch), TEXT.replace("old", "new"));
    scratch.assert_nothing_left();
}

#[test]
fn the_copy_is_private_and_has_the_name_of_the_file() {
    let scratch = scratch(
        "stat -c '%a' \"$1\" \"$(dirname \"$1\")\" > \"$WORK/modes\"; basename \"$1\" > \"$WORK/name\"",
    );
    edit(&scratch, &["secrets.yaml"]);
    assert_eq!(scratch.read_text("modes"), "600\n700\n");
    assert_eq!(scratch.read_text("name"), "secrets.yaml\n");
}

#[test]
fn an_editor_may_have_arguments() {
    let scratch = scratch("test \"$1\" = '--wait a' && sed -i s/old/new/ \"$2\"");
    let mut command = command(&scratch, &["secrets.yaml"]);
    let editor = format!("'{}' '--wait a'", scratch.path("editor.sh").display());
    command.env("SOPS_EDITOR", editor);
    let ran = Ran::from(command.output().expect("it starts"));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
}

#[test]
fn a_mistake_can_be_mended_in_the_editor() {
    let scratch = scratch(
        "if test -e \"$WORK/second\"; then sed -i 's/old\"/new/' \"$1\"; \
         else touch \"$WORK/second\"; sed -i \"s/'old'/old\\\"/; s/list: .*/list: [/\" \"$1\"; exit 0; fi; \
         sed -i 's/list: .*/list: [a, b]/' \"$1\"",
    );
    let mut child = command(&scratch, &["secrets.yaml"])
        .stdin(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut stdin = child.stdin.take().expect("piped above");
    stdin.write_all(b"\n").expect("it reads");
    let ran = Ran::of(child);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("Press enter to return to the editor"),
        "{}",
        ran.stderr
    );
    assert!(decrypted(&scratch).contains("new"));
    scratch.assert_nothing_left();
}

/// Nobody is there to press a key: what was typed is kept, and said where.
#[test]
fn a_mistake_that_nobody_mends_does_not_lose_the_text() {
    let scratch = scratch("echo 'list: [' >> \"$1\"; echo 'more: typed' >> \"$1\"");
    let before = scratch.read("secrets.yaml");
    let ran = edit(&scratch, &["secrets.yaml"]);
    assert!(ran.code != 0 && ran.code != 200, "{}", ran.stderr);
    assert!(scratch.read("secrets.yaml") == before);
    assert!(ran.stdout.is_empty());
    assert!(!ran.stderr.contains("typed"), "{}", ran.stderr);
    assert!(ran.stderr.contains("is kept"), "{}", ran.stderr);
}

#[test]
fn what_others_write_meanwhile_is_not_overwritten() {
    let scratch =
        scratch("sed -i.bak 's/old/new/' \"$1\"; echo '# theirs' >> \"$WORK/secrets.yaml\"");
    let ran = edit(&scratch, &["edit", "secrets.yaml"]);
    assert_ne!(ran.code, 0);
    assert!(scratch.read_text("secrets.yaml").ends_with("# theirs\n"));
    // What was typed is not lost: the message says where it is.
    let kept = ran
        .stderr
        .split_whitespace()
        .find(|word| word.contains("secrets.yaml") && word.starts_with('/'));
    let kept = kept.unwrap_or_else(|| panic!("{}", ran.stderr));
    let kept = fs::read_to_string(kept.trim_end_matches([';', '.', ','])).expect("it is there");
    assert!(kept.contains("'new'"), "{kept}");
}

#[test]
fn an_editor_that_fails_changes_nothing() {
    for (script, what) in [
        ("exit 3", "an exit code"),
        ("kill -9 $$", "a signal"),
        ("rm \"$1\"; exit 1", "no file any more"),
    ] {
        let scratch = scratch(script);
        let before = scratch.read("secrets.yaml");
        let ran = edit(&scratch, &["secrets.yaml"]);
        assert_eq!(ran.code, 201, "{what}: {}", ran.stderr);
        assert!(scratch.read("secrets.yaml") == before, "{what}");
        scratch.assert_nothing_left();
    }
}

#[test]
fn an_editor_that_is_not_there_is_named() {
    let scratch = scratch("");
    let mut command = command(&scratch, &["secrets.yaml"]);
    command.env("SOPS_EDITOR", "/no/such/editor");
    let ran = Ran::from(command.output().expect("it starts"));
    assert_eq!(ran.code, 201, "{}", ran.stderr);
    assert!(ran.stderr.contains("/no/such/editor"), "{}", ran.stderr);
    scratch.assert_nothing_left();
}

#[test]
fn a_signal_during_editing_leaves_no_plaintext() {
    for signal in ["TERM", "INT", "HUP"] {
        let scratch = scratch("touch \"$WORK/started\"; exec sleep 30");
        let before = scratch.read("secrets.yaml");
        let child = command(&scratch, &["secrets.yaml"])
            .spawn()
            .expect("it starts");
        let start = Instant::now();
        send_once_started(&scratch, &child, signal);
        let ran = Ran::of(child);
        assert!(ran.code != 0, "{signal}");
        assert!(
            start.elapsed() < Duration::from_secs(25),
            "{signal} ends it at once"
        );
        assert!(scratch.read("secrets.yaml") == before, "{signal}");
        scratch.assert_nothing_left();
    }
}

/// Sends a signal once the editor of the test has made its file.
fn send_once_started(scratch: &Scratch, child: &Child, signal: &str) {
    let start = Instant::now();
    while !scratch.path("started").exists() {
        assert!(
            start.elapsed() < Duration::from_secs(20),
            "the editor starts"
        );
        thread::sleep(Duration::from_millis(10));
    }
    let id = child.id().to_string();
    let sent = Command::new("kill").args(["-s", signal, &id]).status();
    assert!(sent.expect("kill is there").success());
}

/// `nohup` stays in effect.
#[test]
fn an_ignored_signal_does_not_end_the_editing() {
    let scratch = scratch("touch \"$WORK/started\"; sleep 1; sed -i s/old/new/ \"$1\"");
    let edit = command(&scratch, &["secrets.yaml"]);
    let child = ignoring("HUP", &edit).spawn().expect("it starts");
    send_once_started(&scratch, &child, "HUP");
    let ran = Ran::of(child);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(decrypted(&scratch), TEXT.replace("old", "new"));
    scratch.assert_nothing_left();
}

#[test]
fn a_new_file_is_encrypted_when_it_is_saved() {
    let scratch = scratch("echo 'fresh: value' > \"$1\"");
    scratch.write(
        ".sops.yaml",
        format!("creation_rules:\n  - age: {RECIPIENT},{SECOND_RECIPIENT}\n"),
    );
    let ran = edit(&scratch, &["new.yaml"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let text = scratch.read_text("new.yaml");
    assert!(text.starts_with("fresh: ENC["), "{text}");
    assert!(text.contains(SECOND_RECIPIENT));
    assert_eq!(
        scratch.run(Ours, ["decrypt", "new.yaml"]).text(),
        "fresh: value\n"
    );
    scratch.assert_nothing_left();
}

#[test]
fn a_file_that_cannot_be_decrypted_starts_no_editor() {
    let scratch = scratch("touch \"$WORK/started\"");
    let text = scratch.read_text("secrets.yaml");
    let text = text.replace(
        "user: ENC[AES256_GCM,data:",
        "user: ENC[AES256_GCM,data:AAAA",
    );
    scratch.write("secrets.yaml", &text);
    let ran = edit(&scratch, &["secrets.yaml"]);
    assert_eq!(ran.code, 25, "{}", ran.stderr);
    assert!(!scratch.path("started").exists());
    assert_eq!(scratch.read_text("secrets.yaml"), text);
}

#[test]
fn metadata_are_edited_on_demand() {
    for form in [
        ["edit", "-s", "secrets.yaml"].as_slice(),
        &["--show-master-keys", "secrets.yaml"],
    ] {
        let added = format!("- recipient: {SECOND_RECIPIENT}");
        let scratch = scratch(&format!(
            "cp \"$1\" \"$WORK/seen\"; \
             sed -i -e 's/old/new/' -e 's/^\\( *\\)unencrypted_suffix: .*/\\1encrypted_regex: ^pass/' \
                 -e 's/^\\( *\\)age:/\\1age:\\n\\1    {added}/' \"$1\""
        ));
        let before = scratch.read_text("secrets.yaml");
        let ran = edit(&scratch, form);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let seen = scratch.read_text("seen");
        assert!(seen.starts_with(TEXT), "{seen}");
        assert!(seen.contains(&format!("recipient: {RECIPIENT}")), "{seen}");
        let after = scratch.read_text("secrets.yaml");
        assert!(
            after.starts_with("# about\nuser: admin\npassword:   'ENC["),
            "{after}"
        );
        assert!(
            after.contains("encrypted_regex: ^pass") && after.contains(SECOND_RECIPIENT),
            "{after}"
        );
        // What was wrapped for the first key stays.
        let wrapped = before
            .lines()
            .find(|line| line.len() > 60 && !line.contains("ENC["));
        assert!(
            after.contains(wrapped.expect("a line of base64")),
            "{after}"
        );
        assert_eq!(decrypted(&scratch), TEXT.replace("old", "new"));
        scratch.assert_nothing_left();
    }
}

#[test]
fn broken_metadata_are_refused() {
    for (script, message) in [
        ("sed -i '/^sops:/,$d' \"$1\"", "metadata not found"),
        (
            "sed -i 's/recipient: .*/recipient: nonsense/' \"$1\"",
            "nonsense",
        ),
        ("sed -i '/^    age:/,/-----END/d' \"$1\"", "key"),
        (
            "sed -i 's/encrypted_suffix: .*/encrypted_regex: (/' \"$1\"",
            "regex",
        ),
    ] {
        let scratch = scratch(script);
        let before = scratch.read("secrets.yaml");
        let ran = edit(&scratch, &["edit", "-s", "secrets.yaml"]);
        assert!(ran.code != 0 && ran.code != 200, "{script}: {}", ran.stderr);
        assert!(ran.stderr.contains(message), "{script}: {}", ran.stderr);
        assert!(scratch.read("secrets.yaml") == before, "{script}");
    }
}

#[test]
fn metadata_that_are_only_looked_at_change_nothing() {
    let scratch = scratch("true");
    let before = scratch.read("secrets.yaml");
    assert_eq!(edit(&scratch, &["edit", "-s", "secrets.yaml"]).code, 200);
    assert!(scratch.read("secrets.yaml") == before);
}

/// Signals at any moment: whatever was there of the plaintext is gone, and the file is whole.
#[test]
fn signals_at_any_moment_leave_no_plaintext() {
    for (verb, arguments) in [
        ("edit", ["edit", "secrets.yaml"].as_slice()),
        (
            "file",
            &[
                "exec-file",
                "--no-fifo",
                "secrets.yaml",
                "cat {} > /dev/null; sleep 0.02; cat {}",
            ],
        ),
        (
            "fifo",
            &[
                "exec-file",
                "secrets.yaml",
                "cat {} > /dev/null; sleep 0.02; cat {}",
            ],
        ),
    ] {
        for round in 0..24 {
            let scratch = scratch("sed -i s/old/new/ \"$1\"; sleep 0.02");
            let child = command(&scratch, arguments).spawn().expect("it starts");
            thread::sleep(Duration::from_millis(round * 2));
            let id = child.id().to_string();
            let signal = ["TERM", "INT", "HUP", "QUIT"][round as usize % 4];
            // It may be over by now.
            let _ = Command::new("kill")
                .args(["-s", signal, &id])
                .stderr(Stdio::null())
                .status();
            let ran = Ran::of(child);
            scratch.assert_nothing_left();
            let decrypted = decrypted(&scratch);
            let changed = TEXT.replace("old", "new");
            assert!(
                decrypted == TEXT || (verb == "edit" && decrypted == changed),
                "{}",
                ran.stderr
            );
        }
    }
}

/// Nothing is waited for that may never come.
#[test]
fn an_editor_that_leaves_no_file_changes_nothing() {
    for script in [
        "rm \"$1\"",
        "rm \"$1\"; mkdir \"$1\"",
        "rm \"$1\"; mkfifo \"$1\"",
    ] {
        let scratch = scratch(script);
        let before = scratch.read("secrets.yaml");
        let child = command(&scratch, &["edit", "secrets.yaml"]).spawn();
        let ran = Ran::of(child.expect("it starts"));
        assert_eq!(ran.code, 2, "{script}: {}", ran.stderr);
        assert!(ran.stderr.contains("no file"), "{script}: {}", ran.stderr);
        assert!(scratch.read("secrets.yaml") == before, "{script}");
        scratch.assert_nothing_left();
    }
}

/// The editor that is taken when nobody says which, on a terminal: it leaves no swap file and no history.
#[test]
fn vim_leaves_nothing_behind() {
    let is_there = |program: &str| Command::new(program).arg("--version").output().is_ok();
    if !is_there("vim") || !is_there("script") {
        return skip("vim, or script of util-linux");
    }
    for (commands, signal, expected) in [
        (
            "autocmd VimEnter * %s/old/new/ | wq",
            None,
            TEXT.replace("old", "new"),
        ),
        (
            "autocmd VimEnter * call writefile([], 'started')",
            Some("HUP"),
            TEXT.to_owned(),
        ),
        (
            "autocmd VimEnter * call writefile([], 'started')",
            Some("TERM"),
            TEXT.to_owned(),
        ),
    ] {
        let scratch = scratch("");
        let ours = scratch.command(Ours);
        let line = format!(
            "echo $$ > pid; exec '{}' secrets.yaml",
            ours.get_program().display()
        );
        let mut command = Command::new("script");
        command.args(["-qec", &line, "/dev/null"]).env_clear();
        for (name, value) in ours.get_envs() {
            command.env(name, value.expect("set, not removed"));
        }
        command
            .env_remove("EDITOR")
            .env("TERM", "xterm")
            .env("VIMINIT", commands)
            .current_dir(scratch.folder())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let child = command.spawn().expect("it starts");
        if let Some(signal) = signal {
            let start = Instant::now();
            while !scratch.path("started").exists() {
                assert!(start.elapsed() < Duration::from_secs(20), "vim starts");
                thread::sleep(Duration::from_millis(10));
            }
            let id = scratch.read_text("pid");
            let sent = Command::new("kill")
                .args(["-s", signal, id.trim()])
                .status();
            assert!(sent.expect("kill is there").success());
        }
        let ran = Ran::of(child);
        assert_eq!(decrypted(&scratch), expected, "{commands}: {}", ran.text());
        scratch.assert_nothing_left();
        let found = Command::new("grep")
            .args(["-rl", "'old'\\|'new'", "--exclude=editor.sh"])
            .arg(scratch.folder().parent().expect("it has a home beside it"))
            .output()
            .expect("grep is there");
        assert_eq!(
            String::from_utf8_lossy(&found.stdout),
            "",
            "plaintext is left"
        );
    }
}
