//! What the reference does with YAML, fact by fact: which texts it encrypts, which variants of an encrypted file it
//! reads, and that ours does the same. Where ours does something else on purpose, the row says so.

use regex::Regex;

use crate::support::{
    Program::{self, Ours, Reference},
    RECIPIENT, Scratch, has_reference, in_parallel, json_documents, report,
};

const NAME: &str = "facts.yaml";

/// Texts, and the exit code of encrypting them. Those that are encrypted open in both programs.
const PLAIN: &[(&str, i32)] = &[
    // Keys `sops`.
    ("sops: 1\n", 203),
    ("a: 1\n---\nsops: 1\n", 4),
    ("a:\n  sops: 1\n", 0),
    // Keys that are no texts, or no keys.
    ("a: 1\na: 2\n", 2),
    ("1: a\n", 23),
    ("true: a\n", 23),
    ("~: a\n", 23),
    ("1.5: a\n", 23),
    ("2001-01-01: a\n", 23),
    ("[a]: b\n", 2),
    ("{a: b}: c\n", 2),
    ("? - a\n: b\n", 2),
    ("yes: a\n", 0),
    ("key: &a\n", 0),
    // Documents.
    ("", 92),
    ("\n", 2),
    ("# c\n", 2),
    ("---\n", 0),
    ("{}\n", 0),
    ("a: 1\n---\n", 0),
    ("a: 1\n--- # c\n---\n# d\n---\nb: 1\n", 0),
    ("- a\n", 2),
    ("a\n", 2),
    ("\"a\"\n", 2),
    ("%YAML 1.1\n---\na: b\n", 0),
    ("%TAG !e! tag:e,2000:\n---\na: !e!x 5\nb: !e!y [1]\n", 0),
    // Tabs.
    ("a: b\n\tc: d\n", 2),
    ("a:\n\t- b\n", 2),
    ("a: b\n\t\nc: d\n", 2),
    ("a: b\n\t# c\nc: d\n", 2),
    ("a: b\n \t\nc: d\n", 0),
    ("a: b\t\nc: d\n", 0),
    ("a: [b,\n\tc]\n", 0),
    // Escapes.
    ("a: \"\\ud83d\\ude00\"\n", 2),
    ("a: \"\\U0001F600\"\n", 0),
    // Merge keys, anchors and aliases.
    ("\"<<\": a\n", 0),
    ("a: <<\n", 0),
    ("<<: a\n", 2),
    ("a: &x {b: c}\nd:\n  <<: *x\n", 0),
    ("a: &x {b: c}\ny: &y {e: f}\nd:\n  <<: [*x, *y]\n", 0),
    ("a: &x {b: *x}\n", 2),
    ("a: *x\n", 2),
    ("a_unencrypted: &x {b: c}\nd_unencrypted: *x\n", 0),
    ("a_unencrypted: &x {b: c}\nd: *x\n", 0),
    ("a: &x b\n---\nc: *x\n", 0),
    ("a_unencrypted: &x b\n---\nc_unencrypted: *x\n", 0),
    ("a: &x [b] # c\n---\nc: *x # d\n---\nc: &x d\ne: *x\n", 0),
    // Tags.
    ("a: !!binary aGVsbG8=\n", 0),
    ("a: !!binary /w==\n", 0),
    ("a: !!binary \"a b\"\n", 2),
    ("a: !!int 3.0\n", 2),
    ("a: !!bool yes\n", 2),
    ("a: !!int\n", 2),
    ("a: !!float 12345678901234567890\n", 2),
    ("a: !!float 1234567890\n", 0),
    ("a: !!set x\n", 0),
    ("a: !custom 5\n", 0),
    ("a: !!map x\n", 0),
    ("a: ! 123\n", 0),
    ("a: !custom\n", 0),
    ("a: !\n", 0),
    ("a: !!str 123\n", 0),
    ("a: !custom [x]\n", 0),
    ("a: !!omap [x: y]\n", 0),
    (
        "a: !!null ''\nb: !!timestamp 2001-01-01\nc: !!bool \"true\"\n",
        0,
    ),
    ("a: !<tag:yaml.org,2002:str> 5\n", 0),
    (
        "a_unencrypted: !!binary aGVsbG8=\nb_unencrypted: !!str 123\nc_unencrypted: !c 5\n",
        0,
    ),
    // What the reference encrypts and cannot open again.
    ("a: -0.0\nb_unencrypted: -0.0\n", 0),
    ("a:\n- 1\n#\n- 2\n", 0),
    (
        "a: # b\n- 1\n# c\n- x: 1 # d\n  # e\n- [1, # f\n  2]\n# g\n",
        0,
    ),
    ("a:\n- # c\n  b: 1\n  d: 2\n", 0),
];

fn run(scratch: &Scratch, program: Program, text: &str) -> crate::support::Ran {
    scratch.encrypt(program, NAME, text.as_bytes())
}

#[test]
fn what_is_encrypted() {
    let failures = in_parallel(PLAIN, |(text, code)| {
        let scratch = Scratch::new();
        let ours = run(&scratch, Ours, text);
        if ours.code != *code {
            return Some(format!("{text:?}: exit {}: {}", ours.code, ours.stderr));
        }
        if *code == 0 {
            let back = scratch.decrypt(Ours, NAME, &ours.stdout);
            if back.text() != *text {
                return Some(format!("{text:?} came back as {:?}", back.text()));
            }
        }
        if !has_reference() {
            return None;
        }
        let theirs = run(&scratch, Reference, text);
        if theirs.code != *code {
            return Some(format!(
                "{text:?}: the reference exits with {}",
                theirs.code
            ));
        }
        if *code == 0 {
            let opened = scratch.decrypt(Reference, NAME, &ours.stdout);
            if opened.code != 0 || opened.text().contains("ENC[") {
                return Some(format!("{text:?}: the reference: {}", opened.stderr));
            }
        }
        None
    });
    let failures: Vec<String> = failures.into_iter().flatten().collect();
    report(&failures, PLAIN.len());
}

#[test]
fn files_that_the_reference_cannot_open_itself_open() {
    if !has_reference() {
        return;
    }
    for (text, values) in [
        ("\"<<\": a\n", r#"{"<<": "a"}"#),
        ("a:\n- 1\n# c\n- 2 # d\n", r#"{"a": [1, 2]}"#),
        ("a: [1, # c\n  2]\n", r#"{"a": [1, 2]}"#),
        (
            "a_unencrypted: -0.0\nb: x\n",
            r#"{"a_unencrypted": 0, "b": "x"}"#,
        ),
    ] {
        let scratch = Scratch::new();
        let encrypted = run(&scratch, Reference, text).ok();
        let theirs = scratch.decrypt(Reference, NAME, &encrypted);
        assert_ne!(theirs.code, 0, "{text:?}: {}", theirs.text());
        let ours = scratch.run(Ours, ["decrypt", "--output-type", "json", NAME]);
        let found = json_documents(&ours.ok());
        assert_eq!(found, json_documents(values.as_bytes()), "{text:?}");
    }
}

/// It moves the comment that says what is encrypted.
#[test]
fn files_whose_comments_moved_open() {
    if !has_reference() {
        return;
    }
    let (secret, clear) = ("--encrypted-comment-regex", "--unencrypted-comment-regex");
    for (text, selector) in [
        ("a:\n- # mark\n  b: 1\n  c: x\n", secret),
        ("a:\n- # mark\n  b: 1\n  c: x\n", clear),
        ("a: &a [b, c]\nd: *a # mark\ne: f\n", secret),
        ("a: &a [b, c]\nd: *a # mark\ne: f\n", clear),
    ] {
        let scratch = Scratch::new();
        scratch.write(NAME, text);
        let arguments = ["--encrypt", "--age", RECIPIENT, selector, "mark", NAME];
        let encrypted = scratch.run(Reference, arguments).ok();
        let theirs = scratch.decrypt(Reference, NAME, &encrypted);
        assert_ne!(theirs.code, 0, "{text:?}: {}", theirs.text());
        let json = ["decrypt", "--output-type", "json", NAME];
        let values = json_documents(&scratch.run(Ours, json).ok());
        let expected = scratch.encrypt(Reference, NAME, text.as_bytes()).ok();
        scratch.write(NAME, expected);
        assert_eq!(values, json_documents(&scratch.run(Reference, json).ok()));

        let encrypted = String::from_utf8(encrypted).expect("a text");
        for (from, to) in [("c: x", "c: y"), ("- c\n", "- d\n"), ("e: f", "e: g")] {
            if encrypted.contains(from) {
                let changed = encrypted.replacen(from, to, 1);
                let ran = scratch.decrypt(Ours, NAME, changed.as_bytes());
                assert_ne!(ran.code, 0, "{changed}");
            }
        }
    }
}

/// What a variant of an encrypted file gives.
#[derive(Clone, Copy, PartialEq)]
enum Gives {
    /// The same exit code and the same values in both programs; this one.
    Both(i32),
    /// Ours and the reference differ.
    Ours(i32, i32),
}
use Gives::Both;

/// An encrypted file in pieces.
struct File {
    /// Without the metadata.
    body: String,
    /// The lines below `sops:`.
    inner: String,
}

impl File {
    fn all(&self) -> String {
        self.with_body(self.body.clone())
    }

    fn with_body(&self, body: impl AsRef<str>) -> String {
        format!("{}sops:\n{}", body.as_ref(), self.inner)
    }

    fn with_inner(&self, pattern: &str, replacement: &str) -> String {
        let inner = replaced(&self.inner, pattern, replacement);
        format!("{}sops:\n{inner}", self.body)
    }

    fn body_with(&self, pattern: &str, replacement: &str) -> String {
        self.with_body(replaced(&self.body, pattern, replacement))
    }

    /// The metadata as one flow mapping.
    fn flow(&self) -> String {
        let line = |pattern: &str| {
            let found = Regex::new(pattern).expect("a regex").captures(&self.inner);
            found.expect("it is there")[1].to_owned()
        };
        let armor: String = Regex::new("(?m)^ {12}(.*)$")
            .expect("a regex")
            .captures_iter(&self.inner)
            .map(|line| format!("{}\\n", &line[1]))
            .collect();
        format!(
            "{{age: [{{enc: \"{armor}\", recipient: {}}}], lastmodified: {}, mac: \"{}\", unencrypted_suffix: _unencrypted, version: 3.13.2}}",
            line("recipient: (.*)"),
            line("lastmodified: (.*)"),
            line("mac: (.*)")
        )
    }
}

#[track_caller]
fn replaced(text: &str, pattern: &str, replacement: &str) -> String {
    let regex = Regex::new(&format!("(?m){pattern}")).expect("a regex");
    assert!(regex.is_match(text), "{pattern:?}");
    regex.replace(text, replacement).into_owned()
}

fn variants(file: &File) -> Vec<(&'static str, Gives, String)> {
    let all = file.all();
    let (body, inner) = (&file.body, &file.inner);
    let sops = format!("sops:\n{inner}");
    let first_line = body.lines().next().expect("a comment");
    vec![
        // The file around it.
        ("as it is", Both(0), all.clone()),
        ("CRLF", Both(0), all.replace('\n', "\r\n")),
        ("CR", Both(0), all.replace('\n', "\r")),
        ("byte order mark", Both(0), format!("\u{feff}{all}")),
        ("%YAML 1.1", Both(0), format!("%YAML 1.1\n---\n{all}")),
        (
            "%YAML 1.2",
            Gives::Ours(0, 1),
            format!("%YAML 1.2\n---\n{all}"),
        ),
        ("%TAG", Both(0), format!("%TAG !e! tag:e:\n---\n{all}")),
        ("---", Both(0), format!("---\n{all}")),
        ("...", Both(0), format!("{all}...\n# c\n")),
        (
            "blank lines",
            Both(0),
            file.with_body(format!("{body}\n\n")),
        ),
        ("no final line break", Both(0), all.trim_end().to_owned()),
        (
            "two blanks",
            Both(0),
            file.with_body(body.replace("    ", "  ")),
        ),
        (
            "lists not indented",
            Both(0),
            file.with_body(body.replace("    - ", "- ")),
        ),
        // The metadata.
        ("sops first", Both(0), format!("{sops}{body}")),
        (
            "sops in between",
            Both(0),
            all.replace(&sops, "")
                .replace("m:\n", &format!("{sops}m:\n")),
        ),
        (
            "sops in braces",
            Both(0),
            format!("{body}sops: {}\n", file.flow()),
        ),
        ("\"sops\"", Both(0), format!("{body}\"sops\":\n{inner}")),
        ("'sops'", Both(0), format!("{body}'sops':\n{inner}")),
        ("!!str sops", Both(0), format!("{body}!!str sops:\n{inner}")),
        (
            "&k sops: &v",
            Both(0),
            format!("{body}&k sops: &v\n{inner}"),
        ),
        (
            "comment on sops",
            Both(0),
            format!("{body}sops: # c\n{inner}"),
        ),
        (
            "comment in sops",
            Both(0),
            file.with_inner("^    mac", "    # c\n    mac"),
        ),
        ("sops twice", Both(1), format!("{all}{sops}")),
        (
            "MAC in capitals",
            Both(0),
            file.with_inner("    mac:", "    MAC:"),
        ),
        ("no mac", Both(51), file.with_inner("^    mac: .*\n", "")),
        (
            "empty mac",
            Both(51),
            file.with_inner("mac: .*", "mac: \"\""),
        ),
        (
            "time without quotes",
            Both(1),
            file.with_inner("lastmodified: \"(.*)\"", "lastmodified: $1"),
        ),
        (
            "time with fraction",
            Both(0),
            file.with_inner("lastmodified: \"(.*)Z\"", "lastmodified: \"$1.5Z\""),
        ),
        (
            "time with offset",
            Both(0),
            file.with_inner("lastmodified: \"(.*)Z\"", "lastmodified: \"$1+00:00\""),
        ),
        (
            "other time",
            Both(51),
            file.with_inner("lastmodified: .*", "lastmodified: \"2020-01-01T00:00:00Z\""),
        ),
        (
            "no version",
            Both(1),
            file.with_inner("^    version: .*\n", ""),
        ),
        (
            "short version",
            Both(1),
            file.with_inner("version: .*", "version: \"3.13\""),
        ),
        (
            "later version",
            Both(0),
            file.with_inner("version: .*", "version: 9.9.9"),
        ),
        (
            "a map for a list",
            Both(0),
            file.with_inner("^        - enc:", "          enc:"),
        ),
        (
            "no recipient",
            Both(0),
            file.with_inner("^ *recipient: .*\n", ""),
        ),
        ("unknown key", Both(0), format!("{all}    zzz: [1]\n")),
        (
            "mac_only_encrypted: null",
            Both(0),
            format!("{all}    mac_only_encrypted: null\n"),
        ),
        (
            "mac_only_encrypted: 1",
            Both(51),
            format!("{all}    mac_only_encrypted: 1\n"),
        ),
        (
            "mac_only_encrypted: yes",
            Both(1),
            format!("{all}    mac_only_encrypted: yes\n"),
        ),
        (
            "shamir_threshold: text",
            Both(0),
            format!("{all}    shamir_threshold: \"1\"\n"),
        ),
        (
            "shamir_threshold: 1.9",
            Both(0),
            format!("{all}    shamir_threshold: 1.9\n"),
        ),
        (
            "empty suffix",
            Both(0),
            file.with_inner("_unencrypted$", "\"\""),
        ),
        // Several documents.
        ("null behind", Both(0), format!("{all}---\n")),
        (
            "other metadata behind",
            Both(0),
            format!("{all}---\nn: \"\"\nsops: [1]\n"),
        ),
        (
            "value without metadata behind",
            Both(25),
            format!("{all}---\nq: 1\n"),
        ),
        (
            "metadata in the second only",
            Both(1),
            format!("n: null\n---\n{all}"),
        ),
        // What the MAC sees.
        (
            "null added",
            Both(0),
            file.with_body(format!("{body}n: null\n")),
        ),
        (
            "{} added",
            Both(0),
            file.with_body(format!("{body}n: {{}}\n")),
        ),
        (
            "[] added",
            Both(0),
            file.with_body(format!("{body}n: []\n")),
        ),
        (
            "\"\" added",
            Both(0),
            file.with_body(format!("{body}n: \"\"\n")),
        ),
        (
            "number added",
            Both(25),
            file.with_body(format!("{body}n: 1\n")),
        ),
        (
            "text added",
            Both(25),
            file.with_body(format!("{body}n: s\n")),
        ),
        (
            "time added",
            Both(25),
            file.with_body(format!("{body}n: 2001-01-01\n")),
        ),
        (
            "comment added",
            Both(0),
            file.with_body(format!("{body}# new\n")),
        ),
        (
            "comment removed",
            Both(0),
            file.with_body(&body[first_line.len() + 1..]),
        ),
        (
            "item nested",
            Both(0),
            file.body_with("^    - ENC", "    - - ENC"),
        ),
        (
            "items exchanged",
            Both(51),
            file.body_with("^(    - .*\n)(    - .*\n)", "$2$1"),
        ),
        ("value removed", Both(51), file.body_with("^a: .*\n", "")),
        ("value moved", Both(25), file.body_with("^a:", "aa:")),
        (
            "key joined",
            Both(0),
            file.body_with("^m:\n    k:", "\"m:k\":"),
        ),
        (
            "null for a value",
            Both(51),
            file.body_with("^a: .*", "a: null"),
        ),
        (
            "\"\" for a value",
            Both(51),
            file.body_with("^a: .*", "a: \"\""),
        ),
        (
            "text for a value",
            Both(25),
            file.body_with("^a: .*", "a: foo"),
        ),
        ("key twice", Both(1), file.body_with("^(a: .*\n)", "$1$1")),
        // The encrypted values.
        ("text behind", Both(0), file.body_with("^(a: .*)", "$1 x")),
        (
            "line behind",
            Both(0),
            file.body_with("^(a: .*)", "$1\n   x"),
        ),
        (
            "bracket behind",
            Both(25),
            file.body_with("^(a: .*)", "$1]"),
        ),
        (
            "blank before",
            Both(25),
            file.body_with("^a: (.*)", "a: \" $1\""),
        ),
        (
            "type:bytes",
            Gives::Ours(0, 2),
            file.body_with("type:str", "type:bytes"),
        ),
        ("type:foo", Both(25), file.body_with("type:str", "type:foo")),
        (
            "type:int of a text",
            Both(25),
            file.body_with("type:str", "type:int"),
        ),
        (
            "type:comment of a value",
            Gives::Ours(25, 0),
            file.body_with("type:str", "type:comment"),
        ),
        (
            "type:str of a comment",
            Both(0),
            file.body_with("type:comment", "type:str"),
        ),
        (
            "blank before a comment",
            Both(0),
            file.body_with("#ENC", "# ENC"),
        ),
        (
            "text behind a comment",
            Both(0),
            file.body_with("type:comment]", "type:comment] x"),
        ),
        (
            "converting tag",
            Both(1),
            file.body_with("k: ENC", "k: !!bool ENC"),
        ),
        (
            "other tag",
            Both(0),
            file.body_with("k: ENC", "k: !!str ENC"),
        ),
        (
            "plain in braces",
            Both(1),
            file.body_with("^m:\n    k: (.*)", "m: {k: $1}"),
        ),
        (
            "quoted in braces",
            Both(0),
            file.body_with("^m:\n    k: (.*)", "m: {k: \"$1\"}"),
        ),
        (
            "alias of a value",
            Both(25),
            file.with_body(replaced(body, "^a: ", "a: &q ") + "z: *q\n"),
        ),
        (
            "anchor on a value",
            Both(0),
            file.body_with("^a: ", "a: &q "),
        ),
    ]
}

#[test]
fn variants_of_an_encrypted_file() {
    if !has_reference() {
        return;
    }
    let plain = "# top\na: x\nb:\n    - 1\n    - y\nm:\n    k: true\n";
    let encrypted = run(&Scratch::new(), Reference, plain).ok();
    let encrypted = String::from_utf8(encrypted).expect("a text");
    let (body, inner) = encrypted.split_once("sops:\n").expect("metadata");
    let (body, inner) = (body.to_owned(), inner.to_owned());
    let variants = variants(&File { body, inner });
    let failures = in_parallel(&variants, |(what, gives, text)| {
        let scratch = Scratch::new();
        scratch.write(NAME, text);
        let ran = |program| scratch.run(program, ["decrypt", NAME]);
        let (ours, theirs) = (ran(Ours), ran(Reference));
        let found = match ours.code == theirs.code {
            true => Both(ours.code),
            false => Gives::Ours(ours.code, theirs.code),
        };
        if found != *gives {
            let (one, other) = (ours.stderr, theirs.stderr);
            return Some(format!(
                "{what}: {} {one} {} {other}",
                ours.code, theirs.code
            ));
        }
        if found == Both(0) && !text.contains("\n---\n") {
            let json = |program| {
                scratch
                    .run(program, ["decrypt", "--output-type", "json", NAME])
                    .ok()
            };
            let (ours, theirs) = (
                json_documents(&json(Ours)),
                json_documents(&json(Reference)),
            );
            if ours != theirs {
                return Some(format!("{what}: {ours:?} not {theirs:?}"));
            }
        }
        None
    });
    let failures: Vec<String> = failures.into_iter().flatten().collect();
    report(&failures, variants.len());
}
