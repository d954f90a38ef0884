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
