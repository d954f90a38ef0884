//! Whether the recipients of a file are those of its rule.

use super::finding::{FindingKind, Findings};
use crate::{
    metadata::{KeyEntry, MasterKey, brief},
    tree::{NodeId, Tree, TreePath},
};

const UPDATE: &str = "run sops updatekeys on the file, or correct the rule";

/// Compares each key group as a set, and reports what is missing or unknown. `block` is the metadata's node.
pub(super) fn check(
    tree: &Tree,
    document: NodeId,
    block: NodeId,
    file: &[Vec<KeyEntry>],
    rule: &[Vec<MasterKey>],
    findings: &mut Findings<'_>,
) {
    let several = file.len() > 1 || rule.len() > 1;
    let in_group = |group: usize| match several {
        true => format!(" in key group {}", group + 1),
        false => String::new(),
    };
    for group in 0..file.len().max(rule.len()) {
        let entries = file.get(group).map_or(&[][..], Vec::as_slice);
        let keys = rule.get(group).map_or(&[][..], Vec::as_slice);
        for key in keys {
            if entries.iter().any(|entry| is_same(key, &entry.key)) {
                continue;
            }
            let offset = tree[block].span.start as usize;
            let message = format!(
                "the {} recipient {} of the rule cannot decrypt the file: it is missing{}",
                key.kind(),
                brief(&key.to_string()),
                in_group(group)
            );
            findings
                .add(FindingKind::RecipientMissing, offset, message)
                .hint = Some(UPDATE.to_owned());
        }
        for (index, entry) in entries.iter().enumerate() {
            if keys.iter().any(|key| is_same(key, &entry.key)) {
                continue;
            }
            let place = Place {
                group: (file.len() > 1).then_some(group),
                kind: entry.key.kind(),
                index: entries[..index]
                    .iter()
                    .filter(|earlier| earlier.key.kind() == entry.key.kind())
                    .count(),
            };
            let node = place
                .find(findings.source(), tree, document)
                .unwrap_or(block);
            let message = format!(
                "the {} recipient {} can decrypt the file{}, and the rule does not name it",
                entry.key.kind(),
                brief(&entry.key.to_string()),
                in_group(group)
            );
            findings
                .add(
                    FindingKind::RecipientUnknown,
                    tree[node].span.start as usize,
                    message,
                )
                .hint = Some(UPDATE.to_owned());
        }
    }
}

/// Returns whether the key of a rule is the one of a file. For AWS, another context or profile makes another key, as
/// it does for the reference.
fn is_same(rule: &MasterKey, file: &MasterKey) -> bool {
    match (rule, file) {
        // A key without version is resolved to the current one when it encrypts.
        (
            MasterKey::AzureKv {
                vault_url,
                name,
                version,
            },
            MasterKey::AzureKv {
                vault_url: file_url,
                name: file_name,
                ..
            },
        ) if version.is_empty() => vault_url == file_url && name == file_name,
        (MasterKey::Pgp { fingerprint }, MasterKey::Pgp { fingerprint: other }) => {
            fingerprint.eq_ignore_ascii_case(other)
        }
        _ => rule == file,
    }
}

/// Where an entry stands in the metadata.
struct Place {
    group: Option<usize>,
    kind: &'static str,
    index: usize,
}

impl Place {
    fn find(&self, source: &str, tree: &Tree, document: NodeId) -> Option<NodeId> {
        let Self { group, kind, index } = self;
        let path = match group {
            Some(group) => format!("sops.key_groups[{group}].{kind}[{index}]"),
            None => format!("sops.{kind}[{index}]"),
        };
        tree.find(source, document, &TreePath::parse(&path).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn same_keys() {
        let azure = |version: &str| MasterKey::AzureKv {
            vault_url: "https://v.vault.azure.net".to_owned(),
            name: "k".to_owned(),
            version: version.to_owned(),
        };
        assert!(is_same(&azure(""), &azure("1")) && is_same(&azure("1"), &azure("1")));
        assert!(!is_same(&azure("1"), &azure("2")) && !is_same(&azure("1"), &azure("")));
        let pgp = |fingerprint: &str| MasterKey::Pgp {
            fingerprint: fingerprint.to_owned(),
        };
        assert!(is_same(&pgp("ab12"), &pgp("AB12")) && !is_same(&pgp("AB12"), &pgp("AB12!")));
        let kms = |context: &[(&str, &str)], role: Option<&str>| MasterKey::Kms {
            arn: "arn:aws:kms:eu-west-1:1:key/k".to_owned(),
            role: role.map(str::to_owned),
            context: BTreeMap::from_iter(
                context
                    .iter()
                    .map(|&(key, value)| (key.to_owned(), value.to_owned())),
            ),
            aws_profile: String::new(),
        };
        assert!(is_same(&kms(&[], None), &kms(&[], None)));
        assert!(!is_same(&kms(&[], None), &kms(&[("a", "b")], None)));
        assert!(!is_same(&kms(&[], None), &kms(&[], Some("r"))));
        let other = MasterKey::Hckms {
            key_id: "AB12".to_owned(),
        };
        assert!(!is_same(&pgp("AB12"), &other));
    }
}
