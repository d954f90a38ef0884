//! Checks an encrypted file without any key, as a hook before a commit does.

mod finding;
mod leaves;
mod recipients;

pub use finding::{Finding, FindingKind};

use std::sync::{Arc, Mutex, PoisonError};

use crate::{
    config::CreationRule,
    crypto::select::{Matcher, Selector, SelectorError},
    format::{Format, ParseOptions, SyntaxErrorKind, conflict_markers},
    metadata::{MasterKey, Metadata},
    tree::{NodeId, Tree, TreePath},
};
use finding::{Findings, describe};

/// What the creation rule of a file wants.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Expected {
    /// Which leaves are to be encrypted.
    pub selector: Selector,
    /// Whether the MAC is to cover encrypted leaves only.
    pub mac_only_encrypted: bool,
    /// The key groups; none if the rule names no recipients.
    pub groups: Vec<Vec<MasterKey>>,
    /// How many groups are needed to decrypt; `None` for all.
    pub shamir_threshold: Option<usize>,
}

impl Expected {
    /// Returns what a rule with this selector and these key groups wants.
    #[must_use]
    pub fn new(selector: Selector, groups: Vec<Vec<MasterKey>>) -> Self {
        Self {
            selector,
            groups,
            ..Self::default()
        }
    }

    /// Returns what a creation rule wants.
    #[must_use]
    pub fn of_rule(rule: &CreationRule) -> Self {
        Self {
            selector: rule.selector.clone().unwrap_or_default(),
            mac_only_encrypted: rule.mac_only_encrypted,
            groups: rule.groups(),
            shamir_threshold: rule.shamir_threshold,
        }
    }
}

/// What encrypted values start with, in every format.
const MARK: &str = "ENC[AES256_GCM,";

/// Checks one file; see [`Checker::check`].
#[must_use]
pub fn check(text: &[u8], format: Format, expected: Option<&Expected>) -> Vec<Finding> {
    Checker::new().check(text, format, expected)
}

/// Checks files, and compiles the regular expressions that they share once.
#[derive(Debug, Default)]
pub struct Checker {
    matchers: Mutex<Vec<(Selector, Arc<Matcher>)>>,
}

impl Checker {
    /// Returns a checker.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns what is wrong with a file, in the order of its text; nothing if all is well.
    ///
    /// `expected` is what the creation rule for the file wants, `None` if no rule speaks of it. Then a file in clear
    /// text is fine, whatever it looks like. Clear comments are never reported. Nothing is decrypted: that the values
    /// and the MAC are intact, only a key can tell.
    #[must_use]
    pub fn check(&self, text: &[u8], format: Format, expected: Option<&Expected>) -> Vec<Finding> {
        let Ok(source) = std::str::from_utf8(text) else {
            return check_other_bytes(text, format, expected);
        };
        let looks_encrypted = source.contains(MARK);
        if expected.is_none() && !looks_encrypted {
            return Vec::new();
        }
        if format == Format::Binary && !looks_encrypted {
            return plaintext(expected);
        }
        // An encrypted binary file is JSON.
        let parse_as = match format {
            Format::Binary => Format::Json,
            format => format,
        };
        let tree = match parse_as.parse(source, ParseOptions::default()) {
            Ok(tree) => tree,
            Err(error) => {
                let is_blank = matches!(
                    error.kind,
                    SyntaxErrorKind::Empty | SyntaxErrorKind::NoDocument
                );
                let mut found = Vec::new();
                if !looks_encrypted {
                    found = plaintext(expected);
                }
                if !is_blank {
                    found.push(finding::from_syntax(error));
                }
                return found;
            }
        };
        let mut findings = Findings::new(source);
        if let Some(at) = conflict_markers::find(source) {
            let error = conflict_markers::error(source, at);
            let finding = findings.add(FindingKind::ConflictMarkers, at, error.message);
            finding.hint = error.hint;
        }
        let Some((document, block)) = metadata_block(source, &tree) else {
            if let Some(value) = leaves::first_encrypted(source, &tree) {
                missing_metadata(&tree, value, &mut findings);
                return findings.finish();
            }
            let mut found = plaintext(expected);
            found.extend(findings.finish());
            return found;
        };
        if let Some(metadata) = read_metadata(parse_as, &tree, document, block, &mut findings) {
            match self.matcher(&metadata.selector) {
                Ok(matcher) => {
                    leaves::check(&tree, &metadata.selector, &matcher, &mut findings);
                }
                Err(error) => {
                    let place = place_of(source, &tree, block, error.key);
                    let message = format!("the selector is invalid: {error}");
                    findings.add(FindingKind::BrokenMetadata, place, message);
                }
            }
            if let Some(expected) = expected {
                if format != Format::Binary {
                    compare_selectors(&tree, block, &metadata, expected, &mut findings);
                }
                compare_groups(&tree, document, block, &metadata, expected, &mut findings);
            }
        }
        findings.finish()
    }

    fn matcher(&self, selector: &Selector) -> Result<Arc<Matcher>, SelectorError> {
        // A panic elsewhere leaves the list as it was: entries are only added.
        let mut matchers = self.matchers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, matcher)) = matchers.iter().find(|(known, _)| known == selector) {
            return Ok(Arc::clone(matcher));
        }
        let matcher = Arc::new(selector.compile()?);
        matchers.push((selector.clone(), Arc::clone(&matcher)));
        Ok(matcher)
    }
}

fn plaintext(expected: Option<&Expected>) -> Vec<Finding> {
    match expected {
        None => Vec::new(),
        Some(_) => vec![finding::about_file(
            FindingKind::PlaintextFile,
            "the file is not encrypted, and a creation rule wants it to be",
            "encrypt it with sops encrypt --in-place; if it was committed, change its secrets",
        )],
    }
}

fn missing_metadata(tree: &Tree, value: NodeId, findings: &mut Findings<'_>) {
    findings
        .add(
            FindingKind::MissingMetadata,
            tree[value].span.start as usize,
            "here is an encrypted value, but the file has no sops metadata to decrypt it by",
        )
        .hint = Some("restore the metadata from an earlier version of the file".to_owned());
}

/// Text that is not UTF-8 can only be the plaintext of a binary file.
fn check_other_bytes(text: &[u8], format: Format, expected: Option<&Expected>) -> Vec<Finding> {
    let looks_encrypted = text
        .windows(MARK.len())
        .any(|window| window == MARK.as_bytes());
    let mut found = Vec::new();
    if !looks_encrypted {
        found = plaintext(expected);
    }
    if format != Format::Binary && (looks_encrypted || expected.is_some()) {
        let valid = text.utf8_chunks().next().map_or("", |chunk| chunk.valid());
        let mut findings = Findings::new(valid);
        findings.add(
            FindingKind::Malformed,
            valid.len(),
            "the text is not UTF-8 from here on",
        );
        found.extend(findings.finish());
    }
    found
}

/// Returns the first document that has a block of metadata, and the block.
fn metadata_block(source: &str, tree: &Tree) -> Option<(NodeId, NodeId)> {
    // Readers take it from the first document, and from no other.
    let document = tree.documents().next()?;
    let (_, block) = tree.metadata_entry(source, document)?;
    Some((document, block))
}

fn read_metadata(
    format: Format,
    tree: &Tree,
    document: NodeId,
    block: NodeId,
    findings: &mut Findings<'_>,
) -> Option<Metadata> {
    let source = findings.source();
    let metadata = match Metadata::from_raw(&format.engine().metadata(source, tree, block)) {
        Ok(metadata) => metadata,
        Err(error) => {
            let node = TreePath::parse(&error.key)
                .ok()
                .and_then(|path| tree.find(source, document, &path))
                .unwrap_or(block);
            let finding = findings.add(
                FindingKind::BrokenMetadata,
                tree[node].span.start as usize,
                error.message,
            );
            finding.path = Some(error.key);
            finding.hint = error.hint;
            return None;
        }
    };
    let problem = match leaves::is_encrypted(metadata.mac.as_bytes()) {
        Ok(true) => return Some(metadata),
        _ if metadata.mac.is_empty() => {
            "the MAC is missing, so nothing protects the file from changes"
        }
        _ => "the MAC is damaged",
    };
    let finding = findings.add(
        FindingKind::BrokenMetadata,
        place_of(source, tree, block, "mac"),
        problem,
    );
    finding.path = Some("sops.mac".to_owned());
    finding.hint = Some("restore it from an earlier version of the file".to_owned());
    Some(metadata)
}

fn compare_selectors(
    tree: &Tree,
    block: NodeId,
    metadata: &Metadata,
    expected: &Expected,
    findings: &mut Findings<'_>,
) {
    let source = findings.source();
    let (file, rule) = (
        metadata.selector.normalized(),
        expected.selector.normalized(),
    );
    if file != rule {
        let key = file.key().unwrap_or_default();
        let message = format!(
            "the file has {}, the rule {}",
            describe(&file),
            describe(&rule)
        );
        findings
            .add(
                FindingKind::RuleDiffers,
                place_of(source, tree, block, key),
                message,
            )
            .hint = Some("decrypt the file and encrypt it again, or correct the rule".to_owned());
    }
    if metadata.mac_only_encrypted != expected.mac_only_encrypted {
        let message = format!(
            "the file has mac_only_encrypted {}, the rule {}",
            metadata.mac_only_encrypted, expected.mac_only_encrypted
        );
        findings
            .add(
                FindingKind::RuleDiffers,
                place_of(source, tree, block, "mac_only_encrypted"),
                message,
            )
            .hint = Some("decrypt the file and encrypt it again, or correct the rule".to_owned());
    }
}

fn compare_groups(
    tree: &Tree,
    document: NodeId,
    block: NodeId,
    metadata: &Metadata,
    expected: &Expected,
    findings: &mut Findings<'_>,
) {
    if expected.groups.iter().all(Vec::is_empty) {
        return;
    }
    let groups = &metadata.groups;
    recipients::check(tree, document, block, groups, &expected.groups, findings);
    if groups.len() < 2 || groups.len() != expected.groups.len() {
        return;
    }
    let file = metadata.shamir_threshold.unwrap_or(groups.len());
    let rule = expected.shamir_threshold.unwrap_or(groups.len());
    if file != rule {
        let place = place_of(findings.source(), tree, block, "shamir_threshold");
        let message = format!("the file has shamir_threshold {file}, the rule {rule}");
        findings.add(FindingKind::RuleDiffers, place, message).hint =
            Some("run sops updatekeys on the file, or correct the rule".to_owned());
    }
}

/// Returns where an entry of the metadata stands, or else the metadata.
fn place_of(source: &str, tree: &Tree, block: NodeId, key: &str) -> usize {
    let node = tree.entry(source, block, key).map_or(block, |(key, _)| key);
    tree[node].span.start as usize
}

#[cfg(test)]
mod tests;
