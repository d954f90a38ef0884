//! Conversions: a file decrypted into another format, or with another indentation, is written byte for byte as the
//! reference writes it; the same for one that is encrypted into another format.

use crate::{
    documents::Document,
    interop::{each_document, explain},
    support::{
        Program::{Ours, Reference},
        RECIPIENT, Ran, Scratch, has_reference, in_parallel, report,
    },
};

/// What is asked for. An indentation makes ours, too, write the whole file anew.
const CONVERSIONS: [&[&str]; 7] = [
    &["--output-type", "json"],
    &["--output-type", "yaml"],
    &["--output-type", "dotenv"],
    &["--output-type", "ini"],
    &["--indent", "2"],
    &["--indent", "3"],
    &["--indent", "7", "--output-type", "yaml"],
];

#[test]
fn documents_are_written_as_the_reference_writes_them() {
    if !has_reference() {
        return;
    }
    each_document(60, |document| {
        let scratch = Scratch::new();
        let encrypted = scratch.encrypt(Reference, document.name, &document.text);
        if encrypted.code != 0 {
            return Err(explain("the reference encrypting it", &encrypted));
        }
        scratch.write(document.name, &encrypted.stdout);
        each_conversion(
            &scratch,
            document,
            &["decrypt"],
            |conversion, ours, reference| {
                // Some of what the reference writes it can read only in part, or without its comments.
                let (ours, reference) = (ours.text(), reference.text());
                let is_partial = reference.contains("ENC[") || notes(&reference) < notes(&ours);
                if is_partial || ours == reference {
                    return Ok(());
                }
                compare(document, conversion, &ours, &reference)
            },
        )
    });
}

/// With a selector that selects nothing, the encrypted file holds the plaintext as it is written anew.
#[test]
fn documents_are_encrypted_into_what_the_reference_writes() {
    if !has_reference() {
        return;
    }
    each_document(60, |document| {
        let scratch = Scratch::new();
        scratch.write(document.name, &document.text);
        let verb = [
            "encrypt",
            "--age",
            RECIPIENT,
            "--encrypted-regex",
            "^none of them$",
        ];
        each_conversion(&scratch, document, &verb, |conversion, ours, reference| {
            compare(document, conversion, &ours.text(), &reference.text())
        })
    });
}

/// Runs both programs with every conversion of a file, and compares what comes out if both succeed. What ours refuses,
/// the reference must refuse too, but for some that it damages.
fn each_conversion(
    scratch: &Scratch,
    document: &Document,
    verb: &[&str],
    compare: impl Fn(&[&str], &Ran, &Ran) -> Result<(), String>,
) -> Result<(), String> {
    for conversion in CONVERSIONS {
        let own_name = match document.name.rsplit_once('.') {
            Some((_, "env")) => "dotenv",
            Some((_, extension)) => extension,
            None => "",
        };
        // Without an indentation, ours keeps the layout of a file whose format does not change.
        if conversion[0] == "--output-type" && conversion[1] == own_name {
            continue;
        }
        // --indent stands before the command, where both take it.
        let (global, own) = match conversion[0] {
            "--indent" => conversion.split_at(2),
            _ => conversion.split_at(0),
        };
        let arguments = [global, verb, own, &[document.name]].concat();
        let reference = scratch.run(Reference, &arguments);
        let ours = scratch.run(Ours, &arguments);
        if ours.code == 0 && reference.code == 0 {
            compare(conversion, &ours, &reference)?;
        } else if ours.code != 0 && reference.code == 0 && !is_damaged_there(&ours.stderr) {
            return Err(explain(&format!("{conversion:?}"), &ours));
        }
    }
    Ok(())
}

/// Of several documents the reference writes the first; maps and lists in a section of an INI file it writes as Go prints
/// them; and keys that stand twice, twice.
fn is_damaged_there(refusal: &str) -> bool {
    ["several documents", "holds other values", "stands twice"]
        .iter()
        .any(|why| refusal.contains(why))
}

fn compare(
    document: &Document,
    conversion: &[&str],
    ours: &str,
    reference: &str,
) -> Result<(), String> {
    let has_comments = notes(&String::from_utf8_lossy(&document.text)) > 0;
    // A carriage return at the end of a comment, which dotenv keeps, is a line break there.
    let content = |text: &str| without_metadata(&text.replace('\r', "\n"), has_comments);
    if content(ours) == content(reference) {
        return Ok(());
    }
    Err(format!("{conversion:?}:\n{ours:?}\nnot {reference:?}"))
}

/// Cuts the metadata out of each document; they stand last. Comments are cut out too, all of which are called `note`:
/// the reference moves those beside lists and empty maps to places of other values, and those of INI files to the key
/// before.
fn without_metadata(encrypted: &str, has_comments: bool) -> Vec<String> {
    encrypted
        .split("\n---\n")
        .map(|document| {
            let block = ["sops:", "[sops]", "sops_age_", "\"sops\":"]
                .iter()
                .find_map(|start| document.find(start));
            // A file without keys is written as `{}`, and ours puts the metadata between the braces.
            let content = document[..block.unwrap_or(document.len())].trim_end_matches('{');
            if !has_comments {
                return content.trim_end().to_owned();
            }
            // What stands behind a dash goes on the next line when a comment comes between.
            let lines = content.lines().map(|line| without_comment(line).trim());
            let kept: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
            kept.join(" ").replace("{ }", "{}")
        })
        .collect()
}

fn without_comment(line: &str) -> &str {
    if line.trim_start().starts_with(['#', ';']) {
        return "";
    }
    let comment = ["# note", "#note", "; note", ";note"]
        .iter()
        .find_map(|start| line.find(start));
    match comment {
        Some(at) => line[..at].trim_end_matches([';', '#', ' ']),
        None => line,
    }
}

fn notes(text: &str) -> usize {
    text.matches("note ").count()
}

const YAML: &str = "# head\ndb:\n  user: app # side\n  pass: \"s3: cr#et\"\n  n: [1, 2.5, true, null, 2001-12-14]\nlist:\n  - a\n  - {b: c}\ntext: |\n  x\n  y\nempty: {}\nel: []\nnl: ~\n";
const JSON: &str =
    "{\"a\": {\"b\": [1, 2.5, \"x\", null, true, {\"c\": \"d\"}], \"e\": \"\"}, \"f\": \"é <&>\"}";
const DOTENV: &str = "# c\nA=1\nB=x y\n\nC=a\\nb\n";
const INI: &str = "top = 1\n[s]\nk = v\nq = `x;y`\n[t u]\nz = `multi\nline`\n";

/// Parts of files in all formats, in the format of the file and in others; where there is nothing, neither prints anything.
#[test]
fn parts_are_printed_as_the_reference_prints_them() {
    if !has_reference() {
        return;
    }
    let files: [(&str, &str, &[&str]); 4] = [
        (
            "file.yaml",
            YAML,
            &[
                "[\"db\"]",
                "[\"db\"][\"user\"]",
                "[\"db\"][\"n\"]",
                "[\"db\"][\"n\"][0]",
                "[\"db\"][\"n\"][2]",
                "[\"db\"][\"n\"][3]",
                "[\"db\"][\"n\"][4]",
                "[\"list\"]",
                "[\"list\"][1]",
                "[\"text\"]",
                "[\"empty\"]",
                "[\"el\"]",
                "[\"nl\"]",
                "[\"nope\"]",
                "[\"list\"][9]",
            ],
        ),
        (
            "file.json",
            JSON,
            &[
                "[\"a\"]",
                "[\"a\"][\"b\"]",
                "[\"a\"][\"b\"][0]",
                "[\"a\"][\"b\"][3]",
                "[\"a\"][\"b\"][5]",
                "[\"a\"][\"e\"]",
                "[\"f\"]",
            ],
        ),
        ("file.env", DOTENV, &["[\"A\"]", "[\"C\"]", "[\"Z\"]"]),
        (
            "file.ini",
            INI,
            &[
                "[\"s\"]",
                "[\"s\"][\"k\"]",
                "[\"DEFAULT\"]",
                "[\"t u\"][\"z\"]",
                "[\"nope\"]",
            ],
        ),
    ];
    let outputs: [&[&str]; 3] = [&[], &["--output-type", "json"], &["--output-type", "yaml"]];
    let mut cases = Vec::new();
    for (name, text, paths) in files {
        for path in paths {
            cases.extend(outputs.map(|output| (name, text, *path, output)));
        }
    }
    let failures = in_parallel(&cases, |(name, text, path, output)| {
        let scratch = Scratch::new();
        let encrypted = scratch.encrypt(Ours, name, text.as_bytes()).ok();
        scratch.write(name, encrypted);
        let arguments = [&["decrypt", "--extract", path], *output, &[name]].concat();
        let (ours, reference) = (
            scratch.run(Ours, &arguments),
            scratch.run(Reference, &arguments),
        );
        let is_same = ours.code == reference.code && ours.stdout == reference.stdout;
        (!is_same).then(|| format!("{name} {path} {output:?}: {ours:?}\nnot {reference:?}"))
    });
    let failures: Vec<String> = failures.into_iter().flatten().collect();
    report(&failures, cases.len());
}

#[test]
fn the_style_of_the_reference_is_there_for_who_asks() {
    let scratch = Scratch::new();
    // As in the functional tests of the reference; and what it writes in another way in JSON, INI and dotenv.
    let files = [
        (
            "a.yaml",
            "a: 2024-01-01\nb: 2006-01-02T15:04:05+07:06",
            "a: 2024-01-01T00:00:00Z\nb: 2006-01-02T15:04:05+07:06\n",
        ),
        (
            "a.json",
            "{\"a\": [1,2], \"b\": \"\\u0041\"}",
            "{\n\t\"a\": [\n\t\t1,\n\t\t2\n\t],\n\t\"b\": \"A\"\n}\n",
        ),
        ("a.ini", "[s]\na=b", "[s]\na = b\n"),
        ("a.env", "a=b", "a=b\n"),
        ("a.bin", "b", "b"),
    ];
    for (name, text, expected) in files {
        scratch.write(name, text);
        let encrypt = ["encrypt", "--in-place", "--age", RECIPIENT, name];
        scratch.run(Ours, encrypt).ok();
        let decrypt = |style: &str| {
            let style = [("SOPS_STYLE", style)];
            scratch.run_with(Ours, ["decrypt", name], style, None)
        };
        assert_eq!(decrypt("").text(), text);
        assert_eq!(decrypt("reference").text(), expected);
        let other = decrypt("mine");
        assert_eq!((other.code, other.stdout.len()), (1, 0), "{name}");
        if has_reference() {
            let there = scratch.run(Reference, ["decrypt", name]);
            assert_eq!(there.text(), expected);
        }
    }
}
