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
