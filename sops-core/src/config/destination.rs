//! One of the `destination_rules`: where files are published.

use super::{Config, ConfigError, ConfigErrorKind, CreationRule, reader::Reader};
use crate::{
    crypto::re2::{self, Regex},
    tree::{NodeId, span::Position},
};

/// Where the files of a path are published, and for whom they are encrypted anew before that.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DestinationRule {
    /// Where the rule stands in the configuration.
    pub position: Position,
    /// The regular expression for paths; empty if the rule is for all.
    pub path_regex: String,
    /// Where the files go.
    pub destination: Option<Destination>,
    /// Whether the names there have no extension.
    pub omit_extensions: bool,
    /// For whom, and how, the files are encrypted there. Without keys, they go there as they are.
    pub recreation_rule: Option<CreationRule>,
    regex: Option<Regex>,
    /// Why the rule cannot be used. We tell only whom the rule is for.
    problem: Option<ConfigError>,
}

/// A place for files.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Destination {
    /// A bucket of AWS S3.
    S3 {
        /// The name of the bucket.
        bucket: String,
        /// What stands before the name of a file.
        prefix: String,
    },
    /// A bucket of Google Cloud Storage.
    Gcs {
        /// The name of the bucket.
        bucket: String,
        /// What stands before the name of a file.
        prefix: String,
    },
    /// A key-value engine of Vault, which gets the values, decrypted.
    Vault {
        /// The address of the server; empty if the environment says it.
        address: String,
        /// The path of the folder in the engine, with a slash at its end.
        path: String,
        /// Where the engine is mounted, with a slash at its end.
        mount: String,
        /// The version of the engine: 1 or 2.
        version: u8,
    },
}

impl DestinationRule {
    pub(super) fn read(reader: &mut Reader<'_>, node: NodeId) -> Result<Self, ConfigError> {
        let mut section = reader.section(node, "destination_rules")?;
        let path_regex = section.text(reader, "path_regex")?;
        let regex = re2::compile(&path_regex).map_err(|error| {
            let message = format!("path_regex: can not compile regexp: {error}");
            reader.error(node, message)
        });
        let bucket = section.text(reader, "s3_bucket")?;
        let prefix = section.text(reader, "s3_prefix")?;
        let s3 = (!bucket.is_empty()).then_some(Destination::S3 { bucket, prefix });
        let bucket = section.text(reader, "gcs_bucket")?;
        let prefix = section.text(reader, "gcs_prefix")?;
        let gcs = (!bucket.is_empty()).then_some(Destination::Gcs { bucket, prefix });
        let address = section.text(reader, "vault_address")?;
        let path = section.text(reader, "vault_path")?;
        let mount = section.text(reader, "vault_kv_mount_name")?;
        let version = match section.take(reader, "vault_kv_version") {
            Some(node) => reader.integer(node, "vault_kv_version")?,
            None => 2,
        };
        let vault = (!path.is_empty()).then(|| Destination::Vault {
            address,
            path: with_slash(&path),
            mount: with_slash(if mount.is_empty() { "secret" } else { &mount }),
            // As in the reference, whatever is no version is the newer one.
            version: if version == 1 { 1 } else { 2 },
        });
        let omit_extensions = match section.take(reader, "omit_extensions") {
            Some(node) => reader.boolean(node, "omit_extensions")?,
            None => false,
        };
        let recreation_rule = match section.take(reader, "recreation_rule") {
            Some(node) => Some(CreationRule::read(reader, node)?),
            None => None,
        };
        section.finish(reader, "a destination rule");

        let mut destinations: Vec<_> = [s3, gcs, vault].into_iter().flatten().collect();
        let problem = if destinations.len() > 1 {
            let message = "error loading config: more than one destinations were found in a single destination rule, you can only use one per rule";
            Some(reader.error(node, message))
        } else {
            let of_rule = recreation_rule.as_ref();
            regex
                .as_ref()
                .err()
                .cloned()
                .or(of_rule.and_then(CreationRule::problem).cloned())
        };
        Ok(Self {
            position: reader.position(node),
            path_regex,
            destination: destinations.pop(),
            omit_extensions,
            recreation_rule,
            regex: regex.ok(),
            problem: problem.map(|mut problem| {
                problem.kind = ConfigErrorKind::InvalidRule;
                problem
            }),
        })
    }
}

impl Config {
    /// Returns the first destination rule for a file. Its `path_regex` is tested against the path as it is given here.
    ///
    /// # Errors
    ///
    /// Fails if no rule is for the file, or if the one that is cannot be used.
    pub fn destination_for(&self, path: &str) -> Result<&DestinationRule, ConfigError> {
        let is_for = |rule: &&DestinationRule| {
            rule.path_regex.is_empty()
                || rule
                    .regex
                    .as_ref()
                    // One that cannot be read may be the one that is meant.
                    .is_none_or(|regex| regex.is_match(path.as_bytes()))
        };
        match self.destinations.iter().find(is_for) {
            Some(rule) => match &rule.problem {
                Some(problem) => Err(problem.clone()),
                None => Ok(rule),
            },
            None => Err(ConfigError::new(
                ConfigErrorKind::NoMatchingRule,
                self.path(),
                None,
                "error loading config: no matching destination found in config",
            )
            .with_hint("destination_rules in .sops.yaml say where files are published")),
        }
    }
}

fn with_slash(path: &str) -> String {
    match path.ends_with('/') {
        true => path.to_owned(),
        false => format!("{path}/"),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn found(rules: &str, path: &str) -> Result<DestinationRule, ConfigError> {
        let text = format!("destination_rules:\n{rules}");
        let config = Config::parse(&text, Path::new("/w/.sops.yaml")).expect("a configuration");
        config.destination_for(path).cloned()
    }

    #[test]
    fn destinations() {
        let rules = "  - path_regex: ^s3/\n    s3_bucket: b\n    s3_prefix: p/\n    omit_extensions: true\n  - path_regex: gcs\n    gcs_bucket: g\n  - path_regex: v1\n    vault_path: a\n    vault_kv_version: 1\n    vault_kv_mount_name: kv\n    vault_address: http://h\n  - vault_path: b/\n";
        let rule = found(rules, "s3/x.yaml").expect("a rule");
        assert!(rule.omit_extensions && rule.recreation_rule.is_none());
        assert_eq!(
            rule.destination,
            Some(Destination::S3 {
                bucket: "b".to_owned(),
                prefix: "p/".to_owned()
            })
        );
        assert!(matches!(
            found(rules, "x/gcs").expect("a rule").destination,
            Some(Destination::Gcs { .. })
        ));
        assert_eq!(
            found(rules, "v1").expect("a rule").destination,
            Some(Destination::Vault {
                address: "http://h".to_owned(),
                path: "a/".to_owned(),
                mount: "kv/".to_owned(),
                version: 1,
            })
        );
        assert_eq!(
            found(rules, "x/s3/").expect("a rule").destination,
            Some(Destination::Vault {
                address: String::new(),
                path: "b/".to_owned(),
                mount: "secret/".to_owned(),
                version: 2,
            })
        );
    }

    #[test]
    fn recreation_rules() {
        let rules = "  - s3_bucket: b\n    recreation_rule:\n      age: age1a\n      encrypted_regex: ^x\n      mac_only_encrypted: true\n";
        let rule = found(rules, "f")
            .expect("a rule")
            .recreation_rule
            .expect("a rule");
        assert_eq!(rule.groups()[0].len(), 1);
        assert!(rule.mac_only_encrypted && rule.selector.is_some());
    }

    #[test]
    fn mistakes_are_told_to_those_who_publish() {
        let text = "destination_rules:\n  - {s3_bucket: b, reencryption_rule: {}}\n";
        let config = Config::parse(text, Path::new("/w/.sops.yaml")).expect("a configuration");
        assert_eq!(config.warnings(), []);
        assert_eq!(config.destination_warnings().len(), 1);
    }

    #[test]
    fn what_cannot_be_used() {
        for (rules, path) in [
            ("  - path_regex: ^a\n    s3_bucket: b\n", "b"),
            ("  - s3_bucket: b\n    gcs_bucket: c\n", "b"),
            ("  - path_regex: (\n    s3_bucket: b\n", "b"),
            (
                "  - s3_bucket: b\n    recreation_rule:\n      unencrypted_suffix: a\n      encrypted_suffix: b\n",
                "b",
            ),
            ("  []\n", "b"),
        ] {
            assert!(found(rules, path).is_err(), "{rules}");
        }
        assert_eq!(
            found("  - omit_extensions: true\n", "b")
                .expect("a rule")
                .destination,
            None
        );
    }
}
