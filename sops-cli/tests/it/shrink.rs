//! Making a failing document small: parts are left out as long as it fails for the same reason.

use crate::{documents::Document, rules::Rules};

/// How many smaller documents are tried for one failure.
const TRIES: usize = 600;

/// Returns a small document that fails as `document` does, and why it fails. The reason of a failure is what stands before
/// the first colon of its message.
pub(crate) fn shrink(
    document: &Document,
    why: String,
    check: &dyn Fn(&Document) -> Result<(), String>,
) -> (Document, String) {
    let mut shrinking = Shrinking {
        smallest: document.clone(),
        why,
        tries: TRIES,
        check,
    };
    loop {
        let before = shrinking.size();
        shrinking.leave_out_rules();
        for split in [lines, words, characters] {
            shrinking.leave_out_parts(split);
        }
        if shrinking.size() == before || shrinking.tries == 0 {
            return (shrinking.smallest, shrinking.why);
        }
    }
}

struct Shrinking<'c> {
    smallest: Document,
    why: String,
    tries: usize,
    check: &'c dyn Fn(&Document) -> Result<(), String>,
}

impl Shrinking<'_> {
    fn size(&self) -> usize {
        self.smallest.text.len() + self.smallest.rules.options().len()
    }

    /// Takes a document for the smallest if it fails for the same reason.
    fn attempt(&mut self, document: Document) -> bool {
        if self.tries == 0 {
            return false;
        }
        self.tries -= 1;
        match (self.check)(&document) {
            Err(why) if reason(&why) == reason(&self.why) => {
                self.smallest = document;
                self.why = why;
                true
            }
            _ => false,
        }
    }

    fn leave_out_rules(&mut self) {
        let without_selector: fn(&Rules) -> Rules = |rules| Rules {
            selector: None,
            ..rules.clone()
        };
        let with_full_mac: fn(&Rules) -> Rules = |rules| Rules {
            mac_only_encrypted: false,
            ..rules.clone()
        };
        for change in [without_selector, with_full_mac] {
            let rules = change(&self.smallest.rules);
            if rules != self.smallest.rules {
                let document = Document {
                    rules,
                    ..self.smallest.clone()
                };
                self.attempt(document);
            }
        }
    }

    /// Leaves out runs of parts, long ones first.
    fn leave_out_parts(&mut self, split: fn(&str) -> Vec<&str>) {
        let Ok(text) = String::from_utf8(self.smallest.text.clone()) else {
            return;
        };
        let mut parts: Vec<String> = split(&text).into_iter().map(str::to_owned).collect();
        let mut length = parts.len().div_ceil(2);
        while length > 0 && self.tries > 0 {
            let mut from = 0;
            while from < parts.len() {
                let to = (from + length).min(parts.len());
                let document = Document {
                    text: [parts[..from].concat(), parts[to..].concat()]
                        .concat()
                        .into_bytes(),
                    ..self.smallest.clone()
                };
                match self.attempt(document) {
                    true => drop(parts.drain(from..to)),
                    false => from = to,
                }
            }
            length /= 2;
        }
    }
}

fn reason(why: &str) -> &str {
    why.split(':').next().unwrap_or(why)
}

fn lines(text: &str) -> Vec<&str> {
    text.split_inclusive('\n').collect()
}

/// Splits where letters and digits begin or end, and around everything else.
fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let end = match first.is_alphanumeric() {
            true => rest.find(|next: char| !next.is_alphanumeric()),
            false => Some(first.len_utf8()),
        };
        let (word, behind) = rest.split_at(end.unwrap_or(rest.len()));
        words.push(word);
        rest = behind;
    }
    words
}

fn characters(text: &str) -> Vec<&str> {
    text.split("").filter(|part| !part.is_empty()).collect()
}

#[test]
fn a_failing_document_becomes_small() {
    let document = Document {
        name: "document.yaml",
        text: b"first: 1\nnested:\n  key: some needle here\n  other: [a, b]\nlast: x\n".to_vec(),
        rules: Rules::parse("--encrypted-regex a --mac-only-encrypted"),
    };
    let check = |document: &Document| {
        let text = String::from_utf8_lossy(&document.text);
        match (text.contains("key"), text.contains("needle")) {
            (true, true) => Err(format!("found: {} bytes", text.len())),
            (false, true) => Err("found something else: by itself".to_owned()),
            _ => Ok(()),
        }
    };
    let (small, why) = shrink(&document, "found: it".to_owned(), &check);
    assert_eq!(String::from_utf8_lossy(&small.text), "keyneedle");
    assert_eq!(why, "found: 9 bytes");
    assert_eq!(small.rules, Rules::default());
}

#[test]
fn a_document_that_cannot_become_smaller_stays() {
    let document = Document {
        name: "document.env",
        text: b"A=1\n".to_vec(),
        rules: Rules::default(),
    };
    let check = |smaller: &Document| match smaller.text == b"A=1\n" {
        true => Err("it".to_owned()),
        false => Ok(()),
    };
    let (small, _) = shrink(&document, "it".to_owned(), &check);
    assert_eq!(small.text, document.text);
}
