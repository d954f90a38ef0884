//! What the program finds around it: variables, the name of the working folder, names of files that are not text, and
//! completion scripts that the reference wrote.

use std::{ffi::OsStr, fs, os::unix::ffi::OsStrExt as _};

use crate::support::{
    Program::{Ours, Reference},
    RECIPIENT, Ran, SECOND_RECIPIENT, Scratch, has_reference,
};

fn scratch() -> Scratch {
    let scratch = Scratch::new();
    let encrypted = scratch.encrypt(Ours, "secret.yaml", b"a: b\n").ok();
    scratch.write("secret.yaml", encrypted);
    scratch
}

#[test]
fn a_variable_that_is_empty_is_none() {
    let scratch = scratch();
    for name in [
        "SOPS_CONFIG",
        "SOPS_DECRYPTION_ORDER",
        "SOPS_KEYSERVICE",
        "SOPS_AGE_RECIPIENTS",
        "SOPS_PGP_FP",
        "SOPS_KMS_ARN",
        "SOPS_GCP_KMS_IDS",
        "SOPS_HUAWEICLOUD_KMS_IDS",
        "SOPS_AZURE_KEYVAULT_URLS",
        "SOPS_VAULT_URIS",
        "SOPS_KEY_TIMEOUT",
    ] {
        for arguments in [
            &["decrypt", "secret.yaml"][..],
            &["encrypt", "--age", RECIPIENT, "/dev/stdin"],
            &["set", "secret.yaml", "a", "1"],
            &["filestatus", "secret.yaml"],
        ] {
            let ran = scratch.run_with(Ours, arguments, [(name, "")], Some(b"a: b\n"));
            assert_eq!(ran.code, 0, "{name} {arguments:?}: {}", ran.stderr);
        }
    }
}

#[test]
fn keys_that_are_switched_off_are_said_to_be() {
    let scratch = scratch();
    let check = |ran: Ran, code: i32| {
        assert_eq!(ran.code, code, "{}", ran.stderr);
        assert!(ran.stderr.contains("switched off"), "{}", ran.stderr);
        assert!(!ran.stderr.contains("in this build"), "{}", ran.stderr);
        let hint = "hint: --enable-local-keyservice";
        assert!(ran.stderr.contains(hint), "{}", ran.stderr);
    };
    let flag = "--enable-local-keyservice=false";
    check(scratch.run(Ours, ["decrypt", flag, "secret.yaml"]), 128);
    for value in ["false", ""] {
        let settings = [("SOPS_ENABLE_LOCAL_KEYSERVICE", value)];
        check(
            scratch.run_with(Ours, ["decrypt", "secret.yaml"], settings, None),
            128,
        );
    }
    scratch.write("plain.yaml", "a: b\n");
    let encrypt = ["encrypt", flag, "--age", RECIPIENT, "plain.yaml"];
    check(scratch.run(Ours, encrypt), 1);
}

/// The shell knows a folder by the way that led there, and creation rules count from that, as in the reference.
#[test]
fn a_working_folder_has_the_name_that_the_shell_gives_it() {
    let scratch = Scratch::new();
    let rules = format!(
        "creation_rules:\n  - path_regex: ^secrets/\n    age: {RECIPIENT}\n  - path_regex: ^link/s\n    age: {SECOND_RECIPIENT}\n  - path_regex: ^(in/)?sub/\n    age: {RECIPIENT},{SECOND_RECIPIENT}\n  - age: {SECOND_RECIPIENT},{RECIPIENT}\n"
    );
    scratch.write("repo/.sops.yaml", &rules);
    scratch.write("repo/secrets/sub/.keep", "");
    for (name, target) in [("link", "repo/secrets"), ("deep", "repo/secrets/sub")] {
        std::os::unix::fs::symlink(target, scratch.path(name)).expect("a free name");
    }
    scratch.write("repo/secrets/s.yaml", "a: b\n");
    scratch.write("repo/secrets/sub/s.yaml", "a: b\n");
    let recipients = |program, folder: &str, pwd: &OsStr, arguments: &[&str]| {
        let mut command = scratch.command(program);
        command.current_dir(scratch.path(folder)).env("PWD", pwd);
        let ran = Ran::of(command.args(arguments).spawn().expect("it starts"));
        let text = String::from_utf8(ran.ok()).expect("a text");
        let lines = text
            .lines()
            .filter_map(|line| line.split_once("recipient: "));
        let found = lines.map(|(_, recipient)| recipient.to_owned());
        found.collect::<Vec<_>>()
    };
    let pwd = |name: &str| scratch.path(name).into_os_string();
    let real = fs::canonicalize(scratch.path("repo/secrets")).expect("it is there");

    let encrypt = ["-e", "s.yaml"];
    let by_link = recipients(Ours, "link", &pwd("link"), &encrypt);
    assert_eq!(by_link, [SECOND_RECIPIENT]);
    let by_name = recipients(Ours, "link", real.as_os_str(), &encrypt);
    assert_eq!(by_name, [RECIPIENT]);
    if !has_reference() {
        return;
    }
    for (folder, named) in [
        ("link", pwd("link")),
        ("link", real.into_os_string()),
        ("link", pwd("link/")),
        ("link", pwd("link/.")),
        ("link", pwd("link/../link")),
        // Not there, another folder, and no absolute path.
        ("link", pwd("missing")),
        ("link", pwd("repo")),
        ("link", "link".into()),
        ("link", "".into()),
        ("deep", pwd("deep")),
        ("link/sub", pwd("link/sub")),
        ("repo/secrets", pwd("link")),
    ] {
        for arguments in [
            &["-e", "s.yaml"][..],
            &["-e", "./s.yaml"],
            &["-e", "--config", "../.sops.yaml", "s.yaml"],
            &["-e", "--filename-override", "sub/s.yaml", "s.yaml"],
            &["-e", "--filename-override", "../secrets/s.yaml", "s.yaml"],
        ] {
            // There is no such configuration.
            if arguments.contains(&"--config") && ["deep", "link/sub"].contains(&folder) {
                continue;
            }
            let ours = recipients(Ours, folder, &named, arguments);
            let expected = recipients(Reference, folder, &named, arguments);
            assert_eq!(ours, expected, "{folder} {named:?} {arguments:?}");
        }
    }
}

/// Elsewhere there may be no such names.
#[cfg(target_os = "linux")]
#[test]
fn a_name_need_not_be_text() {
    let scratch = scratch();
    let name = OsStr::from_bytes(b"caf\xe9.yaml");
    let path = scratch.folder().join(name);
    fs::copy(scratch.path("secret.yaml"), &path).expect("a free name");
    let run = |words: &[&str]| {
        let words = words.iter().map(|&word| match word {
            "FILE" => name,
            word => OsStr::new(word),
        });
        scratch.run(Ours, words)
    };
    run(&["set", "FILE", "c", "\"d\"", "e", "-5"]).ok();
    assert_eq!(run(&["get", "FILE", "c", "e"]).text(), "d\n-5\n");
    run(&["--set", "[\"c\"] \"x\"", "FILE"]).ok();
    run(&["unset", "FILE", "e"]).ok();
    assert_eq!(run(&["decrypt", "FILE"]).text(), "a: b\nc: x\n");
    let value = scratch.folder().join(OsStr::from_bytes(b"\xff"));
    fs::write(&value, "5").expect("a free name");
    let words = ["set", "--value-file", "secret.yaml", "a"].map(OsStr::new);
    let words = words.into_iter().chain([value.as_os_str()]);
    scratch.run(Ours, words).ok();
    assert_eq!(run(&["get", "secret.yaml", "a"]).text(), "5\n");
}

#[test]
fn paths_and_values_are_text() {
    let scratch = scratch();
    let bad = OsStr::from_bytes(b"a\xff");
    let [a, file, get, set, unset] = ["a", "secret.yaml", "get", "set", "unset"].map(OsStr::new);
    for words in [
        &[get, file, bad][..],
        &[unset, file, bad],
        &[set, file, bad, a],
        &[set, file, a, bad],
        &[OsStr::new("--set"), bad, file],
    ] {
        let ran = scratch.run(Ours, words);
        assert_ne!(ran.code, 0, "{words:?}");
        assert!(ran.stderr.contains("UTF-8"), "{words:?}: {}", ran.stderr);
        assert!(!ran.stderr.contains("arguments"), "{}", ran.stderr);
    }
}

#[test]
fn completion_scripts_of_the_reference_get_words() {
    let scratch = Scratch::new();
    for (words, expected) in [
        (&["groups"][..], "add\ndelete\n"),
        (&["groups", "add"], ""),
        (&["decrypt"], ""),
        (&["completion"], "bash\nzsh\nfish\npowershell\nelvish\n"),
    ] {
        let flag = ["--generate-bash-completion"];
        let ran = scratch.run(Ours, words.iter().chain(&flag));
        assert_eq!(String::from_utf8_lossy(&ran.ok()), expected, "{words:?}");
    }
    let settings = [("_CLI_ZSH_AUTOCOMPLETE_HACK", "1")];
    let arguments = ["groups", "--generate-bash-completion"];
    let ran = scratch.run_with(Ours, arguments, settings, None);
    assert!(ran.text().starts_with("add:Add a group"), "{}", ran.text());
}

/// Whoever names the keys needs no rule that does.
#[test]
fn keys_on_the_command_line_need_no_rule() {
    for rules in [
        "creation_rules:\n  - path_regex: other\n    age: age1none\n",
        "creation_rules: []\n",
    ] {
        let scratch = Scratch::new();
        scratch.write(".sops.yaml", rules);
        scratch.write("plain.yaml", "a: b\n");
        let arguments = ["encrypt", "--age", RECIPIENT, "plain.yaml"];
        let encrypted = scratch.run(Ours, arguments).ok();
        scratch.write("secret.yaml", encrypted);
        let decrypted = scratch.run(Ours, ["decrypt", "secret.yaml"]);
        assert_eq!(decrypted.text(), "a: b\n", "{}", decrypted.stderr);
        if has_reference() {
            assert_eq!(scratch.run(Reference, arguments).code, 1);
        }
    }
}
