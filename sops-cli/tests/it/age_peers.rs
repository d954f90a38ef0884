//! age itself, its other implementations, and its plugins: each opens what ours wrapped, and ours opens what they did.

use std::{
    env,
    ffi::OsString,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use crate::{
    age_kinds::{Kind, PLAIN, command, decrypt, encrypt, kinds, made, run},
    readers::reader,
    support::{
        Program::{Ours, Reference},
        Ran, Scratch, go_programs, has_reference, skip,
    },
};

/// Recipient and identity of `age-plugin-unencrypted`.
const PLUGIN_RECIPIENT: &str = "age1unencrypted1k5fr0r";
const PLUGIN_IDENTITY: &str = "AGE-PLUGIN-UNENCRYPTED-1CR7ZD5";

/// Another implementation of age.
struct Peer<'p> {
    name: &'p str,
    /// Decrypts what is in a file with the identities in another one.
    decrypt: &'p dyn Fn(&Scratch, &str, &Path) -> Ran,
    /// Encrypts a file for a recipient, in armor.
    encrypt: &'p dyn Fn(&Scratch, &str, &str) -> Ran,
}

impl Peer<'_> {
    /// Lets it open what ours wraps for a key, and ours what it wraps.
    #[track_caller]
    fn check(&self, scratch: &Scratch, kind: &Kind) {
        let encrypted = encrypt(scratch, Ours, &kind.recipient);
        scratch.write("enc", enc_of(&encrypted));
        let opened = (self.decrypt)(scratch, "enc", &kind.file);
        assert_eq!(
            opened.code, 0,
            "{} {}: {}",
            self.name, kind.name, opened.stderr
        );
        assert_eq!(opened.stdout.len(), 32, "{} {}", self.name, kind.name);
        scratch.write("key", opened.stdout);
        let wrapped = (self.encrypt)(scratch, "key", &kind.recipient);
        assert_eq!(
            wrapped.code, 0,
            "{} {}: {}",
            self.name, kind.name, wrapped.stderr
        );
        let changed = with_enc(&encrypted, &wrapped.text());
        let opened = decrypt(scratch, Ours, kind, &changed);
        assert_eq!(
            opened.code, 0,
            "{} {}: {}",
            self.name, kind.name, opened.stderr
        );
        assert_eq!(opened.text(), PLAIN);
    }
}

fn run_in(scratch: &Scratch, mut command: Command) -> Ran {
    command.current_dir(scratch.folder()).stdin(Stdio::null());
    command.output().expect("the program starts").into()
}

/// A command line with the arguments of age.
fn check_program(name: &str, program: &Path, scratch: &Scratch, kind: &Kind) {
    let peer = Peer {
        name,
        decrypt: &|scratch, file, identities| {
            let mut command = Command::new(program);
            command.args(["-d", "-i"]).arg(identities).arg(file);
            run_in(scratch, command)
        },
        encrypt: &|scratch, file, recipient| {
            let mut command = Command::new(program);
            command.args(["-e", "-a", "-r", recipient, file]);
            run_in(scratch, command)
        },
    };
    peer.check(scratch, kind);
}

#[test]
fn every_kind_goes_to_age_and_back() {
    let found = ages();
    if !found.iter().any(|(_, version)| *version >= (1, 3)) {
        skip("age 1.3 or later (bin/ of `go env GOPATH`, ~/go/bin or on PATH)");
    }
    let scratch = Scratch::new();
    for kind in kinds(&scratch) {
        for (age, version) in &found {
            if *version >= (1, 3) || !kind.is_post_quantum() {
                check_program(&format!("age {version:?}"), age, &scratch, &kind);
            }
        }
    }
}

#[test]
fn every_kind_goes_to_rage_and_back() {
    let Some(rage) = program("rage", "SOPS_TEST_AGE_PLUGINS") else {
        return;
    };
    let scratch = Scratch::new();
    for kind in kinds(&scratch) {
        // It knows neither those keys nor that format of private keys.
        if !kind.is_post_quantum() && kind.name != "rsa-pkcs8" {
            check_program("rage", &rage, &scratch, &kind);
        }
    }
}

/// npm's age-encryption, which knows no keys of SSH.
#[test]
fn native_kinds_go_to_typage_and_back() {
    const SCRIPT: &str = "const { Decrypter, Encrypter, armor } = await import(process.argv[1]);
        const { readFileSync } = await import('node:fs');
        const [, , what, file, key] = process.argv;
        if (what === 'decrypt') {
            const age = new Decrypter();
            const identities = readFileSync(key, 'utf8').split('\\n');
            identities.filter((line) => line.startsWith('AGE-')).forEach((line) => age.addIdentity(line));
            process.stdout.write(await age.decrypt(armor.decode(readFileSync(file, 'utf8'))));
        } else {
            const age = new Encrypter();
            age.addRecipient(key);
            console.log(armor.encode(await age.encrypt(readFileSync(file))));
        }";
    let Some(module) = reader("typage/node_modules/age-encryption/dist/index.js") else {
        return;
    };
    let node = |words: &[&str]| {
        let mut command = Command::new("node");
        command
            .args(["--input-type=module", "--eval", SCRIPT])
            .arg(&module);
        command.args(words);
        command
    };
    let peer = Peer {
        name: "typage",
        decrypt: &|scratch, file, identities| {
            let identities = identities.to_str().expect("a path that is text");
            run_in(scratch, node(&["decrypt", file, identities]))
        },
        encrypt: &|scratch, file, recipient| run_in(scratch, node(&["encrypt", file, recipient])),
    };
    let scratch = Scratch::new();
    for kind in kinds(&scratch).iter().filter(|kind| kind.is_native()) {
        peer.check(&scratch, kind);
    }
}

/// The programs called age that are there, with their versions.
fn ages() -> Vec<(PathBuf, (u32, u32))> {
    let versions = go_programs("age").into_iter().map(|path| {
        let output = Command::new(&path).arg("--version").output();
        let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
        let text = text.unwrap_or_default();
        let mut numbers = text.trim().trim_start_matches('v').split('.');
        let mut number = || numbers.next().and_then(|text| text.parse().ok());
        (path, (number().unwrap_or(0), number().unwrap_or(0)))
    });
    versions.filter(|(_, version)| *version >= (1, 0)).collect()
}

/// What an encrypted YAML file holds for its one recipient.
fn enc_of(encrypted: &str) -> String {
    let start = encrypted.find("-----BEGIN AGE").expect("an armor");
    let lines = encrypted[start..].lines().map(str::trim);
    let mut armor = String::new();
    for line in lines {
        armor.push_str(line);
        armor.push('\n');
        if line.starts_with("-----END") {
            break;
        }
    }
    armor
}

/// An encrypted YAML file with something else for its one recipient.
fn with_enc(encrypted: &str, armor: &str) -> String {
    let indented = |armor: &str| {
        let lines: Vec<_> = armor.trim_end().lines().collect();
        lines.join("\n            ")
    };
    let changed = encrypted.replace(&indented(&enc_of(encrypted)), &indented(armor));
    assert_ne!(changed, encrypted);
    changed
}

#[test]
fn plugins_wrap_and_unwrap() {
    let Some(plugin) = program("age-plugin-unencrypted", "SOPS_TEST_AGE_PLUGINS") else {
        return;
    };
    let scratch = Scratch::new();
    let file = scratch.write("identity.txt", format!("{PLUGIN_IDENTITY}\n"));
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("a file of ours");
    let path = path_with(&plugin);
    let with = |program, settings: &[(&str, &str)], arguments: &[&str]| {
        let mut command = command(&scratch, program);
        command.env("PATH", &path).env("SOPS_AGE_KEY_FILE", &file);
        command.envs(settings.iter().copied());
        run(command, arguments)
    };
    scratch.write("plain.yaml", PLAIN);
    let encrypting = ["encrypt", "--age", PLUGIN_RECIPIENT, "plain.yaml"];
    let mut pairs = vec![(Ours, Ours)];
    if has_reference() {
        pairs.extend([(Ours, Reference), (Reference, Ours)]);
    }
    for (from, to) in pairs {
        let encrypted = with(from, &[], &encrypting).ok();
        scratch.write("encrypted.yaml", encrypted);
        let opened = with(to, &[], &["decrypt", "encrypted.yaml"]);
        assert_eq!(opened.code, 0, "{from:?} {to:?} {}", opened.stderr);
        assert_eq!(opened.text(), PLAIN);
    }

    for (place, arguments, code) in [
        ("recipient", &encrypting[..], 1),
        ("wrap", &encrypting, 1),
        ("identity", &["decrypt", "encrypted.yaml"], 128),
        ("unwrap", &["decrypt", "encrypted.yaml"], 128),
    ] {
        let explodes = with(Ours, &[("AGE_EXPLODES", place)], arguments);
        assert_eq!(explodes.code, code, "{place} {}", explodes.stderr);
        let boom = "age plugin unencrypted: it ended before it was done: ";
        assert!(explodes.stderr.contains(boom), "{}", explodes.stderr);
        assert!(
            explodes.stderr.contains("is set. Boom!"),
            "{}",
            explodes.stderr
        );
        assert!(explodes.stdout.is_empty());
    }
    let half = [("AGE_HALF_PLUGIN", "recipient")];
    assert_eq!(with(Ours, &half, &encrypting).code, 0);
    assert_eq!(with(Ours, &half, &["decrypt", "encrypted.yaml"]).code, 128);
    let half = [("AGE_HALF_PLUGIN", "identity")];
    assert_eq!(with(Ours, &half, &encrypting).code, 1);
    assert_eq!(with(Ours, &half, &["decrypt", "encrypted.yaml"]).code, 0);

    let without = [("PATH", "/usr/bin:/bin")];
    for arguments in [&encrypting[..], &["decrypt", "encrypted.yaml"]] {
        let missing = with(Ours, &without, arguments);
        assert!(
            missing
                .stderr
                .contains("age-plugin-unencrypted is not installed"),
            "{}",
            missing.stderr
        );
        assert!(missing.stdout.is_empty());
    }
}

#[test]
fn a_plugin_that_hangs_is_ended() {
    let scratch = Scratch::new();
    let plugin = scratch.write("age-plugin-unencrypted", "#!/bin/sh\nexec sleep 600\n");
    fs::set_permissions(&plugin, fs::Permissions::from_mode(0o755)).expect("a file of ours");
    scratch.write("plain.yaml", PLAIN);
    let mut command = command(&scratch, Ours);
    let path = format!("{}:/usr/bin:/bin", scratch.folder().display());
    command
        .env("PATH", path)
        .env("SOPS_AGE_PLUGIN_TIMEOUT", "1");
    let start = Instant::now();
    let arguments = ["encrypt", "-i", "--age", PLUGIN_RECIPIENT, "plain.yaml"];
    let hung = run(command, &arguments);
    assert!(start.elapsed() < Duration::from_secs(30));
    assert_eq!(hung.code, 1);
    assert!(
        hung.stderr.contains("it said nothing for 1 seconds"),
        "{}",
        hung.stderr
    );
    assert_eq!(scratch.read_text("plain.yaml"), PLAIN);
}

/// Returns a program, in the folder that a variable names or on the path; says so if it is not there.
fn program(name: &str, variable: &str) -> Option<PathBuf> {
    let named = env::var_os(variable).map(|folder| PathBuf::from(folder).join(name));
    let mut all = named.into_iter().chain(go_programs(name));
    let found = all.find(|program| program.is_file());
    if found.is_none() {
        skip(&format!("{name} ({variable}, ~/go/bin or on PATH)"));
    }
    found
}

/// A path for programs with the folder of one in it.
fn path_with(program: &Path) -> OsString {
    let folder = program.parent().expect("a folder");
    env::join_paths([folder, Path::new("/usr/bin"), Path::new("/bin")]).expect("a path")
}

/// One plugin for keys that are known without it.
#[test]
fn the_plugin_for_post_quantum_keys_unwraps() {
    let Some(plugin) = program("age-plugin-pq", "SOPS_TEST_AGE_PLUGINS") else {
        return;
    };
    let scratch = Scratch::new();
    let kind = made(&scratch, "hybrid", &["--pq"]);
    let mut convert = Command::new(&plugin);
    convert
        .args(["-identity", "-o", "plugin.txt"])
        .arg(&kind.file);
    assert_eq!(run_in(&scratch, convert).code, 0);
    assert!(
        scratch
            .read_text("plugin.txt")
            .starts_with("AGE-PLUGIN-PQ-1")
    );
    let mut programs = vec![Ours];
    programs.extend(has_reference().then_some(Reference));
    for from in &programs {
        scratch.write("encrypted.yaml", encrypt(&scratch, *from, &kind.recipient));
        for to in &programs {
            let mut command = command(&scratch, *to);
            command
                .env("PATH", path_with(&plugin))
                .env("SOPS_AGE_KEY_FILE", "plugin.txt");
            let opened = run(command, &["decrypt", "encrypted.yaml"]);
            assert_eq!(opened.code, 0, "{from:?} {to:?} {}", opened.stderr);
            assert_eq!(opened.text(), PLAIN);
        }
    }
    let stranger = made(&scratch, "stranger", &["--pq"]);
    scratch.write(
        "encrypted.yaml",
        encrypt(&scratch, Ours, &stranger.recipient),
    );
    let mut command = command(&scratch, Ours);
    command
        .env("PATH", path_with(&plugin))
        .env("SOPS_AGE_KEY_FILE", "plugin.txt");
    let refused = run(command, &["decrypt", "encrypted.yaml"]);
    assert_eq!(refused.code, 128);
    assert!(
        refused.stderr.contains("does not fit"),
        "{}",
        refused.stderr
    );
}

/// SOPS wraps for no passphrase, but a plugin may unwrap what somebody did.
#[test]
fn the_plugin_for_passphrases_unwraps() {
    let Some(plugin) = program("age-plugin-batchpass", "SOPS_TEST_AGE_PLUGINS") else {
        return;
    };
    let Some((age, _)) = ages().into_iter().find(|(_, version)| *version >= (1, 3)) else {
        return skip("age 1.3 or later");
    };
    let scratch = Scratch::new();
    let kind = made(&scratch, "x25519", &[]);
    let encrypted = encrypt(&scratch, Ours, &kind.recipient);
    scratch.write("enc", enc_of(&encrypted));
    let age = |arguments: &[&str]| {
        let mut command = Command::new(&age);
        command.args(arguments).env("PATH", path_with(&plugin));
        command
            .env("AGE_PASSPHRASE", "secret")
            .env("AGE_PASSPHRASE_WORK_FACTOR", "10");
        run_in(&scratch, command).ok()
    };
    let key = age(&["-d", "-i", "x25519.txt", "enc"]);
    scratch.write("key", key);
    let wrapped = age(&["-e", "-a", "-j", "batchpass", "key"]);
    let wrapped = String::from_utf8(wrapped).expect("an armor");
    scratch.write("encrypted.yaml", with_enc(&encrypted, &wrapped));
    let file = scratch.write("identity.txt", "AGE-PLUGIN-BATCHPASS-1JCS0Q9\n");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("a file of ours");
    let decrypt = |program, identities: &Path, passphrase| {
        let mut command = command(&scratch, program);
        command
            .env("PATH", path_with(&plugin))
            .env("AGE_PASSPHRASE", passphrase);
        command.env("SOPS_AGE_KEY_FILE", identities);
        run(command, &["decrypt", "encrypted.yaml"])
    };
    let mut programs = vec![Ours];
    programs.extend(has_reference().then_some(Reference));
    for program in programs {
        let opened = decrypt(program, &file, "secret");
        assert_eq!(opened.text(), PLAIN, "{program:?} {}", opened.stderr);
    }
    for (identities, passphrase, expected) in [
        (&file, "wrong", "age plugin batchpass: incorrect passphrase"),
        (&file, "", "age plugin batchpass: "),
        (
            &kind.file,
            "secret",
            "encrypted with a passphrase, which SOPS does not ask for",
        ),
    ] {
        let refused = decrypt(Ours, identities, passphrase);
        assert_eq!(refused.code, 128);
        assert!(refused.stderr.contains(expected), "{}", refused.stderr);
        assert!(refused.stdout.is_empty());
    }
}
