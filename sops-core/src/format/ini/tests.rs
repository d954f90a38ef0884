//! What is read from INI files. Every value was seen in the reference.

use super::*;
use crate::{
    format::{Engine, SyntaxErrorKind, edit::splice},
    metadata::Raw,
    tree::{NodeKind, ValueRef},
};

/// The entries of a text as `section.key=value`, comments as `section#text`.
fn entries(source: &str) -> Vec<String> {
    let tree = parse(source).unwrap_or_else(|error| panic!("{source:?}: {error}"));
    let document = tree.documents().next().expect("a document");
    let root = tree.root(document).expect("sections");
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
    let mut entries = Vec::new();
    for (name, section) in tree.entries(root) {
        let NodeKind::Key { text: name, .. } = &tree[name].kind else {
            panic!("a name");
        };
        let name = text(name.bytes(source));
        let mut key = String::new();
        for child in tree.children(section) {
            match &tree[child].kind {
                NodeKind::Key { text: bytes, .. } => key = text(bytes.bytes(source)),
                NodeKind::Comment => {
                    entries.push(format!("{name}#{}", Ini.comment_text(source, &tree, child)));
                }
                NodeKind::Scalar(scalar) => match scalar.value.view(source) {
                    ValueRef::Str(bytes) => entries.push(format!("{name}.{key}={}", text(bytes))),
                    _ => panic!("a text"),
                },
                _ => panic!("nothing else"),
            }
        }
    }
    entries
}

#[test]
fn values() {
    for (line, value) in [
        ("a=b", "b"),
        ("a:b", "b"),
        ("a = b:c=d", "b:c=d"),
        ("  a\t=  b c  ", "b c"),
        ("a=", ""),
        ("a = ", ""),
        ("a=\"b\"", "b"),
        ("a='b'", "b"),
        ("a=\" b \"", " b "),
        ("a=\"b", "\"b"),
        ("a=\"b\"c\"", "\"b\"c\""),
        ("a=''", ""),
        ("a=`b;c#d`", "b;c#d"),
        ("a=`b`c`", "b`c"),
        ("a=\"\"\"b\"\"\"", "b"),
        ("a=\"\"\"b\nc\n\nd\"\"\"", "b\nc\n\nd"),
        ("a=`b\n  c`", "b\n  c"),
        ("a=b\\\nc", "bc"),
        ("a=b \\\n  c \\\n d", "b c d"),
        ("a=b\\\n\nc=d", "b"),
        ("a=\\n\\t", "\\n\\t"),
        ("a=%(b)s", "%(b)s"),
        ("a=b\r", "b"),
        ("a=é ☃", "é ☃"),
    ] {
        let found = entries(line);
        assert_eq!(found[0], format!("DEFAULT.a={value}"), "{line:?}");
    }
}

#[test]
fn keys_and_sections() {
    for (source, expected) in [
        ("[s]\na=b", vec!["s.a=b"]),
        ("[ s ]\na=b", vec![" s .a=b"]),
        ("[x]y]\na=b", vec!["x]y.a=b"]),
        ("\u{feff}[s]\na=b", vec!["s.a=b"]),
        (
            "x=y\n[s]\na=b\n[s]\na=c",
            vec!["DEFAULT.x=y", "s.a=b", "s.a=c"],
        ),
        ("\"a b\" = c", vec!["DEFAULT.a b=c"]),
        ("`a=b` = c", vec!["DEFAULT.a=b=c"]),
        ("\"\"\"a\"b\"\"\" = c", vec!["DEFAULT.a\"b=c"]),
        ("- = a\n- = b", vec!["DEFAULT.#1=a", "DEFAULT.#2=b"]),
    ] {
        assert_eq!(entries(source), expected, "{source:?}");
    }
}

#[test]
fn comments() {
    for (source, expected) in [
        ("; c\na=b", vec!["DEFAULT#c", "DEFAULT.a=b"]),
        (";; c1\n; c2\na=b", vec!["DEFAULT#c1\n; c2", "DEFAULT.a=b"]),
        ("a=b ; c", vec!["DEFAULT#c", "DEFAULT.a=b"]),
        ("a=b;c", vec!["DEFAULT#c", "DEFAULT.a=b"]),
        ("; c\n[s] # d\na=b", vec!["s#c", "s#d", "s.a=b"]),
        (
            "a=b\n; c\n\n# d",
            vec!["DEFAULT.a=b", "DEFAULT#c", "DEFAULT#d"],
        ),
        // In a form that the reference can read.
        ("#\n# c\n#\na=b", vec!["DEFAULT#c\n#", "DEFAULT.a=b"]),
        ("; c\n\n; d\na=b", vec!["DEFAULT#c\n; d", "DEFAULT.a=b"]),
        ("#\na=b", vec!["DEFAULT#", "DEFAULT.a=b"]),
    ] {
        assert_eq!(entries(source), expected, "{source:?}");
    }
}

#[test]
fn what_is_no_ini_file() {
    for (source, place) in [
        ("a", "1:1"),
        ("=b", "1:1"),
        ("[s", "1:1"),
        ("x=y\n[]\n", "2:1"),
        ("[s] x\n", "1:5"),
        ("a=`b\n", "1:3"),
        ("a=\"\"\"b\nc\n", "1:3"),
        ("a=`b` c\n", "1:7"),
        ("\"a = b\n", "1:1"),
        ("\"a\" b = c\n", "1:4"),
        ("a=1\nb=2\na=3\n", "3:1"),
    ] {
        let error = parse(source).expect_err(source);
        assert_eq!(error.position.to_string(), place, "{source:?}: {error}");
        assert!(error.hint.is_some(), "{source:?}");
    }
    let twice = parse("a=hunter2\na=x\n").expect_err("twice");
    assert_eq!(twice.kind, SyntaxErrorKind::DuplicateKey);
    assert!(!twice.to_string().contains("hunter2"));
}

#[test]
fn values_are_written_so_that_they_read_back() {
    for value in [
        "", "b", " b ", "a;b", "a#b", "\"b\"", "'b'", "`b`", "a\nb", "b\\", "\"", "a`b;c", "é",
    ] {
        for like in ["", "x", "\"x\"", "'x'", "`x`", "\"\"\"x\"\"\""] {
            let written = value::written(value, like).unwrap_or_else(|| panic!("{value:?}"));
            let line = format!("a = {written}\n");
            let found = entries(&line);
            assert_eq!(
                found,
                [format!("DEFAULT.a={value}")],
                "{value:?} like {like:?}"
            );
        }
    }
}

#[test]
fn metadata_come_and_go_to_the_byte() {
    let metadata = |mac: &str| {
        Raw::Map(vec![
            ("mac".to_owned(), Raw::Text(mac.to_owned())),
            ("version".to_owned(), Raw::Text("3.13.2".to_owned())),
        ])
    };
    for source in [
        "",
        "\n",
        "a=b",
        "a=b\n",
        "a=b\n\n",
        "a=b\r\n",
        "a=b\r",
        "[s]\r\na=b\r",
        "[s]",
        "; c",
        "a=b\\",
    ] {
        let tree = parse(source).expect("INI");
        let inserted = splice(
            source,
            &mut Ini.insert_metadata(source, &tree, &metadata("m")),
        );
        let tree = parse(&inserted).expect("INI");
        let removed = splice(&inserted, &mut Ini.remove_metadata(&inserted, &tree));
        assert_eq!(removed, source, "{inserted:?}");
        let edits = &mut Ini.replace_metadata(&inserted, &tree, &metadata("a\nb"));
        let replaced = splice(&inserted, edits);
        let tree = parse(&replaced).expect("INI");
        let document = tree.documents().next().expect("a document");
        let (_, section) = tree.metadata_entry(&replaced, document).expect("metadata");
        assert_eq!(Ini.metadata(&replaced, &tree, section), metadata("a\nb"));
        let removed = splice(&replaced, &mut Ini.remove_metadata(&replaced, &tree));
        assert_eq!(removed, source, "{replaced:?}");
    }
}

/// Line breaks in metadata, as the reference writes them and as two of its versions did.
#[test]
fn line_breaks_in_metadata() {
    for source in [
        "[sops]\nmac = a\\nb\n",
        "[sops]\nmac = a\\\\nb\n",
        "[sops]\nmac = `a\nb`\n",
    ] {
        let tree = parse(source).expect("INI");
        let document = tree.documents().next().expect("a document");
        let (_, section) = tree.metadata_entry(source, document).expect("metadata");
        let expected = Raw::Map(vec![("mac".to_owned(), Raw::Text("a\nb".to_owned()))]);
        assert_eq!(Ini.metadata(source, &tree, section), expected, "{source:?}");
    }
}
