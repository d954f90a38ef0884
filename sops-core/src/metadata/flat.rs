//! Metadata as a list of keys with texts: how formats without nesting hold it.
//!
//! The steps to a value are joined, `__map_` before the key of a map and `__list_` before the position in a list:
//! `age__list_0__map_recipient`.

use std::collections::BTreeMap;

use super::Raw;

const MAP_STEP: &str = "__map_";
const LIST_STEP: &str = "__list_";

/// More steps than any key of metadata has. What has more is kept as one key.
const MAX_STEPS: usize = 64;

/// Returns the values of nested metadata, sorted by their joined keys. Null is a text without content; maps and lists
/// without entries are left out.
pub(crate) fn flatten(metadata: &Raw) -> Vec<(String, String)> {
    let mut flat = Vec::new();
    if let Raw::Map(entries) = metadata {
        for (key, value) in entries {
            push(key.clone(), value, &mut flat);
        }
    }
    flat.sort();
    flat
}

/// Returns the nested form of joined keys. All values are texts.
///
/// A key that cannot stand beside another (`a` and `a__map_b`) is kept as it is written.
pub(crate) fn unflatten(pairs: impl IntoIterator<Item = (String, String)>) -> Raw {
    let mut root = Branch::default();
    let mut literal = Vec::new();
    for (key, value) in pairs {
        match steps(&key) {
            Some(steps) if root.has_room(&steps) => root.place(&steps, value),
            _ => literal.push((key, Raw::Text(value))),
        }
    }
    match root.into_raw() {
        Raw::Map(mut entries) => {
            entries.extend(literal);
            Raw::Map(entries)
        }
        _ => Raw::Map(literal),
    }
}

/// Recursive: what we write has five levels, and what was read from a file no more than [`Raw`] reads.
fn push(key: String, value: &Raw, flat: &mut Vec<(String, String)>) {
    let text = match value {
        Raw::Map(entries) => {
            for (step, value) in entries {
                push(format!("{key}{MAP_STEP}{step}"), value, flat);
            }
            return;
        }
        Raw::List(items) => {
            for (position, value) in items.iter().enumerate() {
                push(format!("{key}{LIST_STEP}{position}"), value, flat);
            }
            return;
        }
        Raw::Null => String::new(),
        Raw::Bool(value) => value.to_string(),
        Raw::Int(value) => value.to_string(),
        Raw::Float(value) => value.to_string(),
        Raw::Time(text) | Raw::Text(text) => text.clone(),
    };
    flat.push((key, text));
}

#[derive(Clone, Copy, PartialEq)]
enum Step<'k> {
    Key(&'k str),
    Position(usize),
}

/// Cuts a joined key into its steps; `None` for one that [`flatten`] does not write.
fn steps(key: &str) -> Option<Vec<Step<'_>>> {
    let mut steps = Vec::new();
    let mut is_list = false;
    let mut rest = key;
    loop {
        let next = [MAP_STEP, LIST_STEP]
            .into_iter()
            .filter_map(|mark| Some((rest.find(mark)?, mark)))
            .min();
        let step = next.map_or(rest, |(at, _)| &rest[..at]);
        steps.push(match is_list {
            // Another spelling of a number would not come back.
            true => Step::Position(
                step.parse()
                    .ok()
                    .filter(|position: &usize| position.to_string() == step)?,
            ),
            false => Step::Key(step),
        });
        if steps.len() > MAX_STEPS {
            return None;
        }
        let Some((at, mark)) = next else {
            return Some(steps);
        };
        is_list = mark == LIST_STEP;
        rest = &rest[at + mark.len()..];
    }
}

/// A value that is being put together.
#[derive(Default)]
enum Branch {
    #[default]
    Empty,
    Text(String),
    Map(BTreeMap<String, Self>),
    /// Items by their positions, which may have gaps.
    List(BTreeMap<usize, Self>),
}

impl Branch {
    /// Whether a value can be placed: nothing on the way is of another kind, nothing stands there yet.
    fn has_room(&self, steps: &[Step<'_>]) -> bool {
        let mut branch = self;
        for step in steps {
            let next = match (branch, step) {
                (Self::Empty, _) => return true,
                (Self::Map(entries), Step::Key(key)) => entries.get(*key),
                (Self::List(items), Step::Position(position)) => items.get(position),
                _ => return false,
            };
            match next {
                Some(next) => branch = next,
                None => return true,
            }
        }
        false
    }

    fn place(&mut self, steps: &[Step<'_>], text: String) {
        let mut branch = self;
        for step in steps {
            if matches!(branch, Self::Empty) {
                *branch = match step {
                    Step::Key(_) => Self::Map(BTreeMap::new()),
                    Step::Position(_) => Self::List(BTreeMap::new()),
                };
            }
            branch = match (branch, step) {
                (Self::Map(entries), Step::Key(key)) => {
                    entries.entry((*key).to_owned()).or_default()
                }
                (Self::List(items), Step::Position(position)) => {
                    items.entry(*position).or_default()
                }
                _ => unreachable!("has_room was asked before"),
            };
        }
        *branch = Self::Text(text);
    }

    /// Recursive; the number of steps is limited.
    fn into_raw(self) -> Raw {
        match self {
            Self::Empty => Raw::Null,
            Self::Text(text) => Raw::Text(text),
            Self::Map(entries) => Raw::Map(
                entries
                    .into_iter()
                    .map(|(key, value)| (key, value.into_raw()))
                    .collect(),
            ),
            Self::List(items) => Raw::List(items.into_values().map(Self::into_raw).collect()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Raw {
        Raw::Text(text.to_owned())
    }

    fn map(entries: &[(&str, Raw)]) -> Raw {
        Raw::Map(
            entries
                .iter()
                .map(|(key, value)| ((*key).to_owned(), value.clone()))
                .collect(),
        )
    }

    fn unflattened(pairs: &[(&str, &str)]) -> Raw {
        unflatten(
            pairs
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned())),
        )
    }

    #[test]
    fn nested_metadata_comes_back() {
        let metadata = map(&[
            (
                "age",
                Raw::List(vec![
                    map(&[("enc", text("a\nb")), ("recipient", text("age1"))]),
                    map(&[("enc", text(""))]),
                ]),
            ),
            ("lastmodified", text("2020")),
            ("version", text("3.13.2")),
        ]);
        let flat = flatten(&metadata);
        let keys: Vec<&str> = flat.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(
            keys,
            [
                "age__list_0__map_enc",
                "age__list_0__map_recipient",
                "age__list_1__map_enc",
                "lastmodified",
                "version"
            ]
        );
        assert_eq!(unflatten(flat), metadata);
    }

    #[test]
    fn scalars_are_texts() {
        let metadata = map(&[
            ("shamir_threshold", Raw::Int(2)),
            ("mac_only_encrypted", Raw::Bool(true)),
            ("x", Raw::Null),
            ("gone", Raw::List(Vec::new())),
        ]);
        assert_eq!(
            flatten(&metadata),
            [
                ("mac_only_encrypted".to_owned(), "true".to_owned()),
                ("shamir_threshold".to_owned(), "2".to_owned()),
                ("x".to_owned(), String::new()),
            ]
        );
    }

    #[test]
    fn items_stand_in_the_order_of_their_positions() {
        let read = unflattened(&[("a__list_10", "c"), ("a__list_2", "b"), ("a__list_0", "a")]);
        let items = Raw::List(vec![text("a"), text("b"), text("c")]);
        assert_eq!(read, map(&[("a", items)]));
    }

    /// A list with holes costs no more than its items.
    #[test]
    fn positions_may_be_huge() {
        let read = unflattened(&[("a__list_18446744073709551615", "z"), ("a__list_0", "a")]);
        assert_eq!(read, map(&[("a", Raw::List(vec![text("a"), text("z")]))]));
    }

    #[test]
    fn keys_that_do_not_fit_together_are_kept_as_they_are() {
        for (first, second) in [
            ("a", "a__map_b"),
            ("a__map_b", "a"),
            ("a__map_b", "a__list_0"),
            ("a__list_0", "a__list_0__map_b"),
            ("a__list_0", "a__list_00"),
            ("a__list_0", "a__list_x"),
            ("a__list_0", "a__list_"),
            ("a__list_0", "a__list_-1"),
            ("a__list_0", "a__list_18446744073709551616"),
            ("a", "a"),
        ] {
            let Raw::Map(entries) = unflattened(&[(first, "1"), (second, "2")]) else {
                panic!("metadata is a map");
            };
            assert_eq!(
                entries[1],
                (second.to_owned(), text("2")),
                "{first} {second}"
            );
        }
    }

    #[test]
    fn too_many_steps_are_one_key() {
        let key = vec!["a"; 10_000].join(MAP_STEP);
        let read = unflattened(&[(&key, "1")]);
        assert_eq!(read, map(&[(&key, text("1"))]));
        let only = unflattened(&[("", "x"), ("__map_", "y")]);
        assert!(matches!(only, Raw::Map(entries) if entries.len() == 2));
    }
}
