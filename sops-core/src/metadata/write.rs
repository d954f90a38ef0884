//! From [`Metadata`] to raw metadata, with the keys the reference writes.

use super::{KeyEntry, MasterKey, Metadata, Raw};

impl Metadata {
    /// Returns what the key `sops` holds, its keys sorted by name at every depth.
    ///
    /// One group stands directly under `sops`, several stand under `key_groups`. Unknown keys are among the rest.
    #[must_use]
    pub fn to_raw(&self) -> Raw {
        let mut entries = match self.groups.as_slice() {
            [] => Vec::new(),
            [group] => lists(group),
            groups => vec![(
                "key_groups".to_owned(),
                Raw::List(groups.iter().map(|group| key_group(group)).collect()),
            )],
        };
        push_text(&mut entries, "lastmodified", &self.last_modified);
        push_text(&mut entries, "mac", &self.mac);
        push_text(&mut entries, "version", &self.version);
        if let Some(threshold) = self.shamir_threshold {
            let threshold = i64::try_from(threshold).unwrap_or(i64::MAX);
            entries.push(("shamir_threshold".to_owned(), Raw::Int(threshold)));
        }
        if let Some(key) = self.selector.normalized().key() {
            push_text(&mut entries, key, self.selector.normalized().text());
        }
        if self.mac_only_encrypted {
            entries.push(("mac_only_encrypted".to_owned(), Raw::Bool(true)));
        }
        if let Some(layout) = &self.layout {
            push_text(&mut entries, "layout", layout);
        }
        sorted_map(entries, &self.unknown)
    }
}

/// Within `key_groups`, two of the lists are always written, even if empty.
fn key_group(group: &[KeyEntry]) -> Raw {
    let mut lists = lists(group);
    for kind in ["age", "hc_vault"] {
        if !lists.iter().any(|(key, _)| key == kind) {
            lists.push((kind.to_owned(), Raw::List(Vec::new())));
        }
    }
    sorted_map(lists, &[])
}

/// One list for each kind of key in the group.
fn lists(group: &[KeyEntry]) -> Vec<(String, Raw)> {
    let mut lists: Vec<(String, Raw)> = Vec::new();
    for entry in group {
        let kind = entry.key.kind();
        let raw = key_entry(entry);
        match lists.iter_mut().find(|(key, _)| key == kind) {
            Some((_, Raw::List(items))) => items.push(raw),
            _ => lists.push((kind.to_owned(), Raw::List(vec![raw]))),
        }
    }
    lists
}

fn key_entry(entry: &KeyEntry) -> Raw {
    let mut fields = Vec::new();
    push_text(&mut fields, "enc", &entry.enc);
    if let Some(created_at) = &entry.created_at {
        push_text(&mut fields, "created_at", created_at);
    }
    match &entry.key {
        MasterKey::Age { recipient } => push_text(&mut fields, "recipient", recipient),
        MasterKey::Pgp { fingerprint } => push_text(&mut fields, "fp", fingerprint),
        MasterKey::Kms {
            arn,
            role,
            context,
            aws_profile,
        } => {
            push_text(&mut fields, "arn", arn);
            push_text(&mut fields, "aws_profile", aws_profile);
            if let Some(role) = role {
                push_text(&mut fields, "role", role);
            }
            if !context.is_empty() {
                let context = context
                    .iter()
                    .map(|(key, value)| (key.clone(), Raw::Text(value.clone())))
                    .collect();
                fields.push(("context".to_owned(), Raw::Map(context)));
            }
        }
        MasterKey::GcpKms { resource_id } => push_text(&mut fields, "resource_id", resource_id),
        MasterKey::AzureKv {
            vault_url,
            name,
            version,
        } => {
            push_text(&mut fields, "vault_url", vault_url);
            push_text(&mut fields, "name", name);
            push_text(&mut fields, "version", version);
        }
        MasterKey::HcVault {
            vault_address,
            engine_path,
            key_name,
        } => {
            push_text(&mut fields, "vault_address", vault_address);
            push_text(&mut fields, "engine_path", engine_path);
            push_text(&mut fields, "key_name", key_name);
        }
        MasterKey::Hckms { key_id } => push_text(&mut fields, "key_id", key_id),
    }
    sorted_map(fields, &entry.unknown)
}

fn push_text(entries: &mut Vec<(String, Raw)>, key: &str, value: &str) {
    entries.push((key.to_owned(), Raw::Text(value.to_owned())));
}

/// Merges the unknown keys in; one that names a key we write is ours.
fn sorted_map(mut entries: Vec<(String, Raw)>, unknown: &[(String, Raw)]) -> Raw {
    entries.extend(unknown.iter().cloned());
    // Of two that are equal, the one that was here first stays before the other.
    entries.sort_by(|(one, _), (other, _)| one.cmp(other));
    entries.dedup_by(|(later, _), (earlier, _)| later == earlier);
    Raw::Map(entries)
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;
    use crate::{
        crypto::select::Selector,
        format::{Format, ParseOptions},
        metadata::test_support::{json, minimal},
    };

    fn round_trip(text: &str) {
        let raw = json(text);
        let metadata = Metadata::from_raw(&raw).expect(text);
        assert_eq!(metadata.to_raw(), raw);
    }

    #[test]
    fn every_kind_of_entry() {
        round_trip(
            r#"{"age":[{"enc":"e","recipient":"r"},{"enc":"e2","recipient":"r2"}],
            "azure_kv":[{"created_at":"2024-05-01T12:00:00Z","enc":"e","name":"n","vault_url":"u","version":""}],
            "gcp_kms":[{"created_at":"2024-05-01T12:00:00+02:00","enc":"e","resource_id":"r"}],
            "hc_vault":[{"created_at":"2024-05-01T12:00:00Z","enc":"e","engine_path":"p","key_name":"k","vault_address":"a"}],
            "hckms":[{"created_at":"2024-05-01T12:00:00Z","enc":"e","key_id":"r:u"}],
            "kms":[{"arn":"a","aws_profile":"","context":{"a":"1","b":"2"},"created_at":"2024-05-01T12:00:00Z","enc":"e","role":"r"},
                   {"arn":"a","aws_profile":"p","created_at":"2024-05-01T12:00:00Z","enc":"e"}],
            "lastmodified":"2024-05-01T12:00:00Z","layout":"l","mac":"","mac_only_encrypted":true,
            "pgp":[{"created_at":"2024-05-01T12:00:00Z","enc":"e","fp":"f","zebra":1}],
            "shamir_threshold":1,"team":{"z":1,"a":[null]},"unencrypted_regex":"x","version":"3.13.2"}"#,
        );
    }

    #[test]
    fn groups() {
        round_trip(
            r#"{"key_groups":[
                {"age":[{"enc":"e","recipient":"r"}],"hc_vault":[]},
                {"age":[],"hc_vault":[],"pgp":[{"created_at":"2024-05-01T12:00:00Z","enc":"e","fp":"f"}]},
                {"age":[],"hc_vault":[]}],
            "lastmodified":"2024-05-01T12:00:00Z","mac":"m","shamir_threshold":2,
            "unencrypted_suffix":"_unencrypted","version":"3.13.2"}"#,
        );
    }

    #[test]
    fn a_single_group_becomes_flat() {
        let raw = json(
            r#"{"key_groups":[{"age":[{"enc":"e","recipient":"r"}]}],
                "lastmodified":"2024-05-01T12:00:00Z","mac":"m","version":"3.13.2"}"#,
        );
        let written = Metadata::from_raw(&raw).expect("valid").to_raw();
        assert_eq!(
            written,
            json(
                r#"{"age":[{"enc":"e","recipient":"r"}],"lastmodified":"2024-05-01T12:00:00Z",
                    "mac":"m","unencrypted_suffix":"_unencrypted","version":"3.13.2"}"#
            )
        );
    }

    #[test]
    fn no_selector_writes_no_key_and_an_empty_one_the_default() {
        let mut metadata = Metadata::from_raw(&minimal("x", "1")).expect("valid");
        let has_selector = |metadata: &Metadata| match metadata.to_raw() {
            Raw::Map(entries) => entries
                .into_iter()
                .find(|(key, _)| Selector::KEYS.contains(&key.as_str())),
            _ => panic!("a mapping"),
        };
        metadata.selector = Selector::All;
        assert_eq!(has_selector(&metadata), None);
        metadata.selector = Selector::EncryptedRegex(String::new());
        assert_eq!(
            has_selector(&metadata),
            Some((
                "unencrypted_suffix".to_owned(),
                Raw::Text("_unencrypted".to_owned())
            ))
        );
    }

    /// Every file of the reference says what we would say of it.
    #[test]
    fn files_of_the_reference() {
        for (format, folder) in [(Format::Json, "json"), (Format::Yaml, "yaml")] {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("../testdata")
                .join(folder)
                .join("reference");
            let mut files = 0;
            for entry in fs::read_dir(folder).expect("the folder is in the repository") {
                let path = entry.expect("it can be listed").path();
                let name = path.display().to_string();
                // Binary files, which are JSON too, name no selector, but we would write the default.
                if !name.ends_with(".enc.json") && !name.ends_with(".enc.yaml") {
                    continue;
                }
                let source = fs::read_to_string(&path).expect("it can be read");
                let tree = format
                    .parse(&source, ParseOptions::default())
                    .expect("the reference writes what it reads");
                let root = tree.documents().next().and_then(|first| tree.root(first));
                let (_, sops) = root
                    .and_then(|root| tree.entry(&source, root, "sops"))
                    .expect("it is encrypted");
                let raw = Raw::from_tree(&source, &tree, sops);
                let metadata = Metadata::from_raw(&raw).expect(&name);
                assert_eq!(metadata.to_raw(), raw, "{name}");
                files += 1;
            }
            assert!(files >= 14, "{files}");
        }
    }
}
