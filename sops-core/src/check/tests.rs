use super::*;
use crate::metadata::Raw;
use crate::tree::{NodeKind, Scalar, Span, Style, Text, Value};

const ENC: &str = "ENC[AES256_GCM,data:YWFh,iv:YWFh,tag:YWFh,type:str]";

fn age(recipient: &str) -> MasterKey {
    MasterKey::Age {
        recipient: recipient.to_owned(),
    }
}

/// An encrypted file: `content` holds its entries, with `ENC` for an encrypted value, `extra` more metadata.
fn file(content: &str, extra: &str) -> String {
    format!(
        "{{{content},\n\"sops\": {{\"age\": [{{\"enc\": \"e\", \"recipient\": \"age1a\"}},\n\
         {{\"enc\": \"e\", \"recipient\": \"age1b\"}}], {extra}\n\
         \"lastmodified\": \"2024-05-01T12:00:00Z\", \"mac\": \"ENC\", \"version\": \"3.13.2\"}}}}"
    )
    .replace("\"ENC\"", &format!("\"{ENC}\""))
}

fn rule() -> Expected {
    Expected::new(Selector::default(), vec![vec![age("age1a"), age("age1b")]])
}

fn found(source: &str, expected: Option<&Expected>) -> Vec<String> {
    check(source.as_bytes(), Format::Json, expected)
        .iter()
        .map(|finding| {
            let path = finding.path.as_deref().unwrap_or("-");
            format!("{} {} {path}", finding.position, finding.kind.name())
        })
        .collect()
}

#[test]
fn well_encrypted_files_have_no_findings() {
    let sources = [
        file("\"a\": \"ENC\"", ""),
        file(
            "\"a\": {\"b\": [\"ENC\", null, \"\", {}, []]}, \"b_unencrypted\": {\"c\": 1}",
            "",
        ),
    ];
    for source in sources {
        assert!(found(&source, None).is_empty());
        assert!(found(&source, Some(&rule())).is_empty());
    }
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/json/reference");
    let checker = Checker::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let text = std::fs::read(&path).unwrap();
        let format = match path.extension().and_then(|extension| extension.to_str()) {
            Some("json") => Format::Json,
            _ => Format::Binary,
        };
        let findings = checker.check(&text, format, None);
        assert!(findings.is_empty(), "{}: {findings:?}", path.display());
    }
}

#[test]
fn plaintext_is_a_finding_only_where_a_rule_speaks() {
    for (source, format) in [
        ("{\"a\": 1}", Format::Json),
        ("", Format::Json),
        (" \n", Format::Json),
        ("anything", Format::Binary),
        ("A=b\nsops=no\n", Format::Dotenv),
        ("[a]\nb=[sops]\n", Format::Ini),
    ] {
        assert!(
            check(source.as_bytes(), format, None).is_empty(),
            "{source}"
        );
        let findings = check(source.as_bytes(), format, Some(&rule()));
        assert_eq!(findings.len(), 1, "{source}");
        assert_eq!(findings[0].kind, FindingKind::PlaintextFile);
        assert_eq!(findings[0].position.to_string(), "1:1");
    }
    let bytes = b"\xff\xfe";
    assert!(check(bytes, Format::Binary, None).is_empty());
    assert!(check(bytes, Format::Json, None).is_empty());
    let kinds = |format| {
        check(bytes, format, Some(&rule()))
            .iter()
            .map(|finding| finding.kind)
            .collect::<Vec<_>>()
    };
    assert_eq!(kinds(Format::Binary), [FindingKind::PlaintextFile]);
    assert_eq!(
        kinds(Format::Json),
        [FindingKind::PlaintextFile, FindingKind::Malformed]
    );
}

#[test]
fn leaves_are_as_the_files_selector_wants() {
    for (content, extra, expected) in [
        ("\"a\": \"x\"", "", &["1:7 clear-value a"][..]),
        (
            "\"a\": 1,\n\"b\": [\"ENC\", true]",
            "",
            &[
                "1:7 clear-value a",
                &format!("2:{} clear-value b[1]", 11 + ENC.len()),
            ],
        ),
        ("\"a\": {\"x.y\": 1}", "", &["1:15 clear-value a[\"x.y\"]"]),
        ("\"a\": {\"sops\": 1}", "", &["1:16 clear-value a.sops"]),
        (
            "\"a_unencrypted\": [[\"ENC\"]]",
            "",
            &["1:21 unexpected-ciphertext a_unencrypted[0][0]"],
        ),
        (
            "\"a\": \"ENC[AES256_GCM,data:x]\"",
            "",
            &["1:7 bad-value a"],
        ),
        ("\"a\": \"ENC[x]\"", "", &["1:7 clear-value a"]),
        (
            "\"a\": 1, \"b\": {\"data\": 1}",
            "\"encrypted_regex\": \"^data$\",",
            &["1:24 clear-value b.data"],
        ),
        (
            "\"a\": \"ENC\"",
            "\"encrypted_regex\": \"^data$\",",
            &["1:7 unexpected-ciphertext a"],
        ),
        (
            "\"a_x\": \"y\", \"b\": \"y\"",
            "\"encrypted_suffix\": \"_x\",",
            &["1:9 clear-value a_x"],
        ),
        (
            "\"a\": \"y\", \"kb\": \"y\"",
            "\"unencrypted_regex\": \"^k\",",
            &["1:7 clear-value a"],
        ),
        (
            "\"a\": 1, \"b\": 2",
            "\"encrypted_comment_regex\": \"x\",",
            &[],
        ),
        (
            "\"a\": 1, \"b\": \"ENC\"",
            "\"unencrypted_comment_regex\": \"x\",",
            &["1:7 clear-value a"],
        ),
        // Comments in lists, as the reference writes them, are no values.
        (
            &format!("\"a_unencrypted\": [\"{}\"]", ENC.replace("str", "comment")),
            "",
            &[],
        ),
        (
            "\"a\": \"ENC\"",
            "\"encrypted_regex\": \"(\",",
            &["3:2 broken-metadata -"],
        ),
    ] {
        let source = file(content, extra);
        let mut found = found(&source, None);
        // The place of a selector depends on the length of what stands before it.
        if let Some(first) = found.first_mut()
            && first.contains("broken-metadata")
        {
            *first = "3:2 broken-metadata -".to_owned();
        }
        assert_eq!(found, expected, "{content}");
    }
}

#[test]
fn metadata_is_missing_or_broken() {
    let source = format!("{{\"a\": 1,\n \"b\": \"{ENC}\"}}");
    assert_eq!(found(&source, None), ["2:7 missing-metadata -"]);
    assert_eq!(found(&source, Some(&rule())), ["2:7 missing-metadata -"]);
    let source = file("\"a\": \"ENC\"", "");
    for (from, to, expected) in [
        (
            "2024-05-01T",
            "2024-05-01 ",
            "4:17 broken-metadata sops.lastmodified",
        ),
        ("3.13.2", "3.13", "4:114 broken-metadata sops.version"),
        (
            "\"version\"",
            "\"versio\"",
            "2:9 broken-metadata sops.version",
        ),
        ("\"age\"", "\"aeg\"", "2:9 broken-metadata sops"),
        ("\"mac\"", "\"mcc\"", "2:9 broken-metadata sops.mac"),
        (
            "\"mac\": \"ENC[AES",
            "\"mac\": \"ENC[AES_",
            "4:41 broken-metadata sops.mac",
        ),
    ] {
        let broken = source.replacen(from, to, 1);
        assert_ne!(broken, source);
        assert_eq!(
            found(&broken, Some(&rule())).first().map(String::as_str),
            Some(expected),
            "{from}"
        );
    }
    let source = format!("{{\"a\": \"{ENC}\", \"sops\": \"x\"}}");
    assert!(found(&source, None)[0].contains("broken-metadata sops"));
    // Only the first document is read for metadata; a `sops` deeper down is data.
    let source = format!("{{\"a\": {{\"sops\": {{}}, \"b\": \"{ENC}\"}}}}");
    assert!(found(&source, None)[0].contains("missing-metadata"));
}

#[test]
fn recipients_are_compared_as_sets() {
    let source = file("\"a\": \"ENC\"", "");
    let expect = |groups: Vec<Vec<MasterKey>>| Expected::new(Selector::default(), groups);
    for (groups, expected) in [
        (vec![], &[][..]),
        (vec![vec![]], &[]),
        (vec![vec![age("age1b"), age("age1a"), age("age1a")]], &[]),
        (vec![vec![age("age1a")]], &["3:1 recipient-unknown -"]),
        (
            vec![vec![age("age1a"), age("age1b"), age("age1c")]],
            &["2:9 recipient-missing -"],
        ),
        (
            vec![vec![age("age1a")], vec![age("age1b")]],
            &["2:9 recipient-missing -", "3:1 recipient-unknown -"],
        ),
        (
            vec![vec![
                age("age1b"),
                MasterKey::Pgp {
                    fingerprint: "AB".to_owned(),
                },
            ]],
            &["2:9 recipient-missing -", "2:18 recipient-unknown -"],
        ),
    ] {
        assert_eq!(
            found(&source, Some(&expect(groups.clone()))),
            expected,
            "{groups:?}"
        );
    }
    let findings = check(
        source.as_bytes(),
        Format::Json,
        Some(&expect(vec![vec![age("age1a")]])),
    );
    assert!(findings[0].message.contains("age1b"), "{findings:?}");
}

#[test]
fn groups_are_compared_each_with_its_own() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../testdata/json/reference/keys-json.groups-threshold-2.enc.json"
    );
    let text = std::fs::read(path).unwrap();
    let source = std::str::from_utf8(&text).unwrap();
    let tree = Format::Json.parse(source, ParseOptions::default()).unwrap();
    let (_, block) = metadata_block(source, &tree).unwrap();
    let metadata = Metadata::from_raw(&Raw::from_tree(source, &tree, block)).unwrap();
    let groups: Vec<Vec<_>> = metadata
        .groups
        .iter()
        .map(|group| group.iter().map(|entry| entry.key.clone()).collect())
        .collect();
    assert!(groups.len() > 1);
    let kinds = |groups: &[Vec<MasterKey>], threshold| {
        let mut expected = Expected::new(Selector::default(), groups.to_vec());
        expected.shamir_threshold = threshold;
        check(&text, Format::Json, Some(&expected))
            .iter()
            .map(|finding| finding.kind)
            .collect::<Vec<_>>()
    };
    assert_eq!(kinds(&groups, Some(2)), []);
    assert_eq!(kinds(&groups, Some(1)), [FindingKind::RuleDiffers]);
    let mut fewer = groups.clone();
    let gone = fewer.pop().unwrap();
    assert_eq!(
        kinds(&fewer, Some(2)),
        vec![FindingKind::RecipientUnknown; gone.len()]
    );
}

#[test]
fn other_differences_from_the_rule() {
    let mut expected = rule();
    expected.mac_only_encrypted = true;
    let source = file("\"a\": \"ENC\"", "");
    assert_eq!(found(&source, Some(&expected)), ["2:9 rule-differs -"]);
    expected.selector = Selector::EncryptedRegex("^data$".to_owned());
    let source = file(
        "\"a\": \"ENC\"",
        "\"mac_only_encrypted\": true, \"unencrypted_suffix\": \"_x\",",
    );
    assert_eq!(found(&source, Some(&expected)), ["3:66 rule-differs -"]);
    // Empty is as good as not given.
    expected = rule();
    expected.selector = Selector::EncryptedSuffix(String::new());
    assert!(found(&file("\"a\": \"ENC\"", ""), Some(&expected)).is_empty());
    // The binary format has no selector.
    expected.selector = Selector::All;
    let source = file("\"data\": \"ENC\"", "");
    assert!(check(source.as_bytes(), Format::Binary, Some(&expected)).is_empty());
}

#[test]
fn texts_that_cannot_be_parsed() {
    let encrypted = file("\"a\": \"ENC\"", "");
    let conflict = encrypted.replacen("\"age\"", "\n<<<<<<< HEAD\n\"age\"", 1);
    assert_eq!(found(&conflict, None), ["3:1 conflict-markers -"]);
    let duplicate = file("\"a\": \"ENC\",\n\"a\": \"ENC\"", "");
    assert_eq!(found(&duplicate, Some(&rule())), ["2:1 duplicate-key -"]);
    assert_eq!(
        found(&encrypted[..encrypted.len() - 1], None)[0]
            .split(' ')
            .nth(1),
        Some("malformed")
    );
    assert!(found("{{ template }}", None).is_empty());
    assert_eq!(
        found("{{ template }}", Some(&rule())),
        ["1:1 plaintext-file -", "1:2 malformed -"]
    );
    let lines = format!("A={ENC}\n<<<<<<< HEAD\nsops_mac=x\n");
    let findings = check(lines.as_bytes(), Format::Dotenv, None);
    assert_eq!(findings[0].kind, FindingKind::ConflictMarkers);
    assert_eq!(findings[0].position.to_string(), "2:1");
    let findings = check(format!("A={ENC}\n").as_bytes(), Format::Dotenv, None);
    assert_eq!(findings[0].kind, FindingKind::MissingMetadata);
    let findings = check(format!("{ENC}\u{e9}").as_bytes(), Format::Binary, None);
    assert_eq!(findings[0].kind, FindingKind::Malformed);
}

#[test]
fn many_findings_are_summed_up() {
    let entries: Vec<_> = (0..1000).map(|index| format!("\"k{index}\": 1")).collect();
    let found = found(&file(&entries.join(",\n"), ""), None);
    assert_eq!(found.len(), 101);
    assert_eq!(found[99], "100:8 clear-value k99");
    assert_eq!(found[100], "101:9 clear-value -");
}

#[test]
fn findings_hold_no_values() {
    let source = file("\"a\": \"hunter2\", \"b\": \"ENC[AES256_GCM,hunter2]\"", "");
    let findings = check(source.as_bytes(), Format::Json, Some(&rule()));
    assert_eq!(findings.len(), 2);
    assert!(!format!("{findings:?}").contains("hunter2"));
}

/// Comments govern the next item, and aliases are judged where they stand: what JSON has not, built by hand.
#[test]
fn comments_and_aliases() {
    let source = "aE*clear";
    let mut tree = Tree::default();
    let key = |tree: &mut Tree, name: Span| {
        let kind = NodeKind::Key {
            text: Text::Source(name),
            alias: false,
        };
        tree.push(kind, name, name.start);
    };
    let scalar = |tree: &mut Tree| {
        let span = Span::new(3, 8);
        let kind = NodeKind::Scalar(Scalar {
            value: Value::Str(Text::Source(span)),
            style: Style::Plain,
            flow: false,
            converting_tag: false,
        });
        tree.push(kind, span, 3)
    };
    let all = Span::new(0, 0);
    let (a, comment, alias) = (Span::new(0, 1), Span::new(1, 2), Span::new(2, 3));
    let document = tree.push(NodeKind::Document, all, 0);
    let map = tree.push(NodeKind::Map { flow: false }, all, 0);
    tree.push(NodeKind::Comment, comment, 1);
    key(&mut tree, a);
    let list = tree.push(NodeKind::Sequence, all, 0);
    scalar(&mut tree);
    scalar(&mut tree);
    tree.close(list, 0);
    key(&mut tree, comment);
    scalar(&mut tree);
    tree.push(NodeKind::Comment, comment, 1);
    key(&mut tree, alias);
    tree.push(NodeKind::Alias { target: list }, alias, 2);
    tree.close(map, 0);
    tree.close(document, 0);

    let paths = |selector: Selector| {
        let mut findings = Findings::new(source);
        leaves::check(
            &tree,
            &selector,
            &selector.compile().unwrap(),
            &mut findings,
        );
        findings
            .finish()
            .iter()
            .map(|finding| (finding.path.clone().unwrap(), finding.position.column))
            .collect::<Vec<_>>()
    };
    let expect = |paths: &[(&str, usize)]| {
        paths
            .iter()
            .map(|&(path, column)| (path.to_owned(), column))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        paths(Selector::EncryptedCommentRegex("E".to_owned())),
        expect(&[("[\"*\"]", 3), ("a[0]", 4), ("a[1]", 4)])
    );
    assert_eq!(
        paths(Selector::UnencryptedCommentRegex("E".to_owned())),
        expect(&[("E", 4)])
    );
    assert_eq!(
        paths(Selector::EncryptedSuffix("*".to_owned())),
        expect(&[("[\"*\"]", 3),])
    );
}

/// The metadata that a line-based file needs, the keys behind `prefix`.
fn flat_metadata(prefix: &str) -> String {
    [
        "age__list_0__map_enc=e",
        "age__list_0__map_recipient=age1a",
        "age__list_1__map_enc=e",
        "age__list_1__map_recipient=age1b",
        "lastmodified=2024-05-01T12:00:00Z",
        &format!("mac={ENC}"),
        "version=3.13.2",
    ]
    .map(|line| format!("{prefix}{line}\n"))
    .concat()
}

#[test]
fn formats_of_lines_are_checked_value_by_value() {
    let dotenv = |content: &str| format!("{content}{}", flat_metadata("sops_"));
    let ini = |content: &str| format!("{content}[sops]\n{}", flat_metadata(""));
    for (source, format, expected) in [
        (
            dotenv(&format!("A={ENC}\n# c\nB_unencrypted=x\nC=\n")),
            Format::Dotenv,
            vec![],
        ),
        (
            dotenv(&format!("A={ENC}\nB=secret\n")),
            Format::Dotenv,
            vec!["2:3 clear-value B"],
        ),
        (ini(&format!("[s]\na = \"{ENC}\"\n")), Format::Ini, vec![]),
        (
            ini(&format!("[s]\na = {ENC}\n  b : secret ; c\n")),
            Format::Ini,
            vec!["3:7 clear-value s.b"],
        ),
        (
            ini("[s]\na_unencrypted = x\n").replace("version=3.13.2", "version=x"),
            Format::Ini,
            vec!["10:9 broken-metadata sops.version"],
        ),
    ] {
        let findings: Vec<String> = Checker::new()
            .check(source.as_bytes(), format, Some(&rule()))
            .iter()
            .map(|finding| {
                let path = finding.path.as_deref().unwrap_or("-");
                format!("{} {} {path}", finding.position, finding.kind.name())
            })
            .collect();
        assert_eq!(findings, expected, "{source}");
    }
    let mut others = rule();
    others.groups = vec![vec![age("age1a")]];
    let source = dotenv(&format!("A={ENC}\n"));
    assert!(
        !Checker::new()
            .check(source.as_bytes(), Format::Dotenv, Some(&others))
            .is_empty()
    );
}
