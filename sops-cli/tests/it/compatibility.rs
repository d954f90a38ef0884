//! What docs/compatibility.md says: each line of its tables names a test that is there, and those that no other file has
//! are here. What docs/environment.md leaves out: nothing.

use std::{
    fs,
    path::{Path, PathBuf},
};

use regex::Regex;

use crate::support::{
    Program::{Ours, Reference},
    RECIPIENT, Scratch, has_reference, types,
};

fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// Returns the paths and texts of the Rust files in a folder.
fn sources(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
    for entry in fs::read_dir(folder).expect("a readable folder") {
        let path = entry.expect("a readable folder").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let text = fs::read_to_string(&path).expect("a text");
            found.push((path, text));
        }
    }
}

/// Whether a test is in the file of a module, or in that of its tests.
fn exists(sources: &[(PathBuf, String)], module: &str, test: &str) -> bool {
    let test = format!("#[test]\nfn {test}()");
    let unindented = |text: &str| text.replace("\n    ", "\n");
    sources.iter().any(|(path, text)| {
        let is_module = path.components().any(|part| {
            let part = Path::new(part.as_os_str());
            part.file_stem().is_some_and(|stem| stem == module)
        });
        is_module && unindented(text).contains(&test)
    })
}

#[test]
fn every_difference_names_a_test_that_is_there() {
    let text = fs::read_to_string(root().join("docs/compatibility.md")).expect("a text");
    let mut files = Vec::new();
    for folder in ["sops-core/src", "sops-core/tests", "sops-cli/tests"] {
        sources(&root().join(folder), &mut files);
    }
    let name = Regex::new("`([a-z0-9_]+)::([a-z0-9_]+)`").expect("a regular expression");
    let mut problems = Vec::new();
    let mut count = 0;
    for (index, line) in text.lines().enumerate() {
        let tests: Vec<_> = name.captures_iter(line).collect();
        let is_row = line.starts_with("| ") && !line.starts_with("| ---");
        let is_head = is_row && line.ends_with(" shown by |");
        if is_row && !is_head && tests.is_empty() {
            problems.push(format!("line {}: no test", index + 1));
        }
        for test in tests {
            count += 1;
            if !exists(&files, &test[1], &test[2]) {
                problems.push(format!("line {}: {} is not there", index + 1, &test[0]));
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert!(count > 50, "{count} tests are named");
    assert!(!exists(&files, "compatibility", "no_such_test"));
}

/// docs/environment.md has every variable of our own that the programs read.
#[test]
fn every_variable_is_in_the_documents() {
    let text = fs::read_to_string(root().join("docs/environment.md")).expect("a text");
    let mut files = Vec::new();
    for folder in ["sops-core/src", "sops-cli/src", "backends"] {
        sources(&root().join(folder), &mut files);
    }
    let name = Regex::new("\"(SOPS_[A-Z_]*[A-Z])\"").expect("a regular expression");
    let mut count = 0;
    for (path, source) in &files {
        let is_test = path.components().any(|part| part.as_os_str() == "tests")
            || path.to_string_lossy().ends_with("tests.rs");
        let code = source.split("#[cfg(test)]\nmod tests {").next();
        for variable in name.captures_iter(code.filter(|_| !is_test).unwrap_or_default()) {
            count += 1;
            let is_there = text.contains(&format!("`{}`", &variable[1]));
            assert!(is_there, "{}: {}", path.display(), &variable[1]);
        }
    }
    assert!(count > 30, "{count} variables are read");
}

/// Encrypts a text with more arguments; returns the encrypted text and what was said.
fn encrypted(scratch: &Scratch, name: &str, text: &str, arguments: &[&str]) -> (String, String) {
    scratch.write(name, text);
    let arguments = [&["--encrypt", "--age", RECIPIENT], arguments, &[name]].concat();
    let ran = scratch.run(Ours, arguments);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    (ran.text(), ran.stderr)
}

#[test]
fn operators_get_no_layout() {
    let scratch = Scratch::new();
    let resource = "kind: SopsSecret\nspec:\n  a: 0x1F\n";
    let (text, _) = encrypted(&scratch, "file.yaml", resource, &[]);
    assert!(!text.contains("layout:"));
    let (text, _) = encrypted(&scratch, "file.yaml", &resource.replace("Sops", ""), &[]);
    assert!(text.contains("layout:"));

    scratch.write(".sops.yaml", "stores: {layout: false}\n");
    let (text, _) = encrypted(&scratch, "file.yaml", "a: 0x1F\n", &[]);
    assert!(!text.contains("layout:"));
    let plain = scratch.decrypt(Ours, "file.yaml", text.as_bytes()).ok();
    assert_eq!(String::from_utf8_lossy(&plain), "a: 31\n");
}

#[test]
fn rotating_does_not_convert() {
    let scratch = Scratch::new();
    let (text, _) = encrypted(&scratch, "file.yaml", "a: b\n", &[]);
    scratch.write("file.yaml", &text);
    let ran = scratch.run(Ours, ["rotate", "--output-type", "json", "file.yaml"]);
    assert_eq!(ran.code, 8, "{}", ran.stderr);
    assert!(ran.stdout.is_empty());
    assert_eq!(scratch.read_text("file.yaml"), text);
}

#[test]
fn the_output_is_of_the_format_of_the_input() {
    let scratch = Scratch::new();
    let text = "a: b # note\n";
    let (encrypted, _) = encrypted(&scratch, "file.txt", text, &["--input-type", "yaml"]);
    assert!(encrypted.starts_with("a: ENC["), "{encrypted}");
    scratch.write("file.txt", encrypted);
    let ran = scratch.run(Ours, ["decrypt", "--input-type", "yaml", "file.txt"]);
    assert_eq!((ran.code, ran.text().as_str()), (0, text));
    // A name that says another format decides.
    let json = "{\"a\": \"b\"}\n";
    let (encrypted, _) = self::encrypted(&scratch, "file.yaml", json, &["--input-type", "json"]);
    assert!(encrypted.starts_with("a: ENC["), "{encrypted}");
}

#[test]
fn a_line_break_that_is_none_earns_a_warning() {
    let scratch = Scratch::new();
    scratch.write("file.yaml", "a: 'one\\ntwo'\n");
    let arguments = [
        "encrypt",
        "--age",
        RECIPIENT,
        "--output-type",
        "dotenv",
        "file.yaml",
    ];
    let text = scratch.run(Ours, arguments).ok();
    let plain = scratch.decrypt(Ours, "file.env", &text);
    assert_eq!((plain.code, plain.text().as_str()), (0, "a=one\\ntwo\n"));
    assert!(plain.stderr.contains("warning"), "{}", plain.stderr);
    // The ciphertext has it as it was.
    let arguments = ["decrypt", "--output-type", "json", "file.env"];
    let json = scratch.run(Ours, arguments).text();
    assert!(json.contains("one\\\\ntwo"), "{json}");
}

#[test]
fn a_value_that_is_cut_earns_a_warning() {
    let scratch = Scratch::new();
    for value in ["b;c", "\"b;c\"", "b#c"] {
        let (_, messages) = encrypted(&scratch, "file.ini", &format!("[s]\na = {value}\n"), &[]);
        assert!(messages.contains("warning: file.ini:2:"), "{messages}");
    }
    let (_, messages) = encrypted(&scratch, "file.ini", "[s]\na = `b;c` ; d\n", &[]);
    assert!(!messages.contains("warning"), "{messages}");
}

const BY_COMMENTS: &str = "[s]\n; hide\na = one\nb = two\n";

#[test]
fn a_comment_selector_in_ini_earns_a_warning() {
    let scratch = Scratch::new();
    let selector = ["--encrypted-comment-regex", "hide"];
    let (text, messages) = encrypted(&scratch, "file.ini", BY_COMMENTS, &selector);
    assert!(messages.contains("warning"), "{messages}");
    assert!(text.contains("a = ENC["), "{text}");
    assert!(text.contains("b = two\n"), "{text}");
}

#[test]
fn what_the_reference_selects_by_comments_in_ini_opens() {
    if !has_reference() {
        return;
    }
    let scratch = Scratch::new();
    scratch.write("file.ini", BY_COMMENTS);
    let selector = ["--encrypted-comment-regex", "hide"];
    let arguments = [
        &["--encrypt", "--age", RECIPIENT],
        &selector[..],
        &["file.ini"],
    ]
    .concat();
    let text = scratch.run(Reference, arguments).ok();
    let shown = String::from_utf8_lossy(&text).into_owned();
    assert!(
        shown.contains("a = one\n") && shown.contains("b = ENC["),
        "{shown}"
    );
    let plain = scratch.decrypt(Ours, "file.ini", &text);
    assert_eq!(plain.code, 0, "{}", plain.stderr);
    assert!(plain.text().contains("b = two\n"));
}

#[test]
fn values_of_other_formats_keep_their_types() {
    if !has_reference() {
        return;
    }
    let text = "s:\n  a: 5\n  b: true\n  c: 1.5\n  d: 2001-12-14\n  e: x\n  f: '5'\n";
    let flat = text.replacen("s:\n", "", 1).replace("  ", "");
    for (text, format, name) in [
        (text, "ini", "file.ini"),
        (&flat, "dotenv", "file.env"),
        (text, "json", "file.json"),
    ] {
        let encrypted = |program| {
            let scratch = Scratch::new();
            scratch.write("file.yaml", text);
            let arguments = ["encrypt", "--age", RECIPIENT, "--output-type", format];
            scratch
                .run(program, [&arguments[..], &["file.yaml"]].concat())
                .ok()
        };
        let (ours, theirs) = (encrypted(Ours), encrypted(Reference));
        let types_of = |file: &[u8]| types(&String::from_utf8_lossy(file));
        assert_eq!(types_of(&ours), types_of(&theirs), "{format}");
        for file in [&ours, &theirs] {
            let scratch = Scratch::new();
            scratch.write(name, file);
            for output in ["json", "yaml", format] {
                let arguments = ["decrypt", "--output-type", output, name];
                let plain = scratch.run(Ours, arguments).ok();
                assert_eq!(
                    plain,
                    scratch.run(Reference, arguments).ok(),
                    "{format} {output}"
                );
            }
        }
    }
}

/// The reference counts them as booleans when it encrypts, and as texts when it decrypts.
#[test]
fn booleans_of_other_formats_in_the_clear_open() {
    if !has_reference() {
        return;
    }
    let scratch = Scratch::new();
    scratch.write("file.yaml", "a: b\nc_unencrypted: true\n");
    let arguments = ["encrypt", "--age", RECIPIENT, "--output-type", "dotenv"];
    let arguments = [&arguments[..], &["file.yaml"]].concat();
    for (program, code) in [(Reference, 51), (Ours, 0)] {
        let text = scratch.run(program, &arguments).ok();
        scratch.write("file.env", text);
        assert_eq!(scratch.run(Reference, ["decrypt", "file.env"]).code, code);
    }
}
