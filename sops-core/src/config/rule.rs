//! One of the `creation_rules`.

use std::collections::BTreeMap;

use super::{
    ConfigError, ConfigErrorKind,
    key_groups::{self, FLAT_KINDS},
    reader::Reader,
};
use crate::{
    crypto::{
        re2::{self, Regex},
        select::Selector,
    },
    metadata::{KmsOptions, MasterKey},
    tree::{NodeId, span::Position},
};

/// A creation rule: with which keys, and how, the files of a path are encrypted.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CreationRule {
    /// Where the rule stands in the configuration.
    pub position: Position,
    /// The regular expression for paths; empty if the rule is for all.
    pub path_regex: String,
    /// How many key groups are needed, if the rule says so.
    pub shamir_threshold: Option<usize>,
    /// Which leaves are encrypted, if the rule says so.
    pub selector: Option<Selector>,
    /// Whether the MAC covers encrypted leaves only.
    pub mac_only_encrypted: bool,
    groups: Vec<Vec<MasterKey>>,
    /// Whether the one group comes from lists directly in the rule, whose KMS keys take the context of the caller.
    flat: bool,
    regex: Option<Regex>,
    /// Why the rule cannot be used. Like the reference, we tell only whom the rule is for.
    problem: Option<ConfigError>,
    /// Why the first of the keys that nothing can be encrypted for is such a key.
    key_problem: Option<ConfigError>,
}

impl CreationRule {
    /// Returns the key groups, duplicates removed; a rule that names no key has one empty group.
    #[must_use]
    pub fn groups(&self) -> Vec<Vec<MasterKey>> {
        self.groups.clone()
    }

    /// Returns the key groups; the KMS keys that stand directly in the rule, where no context can be given, get this
    /// encryption context.
    #[must_use]
    pub fn groups_with_context(
        &self,
        encryption_context: &BTreeMap<String, String>,
    ) -> Vec<Vec<MasterKey>> {
        let mut groups = self.groups();
        if self.flat {
            for key in groups.iter_mut().flatten() {
                if let MasterKey::Kms { context, .. } = key {
                    context.clone_from(encryption_context);
                }
            }
        }
        groups
    }

    /// Checks that the keys are such as this build can encrypt for, as far as that can be told from them.
    ///
    /// # Errors
    ///
    /// Fails with the place of the first malformed age recipient.
    pub fn check_keys(&self) -> Result<(), ConfigError> {
        match &self.key_problem {
            Some(problem) => Err(problem.clone()),
            None => Ok(()),
        }
    }

    /// Returns whether the rule is for a path, or why that cannot be told.
    pub(super) fn is_for(&self, path: &[u8]) -> Result<bool, ConfigError> {
        match (&self.regex, &self.problem) {
            _ if self.path_regex.is_empty() => Ok(true),
            (Some(regex), _) => Ok(regex.is_match(path)),
            (None, Some(problem)) => Err(problem.clone()),
            (None, None) => Ok(false),
        }
    }

    /// Returns why the rule cannot be used, if so. Then there is a warning about it, at the same place.
    #[must_use]
    pub fn problem(&self) -> Option<&ConfigError> {
        self.problem.as_ref()
    }

    pub(super) fn read(reader: &mut Reader<'_>, node: NodeId) -> Result<Self, ConfigError> {
        let mut section = reader.section(node, "creation_rules")?;
        let mut problems = Problems::default();

        let regex_node = section.take(reader, "path_regex");
        let path_regex = match regex_node {
            Some(node) => reader.text(node, "path_regex")?,
            None => String::new(),
        };
        let regex = regex_node
            .filter(|_| !path_regex.is_empty())
            .and_then(|node| {
                re2::compile(&path_regex)
                    .map_err(|error| {
                        problems.add(with_hint(
                            reader.error(
                                node,
                                format!("path_regex: can not compile regexp: {error}"),
                            ),
                            error.hint,
                        ));
                    })
                    .ok()
            });

        let mut flat = Vec::new();
        for kind in FLAT_KINDS {
            let Some(node) = section.take(reader, kind.flat_key) else {
                continue;
            };
            // The one list that may not be written as a text.
            if kind.name == "hckms" {
                reader.list(node, kind.flat_key)?;
            }
            flat.push((kind, node));
        }
        let profile_node = section.take(reader, "aws_profile");
        let aws_profile = match profile_node {
            Some(node) => reader.text(node, "aws_profile")?,
            None => String::new(),
        };
        let group_nodes = section.list(reader, "key_groups")?;
        let mut groups = Vec::new();
        for &node in &group_nodes {
            groups.push(key_groups::read(reader, node, &mut problems, 0)?);
        }
        if group_nodes.is_empty() {
            let options = KmsOptions::new(BTreeMap::new(), aws_profile);
            groups.push(key_groups::read_flat(
                reader,
                &flat,
                &options,
                &mut problems,
            ));
        } else {
            let ignored = flat
                .iter()
                .map(|(kind, node)| (kind.flat_key, *node))
                .chain(profile_node.map(|node| ("aws_profile", node)));
            for (key, node) in ignored {
                reader.warn(
                    node,
                    format!("{key} has no effect, because the rule has key_groups"),
                    Some("move it into a group, or remove it".to_owned()),
                );
            }
        }

        let shamir_threshold = match section.take(reader, "shamir_threshold") {
            Some(node) => {
                let number = reader.integer(node, "shamir_threshold")?;
                let threshold = usize::try_from(number).map_err(|_| {
                    reader.error(node, "shamir_threshold: expected a number of 0 or more")
                })?;
                Some(threshold).filter(|&threshold| threshold > 0)
            }
            None => None,
        };
        let mut selector: Option<Selector> = None;
        for key in Selector::KEYS {
            let Some(node) = section.take(reader, key) else {
                continue;
            };
            let text = reader.text(node, key)?;
            if text.is_empty() {
                continue;
            }
            if selector.is_some() {
                problems.add(reader.error(
                    node,
                    format!(
                        "cannot use more than one of {} for the same rule",
                        Selector::list_of_keys()
                    ),
                ));
            }
            let new = Selector::from_key(key, text);
            if let Some(Err(error)) = new.as_ref().map(Selector::compile) {
                problems.add(with_hint(
                    reader.error(node, format!("can not compile regexp: {error}")),
                    error.error.hint,
                ));
            }
            selector = new;
        }
        let mac_only_encrypted = match section.take(reader, "mac_only_encrypted") {
            Some(node) => reader.boolean(node, "mac_only_encrypted")?,
            None => false,
        };
        section.finish(reader, "a creation rule");

        Ok(Self {
            position: reader.position(node),
            path_regex,
            shamir_threshold,
            selector,
            mac_only_encrypted,
            groups,
            flat: group_nodes.is_empty(),
            regex,
            problem: problems.rule,
            key_problem: problems.key,
        })
    }
}

/// The first reasons why a rule cannot be used, or a key of it cannot be encrypted for.
#[derive(Default)]
pub(super) struct Problems {
    rule: Option<ConfigError>,
    key: Option<ConfigError>,
}

impl Problems {
    pub(super) fn add(&mut self, mut error: ConfigError) {
        error.kind = ConfigErrorKind::InvalidRule;
        self.rule.get_or_insert(error);
    }

    pub(super) fn add_key(&mut self, mut error: ConfigError) {
        error.kind = ConfigErrorKind::InvalidRule;
        self.key.get_or_insert(error);
    }
}

fn with_hint(error: ConfigError, hint: Option<String>) -> ConfigError {
    match hint {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}
