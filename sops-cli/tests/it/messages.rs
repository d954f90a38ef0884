//! What is said when something goes wrong: nothing secret, nothing that a terminal obeys, and what to do.

use crate::support::{Program::Ours, RECIPIENT, Ran, Scratch};

fn ours(scratch: &Scratch, line: &str) -> Ran {
    scratch.run(Ours, line.split_whitespace())
}

#[test]
fn no_secret_of_a_configuration_is_shown() {
    let rule_with = |key: &str, value: &str| format!("creation_rules:\n  - {key}: {value}\n");
    let secret_key = "AGE-SECRET-KEY-1QQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQ";
    let scratch = Scratch::new();
    scratch.write("a.yaml", "a: b\n");
    ours(&scratch, &format!("encrypt -i --age {RECIPIENT} a.yaml")).ok();
    scratch.write("plain.yaml", "a: b\n");
    for (text, place, secret) in [
        (rule_with("age", secret_key), "rules:2:", "QQQQ"),
        (
            rule_with("age", &format!("[{secret_key}]")),
            "rules:2:",
            "QQQQ",
        ),
        (
            rule_with("hc_vault_transit_uri", "https://u:pa55@h/v1/foo"),
            "rules:2:",
            "pa55",
        ),
        // Files of other kinds.
        ("PASSWORD=hunter2\n".to_owned(), "rules:1:1", "hunter2"),
        ("a: hunter2\nb: [hunter2\n".to_owned(), "rules:", "hunter2"),
        (
            "creation_rules: []\nb: [hunter2\n".to_owned(),
            "rules:",
            "hunter2",
        ),
        ("- hunter2\n".to_owned(), "rules:1:1", "hunter2"),
    ] {
        scratch.write("rules", &text);
        for verb in [
            "check",
            "encrypt plain.yaml",
            "--quiet encrypt plain.yaml",
            "updatekeys -y a.yaml",
            "recipients a.yaml",
            "publish -y a.yaml",
        ] {
            let ran = ours(&scratch, &format!("--config rules {verb}"));
            assert!(!ran.stderr.contains(secret), "{verb}: {}", ran.stderr);
            assert!(!ran.text().contains(secret), "{verb}: {}", ran.text());
            if verb.ends_with("plain.yaml") {
                assert_eq!(ran.code, 1, "{}", ran.stderr);
                assert!(ran.stderr.contains(place), "{}", ran.stderr);
            }
        }
    }
}

/// What would clear a screen, set a title, end a line and turn the direction of writing around.
const OBEYED: &str = r"x\e[2J\e]0;title\a\r\nINJECTED\u202e\x9b1m";

#[test]
fn nothing_in_metadata_is_obeyed_by_a_terminal() {
    let scratch = Scratch::new();
    scratch.write("a.yaml", "a: b\n");
    ours(&scratch, &format!("encrypt -i --age {RECIPIENT} a.yaml")).ok();
    let good = scratch.read_text("a.yaml");
    scratch.write("rules", format!("creation_rules:\n  - age: {RECIPIENT}\n"));
    let date = "created_at: \"2024-01-01T00:00:00Z\"";
    let mut shown = String::new();
    for entry in [
        format!("pgp:\n        - {{fp: \"{OBEYED}\", enc: x, {date}}}"),
        format!("kms:\n        - {{arn: \"{OBEYED}\", enc: x, {date}}}"),
        format!(
            "kms:\n        - {{arn: \"arn:aws:kms:eu-west-1:1:key/{OBEYED}\", enc: x, {date}}}"
        ),
        format!(
            "kms:\n        - {{arn: \"arn:aws:kms:eu-west-1:1:key/1\", role: \"{OBEYED}\", \
             context: {{\"{OBEYED}\": a}}, aws_profile: \"{OBEYED}\", enc: x, {date}}}"
        ),
        format!(
            "kms:\n        - {{arn: \"arn:aws:kms:eu-west-1:1:key/1\", \
             context: {{\"{OBEYED}\": [1]}}, enc: x, {date}}}"
        ),
        format!("gcp_kms:\n        - {{resource_id: \"{OBEYED}\", enc: x, {date}}}"),
        format!("hckms:\n        - {{key_id: \"a:{OBEYED}\", enc: x, {date}}}"),
        format!(
            "azure_kv:\n        - {{vault_url: \"https://{OBEYED}\", name: n, version: \"1\", enc: x, {date}}}"
        ),
        format!(
            "azure_kv:\n        - {{vault_url: \"{OBEYED}\", name: \"{OBEYED}\", version: \"{OBEYED}\", enc: x, {date}}}"
        ),
        format!(
            "hc_vault:\n        - {{vault_address: \"http://{OBEYED}\", engine_path: \"{OBEYED}\", \
             key_name: \"{OBEYED}\", enc: x, {date}}}"
        ),
        format!(
            "hc_vault:\n        - {{vault_address: \"{OBEYED}\", engine_path: e, key_name: k, enc: x, {date}}}"
        ),
        // Nobody listens there.
        format!(
            "hc_vault:\n        - {{vault_address: \"http://127.0.0.1:1\", engine_path: \"e{OBEYED}\", \
             key_name: \"{OBEYED}\", enc: x, {date}}}"
        ),
        format!("age:\n        - {{recipient: \"{OBEYED}\", enc: x}}"),
        format!("age:\n        - {{recipient: \"age1{OBEYED}\", enc: x}}"),
        format!("\"{OBEYED}\": [1]\n    encrypted_regex: \"({OBEYED}\"\n    x: []"),
        format!("version: \"{OBEYED}\"\n    lastmodified: \"{OBEYED}\"\n    x: []"),
        format!(
            "key_groups:\n        - {{\"{OBEYED}\": 1, pgp: [{{fp: \"{OBEYED}\", enc: \"{OBEYED}\", {date}}}]}}\n    x: []"
        ),
    ] {
        // In place of the one recipient, or beside it.
        let (before, rest) = good.split_once("    age:\n").expect("metadata");
        let at = rest.find("    lastmodified:").expect("metadata");
        let alone = format!("{before}    {entry}\n{}", &rest[at..]);
        let beside = match entry.starts_with("age:") {
            true => format!("{before}    {entry}\n{rest}"),
            false => format!("{before}    {entry}\n    age:\n{rest}"),
        };
        for (name, text) in [("alone.yaml", alone), ("beside.yaml", beside)] {
            for line in [
                "decrypt",
                "--verbose decrypt",
                "rotate",
                "set --value x",
                "recipients",
                "check",
                "updatekeys",
                "updatekeys --json",
                "--config rules updatekeys",
                "--config rules check",
                "--config rules recipients",
                "--config rules updatekeys -y",
                "--config rules updatekeys --json",
                "groups delete 0 -f",
                "filestatus",
                "doctor",
            ] {
                scratch.write(name, &text);
                let words = match line {
                    "set --value x" => vec!["set", name, "a", "\"x\""],
                    "groups delete 0 -f" => vec!["groups", "delete", "-f", name, "0"],
                    line => line.split_whitespace().chain([name]).collect(),
                };
                let ran = scratch.run_with(Ours, words, [], Some(b"n\n"));
                for text in [&ran.text(), &ran.stderr] {
                    if line == "decrypt" && text.starts_with("a: ") {
                        continue;
                    }
                    if line == "rotate" && text.contains("ENC[") {
                        continue;
                    }
                    let obeyed = text.chars().find(|letter| {
                        letter.is_control() && *letter != '\n' || *letter == '\u{202e}'
                    });
                    assert_eq!(obeyed, None, "{line}: {entry}: {text:?}");
                    let has_line = text.lines().any(|line| line.starts_with("INJECTED"));
                    assert!(!has_line, "{line}: {entry}: {text}");
                }
                shown += &ran.stderr;
                shown += &ran.text();
            }
        }
    }
    assert!(shown.contains(r"x\u{1b}[2J\u{1b}]0;title\u{7}\r\nINJECTED\u{202e}\u{9b}1m"));
    assert!(shown.contains(r"x\u001b[2J"), "as JSON");
}

#[test]
fn a_file_that_was_taken_for_another_format_is_told_by_what_it_looks_like() {
    let scratch = Scratch::new();
    for (name, text) in [
        ("e.yaml", "a: b\n"),
        ("e.env", "A=b\n"),
        ("e.ini", "[a]\nb=c\n"),
    ] {
        scratch.write(name, text);
        ours(&scratch, &format!("encrypt -i --age {RECIPIENT} {name}")).ok();
    }
    let encrypted = |name: &str| scratch.read(name);
    for (name, text) in [
        ("e.yaml.enc", encrypted("e.yaml")),
        ("e.json", encrypted("e.yaml")),
        (".env.production", encrypted("e.env")),
        ("env.json", encrypted("e.env")),
        ("env.yaml", encrypted("e.env")),
        ("settings", encrypted("e.ini")),
        ("notes.txt", b"just a text\n".to_vec()),
        ("utf-16.yaml", b"\xff\xfea\0:\0 \0b\0\n\0".to_vec()),
        ("utf-16", b"\xfe\xff\0a".to_vec()),
    ] {
        scratch.write(name, text);
    }
    let unknown = "the name has no ending that tells the format";
    for (name, said, hint) in [
        ("e.yaml.enc", unknown, "--input-type yaml"),
        (".env.production", unknown, "--input-type dotenv"),
        ("settings", unknown, "--input-type ini"),
        (
            "notes.txt",
            unknown,
            "if it is encrypted, --input-type says",
        ),
        (
            "e.json",
            "e.json:1:1: ",
            "it looks like yaml: --input-type yaml",
        ),
        ("env.json", "env.json:1:1: ", "--input-type dotenv"),
        ("env.yaml", "env.yaml", "--input-type dotenv"),
        (
            "utf-16.yaml",
            "the text is in UTF-16",
            "convert it to UTF-8",
        ),
        ("utf-16", "the text is in UTF-16", "convert it to UTF-8"),
    ] {
        for words in [
            vec!["decrypt", name],
            vec!["decrypt", "-i", name],
            vec!["get", name, "a"],
            vec!["set", name, "a", "1"],
            vec!["rotate", name],
            vec!["recipients", name],
            vec!["edit", name],
            vec!["exec-env", name, "true"],
            vec!["filestatus", name],
        ] {
            let ran = scratch.run(Ours, &words);
            if words[0] == "filestatus" && ran.code == 0 {
                continue;
            }
            assert_ne!(ran.code, 0, "{words:?}");
            let shown = &ran.stderr;
            assert!(
                shown.contains(said) && shown.contains(hint),
                "{words:?}: {shown}"
            );
            assert!(!shown.contains("double quotes"), "{words:?}: {shown}");
        }
    }
    let ran = scratch.run_with(Ours, ["decrypt"], [], Some(&encrypted("e.yaml")));
    assert!(
        ran.stderr
            .contains("there is no name that tells the format"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("--input-type yaml"), "{}", ran.stderr);
    // What the hint says does help.
    let words = ["decrypt", "--input-type", "yaml", "e.yaml.enc"];
    assert_eq!(scratch.run(Ours, words).ok(), b"a: b\n");
    for (name, hint) in [
        ("plain.json", "this is not JSON"),
        ("utf-16.yaml", "convert it"),
    ] {
        if name == "plain.json" {
            scratch.write(name, "a: b\n");
        }
        let ran = ours(&scratch, &format!("encrypt --age {RECIPIENT} {name}"));
        assert_eq!(ran.code, 2);
        assert!(ran.stderr.contains(hint), "{}", ran.stderr);
    }
}

#[test]
fn slips_are_told_with_what_to_do() {
    let scratch = Scratch::new();
    scratch.write("e.yaml", "a: b\nl: [1, {m: n}]\n");
    ours(&scratch, &format!("encrypt -i --age {RECIPIENT} e.yaml")).ok();
    scratch.write("sops.yaml", "sops: 1\n");
    scratch.write("plain.yaml", "a: b\n");
    scratch.write("empty-rules", "creation_rules:\n");
    scratch.write(
        "glob",
        format!("creation_rules:\n  - age: {RECIPIENT}\n    encrypted_regex: '*pass*'\n"),
    );
    scratch.write("utf-16", b"\xff\xfec\0");
    let damaged = scratch.read_text("e.yaml").replace(
        "\n    mac: ENC[AES256_GCM,data:",
        "\n    mac: ENC[AES256_GCM,data:AAAA",
    );
    scratch.write("damaged.yaml", damaged);
    let encrypt = |arguments: &str| format!("encrypt --age {arguments}");
    for (line, code, said) in [
        (
            "exec-env --flatten --only l e.yaml true",
            1,
            "the variables of its values are l_0, l_1_m",
        ),
        (
            "exec-env e.yaml echo hi",
            1,
            "quote the command, or put -- before it",
        ),
        ("decrypt --extract [a] e.yaml", 91, "single quotes"),
        ("decrypt -x e.yaml", 1, "not defined: -x"),
        ("decrypt --xyz e.yaml", 1, "not defined: --xyz"),
        (
            &encrypt(&format!("{RECIPIENT} sops.yaml")),
            203,
            "rename that key",
        ),
        (
            "--config empty-rules encrypt plain.yaml",
            1,
            "empty-rules was found, and has nothing under creation_rules",
        ),
        (
            "--config glob encrypt plain.yaml",
            1,
            "write pass for every key",
        ),
        (
            &encrypt(&format!("{RECIPIENT} --encrypted-regex *pass* plain.yaml")),
            1,
            "write pass for every key",
        ),
        (
            "--config utf-16 encrypt plain.yaml",
            1,
            "convert it to UTF-8",
        ),
        (
            "decrypt damaged.yaml",
            51,
            "`sops rotate --in-place --ignore-mac`",
        ),
        (
            "decrypt --output-type toml e.yaml",
            0,
            "--output-type toml has no effect",
        ),
        (
            "decrypt --input-type nope e.yaml",
            0,
            "yaml, json, dotenv, ini and binary",
        ),
        (
            "filestatus e.yaml plain.yaml",
            0,
            "Only the first one will be used",
        ),
    ] {
        let ran = ours(&scratch, line);
        assert_eq!(ran.code, code, "{line}: {}", ran.stderr);
        assert!(ran.stderr.contains(said), "{line}: {}", ran.stderr);
    }
    let two = format!("{RECIPIENT} {RECIPIENT}");
    let ran = scratch.run(Ours, ["encrypt", "--age", &two, "plain.yaml"]);
    let said = "separate recipients by commas";
    assert!(ran.stderr.contains(said), "{}", ran.stderr);
    // A rule that cannot be used is told once, as an error or as a warning.
    let rules = |path: &str| {
        format!(
            "creation_rules:\n  - path_regex: {path}\n    age: {RECIPIENT}\n    encrypted_regex: (\n  - age: {RECIPIENT}\n"
        )
    };
    for (path, code) in [("plain", 1), ("other", 0)] {
        scratch.write("bad-rule", rules(path));
        let ran = ours(&scratch, "--config bad-rule encrypt plain.yaml");
        assert_eq!(ran.code, code, "{}", ran.stderr);
        assert_eq!(
            ran.stderr.matches("can not compile").count(),
            1,
            "{}",
            ran.stderr
        );
    }
    let ran = ours(&scratch, "rotate --help");
    assert!(
        !ran.text().contains("standard input if none"),
        "{}",
        ran.text()
    );
    let ran = ours(&scratch, "get --json --default x\"y e.yaml zz");
    assert_eq!(ran.ok(), b"\"x\\\"y\"\n");
    // One warning for many files.
    scratch.write("f.yaml", scratch.read("e.yaml"));
    let ran = ours(&scratch, "decrypt -i --output-type toml e.yaml f.yaml");
    assert_eq!(ran.stderr.matches("no effect").count(), 1, "{}", ran.stderr);
}

#[test]
fn settings_that_are_wrong_are_named() {
    let scratch = Scratch::new();
    scratch.write("e.yaml", "a: b\n");
    ours(&scratch, &format!("encrypt -i --age {RECIPIENT} e.yaml")).ok();
    for (name, value, said) in [
        (
            "SOPS_AGE_KEY",
            "/home/me/keys.txt",
            "SOPS_AGE_KEY_FILE names a file",
        ),
        ("SOPS_AGE_KEY_FILE", "~/keys.txt", "~ is not expanded"),
        (
            "SOPS_ENABLE_LOCAL_KEYSERVICE",
            "yes",
            "SOPS_ENABLE_LOCAL_KEYSERVICE is neither",
        ),
    ] {
        let mut command = scratch.command(Ours);
        command.env_remove("SOPS_AGE_KEY_FILE").env(name, value);
        let child = command.args(["decrypt", "e.yaml"]).spawn();
        let ran = Ran::of(child.expect("the program starts"));
        assert_ne!(ran.code, 0);
        assert!(ran.stderr.contains(said), "{name}: {}", ran.stderr);
    }
}

#[cfg(unix)]
#[test]
fn a_file_that_the_shell_emptied_is_told() {
    use std::{fs::File, process::Stdio};

    let scratch = Scratch::new();
    for words in [
        vec!["decrypt", "a.yaml"],
        vec!["encrypt", "--age", RECIPIENT, "a.yaml"],
        vec!["encrypt", "--age", RECIPIENT, "a.txt"],
        vec!["rotate", "a.yaml"],
    ] {
        let file = words.last().expect("there is one");
        scratch.write(file, "");
        let mut command = scratch.command(Ours);
        let emptied = File::create(scratch.path(file)).expect("a writable file");
        let child = command.args(&words).stdout(Stdio::from(emptied)).spawn();
        let ran = Ran::of(child.expect("the program starts"));
        assert_eq!(ran.code, 2, "{}", ran.stderr);
        assert!(
            ran.stderr.contains("the shell emptied the file"),
            "{}",
            ran.stderr
        );
        assert!(ran.stderr.contains("--in-place"), "{}", ran.stderr);
        assert!(scratch.read(file).is_empty());
    }
}
