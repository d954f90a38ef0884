//! Random documents, both ways: ours encrypts and the reference decrypts, the reference encrypts and ours decrypts, ours
//! encrypts and ours gives the same bytes back. Structures, styles, types, comments, selectors and several documents: see
//! `documents.rs`, `lines.rs` and `rules.rs`.
//!
//! Ours is called as a library: then a document costs three processes of the reference and next to nothing else. What
//! fails is made small, and printed as it is added to `testdata/differential`, whose documents are tried each time.
//!
//! `SOPS_TEST_DOCUMENTS` says how many (2,000), `SOPS_TEST_SEED` which is the first (a number that a failure prints).

use std::{fs, sync::OnceLock};

use serde_json::Value;
use sops_core::{
    EncryptOptions, Error, Format, Keyring, PlainFile, SecretBytes, Warning, keys::Identities,
    metadata::MasterKey,
};

use crate::{
    documents::{self, Document},
    rules::Rules,
    shrink::shrink,
    support::{
        Program::Reference, RECIPIENT, Ran, Scratch, has_reference, in_parallel, json_documents,
        number_from_env, read_testdata, report, testdata, types,
    },
};

/// How many failures are made small. It takes a while, and many have one cause.
const SHRUNK: usize = 5;

/// Runs `check` on random documents of all formats, `count` if the environment does not say how many.
pub(crate) fn each_document(count: usize, check: impl Fn(&Document) -> Result<(), String> + Sync) {
    let count = number_from_env("SOPS_TEST_DOCUMENTS", count);
    let first = number_from_env("SOPS_TEST_SEED", 1);
    let seeds: Vec<u64> = (first..first + count).map(|seed| seed as u64).collect();
    let failures = in_parallel(&seeds, |seed| {
        let document = documents::document(*seed);
        let why = check(&document).err()?;
        Some((*seed, document, why))
    });
    let failures: Vec<_> = failures.into_iter().flatten().collect();
    let mut messages = in_parallel(
        &failures[..failures.len().min(SHRUNK)],
        |(seed, document, why)| {
            let (small, why) = shrink(document, why.clone(), &check);
            format!(
                "SOPS_TEST_SEED={seed}: {why}\n{}\n",
                as_test_data(*seed, &small)
            )
        },
    );
    messages.extend(failures.iter().skip(SHRUNK).map(|(seed, document, why)| {
        let why: String = why.chars().take(200).collect();
        format!("SOPS_TEST_SEED={seed} {}: {why}", document.name)
    }));
    report(&messages, seeds.len());
}

/// Returns shell commands that add a document to `testdata/differential`.
fn as_test_data(seed: u64, document: &Document) -> String {
    let ending = document.name.trim_start_matches("document.");
    let mut text = String::new();
    for character in String::from_utf8_lossy(&document.text).chars() {
        match character {
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            '\\' => text.push_str("\\\\"),
            '%' => text.push_str("%%"),
            '\'' => text.push_str("\\047"),
            _ => text.push(character),
        }
    }
    let options = document.rules.options().join(" ");
    format!(
        "printf '{text}' > testdata/differential/seed-{seed}.{ending}\n\
         printf '%s\\t%s\\t%s\\n' seed-{seed}.{ending} '{options}' 'what it shows' >> testdata/differential/index.tsv"
    )
}

pub(crate) fn explain(what: &str, ran: &Ran) -> String {
    let message: Vec<&str> = ran.stderr.trim().lines().take(6).collect();
    format!("{what}: exit {}: {}", ran.code, message.join("\n"))
}

#[test]
fn what_ours_encrypts_comes_back_to_the_byte() {
    each_document(2_000, |document| {
        let encrypted = encrypt(document).map_err(|why| format!("encrypting: {why}"))?;
        comes_back(document, &encrypted)
    });
}

#[test]
fn random_documents_go_both_ways() {
    if has_reference() {
        each_document(2_000, goes_both_ways);
    }
}

#[test]
fn past_failures_go_both_ways() {
    if !has_reference() {
        return;
    }
    let index = String::from_utf8(read_testdata("differential/index.tsv")).expect("a text");
    let rows: Vec<Vec<&str>> = index
        .lines()
        .skip(1)
        .map(|line| line.split('\t').collect())
        .collect();
    let files = fs::read_dir(testdata("differential")).expect("readable");
    // Beside the documents: the table and the description.
    assert_eq!(
        files.count(),
        rows.len() + 2,
        "each document is in the table"
    );
    let failures = in_parallel(&rows, |row| {
        let [file, options, _] = row[..] else {
            return Some(format!("{row:?} has not three cells"));
        };
        let names = [
            "document.yaml",
            "document.json",
            "document.env",
            "document.ini",
        ];
        let ending = file.rsplit('.').next().expect("splitting gives a part");
        let document = Document {
            name: names
                .into_iter()
                .find(|name| name.ends_with(ending))
                .expect("a known ending"),
            text: read_testdata(&format!("differential/{file}")),
            rules: Rules::parse(options),
        };
        let why = goes_both_ways(&document).err()?;
        Some(format!("{file}: {why}"))
    });
    let failures: Vec<String> = failures.into_iter().flatten().collect();
    report(&failures, rows.len());
}

/// Everything that is asked of a document.
fn goes_both_ways(document: &Document) -> Result<(), String> {
    let scratch = Scratch::new();
    let by_reference = encrypt_there(&scratch, document, &document.text);
    let by_ours = match (encrypt(document), by_reference.code) {
        (Ok(encrypted), 0) => encrypted,
        (Ok(encrypted), _) if crashes(&by_reference) => encrypted,
        (Ok(_), _) => return Err(explain("refused by the reference alone", &by_reference)),
        (Err(why), 0) => return Err(format!("refused by ours alone: {why}")),
        (Err(_), _) => return Ok(()),
    };
    comes_back(document, &by_ours)?;

    let in_reference = content_there(&scratch, document, &by_ours.0)
        .map_err(|ran| explain("the reference decrypting ours", &ran))?;
    if crashes(&by_reference) {
        return Ok(());
    }
    if !in_reference.messages.is_empty() && !warns_of_empty_comments(&in_reference.messages) {
        return Err(format!(
            "the reference warns of ours: {}",
            in_reference.messages
        ));
    }
    let (our_types, their_types) = (types_of(&by_ours.0), types_of(&by_reference.stdout));
    if our_types != their_types {
        return Err(format!("types: {our_types:?}\nnot {their_types:?}"));
    }
    let expected = match content_there(&scratch, document, &by_reference.stdout) {
        // It cannot open its own file because of a comment in a list, or one that decides about a value and that it moved.
        // It can open ours.
        Err(ran) if ran.code == 51 || ran.code == 25 && document.rules.is_by_comments() => {
            in_reference.content
        }
        other => {
            let expected = other
                .map_err(|ran| explain("the reference decrypting its own", &ran))?
                .content;
            if in_reference.content != expected {
                let (content, expected) = (in_reference.content, expected);
                return Err(format!(
                    "content of ours there: {content:?}\nnot {expected:?}"
                ));
            }
            expected
        }
    };

    let opened = sops_core::decrypt(&by_reference.stdout, format_of(document), keyring())
        .map_err(|why| format!("decrypting theirs: {why}"))?;
    let again = Document {
        text: opened.bytes().to_vec(),
        ..document.clone()
    };
    let content = content_here(&again)?;
    if !expected.is_as(&content) {
        return Err(format!("content of theirs: {content:?}\nnot {expected:?}"));
    }
    // Comments stand elsewhere now, and with them what they decide about.
    if !document.rules.is_by_comments() {
        let encrypted = encrypt(&again).map_err(|why| format!("encrypting theirs: {why}"))?;
        let types = types_of(&encrypted.0);
        if types != their_types {
            return Err(format!("types of theirs: {types:?}\nnot {their_types:?}"));
        }
        let there = encrypt_there(&scratch, &again, &again.text);
        let is_fine = there.code == 0 && types_of(&there.stdout) == their_types;
        if !is_fine && !crashes(&there) {
            return Err(explain("the reference reading what ours decrypted", &there));
        }
    }
    Ok(())
}

/// Returns whether the reference crashed, as it does when it writes comments in INI that start with an empty one.
fn crashes(ran: &Ran) -> bool {
    ran.stderr.contains("panic:") && ran.stderr.contains("gopkg.in/ini")
}

/// Returns whether that is all that it says: such comments have no text that could be encrypted.
fn warns_of_empty_comments(messages: &str) -> bool {
    let is_of_one = |line: &str| {
        let comment = line.split_once("comment=\"");
        comment.is_some_and(|(_, comment)| comment.trim_start_matches("\\r").starts_with("\\n"))
    };
    messages.lines().all(is_of_one)
}

/// An encrypted file, and what was said about it.
type Encrypted = (Vec<u8>, Vec<Warning>);

fn encrypt(document: &Document) -> Result<Encrypted, Error> {
    let recipient = RECIPIENT.to_owned();
    let mut options = EncryptOptions::new(vec![vec![MasterKey::Age { recipient }]]);
    options.selector = document.rules.selector.clone().unwrap_or_default();
    options.mac_only_encrypted = document.rules.mac_only_encrypted;
    let encrypted =
        PlainFile::parse(&document.text, format_of(document))?.encrypt(&options, keyring())?;
    Ok((encrypted.bytes, encrypted.warnings))
}

fn comes_back(document: &Document, encrypted: &Encrypted) -> Result<(), String> {
    let back = sops_core::decrypt(&encrypted.0, format_of(document), keyring())
        .map_err(|why| format!("decrypting: {why}"))?;
    if back.bytes() != document.text {
        let back = String::from_utf8_lossy(back.bytes());
        return Err(format!("came back: {back:?}"));
    }
    Ok(())
}

/// The options for comment selectors and the MAC are only there without a command.
fn encrypt_there(scratch: &Scratch, document: &Document, text: &[u8]) -> Ran {
    scratch.write(document.name, text);
    let mut arguments = vec![
        "--encrypt".to_owned(),
        "--age".to_owned(),
        RECIPIENT.to_owned(),
    ];
    arguments.extend(document.rules.options());
    arguments.push(document.name.to_owned());
    scratch.run(Reference, arguments)
}

/// What a file holds: each document as JSON, or the text without comments where JSON cannot hold it.
#[derive(Debug, PartialEq)]
enum Content {
    Json(Vec<Value>),
    Text(String),
}

impl Content {
    /// Returns whether the content is that, as far as both can be compared.
    fn is_as(&self, other: &Self) -> bool {
        matches!((self, other), (Self::Text(_), Self::Text(_))) || self == other
    }
}

struct ContentThere {
    content: Content,
    messages: String,
}

/// Returns what the reference decrypts. Of several documents in YAML it writes only the first as JSON; then it is its
/// own YAML that ours reads.
fn content_there(
    scratch: &Scratch,
    document: &Document,
    encrypted: &[u8],
) -> Result<ContentThere, Ran> {
    scratch.write(document.name, encrypted);
    let is_one = document.name != "document.yaml"
        || yaml_documents(&String::from_utf8_lossy(&document.text)).len() == 1;
    if is_one {
        let arguments = ["decrypt", "--output-type", "json", document.name];
        let json = scratch.run(Reference, arguments);
        match json.code {
            0 => {
                return Ok(ContentThere {
                    content: Content::Json(json_documents(&json.stdout)),
                    messages: json.stderr.trim().to_owned(),
                });
            }
            4 => {}
            _ => return Err(json),
        }
    }
    let text = scratch.run(Reference, ["decrypt", document.name]);
    if text.code != 0 {
        return Err(text);
    }
    let plain = Document {
        text: text.stdout.clone(),
        ..document.clone()
    };
    Ok(ContentThere {
        content: content_here(&plain)
            .unwrap_or_else(|_| Content::Text(without_comments(&text.text()))),
        messages: text.stderr.trim().to_owned(),
    })
}

/// Returns what a plaintext holds as ours reads it.
fn content_here(document: &Document) -> Result<Content, String> {
    let format = format_of(document);
    let text = String::from_utf8_lossy(&document.text).into_owned();
    let as_json = |text: &str| -> Result<Vec<Value>, Error> {
        let json = PlainFile::parse(text.as_bytes(), format)?.convert(Format::Json, None)?;
        Ok(json_documents(json.expose()))
    };
    let documents: Result<Vec<_>, Error> = match format {
        Format::Yaml => yaml_documents(&text)
            .iter()
            .map(|text| as_json(text))
            .collect(),
        _ => as_json(&text).map(|documents| vec![documents]),
    };
    match documents {
        Ok(documents) => Ok(Content::Json(documents.concat())),
        Err(Error::Emit(_)) => Ok(Content::Text(without_comments(&text))),
        Err(why) => Err(format!("reading theirs: {why}")),
    }
}

/// Splits a text at the lines that separate its documents; in random documents nothing else looks like one.
fn yaml_documents(text: &str) -> Vec<String> {
    let mut text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n");
    if text.ends_with("\n---") {
        text.push('\n');
    }
    let text = text.strip_prefix("---\n").unwrap_or(&text);
    let mut documents: Vec<String> = text.split("\n---\n").map(str::to_owned).collect();
    // The line breaks before the separators belong to the documents.
    if let [all @ .., _] = &mut documents[..] {
        all.iter_mut().for_each(|document| document.push('\n'));
    }
    documents
}

fn without_comments(text: &str) -> String {
    let is_comment = |line: &&str| line.trim_start().starts_with('#');
    let lines = text.lines().filter(|line| !is_comment(line));
    // A comment after `{}` makes the reference print the brackets on two lines.
    lines.collect::<Vec<_>>().join("\n").replace("{\n}", "{}")
}

fn types_of(encrypted: &[u8]) -> Vec<String> {
    types(&String::from_utf8_lossy(encrypted))
}

fn format_of(document: &Document) -> Format {
    match document.name {
        "document.yaml" => Format::Yaml,
        "document.json" => Format::Json,
        "document.env" => Format::Dotenv,
        _ => Format::Ini,
    }
}

/// Returns the keyring with the first test identity.
fn keyring() -> &'static Keyring {
    static KEYRING: OnceLock<Keyring> = OnceLock::new();
    KEYRING.get_or_init(|| {
        let text = SecretBytes::new(read_testdata("golden/keys/age.txt"));
        let identities = Identities::parse(&text, "age.txt").expect("identities");
        Keyring::new().with_identities(identities)
    })
}
