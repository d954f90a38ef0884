//! The keys of a creation rule: lists directly in it, or `key_groups`.

use super::{
    ConfigError,
    reader::{MAX_DEPTH, Reader, Section},
    rule::Problems,
};
use crate::{
    metadata::{KeyTextError, KmsOptions, MasterKey},
    tree::NodeId,
};

/// A kind of key that stands directly in a rule.
#[derive(Clone, Copy)]
pub(super) struct FlatKind {
    /// The kind, as the metadata names it.
    pub(super) name: &'static str,
    /// The key in a rule.
    pub(super) flat_key: &'static str,
}

/// In the order in which the keys are put into the group.
pub(super) const FLAT_KINDS: [FlatKind; 7] = [
    flat("age", "age"),
    flat("pgp", "pgp"),
    flat("kms", "kms"),
    flat("gcp_kms", "gcp_kms"),
    flat("hckms", "hckms"),
    flat("azure_kv", "azure_keyvault"),
    flat("hc_vault", "hc_vault_transit_uri"),
];

const fn flat(name: &'static str, flat_key: &'static str) -> FlatKind {
    FlatKind { name, flat_key }
}

/// Reads the lists directly in a rule. Each is a text of parts separated by commas, or a list of such texts.
pub(super) fn read_flat(
    reader: &Reader<'_>,
    lists: &[(FlatKind, NodeId)],
    options: &KmsOptions,
    problems: &mut Problems,
) -> Vec<MasterKey> {
    let mut group = Vec::new();
    for &(kind, node) in lists {
        let is_list = reader.is_list(node);
        let items = match (is_list, kind.name) {
            (false, _) => Ok(vec![node]),
            (true, "hckms") => reader.list(node, kind.flat_key),
            (true, _) => reader.all_items(node, kind.flat_key),
        };
        for item in items.unwrap_or_default() {
            let text = if kind.name == "hckms" {
                reader.text(item, kind.flat_key)
            } else {
                reader.strict_text(item, kind.flat_key)
            };
            match text {
                Ok(text) if is_list && text.trim().is_empty() => {
                    let message = format!("{}: an item of the list is empty", kind.flat_key);
                    problems.add(reader.error(item, message));
                }
                Ok(text) => {
                    let keys = MasterKey::parse_list(kind.name, &text, options);
                    check(reader, item, kind.flat_key, &keys, problems);
                    push(
                        &mut group,
                        keys.map_err(|error| key_error(reader, item, kind.flat_key, error)),
                        problems,
                    );
                }
                Err(error) => problems.add(error),
            }
        }
    }
    group
}

/// Reads one of the `key_groups`: what it merges first, then its own keys.
///
/// Recursive; the depth is limited.
pub(super) fn read(
    reader: &mut Reader<'_>,
    node: NodeId,
    problems: &mut Problems,
    depth: usize,
) -> Result<Vec<MasterKey>, ConfigError> {
    if depth > MAX_DEPTH {
        return Err(reader.error(node, "merge: key groups are nested too deeply"));
    }
    let mut section = reader.section(node, "key_groups")?;
    let mut group = Vec::new();
    for node in section.list(reader, "merge")? {
        let merged = read(reader, node, problems, depth + 1)?;
        push(&mut group, Ok(merged), problems);
    }
    for kind in ["age", "pgp"] {
        read_texts(reader, &mut section, kind, &mut group, problems)?;
    }
    for node in section.list(reader, "kms")? {
        let key = kms(reader, node, problems)?;
        push(&mut group, Ok(vec![key]), problems);
    }
    for (list, field) in [("gcp_kms", "resource_id"), ("hckms", "key_id")] {
        for node in section.list(reader, list)? {
            let mut fields = reader.section(node, list)?;
            let text = fields.text(reader, field)?;
            fields.finish(reader, &format!("an entry of {list}"));
            let key = MasterKey::parse(list, &text, &KmsOptions::default())
                .map(|key| vec![key])
                .map_err(|error| key_error(reader, node, list, error));
            push(&mut group, key, problems);
        }
    }
    for node in section.list(reader, "azure_keyvault")? {
        let key = azure_key(reader, node, problems)?;
        push(&mut group, Ok(vec![key]), problems);
    }
    read_texts(reader, &mut section, "hc_vault", &mut group, problems)?;
    section.finish(reader, "a key group");
    Ok(group)
}

/// Reads a list whose items are texts.
fn read_texts(
    reader: &Reader<'_>,
    section: &mut Section,
    kind: &'static str,
    group: &mut Vec<MasterKey>,
    problems: &mut Problems,
) -> Result<(), ConfigError> {
    for node in section.list(reader, kind)? {
        let text = reader.text(node, kind)?;
        let options = KmsOptions::default();
        // Only age recipients may share an item.
        let keys = match kind {
            "age" => MasterKey::parse_list(kind, &text, &options),
            _ => MasterKey::parse(kind, &text, &options).map(|key| vec![key]),
        };
        check(reader, node, kind, &keys, problems);
        push(
            group,
            keys.map_err(|error| key_error(reader, node, kind, error)),
            problems,
        );
    }
    Ok(())
}

fn kms(
    reader: &mut Reader<'_>,
    node: NodeId,
    problems: &mut Problems,
) -> Result<MasterKey, ConfigError> {
    let mut fields = reader.section(node, "kms")?;
    let arn = fields.text(reader, "arn")?;
    if arn.is_empty() {
        problems.add(reader.error(node, "kms: expected an arn"));
    }
    let role = fields.text(reader, "role")?;
    let aws_profile = fields.text(reader, "aws_profile")?;
    let mut context = std::collections::BTreeMap::new();
    if let Some(node) = fields.take(reader, "context") {
        for (key, value) in reader.section(node, "context")?.into_entries() {
            if reader.is_null(value) {
                problems.add(reader.mismatch(value, "context", "a text"));
            }
            context.insert(key, reader.text(value, "context")?);
        }
    }
    fields.finish(reader, "an entry of kms");
    Ok(MasterKey::Kms {
        arn,
        role: Some(role).filter(|role| !role.is_empty()),
        context,
        aws_profile,
    })
}

fn azure_key(
    reader: &mut Reader<'_>,
    node: NodeId,
    problems: &mut Problems,
) -> Result<MasterKey, ConfigError> {
    let mut fields = reader.section(node, "azure_keyvault")?;
    let vault_url = fields.text(reader, "vaultUrl")?;
    let name = fields.text(reader, "key")?;
    let version = fields.text(reader, "version")?;
    if vault_url.is_empty() || name.is_empty() {
        problems.add(reader.error(node, "azure_keyvault: expected vaultUrl and key"));
    }
    fields.finish(reader, "an entry of azure_keyvault");
    Ok(MasterKey::AzureKv {
        vault_url,
        name,
        version,
    })
}

/// Adds the keys that the group does not have yet.
fn push(
    group: &mut Vec<MasterKey>,
    keys: Result<Vec<MasterKey>, ConfigError>,
    problems: &mut Problems,
) {
    match keys {
        Ok(keys) => {
            for key in keys {
                if !group.contains(&key) {
                    group.push(key);
                }
            }
        }
        Err(error) => problems.add(error),
    }
}

/// Notes the first of the keys that nothing can be encrypted for. To read the configuration that does not matter.
fn check(
    reader: &Reader<'_>,
    node: NodeId,
    list: &str,
    keys: &Result<Vec<MasterKey>, KeyTextError>,
    problems: &mut Problems,
) {
    for key in keys.iter().flatten() {
        if let Err(error) = crate::keys::check(key) {
            let named = reader.error(node, format!("{list}: {error}"));
            problems.add_key(match error.hint {
                Some(hint) => named.with_hint(hint),
                None => named,
            });
        }
    }
}

fn key_error(reader: &Reader<'_>, node: NodeId, key: &str, error: KeyTextError) -> ConfigError {
    let message = format!("{key}: {error}");
    match error.hint {
        Some(hint) => reader.error(node, message).with_hint(hint),
        None => reader.error(node, message),
    }
}
