//! What of a document is encrypted: a selector, and what the MAC covers.

use sops_core::Selector;

use crate::documents::Random;

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Rules {
    pub(crate) selector: Option<Selector>,
    pub(crate) mac_only_encrypted: bool,
}

const REGEXES: [&str; 7] = [
    "^(password|user|A)$",
    "^x",
    "[0-9]",
    ".",
    "a",
    "(?i)^DB",
    "^(first|list|é)$",
];

impl Rules {
    /// Returns rules of which about half have a selector. Comment selectors in INI files are left out: there the
    /// reference decides about another key than the one that the comment stands above.
    pub(crate) fn random(seed: u64, name: &str) -> Self {
        let mut random = Random::new(seed ^ 0x5e1e_c704);
        let selectors = match name.ends_with(".ini") {
            true => 8,
            false => 12,
        };
        let selector = match random.below(selectors) {
            0..=3 => None,
            4 => Some(("encrypted_suffix", &["d", "_secret", "e"][..])),
            5 => Some(("unencrypted_suffix", &["name", "_unencrypted", "1"][..])),
            6 | 8 => Some(("encrypted_regex", &REGEXES[..])),
            7 | 9 => Some(("unencrypted_regex", &REGEXES[..])),
            10 => Some(("encrypted_comment_regex", &["note [1-4]$", "^ note"][..])),
            _ => Some(("unencrypted_comment_regex", &["note [1-4]$", "^ note"][..])),
        };
        Self {
            selector: selector.map(|(key, texts)| selector_of(key, random.of(texts))),
            mac_only_encrypted: random.one_in(6),
        }
    }

    /// Returns the rules that options on a command line say.
    #[track_caller]
    pub(crate) fn parse(options: &str) -> Self {
        let mut rules = Self::default();
        let mut words = options.split_whitespace();
        while let Some(word) = words.next() {
            if word == "--mac-only-encrypted" {
                rules.mac_only_encrypted = true;
            } else {
                let key = word.trim_start_matches('-').replace('-', "_");
                rules.selector = words.next().map(|text| selector_of(&key, text));
            }
        }
        rules
    }

    /// Returns the options for a command line.
    pub(crate) fn options(&self) -> Vec<String> {
        let mut options = Vec::new();
        if let Some(selector) = &self.selector {
            let key = selector.key().expect("a selector that can be asked for");
            options.push(format!("--{}", key.replace('_', "-")));
            options.push(selector.text().to_owned());
        }
        if self.mac_only_encrypted {
            options.push("--mac-only-encrypted".to_owned());
        }
        options
    }

    /// Returns whether comments decide what is encrypted.
    pub(crate) fn is_by_comments(&self) -> bool {
        matches!(
            self.selector,
            Some(Selector::EncryptedCommentRegex(_) | Selector::UnencryptedCommentRegex(_))
        )
    }
}

#[track_caller]
fn selector_of(key: &str, text: &str) -> Selector {
    let text = text.to_owned();
    match key {
        "encrypted_suffix" => Selector::EncryptedSuffix(text),
        "unencrypted_suffix" => Selector::UnencryptedSuffix(text),
        "encrypted_regex" => Selector::EncryptedRegex(text),
        "unencrypted_regex" => Selector::UnencryptedRegex(text),
        "encrypted_comment_regex" => Selector::EncryptedCommentRegex(text),
        "unencrypted_comment_regex" => Selector::UnencryptedCommentRegex(text),
        _ => panic!("{key} is no selector"),
    }
}
