//! What must hold when things go wrong: a file is replaced whole or not touched, and every failure is an answer, not a
//! crash. `SOPS_TEST_KILLS` says how often a process is killed half-way (100).

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::{
    documents::Random,
    support::{
        Program::Ours, RECIPIENT, Ran, Scratch, number_from_env, read_testdata, report, skip,
    },
};

const IN_PLACE: [&str; 4] = ["encrypt", "--in-place", "--age", RECIPIENT];

/// A file of about `size` bytes, every line with its comment.
fn large_file(size: usize) -> String {
    let mut text = String::new();
    for line in 0.. {
        text.push_str(&format!("key_{line}: value number {line} # note {line}\n"));
        if text.len() >= size {
            break;
        }
    }
    text
}

/// Returns the names in the folder that programs run in, sorted.
fn names(scratch: &Scratch) -> Vec<String> {
    let entries = fs::read_dir(scratch.folder()).expect("a readable folder");
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("a readable folder").file_name())
        .map(|name| name.to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

fn encrypt_in_place(scratch: &Scratch, name: &str) -> Ran {
    scratch.run(Ours, IN_PLACE.iter().copied().chain([name]))
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0)
}

#[test]
fn mode_owner_and_links_are_kept() {
    let scratch = Scratch::new();
    let real = scratch.write("real/secrets.yaml", "a: b\n");
    fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).expect("our own file");
    if is_root() {
        std::os::unix::fs::chown(&real, Some(12345), Some(54321)).expect("root may");
    }
    let before = fs::metadata(&real).expect("it is there");
    symlink("real/secrets.yaml", scratch.path("inner.yaml")).expect("a new link");
    symlink("inner.yaml", scratch.path("link.yaml")).expect("a new link");
    encrypt_in_place(&scratch, "link.yaml").ok();
    for command in ["encrypted", "decrypted"] {
        let after = fs::metadata(&real).expect("it is there");
        assert_eq!(
            (after.mode(), after.uid(), after.gid()),
            (before.mode(), before.uid(), before.gid()),
            "{command}"
        );
        for link in ["link.yaml", "inner.yaml"] {
            let link = fs::symlink_metadata(scratch.path(link)).expect("it is there");
            assert!(link.is_symlink(), "{command}");
        }
        let text = scratch.read_text("real/secrets.yaml");
        assert_eq!(text.contains("ENC["), command == "encrypted");
        scratch.run(Ours, ["decrypt", "-i", "link.yaml"]);
    }
    assert_eq!(names(&scratch), ["inner.yaml", "link.yaml", "real"]);
}

#[test]
fn a_folder_that_cannot_be_written_is_an_answer() {
    let scratch = Scratch::new();
    let file = scratch.write("secrets.yaml", "a: b\n");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o444)).expect("our own file");
    let folder = scratch.folder();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o555)).expect("our own folder");
    let ran = match is_root() {
        false => encrypt_in_place(&scratch, "secrets.yaml"),
        // Nothing is read-only for root.
        true => {
            for path in [folder.parent().expect("the scratch"), &scratch.temporary()] {
                fs::set_permissions(path, fs::Permissions::from_mode(0o777)).expect("root may");
            }
            let program = scratch.command(Ours);
            let mut command = Command::new("setpriv");
            command
                .args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"])
                .arg(program.get_program())
                .args(IN_PLACE)
                .arg("secrets.yaml")
                .current_dir(&folder);
            match command.output() {
                Ok(output) if !matches!(output.status.code(), Some(126 | 127)) => output.into(),
                _ => return skip("a user who is not root, and may run the program (setpriv)"),
            }
        }
    };
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).expect("our own folder");
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    assert!(ran.stderr.contains("secrets.yaml"), "{}", ran.stderr);
    assert_eq!(scratch.read_text("secrets.yaml"), "a: b\n");
    assert_eq!(names(&scratch), ["secrets.yaml"]);
}

/// As in a container that has only the file mounted: it cannot be replaced by another one.
#[test]
fn a_file_that_is_mounted_by_itself_is_written() {
    let scratch = Scratch::new();
    scratch.write("real.yaml", "a: b\n");
    let mount = scratch.write("secrets.yaml", "");
    let run = |arguments: &[&str]| {
        let program = scratch.command(Ours);
        let mut command = Command::new("unshare");
        command
            .arg("--mount")
            .args((!is_root()).then_some("--map-root-user"))
            .args(["sh", "-c"])
            .arg("mount --bind real.yaml secrets.yaml && exec \"$0\" \"$@\"")
            .arg(program.get_program())
            .args(arguments)
            .current_dir(scratch.folder());
        for (name, value) in program.get_envs() {
            command.env(name, value.expect("set, not removed"));
        }
        let output = command.stdin(Stdio::null()).output();
        output.map(Ran::from).ok()
    };
    match run(&["--version"]) {
        Some(ran) if ran.code == 0 => {}
        _ => return skip("the right to mount a file (unshare)"),
    }
    let arguments: Vec<&str> = IN_PLACE.into_iter().chain(["secrets.yaml"]).collect();
    run(&arguments).expect("it ran before").ok();
    assert!(scratch.read_text("real.yaml").contains("ENC["));
    for arguments in [
        &["set", "secrets.yaml", "[\"a\"]", "\"a longer value\""],
        &["decrypt", "-i", "secrets.yaml"] as &[&str],
    ] {
        run(arguments).expect("it ran before").ok();
    }
    assert_eq!(scratch.read_text("real.yaml"), "a: a longer value\n");
    assert_eq!(fs::metadata(mount).expect("it is there").len(), 0);
    assert_eq!(names(&scratch), ["real.yaml", "secrets.yaml"]);
}

#[test]
fn a_name_may_be_as_long_as_the_system_lets_it() {
    let scratch = Scratch::new();
    let name = format!("{}.yaml", "x".repeat(250));
    scratch.write(&name, "a: b\n");
    encrypt_in_place(&scratch, &name).ok();
    scratch.run(Ours, ["decrypt", "-i", &name]).ok();
    assert_eq!(scratch.read_text(&name), "a: b\n");
    assert_eq!(names(&scratch), [name]);
}

#[test]
fn pipes_that_have_no_name_are_written() {
    let scratch = Scratch::new();
    scratch.write("secrets.yaml", "a: b\n");
    encrypt_in_place(&scratch, "secrets.yaml").ok();
    for path in ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"] {
        let ran = scratch.run(Ours, ["decrypt", "--output", path, "secrets.yaml"]);
        assert_eq!(ran.text(), "a: b\n", "{path}: {}", ran.stderr);
    }
}

/// Scripts take such locks to let one run wait for the other.
#[test]
fn a_lock_of_the_caller_is_no_hindrance() {
    let scratch = Scratch::new();
    scratch.write("secrets.yaml", "a: b\n");
    encrypt_in_place(&scratch, "secrets.yaml").ok();
    let file = fs::File::open(scratch.path("secrets.yaml")).expect("it is there");
    file.lock().expect("nobody else has it");
    scratch
        .run(Ours, ["set", "secrets.yaml", "[\"a\"]", "\"c\""])
        .ok();
    let decrypted = scratch.run(Ours, ["decrypt", "secrets.yaml"]);
    assert_eq!(decrypted.text(), "a: c\n");
}

/// An access control list, and an attribute of the user's: who may read the file stays the same.
#[test]
fn attributes_are_kept() {
    let scratch = Scratch::new();
    scratch.write("secrets.yaml", "a: b\n");
    // The owner and one other user may read and write, the group and all others may not.
    let script = "import os, struct, sys\n\
        entry = lambda tag, mode, who=0xffffffff: struct.pack('<HHI', tag, mode, who)\n\
        acl = struct.pack('<I', 2) + entry(1, 6) + entry(2, 6, 65534) + entry(4, 0) + entry(16, 6) + entry(32, 0)\n\
        if len(sys.argv) > 1:\n    os.setxattr('secrets.yaml', 'system.posix_acl_access', acl)\n    \
        os.setxattr('secrets.yaml', 'user.note', b'x')\n\
        names = sorted(os.listxattr('secrets.yaml'))\n\
        print([(name, os.getxattr('secrets.yaml', name)) for name in names], oct(os.stat('secrets.yaml').st_mode))\n";
    let python = |arguments: &[&str]| {
        let mut command = Command::new("python3");
        command.arg("-c").arg(script).args(arguments);
        let output = command.current_dir(scratch.folder()).output();
        output.map(Ran::from).ok().filter(|ran| ran.code == 0)
    };
    let Some(before) = python(&["set"]) else {
        // Not every machine has such a file system.
        return eprintln!("*** SKIPPED: no Python, or no access control lists here ***");
    };
    encrypt_in_place(&scratch, "secrets.yaml").ok();
    let after = python(&[]).expect("it ran before");
    assert_eq!(after.text(), before.text());
}

/// Of whatever a signal ends, no plaintext stays behind, and no half of a file.
#[test]
fn signals_leave_no_temporary_file() {
    let text = large_file(30_000);
    let scratch = Scratch::new();
    scratch.write("plain.yaml", &text);
    scratch.write("secrets.yaml", &text);
    encrypt_in_place(&scratch, "secrets.yaml").ok();
    let encrypted = scratch.read("secrets.yaml");
    let all: Vec<String> = (0..8).map(|number| format!("{number}.yaml")).collect();
    let mut killed = 0;
    for round in 0..60_u64 {
        let verb: &[&str] = match round % 3 {
            0 => &["decrypt", "-i"],
            1 => &["rotate", "-i"],
            _ => &IN_PLACE,
        };
        for name in &all {
            match round % 3 {
                2 => scratch.write(name, &text),
                _ => scratch.write(name, &encrypted),
            };
        }
        let mut command = scratch.command(Ours);
        let child = command.args(verb).args(&all).spawn().expect("it starts");
        thread::sleep(Duration::from_millis(10 + 3 * (round % 30)));
        let signal = ["TERM", "INT", "HUP", "QUIT"][round as usize % 4];
        let _ = Command::new("kill")
            .args(["-s", signal, &child.id().to_string()])
            .stderr(Stdio::null())
            .status();
        let ran = Ran::of(child);
        killed += usize::from(ran.code == -1);
        let mut expected = all.clone();
        expected.extend(["plain.yaml".to_owned(), "secrets.yaml".to_owned()]);
        assert_eq!(names(&scratch), expected, "{verb:?} {signal}");
        for name in &all {
            let now = scratch.read_text(name);
            assert!(
                now == text || now.contains("\nsops:\n"),
                "{verb:?} {signal}"
            );
        }
    }
    assert!(killed > 0, "no run took long enough");
}

/// A file system of 256 KiB, unmounted in the end.
struct SmallDisk<'a>(&'a Path);

impl<'a> SmallDisk<'a> {
    fn mount(folder: &'a Path) -> Option<Self> {
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=256k", "sops-test"])
            .arg(folder)
            .stderr(Stdio::null())
            .status();
        mounted.ok()?.success().then_some(Self(folder))
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0).status();
    }
}

#[test]
fn a_full_disk_leaves_the_file_as_it_was() {
    let scratch = Scratch::new();
    let folder = scratch.folder();
    let Some(_disk) = SmallDisk::mount(&folder) else {
        return skip("the right to mount a file system");
    };
    let text = large_file(100_000);
    scratch.write("secrets.yaml", &text);
    let ran = encrypt_in_place(&scratch, "secrets.yaml");
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    assert!(ran.stderr.contains("secrets.yaml"), "{}", ran.stderr);
    assert!(scratch.read_text("secrets.yaml") == text);
    assert_eq!(names(&scratch), ["secrets.yaml"]);

    scratch.write("small.yaml", "a: b\n");
    let ran = scratch.run(
        Ours,
        [
            "encrypt",
            "--age",
            RECIPIENT,
            "--output",
            "out.yaml",
            "secrets.yaml",
        ],
    );
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    assert_eq!(
        names(&scratch),
        ["secrets.yaml", "small.yaml"],
        "no half a file"
    );
    encrypt_in_place(&scratch, "small.yaml").ok();
}

#[test]
fn a_full_device_behind_standard_output_is_an_answer() {
    let scratch = Scratch::new();
    scratch.write("secrets.yaml", large_file(100_000));
    let Ok(full) = fs::File::options().write(true).open("/dev/full") else {
        return skip("/dev/full");
    };
    let mut command = scratch.command(Ours);
    command.args(["encrypt", "--age", RECIPIENT, "secrets.yaml"]);
    let ran = Ran::from(command.stdout(full).output().expect("it starts"));
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
}

/// Whoever reads only the beginning closes the pipe: that is not worth a word.
#[test]
fn a_closed_pipe_is_no_crash() {
    let scratch = Scratch::new();
    scratch.write("secrets.yaml", large_file(300_000));
    let mut command = scratch.command(Ours);
    command.args(["encrypt", "--age", RECIPIENT, "secrets.yaml"]);
    let mut child = command.spawn().expect("it starts");
    drop(child.stdout.take());
    let ran = Ran::of(child);
    assert!(
        ran.code != 101 && !ran.stderr.contains("internal error"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_process_killed_half_way_leaves_a_whole_file() {
    let scratch = Scratch::new();
    let text = large_file(60_000);
    scratch.write("secrets.yaml", &text);
    let start = Instant::now();
    encrypt_in_place(&scratch, "secrets.yaml").ok();
    let whole = start.elapsed();
    let mut random = Random::new(7);
    let mut seen = [0; 2];
    for _ in 0..number_from_env("SOPS_TEST_KILLS", 100) {
        let is_encrypted = scratch.read_text("secrets.yaml").contains("\nsops:\n");
        let mut command = scratch.command(Ours);
        match is_encrypted {
            true => command.args(["decrypt", "--in-place"]),
            false => command.args(IN_PLACE),
        };
        let mut child = command.arg("secrets.yaml").spawn().expect("it starts");
        let wait = whole.as_micros() * random.below(1200) as u128 / 1000;
        thread::sleep(Duration::from_micros(wait as u64));
        child.kill().expect("a child that was not waited for");
        child.wait().expect("it ends");
        let now = scratch.read_text("secrets.yaml");
        let plain = match now.contains("\nsops:\n") {
            true => scratch.run(Ours, ["decrypt", "secrets.yaml"]).text(),
            false => now.clone(),
        };
        assert!(plain == text, "the file is neither the one nor the other");
        seen[usize::from(now.contains("\nsops:\n") == is_encrypted)] += 1;
        // What a killed process leaves behind is hidden, and no more open than the file itself.
        let mode = |path: &Path| fs::metadata(path).expect("it is there").mode();
        let open = mode(&scratch.path("secrets.yaml"));
        for name in names(&scratch) {
            if name == "secrets.yaml" {
                continue;
            }
            let left = scratch.path(&name);
            assert!(name.starts_with(".secrets.yaml.sops-"), "{name}");
            assert_eq!(mode(&left) & !open, 0, "{name}");
            fs::remove_file(left).expect("our own file");
        }
    }
    eprintln!(
        "killed before the replacement: {}, after: {}",
        seen[1], seen[0]
    );
}

#[test]
fn two_processes_on_one_file_leave_a_whole_file() {
    let scratch = Scratch::new();
    let text = large_file(20_000);
    for _ in 0..20 {
        scratch.write("secrets.yaml", &text);
        let children: Vec<_> = (0..2)
            .map(|_| {
                let mut command = scratch.command(Ours);
                command.args(IN_PLACE).arg("secrets.yaml");
                command.spawn().expect("it starts")
            })
            .collect();
        let ran: Vec<Ran> = children.into_iter().map(Ran::of).collect();
        assert!(ran.iter().any(|ran| ran.code == 0), "{ran:?}");
        for ran in &ran {
            assert!(ran.code == 0 || !ran.stderr.is_empty());
            assert!([0, 1, 2, 3, 203].contains(&ran.code), "{ran:?}");
        }
        let back = scratch.run(Ours, ["decrypt", "secrets.yaml"]);
        assert!(back.text() == text, "{}", back.stderr);
        assert_eq!(names(&scratch), ["secrets.yaml"]);
    }
}

/// An answer is an exit code of the table, nothing on standard output, and a word about it.
fn is_answer(ran: &Ran) -> Result<(), String> {
    let is_code = [1, 2, 4, 23, 25, 51, 92, 128].contains(&ran.code);
    match is_code && ran.stdout.is_empty() && !ran.stderr.trim().is_empty() {
        true => Ok(()),
        false => Err(format!(
            "exit {}, {:?}, {}",
            ran.code,
            ran.text(),
            ran.stderr
        )),
    }
}

#[test]
fn other_names_of_a_file_are_told() {
    let scratch = Scratch::new();
    let file = scratch.write("secrets.yaml", "a: b\n");
    fs::hard_link(&file, scratch.path("other.yaml")).expect("our own folder");
    let ran = encrypt_in_place(&scratch, "secrets.yaml");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("hard links"), "{}", ran.stderr);
    assert!(scratch.read_text("secrets.yaml").contains("ENC["));
    assert_eq!(scratch.read_text("other.yaml"), "a: b\n");

    fs::hard_link(scratch.path("secrets.yaml"), scratch.path("third.yaml"))
        .expect("our own folder");
    let ran = scratch.run(Ours, ["set", "secrets.yaml", "a", "\"c\""]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("hard links"), "{}", ran.stderr);
}

/// `sops decrypt <(…)`: a pipe is read once, from its start to its end.
#[test]
fn pipes_with_names_are_read() {
    let scratch = Scratch::new();
    let encrypted = scratch.encrypt(Ours, "a.yaml", b"a: b\n").ok();
    let pipe = scratch.path("pipe.yaml");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.is_ok_and(|status| status.success()));
    let decrypted = std::thread::scope(|scope| {
        scope.spawn(|| fs::write(&pipe, &encrypted).expect("somebody reads"));
        scratch.run(Ours, ["decrypt", "pipe.yaml"])
    });
    assert_eq!(decrypted.text(), "a: b\n", "{}", decrypted.stderr);
    let changed = std::thread::scope(|scope| {
        scope.spawn(|| fs::write(&pipe, &encrypted).expect("somebody reads"));
        scratch.run(Ours, ["decrypt", "-i", "pipe.yaml"])
    });
    assert_ne!(changed.code, 0);
    assert!(
        changed.stderr.contains("no regular file"),
        "{}",
        changed.stderr
    );
}

/// What is refused is not touched, not even its times.
#[test]
fn a_refusal_leaves_the_times_of_a_file() {
    let scratch = Scratch::new();
    let file = scratch.write("secrets.yaml", "a: \"b\n");
    let before = fs::metadata(&file).and_then(|metadata| metadata.modified());
    is_answer(&encrypt_in_place(&scratch, "secrets.yaml")).unwrap_or_else(|why| panic!("{why}"));
    let after = fs::metadata(&file).and_then(|metadata| metadata.modified());
    assert_eq!(before.expect("a time"), after.expect("a time"));
    assert_eq!(names(&scratch), ["secrets.yaml"]);
}

#[test]
fn files_cut_anywhere_are_refused() {
    let mut failures = Vec::new();
    let mut count = 0;
    for name in ["keys-yaml.default.enc.yaml", "keys-json.default.enc.json"] {
        let whole = read_testdata(&format!("golden/ok/{name}"));
        let scratch = Scratch::new();
        // The last line may lose its end without losing its sense.
        for cut in (0..whole.len() - 20).step_by(whole.len() / 40) {
            count += 1;
            let ran = scratch.decrypt(Ours, name, &whole[..cut]);
            if let Err(why) = is_answer(&ran) {
                failures.push(format!("{name} cut at {cut}: {why}"));
            }
        }
    }
    report(&failures, count);
}

#[test]
fn bytes_that_are_no_text_are_refused() {
    let scratch = Scratch::new();
    for (name, bytes) in [
        ("latin1.yaml", b"name: caf\xe9\n".as_slice()),
        ("nul.yaml", b"a: b\0c\n"),
        ("utf16.yaml", b"\xff\xfea\0:\0 \0b\0\n\0"),
        ("surrogate.yaml", b"a: \xed\xa0\x80\n"),
        ("latin1.json", b"{\"a\": \"caf\xe9\"}\n"),
        ("random.json", b"\x80\x81\x82"),
    ] {
        scratch.write(name, bytes);
        let ran = encrypt_in_place(&scratch, name);
        is_answer(&ran).unwrap_or_else(|why| panic!("{name}: {why}"));
        assert!(ran.stderr.contains(name), "{}", ran.stderr);
        assert_eq!(scratch.read(name), bytes, "{name}");
        let ran = scratch.run(Ours, ["decrypt", name]);
        is_answer(&ran).unwrap_or_else(|why| panic!("decrypting {name}: {why}"));
    }
}

#[test]
fn deep_nesting_is_an_answer() {
    let mut block = String::new();
    for depth in 0..3000 {
        block.push_str(&format!("{}k:\n", " ".repeat(depth)));
    }
    let scratch = Scratch::new();
    for (name, text) in [
        (
            "lists.yaml",
            format!("a: {}{}\n", "[".repeat(9_000), "]".repeat(9_000)),
        ),
        (
            "more-lists.yaml",
            format!("a: {}{}\n", "[".repeat(200_000), "]".repeat(200_000)),
        ),
        (
            "maps.yaml",
            format!("{}x{}\n", "{a: ".repeat(10_001), "}".repeat(10_001)),
        ),
        ("open.yaml", format!("a: {}\n", "[{".repeat(100_000))),
        ("dashes.yaml", format!("a:\n {}x\n", "- ".repeat(9_000))),
        ("block.yaml", block),
        (
            "lists.json",
            format!("{{\"a\": {}{}}}\n", "[".repeat(9_000), "]".repeat(9_000)),
        ),
        (
            "more-lists.json",
            format!(
                "{{\"a\": {}{}}}\n",
                "[".repeat(200_000),
                "]".repeat(200_000)
            ),
        ),
        (
            "maps.json",
            format!("{}1{}\n", "{\"a\": ".repeat(9_000), "}".repeat(9_000)),
        ),
        ("open.json", "{\"a\":[".repeat(100_000)),
    ] {
        let start = Instant::now();
        let encrypted = scratch.encrypt(Ours, name, text.as_bytes());
        match encrypted.code {
            0 => {
                let back = scratch.decrypt(Ours, name, &encrypted.stdout);
                assert!(back.text() == text, "{name}: {}", back.stderr);
            }
            _ => is_answer(&encrypted).unwrap_or_else(|why| panic!("{name}: {why}")),
        }
        assert!(
            start.elapsed() < Duration::from_secs(30),
            "{name} took {:?}",
            start.elapsed()
        );
    }
}

/// Aliases of aliases, which written out would fill any memory.
#[test]
fn a_bomb_of_aliases_is_an_answer() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let aliases = vec![format!("*a{}", level - 1); 9].join(", ");
        text.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    let scratch = Scratch::new();
    scratch.write("bomb.yaml", &text);
    let start = Instant::now();
    let ran = encrypt_in_place(&scratch, "bomb.yaml");
    is_answer(&ran).unwrap_or_else(|why| panic!("{why}"));
    // Written out, it would take years.
    assert!(start.elapsed() < Duration::from_secs(180));
    assert_eq!(scratch.read_text("bomb.yaml"), text);
}

/// 20 MB in an optimized build, a tenth of it otherwise.
#[test]
fn a_large_file_comes_back() {
    let size = if cfg!(debug_assertions) {
        2_000_000
    } else {
        20_000_000
    };
    let text = large_file(size);
    let scratch = Scratch::new();
    scratch.write("large.yaml", &text);
    encrypt_in_place(&scratch, "large.yaml").ok();
    assert!(!scratch.read_text("large.yaml").contains("value number"));
    scratch.run(Ours, ["decrypt", "-i", "large.yaml"]).ok();
    assert!(scratch.read_text("large.yaml") == text);
    assert_eq!(names(&scratch), ["large.yaml"]);
}

/// Of many files, those that cannot be encrypted do not keep the others from being so.
#[test]
fn one_bad_file_does_not_stop_the_others() {
    let scratch = Scratch::new();
    for name in ["one.yaml", "three.yaml"] {
        scratch.write(name, "a: b\n");
    }
    scratch.write("two.yaml", "a: \"b\n");
    let files = ["one.yaml", "two.yaml", "three.yaml"];
    let ran = scratch.run(Ours, IN_PLACE.into_iter().chain(files));
    assert_ne!(ran.code, 0);
    assert!(ran.stderr.contains("two.yaml"), "{}", ran.stderr);
    assert_eq!(scratch.read_text("two.yaml"), "a: \"b\n");
    for name in ["one.yaml", "three.yaml"] {
        assert!(scratch.read_text(name).contains("ENC["), "{name}");
    }
}

/// No message holds a secret, whatever is wrong with the file that holds it.
#[test]
fn messages_hold_no_secret() {
    let scratch = Scratch::new();
    for (name, text) in [
        ("quote.yaml", "a: \"hunter2\nb: c\n"),
        ("tab.yaml", "a:\n\thunter2: hunter2\n"),
        ("twice.yaml", "a: hunter2\na: hunter2\n"),
        ("tag.yaml", "a: !!int hunter2\n"),
        ("alias.yaml", "a: *hunter2\n"),
        ("list.yaml", "- hunter2\n"),
        ("cut.json", "{\"a\": \"hunter2"),
        ("word.json", "{\"a\": hunter2}"),
        ("escape.json", "{\"a\": \"hunter2\\x\"}"),
        ("encrypted.yaml", "a: hunter2\nsops: hunter2\n"),
    ] {
        scratch.write(name, text);
        for command in [
            ["encrypt", "--age", RECIPIENT, name].as_slice(),
            &["decrypt", name],
            &["check", name],
        ] {
            let ran = scratch.run(Ours, command);
            // Without rules, a plain file is none of the business of `check`.
            assert!(ran.code != 0 || command[0] == "check", "{command:?}");
            // The name of an anchor is not a value, and helps to find it.
            let shown = ran.stderr.replace("*hunter2", "").replace("`hunter2`", "");
            assert!(
                !shown.contains("hunter2") || name == "alias.yaml",
                "{command:?}: {shown}"
            );
        }
    }
}

/// Streams that are closed, not only empty.
#[test]
fn closed_streams_are_an_answer() {
    let lines = [
        ("decrypt a.yaml", true),
        ("-d a.yaml", true),
        ("decrypt", false),
        ("encrypt --filename-override b.yaml", false),
        ("set --value-stdin a.yaml user", false),
        ("get a.yaml user", true),
        ("filestatus a.yaml", true),
        ("recipients a.yaml", true),
        ("rotate a.yaml", true),
        ("exec-env a.yaml true", true),
        ("exec-file a.yaml 'cat {} > copy'", true),
        ("exec-file --no-fifo a.yaml 'cat {} > copy'", true),
        ("edit a.yaml", false),
        ("--help", true),
        ("help topics", true),
        ("completion bash", true),
        ("man", true),
        ("--version", true),
    ];
    for (line, works) in lines {
        for closed in ["<&-", ">&-", "2>&-", "<&- 2>&-", "<&- >&- 2>&-"] {
            let scratch = Scratch::new();
            scratch.write(
                ".sops.yaml",
                format!("creation_rules:\n  - age: {RECIPIENT}\n"),
            );
            scratch.write("a.yaml", "user: admin\n");
            scratch.run(Ours, ["encrypt", "-i", "a.yaml"]).ok();
            let before = scratch.read("a.yaml");
            let ours = scratch.command(Ours);
            let mut command = std::process::Command::new("sh");
            command.args(["-c", &format!("exec \"$0\" {line} {closed}")]);
            command.arg(ours.get_program()).env_clear();
            for (name, value) in ours.get_envs() {
                command.env(name, value.expect("set, not removed"));
            }
            let output = command
                .current_dir(scratch.folder())
                .output()
                .expect("sh is there");
            let ran = Ran::from(output);
            assert!(
                (0..=203).contains(&ran.code),
                "{line} {closed}: {} {}",
                ran.code,
                ran.stderr
            );
            assert!(
                !ran.stderr.contains("internal error"),
                "{line} {closed}: {}",
                ran.stderr
            );
            if works && !closed.contains(">&- ") && closed != ">&-" {
                assert_eq!(ran.code, 0, "{line} {closed}: {}", ran.stderr);
            }
            assert!(scratch.read("a.yaml") == before, "{line} {closed}");
            scratch.assert_nothing_left();
        }
    }
}

/// Who reads the output has seen enough: not a word.
#[test]
fn a_broken_pipe_is_quiet() {
    let scratch = Scratch::new();
    scratch.write("a.yaml", large_file(300_000));
    scratch
        .run(Ours, ["encrypt", "-i", "--age", RECIPIENT, "a.yaml"])
        .ok();
    for line in [
        "decrypt a.yaml",
        "get a.yaml ''",
        "help compatibility",
        "rotate a.yaml",
        "completion bash",
    ] {
        let ours = scratch.command(Ours);
        let mut command = std::process::Command::new("bash");
        let script = format!(
            "set -o pipefail; \"$0\" {line} 2> errors | head -c 1 > /dev/null; cat errors; exit ${{PIPESTATUS[0]}}"
        );
        command
            .args(["-c", &script])
            .arg(ours.get_program())
            .env_clear();
        for (name, value) in ours.get_envs() {
            command.env(name, value.expect("set, not removed"));
        }
        let output = command
            .current_dir(scratch.folder())
            .output()
            .expect("bash is there");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let said: Vec<_> = said
            .lines()
            .filter(|line| !line.contains("secret keys") && !line.contains("chmod"))
            .collect();
        assert!(
            said.is_empty() || line.starts_with("get"),
            "{line}: {said:?}"
        );
    }
}

#[test]
fn a_mistake_in_a_configuration_is_shown_at_its_place() {
    let scratch = Scratch::new();
    scratch.write("plain.yaml", "password: hunter2\n");
    scratch.write("rules", "creation_rules:\n  - path_regex: a[\n");
    let place = "rules:2:17: path_regex: ";
    let excerpt = "\n2 |   - path_regex: a[\n  |                 ^\n";
    let ran = scratch.run(Ours, ["--config", "rules", "encrypt", "plain.yaml"]);
    assert_eq!((ran.code, ran.stdout.len()), (1, 0));
    assert!(ran.stderr.contains(place), "{}", ran.stderr);
    assert!(ran.stderr.contains(excerpt), "{}", ran.stderr);
    // Of a document no line is ever shown.
    scratch.write("broken.yaml", "password: hunter2\nlist: [hunter3\n");
    let ran = scratch.run(Ours, ["encrypt", "--age", RECIPIENT, "broken.yaml"]);
    assert_eq!((ran.code, ran.stdout.len()), (2, 0));
    assert!(ran.stderr.contains("broken.yaml:"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("hunter"), "{}", ran.stderr);
}

#[test]
fn who_wants_quiet_gets_the_failure_alone() {
    let scratch = Scratch::new();
    scratch.write("plain.yaml", "password: hunter2\n");
    scratch.write("rules", "creation_rules:\n  - path_regex: a[\n");
    for arguments in [
        ["--config", "rules", "encrypt", "plain.yaml"].as_slice(),
        &["decrypt", "plain.yaml"],
        &["get", "plain.yaml", "a"],
    ] {
        let normal = scratch.run(Ours, arguments);
        assert!(normal.stderr.lines().count() > 1, "{}", normal.stderr);
        let quiet = scratch.run(Ours, [&["--quiet"], arguments].concat());
        assert_eq!(quiet.code, normal.code, "{arguments:?}");
        assert_eq!(quiet.stderr.lines().count(), 1, "{}", quiet.stderr);
        assert!(quiet.stderr.starts_with("error: "), "{}", quiet.stderr);
    }
}
