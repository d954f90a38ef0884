//! Files that the reference made, damaged copies of them, and rules: the tables of `testdata/golden/`.

use std::path::Path;

use serde_json::Value;

#[cfg(all(unix, feature = "pgp"))]
use crate::gnupg::Gnupg;
use crate::support::{
    Program::Ours, Ran, Scratch, Tree, cases, has_reference, in_parallel, json_documents,
    read_testdata, report, testdata, tree_of_encrypted, tree_of_plain, types,
};

/// What can be opened with the age identities alone, those of SSH included.
const OPENED_WITH_AGE: [&str; 7] = [
    "age",
    "age-two",
    "age-pq",
    "age-pgp",
    "ssh-ed25519",
    "ssh-rsa",
    "three groups, threshold 2",
];

fn text<'a>(case: &'a Value, key: &str) -> &'a str {
    case[key].as_str().unwrap_or_default()
}

fn code(case: &Value, key: &str) -> Option<i32> {
    case[key].as_i64().and_then(|code| i32::try_from(code).ok())
}

fn is_supported(name: &str) -> bool {
    Path::new(name)
        .extension()
        .and_then(|extension| extension.to_str())
        .is_some_and(|extension| ["yaml", "json", "env", "ini"].contains(&extension))
}

fn ok_cases() -> Vec<Value> {
    let mut cases = cases("golden/ok/cases.json");
    cases.retain(|case| {
        is_supported(text(case, "input")) && OPENED_WITH_AGE.contains(&text(case, "keys"))
    });
    cases
}

/// Runs `case` for every row, and fails with all that it complains about.
fn each(rows: &[Value], case: impl Fn(&Value) -> Result<(), String> + Sync) {
    assert!(!rows.is_empty());
    let failures: Vec<String> = in_parallel(rows, |row| {
        let name = [text(row, "name"), text(row, "file")].concat();
        case(row).err().map(|why| format!("{name}: {why}"))
    })
    .into_iter()
    .flatten()
    .collect();
    report(&failures, rows.len());
}

fn same_tree(left: &Result<Tree, Ran>, right: &Result<Tree, Ran>) -> Result<(), String> {
    match (left, right) {
        (Ok(left), Ok(right)) if left == right => Ok(()),
        (Ok(left), Ok(right)) => Err(format!("other values: {left:?}\nnot {right:?}")),
        (Err(ran), _) | (_, Err(ran)) => {
            Err(format!("the reference: {} {}", ran.code, ran.stderr.trim()))
        }
    }
}

/// Every file of the reference opens here, those included that it cannot open itself.
#[test]
fn files_of_the_reference_open_with_the_same_values() {
    if !has_reference() {
        return;
    }
    let mut rows = ok_cases();
    rows.retain(|case| code(case, "encrypt_exit") == Some(0));
    each(&rows, |case| {
        let name = text(case, "encrypted");
        let scratch = Scratch::new();
        let file = testdata("golden").join(name);
        let mut command = scratch.command(Ours);
        command.arg("decrypt").arg(&file);
        if let Some(kind) = text(case, "keys").strip_prefix("ssh-") {
            let key = testdata(&format!("golden/keys/ssh_{kind}"));
            command.env("SOPS_AGE_SSH_PRIVATE_KEY_FILE", key);
        }
        let opened = Ran::from(command.output().map_err(|error| error.to_string())?);
        if opened.code != 0 {
            return Err(format!("exit {}: {}", opened.code, opened.stderr));
        }
        let expected = match case["decrypted"].as_str() {
            Some(decrypted) => decrypted,
            None => text(case, "input"),
        };
        let expected = read_testdata(&format!("golden/{expected}"));
        let mut ours = tree_of_plain(name, &opened.stdout);
        let mut theirs = tree_of_plain(name, &expected);
        if let (Ok(ours), Ok(theirs)) = (&mut ours, &mut theirs) {
            // What it prints of an encrypted `1.0` is an integer; what it encrypted is a float, and has to stay one.
            theirs.types = match text(case, "selector") {
                "default" => types(&String::from_utf8_lossy(&read_testdata(&format!(
                    "golden/{name}"
                )))),
                _ => ours.types.clone(),
            };
        }
        same_tree(&ours, &theirs)
    });
}

/// Every input, encrypted here, opens there with the values that the reference would have encrypted, and comes back here
/// to the byte. What the reference refuses to encrypt is refused with the same exit code.
#[test]
fn inputs_open_in_the_reference_and_come_back_to_the_byte() {
    if !has_reference() {
        return;
    }
    let mut rows = ok_cases();
    rows.retain(|case| text(case, "keys") == "age" && text(case, "selector") == "default");
    each(&rows, |case| {
        let name = Path::new(text(case, "input"));
        let name = name.file_name().and_then(|name| name.to_str());
        let name = name.ok_or("a file name")?;
        let input = read_testdata(&format!("golden/{}", text(case, "input")));
        let scratch = Scratch::new();
        let encrypted = scratch.encrypt(Ours, name, &input);
        if Some(encrypted.code) != code(case, "encrypt_exit") {
            return Err(format!("exit {}: {}", encrypted.code, encrypted.stderr));
        }
        if encrypted.code != 0 {
            return match encrypted.stdout.is_empty() && encrypted.stderr.contains(name) {
                true => Ok(()),
                false => Err("nothing on stdout and the name of the file, please".to_owned()),
            };
        }
        let decrypted = scratch.decrypt(Ours, name, &encrypted.stdout);
        if decrypted.code != 0 || decrypted.stdout != input {
            return Err(format!("does not come back: {}", decrypted.stderr));
        }
        same_tree(
            &tree_of_encrypted(name, &encrypted.stdout),
            &tree_of_plain(name, &input),
        )
    });
}

/// Damaged files are refused with the exit code of the reference, with nothing on stdout and the file in the message;
/// those that are not damaged after all open.
#[test]
fn damaged_files_are_refused_as_there() {
    let mut rows = cases("golden/broken/cases.json");
    rows.retain(|case| is_supported(text(case, "file")));
    each(&rows, |case| {
        let name = text(case, "file");
        let scratch = Scratch::new();
        let file = testdata("golden").join(name);
        for (key, ignore) in [
            ("decrypt_exit", None),
            ("ignore_mac_exit", Some("--ignore-mac")),
        ] {
            let Some(expected) = code(case, key) else {
                continue;
            };
            let mut command = scratch.command(Ours);
            command.arg("decrypt").args(ignore).arg(&file);
            if let Some(identity) = case["identity"].as_str() {
                command.env("SOPS_AGE_KEY_FILE", testdata("golden").join(identity));
            }
            let ran = Ran::from(command.output().map_err(|error| error.to_string())?);
            if ran.code != expected {
                return Err(format!(
                    "{key} {}, not {expected}: {}",
                    ran.code, ran.stderr
                ));
            }
            if expected != 0 && !(ran.stdout.is_empty() && ran.stderr.contains(name)) {
                return Err(format!("{key}: {:?}", ran.stderr));
            }
        }
        Ok(())
    });
}

/// Every configuration chooses the same recipients, groups, clear leaves and metadata as there.
#[test]
fn rules_choose_what_they_choose_there() {
    let mut rows = cases("golden/rules/cases.json");
    rows.retain(|case| is_supported(text(case, "path")) && !text(case, "config").contains("pgp"));
    each(&rows, |case| chooses_what_is_chosen_there(case, &[]));
}

/// The same for those with OpenPGP keys.
#[cfg(all(unix, feature = "pgp"))]
#[test]
fn rules_with_openpgp_keys_choose_what_they_choose_there() {
    let Some(gnupg) = Gnupg::golden() else { return };
    let mut rows = cases("golden/rules/cases.json");
    rows.retain(|case| text(case, "config").contains("pgp"));
    let home = [("GNUPGHOME", gnupg.home())];
    each(&rows, |case| chooses_what_is_chosen_there(case, &home));
}

fn chooses_what_is_chosen_there(case: &Value, settings: &[(&str, &str)]) -> Result<(), String> {
    let scratch = Scratch::new();
    scratch.write(".sops.yaml", text(case, "config"));
    let path = text(case, "path");
    let input = match path.ends_with("json") {
        true => "{\"value\": \"x\", \"other\": 1}\n",
        false => "value: x\nother: 1\n",
    };
    scratch.write(path, input);
    let ran = scratch.run_with(Ours, ["encrypt", path], settings.iter().copied(), None);
    if Some(ran.code) != code(case, "exit") {
        return Err(format!("exit {}: {}", ran.code, ran.stderr));
    }
    if ran.code != 0 {
        return match ran.stdout.is_empty() {
            true => Ok(()),
            false => Err("something on stdout".to_owned()),
        };
    }
    let theirs = read_testdata(&format!("golden/{}", text(case, "encrypted")));
    let theirs = String::from_utf8_lossy(&theirs).into_owned();
    let ours = ran.text();
    for (what, summary) in [
        ("recipients", recipients as fn(&str) -> Vec<String>),
        ("types", types),
        ("metadata", metadata_keys),
    ] {
        let (left, right) = (summary(&ours), summary(&theirs));
        if left != right {
            return Err(format!("{what}: {left:?}, not {right:?}"));
        }
    }
    scratch.write(path, &ours);
    let opened = scratch.run_with(Ours, ["decrypt", path], settings.iter().copied(), None);
    if opened.code != 0 || opened.stdout != input.as_bytes() {
        return Err(format!("does not come back: {}", opened.stderr));
    }
    Ok(())
}

/// Returns the recipients of a file, in order; one that a rule names twice, which there is written twice, once.
fn recipients(encrypted: &str) -> Vec<String> {
    let mut recipients: Vec<String> = encrypted
        .split("recipient")
        .skip(1)
        .filter_map(|rest| {
            rest.trim_start_matches([':', '"', ' '])
                .split(['"', ',', '\n'])
                .next()
        })
        .map(str::to_owned)
        .collect();
    recipients.dedup();
    recipients
}

/// Returns the keys of the metadata, save for what only ours writes.
fn metadata_keys(encrypted: &str) -> Vec<String> {
    if encrypted.starts_with('{') {
        let documents = json_documents(encrypted.as_bytes());
        let keys = documents[0]["sops"].as_object().into_iter().flatten();
        return keys
            .map(|(key, _)| key.clone())
            .filter(|key| key != "layout")
            .collect();
    }
    let block = encrypted
        .lines()
        .skip_while(|line| *line != "sops:")
        .skip(1);
    let lines: Vec<&str> = block.collect();
    let indent = |line: &str| line.len() - line.trim_start().len();
    let first = lines.first().map_or(0, |line| indent(line));
    lines
        .into_iter()
        .filter(|line| indent(line) == first && !line.trim_start().starts_with('-'))
        .filter_map(|line| Some(line.split_once(':')?.0.trim().to_owned()))
        .filter(|key| key != "layout")
        .collect()
}
