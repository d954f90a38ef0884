//! YAML that is hard to hold: encrypted here it opens in the reference, with the values that the reference would have
//! encrypted, and comes back here to the byte.

use std::fs;

use crate::support::{
    Program::{Ours, Reference},
    RECIPIENT, Scratch, has_reference, in_parallel, json_documents, report, testdata,
    tree_of_encrypted, tree_of_plain,
};

const NAME: &str = "file.yaml";

/// Encrypts a text with more arguments, and compares what both programs make of the result.
fn holds(text: &str, arguments: &[&str]) -> Result<(), String> {
    let scratch = Scratch::new();
    scratch.write(NAME, text);
    let encrypt = |program| {
        let mut all = vec!["--encrypt", "--age", RECIPIENT];
        all.extend(arguments);
        all.push(NAME);
        scratch.run(program, all)
    };
    let encrypted = encrypt(Ours);
    if encrypted.code != 0 {
        return Err(format!("encrypting: {}", encrypted.stderr));
    }
    let back = scratch.decrypt(Ours, NAME, &encrypted.stdout);
    if back.text() != text {
        return Err(format!("came back as {:?} {}", back.text(), back.stderr));
    }
    let opened = scratch.run(Reference, ["decrypt", NAME]);
    if opened.code != 0 || opened.text().contains("ENC[") || opened.stderr.contains("encrypted") {
        let (text, messages) = (opened.text(), opened.stderr);
        return Err(format!("the reference: {messages} {text:?}"));
    }
    let ours = tree_of_encrypted(NAME, &encrypted.stdout)
        .map_err(|ran| format!("the reference: {}", ran.stderr))?;
    let theirs = tree_of_plain(NAME, text.as_bytes())
        .map_err(|ran| format!("the reference encrypting: {}", ran.stderr))?;
    match ours.content == theirs.content && (!arguments.is_empty() || ours.types == theirs.types) {
        true => Ok(()),
        false => Err(format!("{ours:?}\nnot {theirs:?}")),
    }
}

fn each(cases: &[(&str, &[&str])]) {
    if !has_reference() {
        return;
    }
    let outcomes = in_parallel(cases, |(text, arguments)| {
        let outcome = holds(text, arguments);
        outcome.map_err(|why| format!("{text:?} {arguments:?}: {why}"))
    });
    let failures: Vec<String> = outcomes.into_iter().filter_map(Result::err).collect();
    report(&failures, cases.len());
}

#[test]
fn lossless_files_open_in_the_reference() {
    // In any form it has a key that the reference does not read.
    let unreadable = ["longer-key.yaml"];
    let mut texts = Vec::new();
    for entry in fs::read_dir(testdata("lossless")).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.ends_with(".yaml") && !unreadable.contains(&&*name) {
            texts.push(fs::read_to_string(&path).expect("a text"));
        }
    }
    let cases: Vec<(&str, &[&str])> = texts.iter().map(|text| (&**text, &[][..])).collect();
    each(&cases);
}

#[test]
fn comments_behind_aliases_that_are_written_out() {
    let secret = &["--encrypted-comment-regex", "sec"][..];
    let clear = &["--unencrypted-comment-regex", "clear"][..];
    each(&[
        ("a: &a [x, y] # b\nk: *a # c\n", &[]),
        ("a: &a {x: y}\nk: *a   #c\n  # d\nz: 1\n", &[]),
        ("a: &a [x]\nl:\n - k: *a # c\n   # d\n\n   # e\nz: 1\n", &[]),
        (
            "a: &a [x, y]\nk: \n  *a # c  \nl:\n  *a # d\n? m\n:\n  *a # e\n",
            &[],
        ),
        ("a: &a [x]\n? k\n: *a # c\nz: 1", &[]),
        ("a: &a {x: y}\r\nm:\r\n  <<: *a # c\r\n", &[]),
        ("a: &a [x, y]\nk: # c\n  *a # d\nz: 1\n", &[]),
        ("y: {y: &a [x, y], k: *a # c\n ,z: 1}\n", &[]),
        ("{y: &a [x, y], k: *a, # c\n z: 1}\n", &[]),
        (
            "a: {b: &a {}, # c\n  d: *a}\ne: *a\nf: &f # g\n  - # h\ni: *f\n",
            &[],
        ),
        ("# sec\na: &a [x, y]\nk: *a # sec\nz: 1\n", secret),
        ("a: &a [x, y]\nk: *a # sec\nz: 1\n", secret),
        ("a: &a\n  # sec\n  x: x\n  y: [y] # sec\nk: *a\n", secret),
        ("a: &a [x, y]\nk: *a # clear\nz: 1\n", clear),
        ("a: &a\n  # clear\n  x: x\n  y: [y]\nk: *a\n", clear),
    ]);
}

#[test]
fn a_comment_that_cannot_stay_is_refused() {
    let scratch = Scratch::new();
    scratch.write(NAME, "{y: &a [x, y], k: *a, # sec\n z: 1}\n");
    let ran = scratch.run(
        Ours,
        [
            "--encrypt",
            "--age",
            RECIPIENT,
            "--encrypted-comment-regex",
            "sec",
            NAME,
        ],
    );
    assert_eq!(ran.code, 23, "{}", ran.stderr);
    assert!(ran.stderr.contains("a line of its own"), "{}", ran.stderr);
}

#[test]
fn documents_that_are_null() {
    each(&[
        ("null\n", &[]),
        ("~", &[]),
        ("--- &a\n", &[]),
        ("!", &[]),
        ("!!null\n", &[]),
        ("--- !!null &a null\n", &[]),
        ("--- !!null \"\"\n", &[]),
        ("--- ~ # c\n# d\n", &[]),
        ("# c\n\n~ # d\n# e\n...\n", &[]),
        (
            "a: b\n--- ~\n--- &a # c\n\n---\n  null\n---\nc: 0x1F\n",
            &[],
        ),
        ("---\r\n--- ~\r\n---\r\na: 1\r\n", &[]),
        ("%YAML 1.1\n---\n!\n", &[]),
        ("  &b      # c  ", &[]),
        ("&b\t\n---\t~\t\n--- &c\t# d\n", &[]),
        ("# c\r~", &[]),
        ("--- !!set\na: b\n--- !c\nd: e\n--- !!map {}\n", &[]),
    ]);
}

#[test]
fn roots_that_hold_a_value_are_refused() {
    let scratch = Scratch::new();
    for (text, what) in [
        ("--- !!set\n", "a single value"),
        ("--- !c\n", "a single value"),
        ("a: b\n--- \"\"\n", "a single value"),
        ("--- |\n", "a single value"),
        ("- a\n", "a list"),
    ] {
        let ran = scratch.encrypt(Ours, NAME, text.as_bytes());
        assert_eq!(ran.code, 2, "{text:?} {}", ran.stderr);
        assert!(ran.stderr.contains(what), "{text:?} {}", ran.stderr);
    }
}

#[test]
fn keys_that_are_aliases_of_encrypted_values() {
    each(&[
        ("a: &x secret\n*x : v\n", &[]),
        (
            "a: &x \"5\"\nm:\n  ? *x # c\n  : v\nz: {*x : 1, b: 2}\n",
            &[],
        ),
        ("a: &x |\n  two\n  lines\n*x : [v, *x]\n", &[]),
        (
            "# c\na: &x <<\nm: {l: [&y s] # d\n  }\nn: {*x : {b: c}, *y : 0x1F}\n",
            &[],
        ),
        ("a: &x clear\n*x : v\n", &["--encrypted-regex", "clear"]),
        ("&k key: &v value\nm: {*k : *v}\n", &[]),
    ]);
}

#[test]
fn a_key_that_can_be_read_earns_a_warning() {
    let scratch = Scratch::new();
    let ran = scratch.encrypt(Ours, NAME, b"a: &x hidden\n*x : v\n");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("file.yaml:2:1: the key is an alias"),
        "{}",
        ran.stderr
    );
    assert!(!ran.stderr.contains("hidden"), "{}", ran.stderr);
}

#[test]
fn anchors_and_line_breaks_of_an_unusual_kind() {
    each(&[
        ("k: &an:chor v\nl: *an\n", &[]),
        ("a: >+\n ", &[]),
        (
            "k:\n  k: |-\n   a:\n      # c\n   \u{2028}      - b: 1\n        d: 2\n",
            &[],
        ),
        ("{ # d\n}\n", &[]),
        ("%YAML 1.1\n---\n{ # d\n # e\n}\n--- {}\n", &[]),
        ("a: b\n? |\n  c", &[]),
        ("? >+\n  c\n ", &[]),
        (
            "foo: |-\n\u{85}\n   c: 1\n        # c1\n    # c2\n# c3",
            &[],
        ),
        ("a: |+\n  ", &[]),
        ("a: |+ # c\n x\n ", &["--encrypted-regex", "^b$"]),
        ("a: >+\n x\n ", &[]),
        ("a:\n ># c\n\u{2028}\n {", &[]),
        (
            "a: 1 # x\n...\u{2028}\n---\u{85}b: 2\u{2029}---\u{2028}\r\n---\u{2028}c: 0x1F",
            &[],
        ),
        (
            "a:\u{2028}  - &x\u{85}    b: |2-\u{2029}       c\u{85}k: *x # d\u{2028}",
            &[],
        ),
        ("k: &a:1\n", &[]),
        ("k: &a?b c\n", &[]),
        ("&a :a: &b b\n*b : *a\n", &[]),
        ("&a a: &b :b\nm:\n  *a: *b\n", &[]),
        ("{k: &a, b: c}\n", &[]),
        ("k: |-\n  a\u{2028}  b\nz: 1\n", &[]),
        ("k: |\n  a\u{2028}  b\u{85}  c\n  d\nz: 1\n", &[]),
        ("k: >\n  a\u{2029}  b\u{85}  c\n\n  d\nz: 1\n", &[]),
        ("k: 'a\u{2029}\n  b' # c\u{2028}z: \"\u{85}1\"\n", &[]),
    ]);
}

#[test]
fn spellings_of_numbers_and_times_come_back() {
    let values = [
        "0x1F",
        "1_000",
        "1.10",
        "1e3",
        "1.0",
        "-0.0",
        "-0",
        "+1",
        "08",
        "0_8",
        "017",
        "0b11",
        "1e400",
        "1.7976931348623159e308",
        "0xFFFFFFFFFFFFFFFFF",
        "18446744073709551616",
        "1e-400",
        "2024-05-01",
        "2001-12-14t21:59:43+01:00",
        "2001-12-14 21:59:43.1234567891",
        "!!float 1",
        "!!int \"5\"",
        "!!str 0x1F",
        "9223372036854775807",
        "yes",
        "1:30",
        ".5_0",
        "!!timestamp '2024-05-01'",
    ];
    let texts: Vec<String> = values.iter().map(|value| format!("k: {value}\n")).collect();
    let cases: Vec<(&str, &[&str])> = texts.iter().map(|text| (&**text, &[][..])).collect();
    each(&cases);
}

#[test]
fn values_that_would_change_earn_one_warning() {
    let scratch = Scratch::new();
    for (value, warns) in [
        ("0x1F", false),
        ("1_000", false),
        ("1.10", false),
        ("1e400", false),
        ("2024-05-01", false),
        ("2001-12-14 21:59:43.123456789", false),
        ("18446744073709551616", true),
        ("-9223372036854775809", true),
        ("0.1234567890123456789", true),
        ("1e-400", true),
        ("!!float \"0.1234567890123456789\"", true),
        ("2001-12-14 21:59:43.1234567891", true),
    ] {
        let text = format!("a:\n- {value}\n");
        let ran = scratch.encrypt(Ours, NAME, text.as_bytes());
        assert_eq!(ran.code, 0, "{value} {}", ran.stderr);
        let warnings = ran.stderr.matches("warning: ").count();
        assert_eq!(warnings, usize::from(warns), "{value} {}", ran.stderr);
        if warns {
            assert!(
                ran.stderr.contains("file.yaml:2:3: a[0]: "),
                "{}",
                ran.stderr
            );
            assert!(ran.stderr.contains("quote it"), "{}", ran.stderr);
        }
    }
}

#[test]
fn integers_that_sops_has_no_type_for_are_refused() {
    let scratch = Scratch::new();
    for value in [
        "9223372036854775808",
        "18446744073709551615",
        "0x8000000000000000",
    ] {
        for key in ["k", "k_unencrypted"] {
            let text = format!("a: b\n{key}: {value}\n");
            let ran = scratch.encrypt(Ours, NAME, text.as_bytes());
            assert_eq!(ran.code, 23, "{text} {}", ran.stderr);
            assert!(
                ran.stderr.contains(&format!("cannot encrypt {key}:")),
                "{}",
                ran.stderr
            );
            assert!(ran.stderr.contains("quote it"), "{}", ran.stderr);
            if has_reference() {
                assert_eq!(scratch.encrypt(Reference, NAME, text.as_bytes()).code, 23);
            }
        }
    }
}

#[test]
fn directives_behind_a_document() {
    each(&[
        ("a: b\n%YAML 1.1\n---\n", &[]),
        (
            "  a: b # c\n  c:\n    d: e\n# f\n    # g\n%TAG !e! tag:e,2000:\n---\nx: !e!y z\n",
            &[],
        ),
        (
            "a: {b: c}\n\n# d\n%YAML 1.1 # e\n--- ~ # x\n%YAML 1.1\n---\na: b",
            &[],
        ),
        ("{a: b}\n# d\n%YAML 1.1\n---\na: |\n  %b\n", &[]),
    ]);
}

/// The reference makes items of them when it encrypts.
#[test]
fn empty_comments_in_lists_stay_comments() {
    let values = r#"{"a": [1, 2], "b": [{"c": 3}, [4]]}"#;
    for text in [
        "a:\n# b\n#\n# c\n- 1\n#\n- 2 #\n#  \nb:\n- #\n  c: 3\n#\n- - #\n    4\n# \n",
        "a: [1, #\n  2, # \n#\n ]\nb: [{c: 3}, #\n # \n [4]]\n",
    ] {
        for regex in ["", "^x$", "^[ab]$"] {
            let scratch = Scratch::new();
            scratch.write(NAME, text);
            let arguments = [
                "--encrypt",
                "--age",
                RECIPIENT,
                "--encrypted-regex",
                regex,
                NAME,
            ];
            let encrypted = scratch.run(Ours, arguments).ok();
            let back = scratch.decrypt(Ours, NAME, &encrypted);
            assert_eq!(back.text(), text, "{regex:?}");
            if has_reference() {
                let json = ["decrypt", "--output-type", "json", NAME];
                let found = json_documents(&scratch.run(Reference, json).ok());
                assert_eq!(
                    found,
                    json_documents(values.as_bytes()),
                    "{text:?} {regex:?}"
                );
            }
        }
    }
}
