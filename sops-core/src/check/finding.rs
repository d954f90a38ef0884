//! What a check finds.

use crate::{
    crypto::select::Selector,
    format::{SyntaxError, SyntaxErrorKind},
    tree::span::Position,
};

/// One thing that is wrong with a file.
///
/// Never contains a value of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// What class of problem this is.
    pub kind: FindingKind,
    /// Where it is.
    pub position: Position,
    /// The tree path of the value it is about, such as `db.users[0].password`.
    pub path: Option<String>,
    /// What it is, in words.
    pub message: String,
    /// What to do about it, if there is something.
    pub hint: Option<String>,
}

/// The classes of [`Finding`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FindingKind {
    /// The file should be encrypted and is not.
    PlaintextFile,
    /// A value that the file's own selector wants encrypted is in clear text.
    ClearValue,
    /// A value that the file's own selector leaves in clear text is encrypted; decrypting would not touch it.
    UnexpectedCiphertext,
    /// There are encrypted values, and no `sops` block to decrypt them by.
    MissingMetadata,
    /// The `sops` block cannot be understood.
    BrokenMetadata,
    /// A recipient that the rule names cannot decrypt the file.
    RecipientMissing,
    /// A recipient that the rule does not name can decrypt the file.
    RecipientUnknown,
    /// The file has another selector, threshold or way to compute the MAC than the rule.
    RuleDiffers,
    /// Merge-conflict markers of git stand in the file.
    ConflictMarkers,
    /// A mapping has a key twice.
    DuplicateKey,
    /// The file is not in its format.
    Malformed,
    /// A value starts like an encrypted one, and is damaged.
    BadValue,
}

impl FindingKind {
    /// Returns the name of the kind, for machines: `plaintext-file`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::PlaintextFile => "plaintext-file",
            Self::ClearValue => "clear-value",
            Self::UnexpectedCiphertext => "unexpected-ciphertext",
            Self::MissingMetadata => "missing-metadata",
            Self::BrokenMetadata => "broken-metadata",
            Self::RecipientMissing => "recipient-missing",
            Self::RecipientUnknown => "recipient-unknown",
            Self::RuleDiffers => "rule-differs",
            Self::ConflictMarkers => "conflict-markers",
            Self::DuplicateKey => "duplicate-key",
            Self::Malformed => "malformed",
            Self::BadValue => "bad-value",
        }
    }
}

/// Collects findings by offset, and tells their lines and columns in one pass at the end.
pub(super) struct Findings<'s> {
    source: &'s str,
    found: Vec<(usize, Finding)>,
}

impl<'s> Findings<'s> {
    pub(super) fn new(source: &'s str) -> Self {
        Self {
            source,
            found: Vec::new(),
        }
    }

    pub(super) fn source(&self) -> &'s str {
        self.source
    }

    /// Adds a finding at a byte of the source, and returns it to be completed.
    pub(super) fn add(
        &mut self,
        kind: FindingKind,
        offset: usize,
        message: impl Into<String>,
    ) -> &mut Finding {
        let finding = Finding {
            kind,
            position: START,
            path: None,
            message: message.into(),
            hint: None,
        };
        self.found.push((offset, finding));
        &mut self.found.last_mut().expect("one was pushed just before").1
    }

    /// Returns the findings in the order of the text.
    pub(super) fn finish(mut self) -> Vec<Finding> {
        self.found.sort_by_key(|&(offset, _)| offset);
        let mut counted = 0;
        let mut position = START;
        self.found
            .into_iter()
            .map(|(offset, mut finding)| {
                let between = &self.source[counted..offset];
                match between.rfind('\n') {
                    Some(last) => {
                        position.line += between.bytes().filter(|&byte| byte == b'\n').count();
                        position.column = 1 + between[last + 1..].chars().count();
                    }
                    None => position.column += between.chars().count(),
                }
                counted = offset;
                finding.position = position;
                finding
            })
            .collect()
    }
}

const START: Position = Position { line: 1, column: 1 };

/// Returns the finding that a text cannot be parsed.
pub(super) fn from_syntax(error: SyntaxError) -> Finding {
    Finding {
        kind: match error.kind {
            SyntaxErrorKind::ConflictMarkers => FindingKind::ConflictMarkers,
            SyntaxErrorKind::DuplicateKey => FindingKind::DuplicateKey,
            _ => FindingKind::Malformed,
        },
        position: error.position,
        path: None,
        message: error.message,
        hint: error.hint,
    }
}

/// Returns a finding about the file as a whole.
pub(super) fn about_file(kind: FindingKind, message: &str, hint: &str) -> Finding {
    Finding {
        kind,
        position: START,
        path: None,
        message: message.to_owned(),
        hint: Some(hint.to_owned()),
    }
}

/// Returns a selector as the metadata write it.
pub(super) fn describe(selector: &Selector) -> String {
    let selector = selector.normalized();
    match selector.key() {
        Some(key) => format!("{key} {:?}", selector.text()),
        None => "the format".to_owned(),
    }
}
