//! Rewriting a text, judged by the parser: what is written reads back.

use std::{fs, path::PathBuf};

use proptest::prelude::*;

use super::{metadata_block, parse, render};
use crate::{
    format::{
        ParseOptions,
        edit::{Edit, splice},
    },
    metadata::Raw,
    tree::{NodeId, NodeKind, Tree, ValueRef},
};

const ENC: &str = "ENC[AES256_GCM,data:QQ==,iv:QUFB,tag:QkJC,type:str]";
const COMMENT: &str = "ENC[AES256_GCM,data:QQ==,iv:QUFB,tag:QkJC,type:comment]";

fn metadata() -> Raw {
    let text = |text: &str| Raw::Text(text.to_owned());
    let entry = vec![
        ("enc".to_owned(), text("-----\nYWdl\n-----\n")),
        ("recipient".to_owned(), text("age1x")),
    ];
    Raw::Map(vec![
        ("age".to_owned(), Raw::List(vec![Raw::Map(entry)])),
        ("hc_vault".to_owned(), Raw::List(vec![])),
        ("lastmodified".to_owned(), text("2026-11-23T18:21:39Z")),
        ("mac".to_owned(), text(ENC)),
    ])
}

fn parsed(source: &str) -> Tree {
    parse(source, ParseOptions::default()).unwrap_or_else(|error| panic!("{error}:\n{source}"))
}

fn with_block(source: &str) -> String {
    let tree = parsed(source);
    splice(
        source,
        &mut metadata_block::insert(source, &tree, &metadata()),
    )
}

fn without_block(source: &str) -> String {
    let tree = parsed(source);
    splice(source, &mut metadata_block::remove(source, &tree))
}

/// The leaves outside of a `sops` block: their nodes, type words and plaintexts. Nulls and empty texts are left out.
fn leaves(source: &str, tree: &Tree) -> Vec<(NodeId, &'static str, Vec<u8>)> {
    let mut leaves = Vec::new();
    let mut skipped = 0;
    for (index, node) in tree.nodes().iter().enumerate() {
        match &node.kind {
            NodeKind::Key { text, .. } if text.bytes(source) == b"sops" => {
                skipped = tree.nodes()[index + 1].end as usize;
            }
            NodeKind::Scalar(scalar) if index >= skipped => {
                let value = scalar.value.view(source);
                let mut plaintext = Vec::new();
                value.plaintext(&mut plaintext);
                if !plaintext.is_empty() {
                    leaves.push((NodeId(index as u32), value.type_word(), plaintext));
                }
            }
            _ => {}
        }
    }
    leaves
}

/// Encrypts every leaf in place, adds the block, and takes both back, looking at what is read at each step.
fn check_round_trip(source: &str) {
    let options = ParseOptions {
        before_root_key: true,
    };
    let tree = parse(source, options).unwrap_or_else(|error| panic!("{error}:\n{source}"));
    let has_null_root = tree
        .documents()
        .filter_map(|document| tree.root(document))
        .any(|root| {
            let root = &tree[root];
            !matches!(root.kind, NodeKind::Map { .. }) && root.outer_start < root.span.end
        });
    let plain = leaves(source, &tree);

    let inserted = with_block(source);
    if !has_null_root {
        assert_eq!(without_block(&inserted), source, "{inserted}");
        let tree = parsed(&inserted);
        let replaced = splice(
            &inserted,
            &mut metadata_block::replace(&inserted, &tree, &metadata()),
        );
        assert_eq!(replaced, inserted);
    }
    for document in parsed(&inserted).documents() {
        let tree = parsed(&inserted);
        let root = tree.root(document).expect("has a block");
        let (_, block) = tree.entry(&inserted, root, "sops").expect("has a block");
        assert_eq!(Raw::from_tree(&inserted, &tree, block), metadata());
    }

    let mut edits = metadata_block::insert(source, &tree, &metadata());
    for (id, _, _) in &plain {
        render::encrypted(source, &tree, *id, ENC.into(), &mut edits);
    }
    // Comments are encrypted in the same pass: these edits must not meet.
    for node in tree.nodes() {
        if matches!(node.kind, NodeKind::Comment) && !node.span.is_empty() {
            edits.push(Edit::new(node.span, COMMENT));
        }
    }
    let encrypted = splice(source, &mut edits);
    let tree = parsed(&encrypted);
    let ciphertexts = leaves(&encrypted, &tree);
    assert_eq!(ciphertexts.len(), plain.len(), "{encrypted}");
    for (_, _, text) in &ciphertexts {
        assert_eq!(String::from_utf8_lossy(text), ENC, "{encrypted}");
    }

    let mut edits = metadata_block::remove(&encrypted, &tree);
    for ((id, ..), (_, word, plaintext)) in ciphertexts.iter().zip(&plain) {
        let value = ValueRef::from_plaintext(word, plaintext).expect("is canonical");
        render::restored(&encrypted, &tree, *id, value, &mut edits);
    }
    for node in tree.nodes() {
        if matches!(node.kind, NodeKind::Comment) && node.span.of(&encrypted) == COMMENT {
            edits.push(Edit::new(node.span, " c"));
        }
    }
    let restored = splice(&encrypted, &mut edits);
    let again = leaves(&restored, &parsed(&restored));
    let values = |leaves: &[(NodeId, &'static str, Vec<u8>)]| -> Vec<(&'static str, String)> {
        let show = |(_, word, text): &(NodeId, _, Vec<u8>)| {
            (*word, String::from_utf8_lossy(text).into_owned())
        };
        leaves.iter().map(show).collect()
    };
    assert_eq!(
        values(&again),
        values(&plain),
        "{source}\n{encrypted}\n{restored}"
    );
}

fn yaml_files(folder: &str) -> Vec<PathBuf> {
    let folder = format!("{}/../testdata/{folder}", env!("CARGO_MANIFEST_DIR"));
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "yaml")
        })
        .collect();
    files.sort();
    files
}

/// The reference wrote these files, with the block last and a step of four.
#[test]
fn the_block_is_that_of_the_reference() {
    let files = yaml_files("yaml/reference");
    assert!(files.len() > 2);
    for file in files {
        let source = fs::read_to_string(&file).unwrap();
        let tree = parsed(&source);
        let root = tree.root(tree.documents().next().unwrap()).unwrap();
        let (_, block) = tree.entry(&source, root, "sops").unwrap();
        let metadata = Raw::from_tree(&source, &tree, block);
        let replaced = splice(
            &source,
            &mut metadata_block::replace(&source, &tree, &metadata),
        );
        assert_eq!(replaced, source, "{}", file.display());
        let plain = without_block(&source);
        let tree = parsed(&plain);
        let inserted = splice(
            &plain,
            &mut metadata_block::insert(&plain, &tree, &metadata),
        );
        assert_eq!(inserted, source, "{}", file.display());
    }
}

#[test]
fn files_read_back() {
    let files = yaml_files("lossless");
    assert!(files.len() > 20);
    for file in files {
        check_round_trip(&fs::read_to_string(file).unwrap());
    }
}

/// Every row of the table of what the reference makes of a scalar behind `k: `.
#[test]
fn types_are_those_of_the_reference() {
    let table = include_str!("../../../../testdata/yaml/typing-yaml.tsv");
    let unescaped = |text: &str| {
        let mut out = String::new();
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            match character {
                '\\' => match characters.next() {
                    Some('n') => out.push('\n'),
                    Some('t') => out.push('\t'),
                    Some('0') => out.push('\0'),
                    Some(other) => out.push(other),
                    None => {}
                },
                character => out.push(character),
            }
        }
        out
    };
    for row in table.lines().skip(1) {
        let mut columns = row.split('\t');
        let (Some(literal), Some(expected), Some(plaintext)) =
            (columns.next(), columns.next(), columns.next())
        else {
            panic!("{row}")
        };
        let source = format!("k: {}\n", unescaped(literal));
        let tree = parse(&source, ParseOptions::default());
        if expected == "ERROR rc=2" {
            assert!(tree.is_err(), "{literal}");
            continue;
        }
        if expected == "ERROR rc=23" && tree.is_err() {
            continue;
        }
        let tree = tree.unwrap_or_else(|error| panic!("{literal}: {error}"));
        let leaf = tree.nodes().iter().find_map(|node| match &node.kind {
            NodeKind::Scalar(scalar) => Some(scalar.value.view(&source)),
            _ => None,
        });
        let mut out = Vec::new();
        if let Some(value) = leaf {
            value.plaintext(&mut out);
        }
        match expected {
            "ERROR rc=23" => assert!(matches!(leaf, Some(ValueRef::Unsigned(_))), "{literal}"),
            _ if expected.starts_with("CLEAR") => assert!(out.is_empty(), "{literal}"),
            _ if expected.contains("aad differs") => {}
            _ => {
                assert_eq!(
                    leaf.map(|value| value.type_word()),
                    Some(expected),
                    "{literal}"
                );
                let plaintext = unescaped(plaintext).replace("\\xff", "\u{FFFD}");
                assert_eq!(String::from_utf8_lossy(&out), plaintext, "{literal}");
            }
        }
    }
}

/// Scalars on one line, in block context.
fn block_scalar() -> impl Strategy<Value = String> {
    let choices = vec![
        "1",
        "0x1F",
        "1.10",
        "true",
        "~",
        "",
        "yes",
        "a b",
        "a: b",
        "'it''s'",
        "\"a\\tb\\n\"",
        "!!str 5",
        "!!int \"5\"",
        "!c x",
        "&y z",
        "2001-12-14",
        "-",
        "[]",
        "{}",
        "\"\"",
        "é😀",
        "!!binary /wA=",
        "| # c\n        a\n\n         b",
        "|-\n        a\n",
        "|+\n        a\n\n",
        ">\n        a b\n        c\n",
        ">-\n        a\n\n        b\n\n",
        "|+\n\n",
        "\"a\n        b\"",
        "a\n        b",
        "# c\n        a",
        "!!int # c\n        3",
        "|1\n          a\n     b",
        "|\n        a\n\n\n",
    ];
    prop::sample::select(choices).prop_map(|text| match text {
        "-" => "'-'".to_owned(),
        text => text.to_owned(),
    })
}

fn flow_scalar() -> impl Strategy<Value = String> {
    let choices = vec![
        "1",
        "1.10",
        "true",
        "~",
        "yes",
        "a b",
        "'it''s'",
        "\"a\\tb\\n\"",
        "!!str 5",
        "!!int \"5\"",
        "!c x",
        "[]",
        "{k: [v, 1]}",
        "\"a\n      b\"",
        "2001-12-14",
        "-1",
    ];
    prop::sample::select(choices).prop_map(str::to_owned)
}

/// An entry of the root: a scalar, or a collection of scalars in some layout.
fn entry() -> impl Strategy<Value = String> {
    let end = || prop::sample::select(vec!["", " # c", "\n", "\n\n", "\n  # c", "\n# c\n"]);
    prop_oneof![
        (block_scalar(), end()).prop_map(|(scalar, end)| format!(" {scalar}{end}")),
        (block_scalar(), block_scalar(), end())
            .prop_map(|(a, b, end)| format!("\n    x: {a}\n    y: {b}{end}")),
        (block_scalar(), block_scalar(), end())
            .prop_map(|(a, b, end)| format!("\n    - {a}\n    - k: {b}{end}")),
        (block_scalar(), end()).prop_map(|(a, end)| format!("\n- {a}\n- - {a}{end}")),
        (flow_scalar(), flow_scalar(), end())
            .prop_map(|(a, b, end)| format!(" {{x: {a}, y: [{b}, {a}]}}{end}")),
    ]
}

fn document() -> impl Strategy<Value = String> {
    let name = |(index, entry): (usize, String)| format!("k{index}:{entry}\n");
    let block = prop::collection::vec(entry(), 1..4).prop_map(move |entries| {
        entries
            .into_iter()
            .enumerate()
            .map(name)
            .collect::<String>()
    });
    let flow = (
        flow_scalar(),
        prop::sample::select(vec!["", ",", " ", "\n # c\n ", " , "]),
    )
        .prop_map(|(scalar, end)| format!("{{a: {scalar}, b: x{end}}}\n"));
    prop_oneof![8 => block, 1 => flow, 1 => Just("# only a comment\n".to_owned())]
}

/// Files of one to three documents, with any line break, with and without a final one.
fn file() -> impl Strategy<Value = String> {
    let start = prop::sample::select(vec!["---\n", "--- # c\n", "...\n---\n", "# c\n---\n"]);
    (
        prop::collection::vec((start, document()), 1..4),
        any::<bool>(),
        any::<bool>(),
        prop::sample::select(vec!["\n", "\n", "\r\n"]),
    )
        .prop_map(|(documents, explicit, cut, line_break)| {
            let mut text = String::new();
            for (index, (start, document)) in documents.iter().enumerate() {
                let has_content = !document.starts_with('#');
                if index > 0 || explicit || !has_content {
                    text.push_str(if index == 0 { "---\n" } else { start });
                }
                text.push_str(document);
            }
            if cut {
                text.pop();
            }
            text.replace('\n', line_break)
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_file_reads_back(source in file()) {
        // Some combinations are no YAML.
        if parse(&source, ParseOptions::default()).is_ok() {
            check_round_trip(&source);
        }
    }

    #[test]
    fn any_text_reads_back_in_any_style(
        text in "[a\\u{e9} \n\t#:'\"\\\\\\[,{}&*!|>%@`?\\-~1.\u{85}\u{2028}\r\u{0}\u{feff}\u{1F600}]{1,12}",
        style in prop::sample::select(vec![
            "ENC", "\"ENC\"", "'ENC'", "|-\n      ENC", "|- # c\n      ENC", "|2-\n      ENC", ">-\n      ENC", ">-2\n      ENC",
            "!!str ENC", "!c ENC", "&x ENC", "ENC # c", "\n      ENC", "{k: \"ENC\"}", "['ENC', x]",
        ]),
        after in prop::sample::select(vec!["", "\n", "\nz: 1\n", "\n\n\nz: 1\n", "\n# c\nz: 1\n", "\n          # c\nz: 1\n", "\nz: 1"]),
    ) {
        // Behind a block scalar it would be content.
        let is_block = style.contains("-\n") || style.contains("-2\n") || style.contains("# c\n");
        let after = if is_block { after.trim_start_matches("\n          # c") } else { after };
        let source = format!("p:\n    k: {}{after}", style.replace("ENC", ENC));
        let tree = parsed(&source);
        let (id, ..) = leaves(&source, &tree)[0];
        let mut edits = Vec::new();
        render::restored(&source, &tree, id, ValueRef::Str(text.as_bytes()), &mut edits);
        let restored = splice(&source, &mut edits);
        let tree = parsed(&restored);
        let (_, word, plaintext) = &leaves(&restored, &tree)[0];
        prop_assert_eq!(*word, "str", "{}", &restored);
        prop_assert_eq!(String::from_utf8_lossy(plaintext), text.as_str(), "{}", &restored);
    }
}
