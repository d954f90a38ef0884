//! An encrypted value in every style that YAML has: what the reference reads is read here, with the same value and type.

use std::{collections::BTreeMap, fs};

use sops_core::{DecryptOptions, Format};

use crate::support::{encrypt, options, unlock};

/// The text of a file in which `enc` stands in a style, as the table names it.
fn written(style: &str, enc: &str) -> String {
    let block = |header: &str| format!("k: {header}\n  {enc}\n");
    let quoted = format!("\"{enc}\"");
    let (first, second) = enc.split_at(40);
    match style {
        "plain" => format!("k: {enc}\n"),
        "dq" => format!("k: {quoted}\n"),
        "sq" => format!("k: '{enc}'\n"),
        "|" | "|-" | "|+" | "|2" | ">" | ">-" | ">+" => block(style),
        "plain-nextline" => format!("k:\n  {enc}\n"),
        "dq-nextline" => format!("k:\n  {quoted}\n"),
        "flowmap-dq" => format!("w: {{k: {quoted}}}\n"),
        "flowmap-sq" => format!("w: {{k: '{enc}'}}\n"),
        "flowmap-plain" => format!("w: {{k: {enc}}}\n"),
        "flowseq-dq" => format!("k: [{quoted}]\n"),
        "flowseq-plain" => format!("k: [{enc}]\n"),
        "anchor" => format!("k: &a {enc}\n"),
        "anchor-dq" => format!("k: &a {quoted}\n"),
        "tag!!binary-|" => block("!!binary |"),
        "line-comment" => format!("k: {enc} # note\n"),
        "dq-line-comment" => format!("k: {quoted} # note\n"),
        "|-header-comment" => block("| # note"),
        "explicit-key" => format!("? k\n: {enc}\n"),
        "plain-folded-2lines" => format!("k: {enc}\n  more\n"),
        "dq-split" => format!("k: \"{first}\\\n  {second}\"\n"),
        "dq-fold" => format!("k: \"{first}\n  {second}\"\n"),
        "seq" => format!("k:\n- {enc}\n"),
        "key-dq" => format!("\"k\": {enc}\n"),
        "key-sq" => format!("'k': {enc}\n"),
        "tab-before" => format!("k:\t{enc}\n"),
        "tab-after" => format!("k: {enc}\t\n"),
        "spaces" => format!("k:    {enc}   \n"),
        tag => format!("k: {} {enc}\n", tag.strip_prefix("tag").expect("a tag")),
    }
}

/// The value as YAML, and as JSON; for a time, as the text that it is there.
fn value(kind: &str, plaintext: &str) -> (String, serde_json::Value) {
    let text = plaintext.replace("\\n", "\n");
    let json = serde_json::Value::from(text.clone());
    match kind {
        "str" => (json.to_string(), json),
        "float" => {
            let number: f64 = text.parse().expect("a number");
            (format!("{number:?}"), number.into())
        }
        "int" => (text.clone(), text.parse::<i64>().expect("a number").into()),
        "bool" => (text.to_lowercase(), (text == "True").into()),
        _ => (text, json),
    }
}

#[test]
fn styles_that_the_reference_reads() {
    let table = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../testdata/golden/styles-yaml.tsv"
    );
    let table = fs::read_to_string(table).expect("a table");
    let mut rows = 0;
    for row in table.lines().skip(1) {
        let [kind, plaintext, style, result] = row.splitn(5, '\t').collect::<Vec<_>>()[..4] else {
            panic!("{row}");
        };
        let (literal, expected) = value(kind, plaintext);
        let plain = match style {
            _ if style.starts_with("flowmap") => format!("w: {{k: {literal}}}\n"),
            _ if style.contains("seq") => format!("k: [{literal}]\n"),
            _ => format!("k: {literal}\n"),
        };
        let encrypted = encrypt(&plain, Format::Yaml, &options()).expect("encrypts");
        let start = encrypted.find("ENC[").expect("a value");
        let end = start + encrypted[start..].find(']').expect("its end") + 1;
        let (_, metadata) = encrypted.split_once("sops:\n").expect("metadata");
        let file = format!(
            "{}sops:\n{metadata}",
            written(style, &encrypted[start..end])
        );

        let opened =
            unlock(&file, Format::Yaml).and_then(|file| file.decrypt(&DecryptOptions::default()));
        let found = opened.map(|plain| {
            let values: BTreeMap<String, serde_json::Value> =
                plain.deserialize().expect("a mapping");
            let value = values.into_values().next().expect("one value");
            let inner = value.get("k").or_else(|| value.get(0)).cloned();
            inner.unwrap_or(value)
        });
        match result {
            "ok" => assert_eq!(found.expect(row), expected, "{row}"),
            _ => assert!(found.is_err(), "{row}"),
        }
        rows += 1;
    }
    assert_eq!(rows, 344);
}

/// A merge of two versions, line by line: the layout is that of one of them.
#[test]
fn one_spelling_that_does_not_fit_leaves_the_others() {
    let text = "port: 0x50\nmid: x\nmask: 0x1F\nlist: [0x1, a]\nday: 2024-05-01\n";
    let ours = encrypt(text, Format::Yaml, &options()).unwrap();
    let unlocked = unlock(&ours, Format::Yaml).unwrap();
    let theirs = text.replace("0x50", "81").replace("0x1,", "0x2,");
    let theirs = unlocked.update(theirs.as_bytes()).unwrap().bytes;
    let theirs = String::from_utf8(theirs).unwrap();
    let line = |text: &str, start: &str| -> String {
        let line = text.lines().find(|line| line.starts_with(start));
        line.unwrap().to_owned()
    };
    let merged = ["port: ", "list: "]
        .iter()
        .fold(ours.clone(), |merged, key| {
            merged.replace(&line(&ours, key), &line(&theirs, key))
        });
    let how = DecryptOptions::default().danger_ignore_mac(true);
    let plain = unlock(&merged, Format::Yaml)
        .unwrap()
        .decrypt(&how)
        .unwrap();
    assert_eq!(
        String::from_utf8_lossy(plain.bytes()),
        "port: 81\nmid: x\nmask: 0x1F\nlist: [2, a]\nday: 2024-05-01\n"
    );
}
