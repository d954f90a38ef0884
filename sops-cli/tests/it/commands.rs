//! Command lines, run by ours and by the reference in two folders with the same files: the rows of
//! `testdata/commands.tsv`, which explains its columns.

use std::{collections::BTreeMap, fs, path::Path};

use crate::support::{
    Program::{self, Ours, Reference},
    RECIPIENT, Ran, SECOND_RECIPIENT, Scratch, has_reference, in_parallel, read_testdata, report,
    testdata,
};

const PLAIN_YAML: &str = "user: admin\npassword: s3cret\nport: 8080\nratio: 1.5\non: true\nnothing: null\nempty: \"\"\nlist:\n    - 1\n    - two\n    - name: third\nnested:\n    key_unencrypted: open\n    deep:\n        secret: x\n";
const PLAIN_JSON: &str = "{\n\t\"user\": \"admin\",\n\t\"port\": 8080,\n\t\"list\": [\n\t\t1,\n\t\t\"two\"\n\t],\n\t\"nested\": {\n\t\t\"on\": true\n\t}\n}\n";

const PLAIN_ENV: &str =
    "# note\nUSER=admin\nURL=http://x?a=b\nLINES=one\\ntwo\nMODE_unencrypted=open\n";
const PLAIN_INI: &str =
    "; note\n[db]\nuser     = admin\npassword = `hunter;2`\n\n[web]\nport_unencrypted = 80\n";
const PLAIN_BIN: &[u8] = b"\x00\xff any bytes\r\n";

const ONE_RECIPIENT: &str =
    "creation_rules:\n  - age: age1xtlm3l8ndq7wdcxxv9vz7adsxnmfrf00u07q4qprx29hseqfrfusx0e8cj";

const FLAT_YAML: &str = "# note\nuser: admin\nport: \"8080\"\n";
const SCALARS_YAML: &str = "a_text: one two\na_number: 007\na_float: 1.0\na_large_float: 1e30\na_bool: true\na_time: 2024-05-01\na_null: null\nan_empty: ''\nb_unencrypted: 1.50\n";

/// A rule with two key groups.
fn key_groups() -> String {
    format!(
        "creation_rules:\n  - key_groups:\n      - age: [{RECIPIENT}]\n      - age: [{SECOND_RECIPIENT}]\n"
    )
}

/// One line of the table.
struct Row {
    line: usize,
    compare: String,
    /// The exit code that is expected of ours, if not that of the reference.
    ours: Option<i32>,
    /// Whether a difference is known, and still to be mended.
    is_open: bool,
    command: String,
}

fn rows() -> Vec<Row> {
    let table = String::from_utf8(read_testdata("commands.tsv")).expect("a text");
    let lines = table.lines().enumerate();
    lines
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .map(|(index, line)| {
            let mut columns = line.split('\t');
            let mut column = || columns.next().expect("three columns").to_owned();
            let (compare, ours, command) = (column(), column(), column());
            Row {
                line: index + 1,
                compare,
                is_open: ours == "open",
                ours: match ours.as_str() {
                    "-" | "open" => None,
                    code => Some(code.parse().expect("an exit code")),
                },
                command,
            }
        })
        .collect()
}

/// Makes the folder that every row starts from. `encrypted` are files made by the reference.
fn folder(encrypted: &BTreeMap<&str, Vec<u8>>) -> Scratch {
    let scratch = Scratch::new();
    scratch.write("plain.yaml", PLAIN_YAML);
    scratch.write("plain.json", PLAIN_JSON);
    scratch.write("plain.txt", "just text\n");
    scratch.write("plain.env", PLAIN_ENV);
    scratch.write("plain.ini", PLAIN_INI);
    scratch.write("plain.bin", PLAIN_BIN);
    scratch.write("broken.env", "A=1\nB\n");
    scratch.write("broken.ini", "[a\nb = c\n");
    scratch.write("taken.env", "sops_mac=1\n");
    scratch.write("taken.ini", "[sops]\nmac = 1\n");
    scratch.write("flat.yaml", FLAT_YAML);
    scratch.write("data.json", "{\"data\": \"text\"}\n");
    scratch.write("dir/inside.yaml", "a: b\n");
    for (name, content) in encrypted {
        scratch.write(name, content);
    }
    for (name, content) in [
        ("empty.yaml", ""),
        ("blank.yaml", "\n\n"),
        ("comment.yaml", "# only this\n"),
        ("list.yaml", "- a\n- b\n"),
        ("scalar.yaml", "text\n"),
        ("tab.yaml", "a:\n\tb: c\n"),
        ("open-quote.yaml", "a: \"b\nc: d\n"),
        ("twice.yaml", "a: 1\na: 2\n"),
        ("number-key.yaml", "1: a\n"),
        ("large.yaml", "a: 18446744073709551615\n"),
        ("list.json", "[1]\n"),
        ("broken.json", "{\"a\": }\n"),
        ("cut.json", "{\"a\": \"b\"\n"),
        ("empty.json", ""),
        ("two.yaml", "a: b\n---\nc: d\n"),
        ("crlf.yaml", "a: b\r\nc: d\r\n"),
    ] {
        scratch.write(name, content);
    }
    let yaml = String::from_utf8_lossy(&encrypted["enc.yaml"]).into_owned();
    scratch.write("no-mac.yaml", without_line(&yaml, "    mac: "));
    scratch.write("no-version.yaml", without_line(&yaml, "    version: "));
    scratch.write("no-user.yaml", without_line(&yaml, "user: "));
    scratch.write("damaged.yaml", yaml.replacen("data:", "data:AAAA", 1));
    scratch.write("cut.yaml", &yaml[..yaml.len() / 2]);
    scratch.write("clear-changed.yaml", yaml.replace("open", "shut"));
    let rule = format!(
        "creation_rules:\n  - path_regex: ^ruled\n    age: {SECOND_RECIPIENT},{RECIPIENT}\n    encrypted_regex: ^(password|list)$\n  - path_regex: two-selectors\n    age: {RECIPIENT}\n    encrypted_regex: a\n    encrypted_suffix: b\n  - path_regex: bad-regex\n    age: {RECIPIENT}\n    encrypted_regex: a[\n"
    );
    scratch.write("rules.yaml", rule);
    for (name, text) in [
        ("one.sops.yaml", ONE_RECIPIENT.to_owned()),
        (
            "two.sops.yaml",
            format!("{ONE_RECIPIENT},{SECOND_RECIPIENT}\n"),
        ),
        ("groups.sops.yaml", key_groups()),
        ("yes.txt", "what\ny\n".to_owned()),
        ("no.txt", "n\n".to_owned()),
        ("value.json", "{\"from\": [\"a file\"]}\n".to_owned()),
    ] {
        scratch.write(name, text);
    }
    scratch.write("broken-rules.yaml", "creation_rules: [\n");
    scratch.write("no-rules.yaml", "stores: {}\n");
    scratch
}

fn without_line(text: &str, start: &str) -> String {
    let lines = text.split_inclusive('\n');
    lines.filter(|line| !line.starts_with(start)).collect()
}

/// Returns what is in a folder, and what is in the folders in it.
fn content(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).expect("a readable folder") {
            let path = entry.expect("a readable folder").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).expect("it is in it");
                let content = fs::read(&path).expect("a readable file");
                files.insert(name.to_string_lossy().into_owned(), content);
            }
        }
    }
    files
}

/// What a command did: how it ended, and which files it changed.
struct Done {
    ran: Ran,
    changed: BTreeMap<String, Vec<u8>>,
    removed: bool,
}

fn run(program: Program, scratch: &Scratch, command: &str) -> Done {
    let command = command
        .replace("{age}", RECIPIENT)
        .replace("{age2}", SECOND_RECIPIENT)
        .replace("{keys}", &testdata("golden/keys").to_string_lossy());
    let (command, input) = match command.split_once(" < ") {
        Some((command, input)) => (command.to_owned(), Some(scratch.read(input))),
        None => (command, None),
    };
    let before = content(&scratch.folder());
    let words = shell_words::split(&command).expect("words");
    let is_setting = |word: &&String| word.starts_with("SOPS_") && word.contains('=');
    let settings: Vec<_> = words.iter().take_while(is_setting).collect();
    let arguments = &words[settings.len()..];
    let settings = settings.iter().filter_map(|word| word.split_once('='));
    let ran = scratch.run_with(program, arguments, settings, input.as_deref());
    let after = content(&scratch.folder());
    Done {
        ran,
        removed: before.keys().any(|name| !after.contains_key(name)),
        changed: after
            .into_iter()
            .filter(|(name, content)| before.get(name) != Some(content))
            .collect(),
    }
}

/// Returns what both make of it: `Err` says how they differ.
fn compare(row: &Row, ours: &Done, theirs: &Done) -> Result<(), String> {
    let expected = row.ours.unwrap_or(theirs.ran.code);
    if ours.ran.code != expected {
        return Err(format!(
            "exit {}, not {expected}\n  ours: {}\n  reference: {}",
            ours.ran.code,
            ours.ran.stderr.trim(),
            theirs.ran.stderr.trim()
        ));
    }
    if ours.removed {
        return Err("a file is gone".to_owned());
    }
    if ours.ran.code != 0 {
        return match (ours.ran.stdout.is_empty(), ours.changed.is_empty()) {
            (true, true) if !ours.ran.stderr.is_empty() => Ok(()),
            (true, true) => Err("not a word about the failure".to_owned()),
            (false, _) => Err(format!("failed, but printed {:?}", ours.ran.text())),
            (true, false) => Err(format!("failed, but changed {:?}", ours.changed.keys())),
        };
    }
    if row.ours.is_some() {
        return Ok(());
    }
    let (left, right): (Vec<_>, Vec<_>) = (
        ours.changed.keys().collect(),
        theirs.changed.keys().collect(),
    );
    if left != right {
        return Err(format!("changed {left:?}, not {right:?}"));
    }
    match row.compare.as_str() {
        "code" => Ok(()),
        "same" if ours.ran.stdout != theirs.ran.stdout => Err(format!(
            "printed {:?}\nnot {:?}",
            ours.ran.text(),
            theirs.ran.text()
        )),
        "same" if ours.changed != theirs.changed => Err("wrote other files".to_owned()),
        "same" => Ok(()),
        "opens" => opens(ours, theirs),
        other => panic!("{other} is no way to compare"),
    }
}

/// What was printed or written is encrypted, by both alike: the same words in clear, and the reference opens both.
fn opens(ours: &Done, theirs: &Done) -> Result<(), String> {
    let all = |done: &Done| -> Vec<(String, Vec<u8>)> {
        let stdout = ("stdout.yaml".to_owned(), done.ran.stdout.clone());
        let files = done.changed.clone().into_iter();
        let stdout = Some(stdout).filter(|(_, text)| !text.is_empty());
        stdout.into_iter().chain(files).collect()
    };
    let (ours, theirs) = (all(ours), all(theirs));
    if ours.len() != theirs.len() || ours.is_empty() {
        return Err("one of them printed something, the other nothing".to_owned());
    }
    for ((name, left), (_, right)) in ours.iter().zip(&theirs) {
        // JSON is YAML, so that a name is enough for what comes from standard output.
        let name = name.rsplit('/').next().unwrap_or(name);
        let scratch = Scratch::new();
        let [left_plain, right_plain] = [left, right].map(|text| {
            scratch.write(name, text);
            scratch.run(Reference, ["decrypt", "--output-type", "json", name])
        });
        if left_plain.code != 0 || left_plain.stdout != right_plain.stdout {
            return Err(format!(
                "{name} gives {:?} {}\nnot {:?}",
                left_plain.text(),
                left_plain.stderr,
                right_plain.text()
            ));
        }
        let [left, right] = [left, right].map(|text| String::from_utf8_lossy(text).into_owned());
        for word in [
            "recipient",
            "ENC[",
            "unencrypted_suffix",
            "mac_only_encrypted",
        ] {
            let [left, right] = [&left, &right].map(|text| text.matches(word).count());
            // Ours may have one more, for `layout`.
            if left != right && !(word == "ENC[" && left == right + 1) {
                return Err(format!("{left} times {word} in {name}, not {right}"));
            }
        }
    }
    Ok(())
}

#[test]
fn command_lines_do_what_they_do_there() {
    if !has_reference() {
        return;
    }
    let scratch = Scratch::new();
    let mut encrypted = BTreeMap::new();
    for (name, text) in [
        ("enc.yaml", PLAIN_YAML.as_bytes()),
        ("enc.json", PLAIN_JSON.as_bytes()),
        ("enc.env", PLAIN_ENV.as_bytes()),
        ("enc.ini", PLAIN_INI.as_bytes()),
        ("enc.bin", PLAIN_BIN),
        ("flat.enc.yaml", FLAT_YAML.as_bytes()),
        ("scalars.enc.yaml", SCALARS_YAML.as_bytes()),
        ("equals.enc.yaml", b"a=b: c\n"),
    ] {
        encrypted.insert(name, scratch.encrypt(Reference, name, text).ok());
    }
    scratch.write("groups.sops.yaml", key_groups());
    scratch.write("groups.yaml", PLAIN_YAML);
    let arguments = ["--config", "groups.sops.yaml", "encrypt", "groups.yaml"];
    encrypted.insert("groups.yaml", scratch.run(Reference, arguments).ok());
    let rows = rows();
    assert!(rows.len() >= 80, "only {} rows", rows.len());
    let failures: Vec<String> = in_parallel(&rows, |row| {
        let [ours, theirs] =
            [Ours, Reference].map(|program| run(program, &folder(&encrypted), &row.command));
        let place = format!("commands.tsv:{}: sops {}", row.line, row.command);
        match compare(row, &ours, &theirs) {
            Err(why) if row.is_open => {
                eprintln!("still open: {place}: {why}");
                None
            }
            Ok(()) if row.is_open => Some(format!("{place}: no longer open, change the row")),
            outcome => outcome.err().map(|why| format!("{place}: {why}")),
        }
    })
    .into_iter()
    .flatten()
    .collect();
    report(&failures, rows.len());
}
