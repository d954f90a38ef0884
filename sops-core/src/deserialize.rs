//! From a tree to types of one's own, through serde.

use std::{cell::Cell, collections::HashSet, fmt};

use serde::de::{
    self, DeserializeOwned, DeserializeSeed, EnumAccess, Expected, IntoDeserializer, MapAccess,
    SeqAccess, Unexpected, VariantAccess, Visitor, value::BorrowedStrDeserializer,
};

use crate::{
    format::json::render::rfc3339,
    tree::{NodeId, NodeKind, Tree, TreePath, ValueRef, path::Step},
};

/// How deep values may stand inside each other: deserializing recurses.
const MAX_DEPTH: usize = 128;

/// How many values may be visited, beyond ten times those that stand in the text: aliases multiply.
const FREE_VISITS: usize = 100_000;

/// Why a document does not have the shape of a type.
///
/// Never contains a value: not the one that does not fit, and not the message of a type that refuses it, which might
/// quote it.
#[derive(Debug, thiserror::Error)]
#[error("{}{message}", Prefix(path))]
#[non_exhaustive]
pub struct DeserializeError {
    /// Where the value stands.
    pub path: TreePath,
    /// What is wrong with it.
    pub message: String,
}

struct Prefix<'a>(&'a TreePath);

impl fmt::Display for Prefix<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.steps().is_empty() {
            return Ok(());
        }
        write!(f, "{}: ", self.0)
    }
}

/// Deserializes the subtree of a node.
///
/// Aliases are followed, merge keys (`<<`) are merged, comments skipped. Text is borrowed from the source or the tree.
pub(crate) fn from_tree<'de, T: de::Deserialize<'de>>(
    source: &'de str,
    tree: &'de Tree,
    node: NodeId,
) -> Result<T, DeserializeError> {
    let context = Context {
        source,
        tree,
        visits_left: Cell::new(tree.len().saturating_mul(10).saturating_add(FREE_VISITS)),
    };
    let deserializer = Deserializer {
        context: &context,
        node,
        depth: 0,
    };
    T::deserialize(deserializer).map_err(Error::finish)
}

/// Deserializes the first document, into a type that borrows nothing. A document without a value is `null`.
pub(crate) fn from_first_document<T: DeserializeOwned>(
    source: &str,
    tree: &Tree,
) -> Result<T, DeserializeError> {
    let root = tree
        .documents()
        .next()
        .and_then(|document| tree.root(document));
    match root {
        Some(root) => from_tree(source, tree, root),
        None => T::deserialize(().into_deserializer()).map_err(Error::finish),
    }
}

/// The error on its way up; every level adds its step.
#[derive(Debug)]
struct Error {
    steps: Vec<Step>,
    message: String,
}

impl Error {
    fn new(message: impl Into<String>) -> Self {
        Self {
            steps: Vec::new(),
            message: message.into(),
        }
    }

    fn under(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    fn finish(mut self) -> DeserializeError {
        self.steps.reverse();
        DeserializeError {
            path: TreePath::new(self.steps),
            message: self.message,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        let message = message.to_string();
        // What serde itself says names types only. Other messages might quote the value.
        if message.starts_with("data did not match any variant of ") {
            return Self::new(message);
        }
        Self::new("the value is not one that its type accepts")
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(format!(
            "expected {}, found {}",
            expectation(expected),
            kind(&unexpected)
        ))
    }

    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        if let Unexpected::Bytes(_) = unexpected {
            return Self::invalid_type(unexpected, expected);
        }
        Self::new(format!(
            "expected {}, and the value does not fit",
            expectation(expected)
        ))
    }

    fn invalid_length(_: usize, expected: &dyn Expected) -> Self {
        Self::new(format!(
            "expected {}, found another number of items",
            expectation(expected)
        ))
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self::new(format!("expected one of: {}", expected.join(", ")))
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Self::new(format!(
            "unknown key {field:?}, expected one of: {}",
            expected.join(", ")
        ))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(format!("missing key {field:?}"))
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::new(format!("the key {field:?} stands twice"))
    }
}

/// Returns what a visitor expects, in words for the names of Rust's numbers.
fn expectation(expected: &dyn Expected) -> String {
    let expected = expected.to_string();
    match &*expected {
        "u8" | "u16" | "u32" | "u64" | "u128" | "usize" | "i8" | "i16" | "i32" | "i64" | "i128"
        | "isize" => format!("an integer ({expected})"),
        "f32" | "f64" => format!("a number ({expected})"),
        _ => expected,
    }
}

fn kind(unexpected: &Unexpected<'_>) -> &'static str {
    match unexpected {
        Unexpected::Bool(_) => "a boolean",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) => "an integer",
        Unexpected::Float(_) => "a float",
        Unexpected::Char(_) | Unexpected::Str(_) => "a string",
        Unexpected::Bytes(_) => "bytes that are not UTF-8",
        Unexpected::Unit | Unexpected::Option => "null",
        Unexpected::Seq => "a list",
        Unexpected::Map => "a map",
        _ => "something else",
    }
}

struct Context<'de> {
    source: &'de str,
    tree: &'de Tree,
    visits_left: Cell<usize>,
}

impl<'de> Context<'de> {
    fn visit(&self) -> Result<(), Error> {
        match self.visits_left.get().checked_sub(1) {
            Some(left) => {
                self.visits_left.set(left);
                Ok(())
            }
            None => Err(Error::new("aliases stand for too many values")),
        }
    }

    /// Returns the bytes of a key, which are UTF-8 but for a `!!binary` key.
    fn key(&self, id: NodeId) -> Result<&'de str, Error> {
        let NodeKind::Key { text, .. } = &self.tree[id].kind else {
            unreachable!("entries start with a key");
        };
        std::str::from_utf8(text.bytes(self.source))
            .map_err(|_| Error::new("expected a key that is a string, found bytes"))
    }

    /// Returns the entries of a mapping, merged ones last.
    fn entries(&self, map: NodeId) -> Result<Vec<(NodeId, NodeId)>, Error> {
        let (merges, mut entries): (Vec<_>, Vec<_>) = self
            .tree
            .entries(map)
            .partition(|&(key, _)| self.is_merge_key(key));
        if merges.is_empty() {
            return Ok(entries);
        }
        let mut seen = HashSet::new();
        for &(key, _) in &entries {
            seen.insert(self.key(key)?);
        }
        // The next to merge on top: a mapping merged first wins over those behind it.
        let mut pending: Vec<_> = merges.into_iter().map(|(_, value)| value).rev().collect();
        while let Some(value) = pending.pop() {
            self.visit()?;
            let value = self.tree.resolve(value);
            match self.tree[value].kind {
                NodeKind::Map { .. } => {
                    let start = pending.len();
                    for (key, value) in self.tree.entries(value) {
                        self.visit()?;
                        if self.is_merge_key(key) {
                            pending.push(value);
                        } else if seen.insert(self.key(key)?) {
                            entries.push((key, value));
                        }
                    }
                    pending[start..].reverse();
                }
                NodeKind::Sequence { .. } => {
                    let start = pending.len();
                    pending.extend(self.tree.items(value));
                    pending[start..].reverse();
                }
                _ => return Err(Error::new("expected a map to merge").under(merge_step())),
            }
        }
        Ok(entries)
    }

    /// Returns whether a key is YAML's merge key: `<<` without quotes.
    fn is_merge_key(&self, key: NodeId) -> bool {
        self.tree[key].span.of(self.source) == "<<"
    }
}

fn merge_step() -> Step {
    Step::Key("<<".to_owned())
}

#[derive(Clone, Copy)]
struct Deserializer<'c, 'de> {
    context: &'c Context<'de>,
    node: NodeId,
    depth: usize,
}

impl<'c, 'de> Deserializer<'c, 'de> {
    /// Returns the kind of the node, aliases followed.
    fn content(&self) -> Result<(NodeId, &'de NodeKind), Error> {
        self.context.visit()?;
        let tree = self.context.tree;
        let id = tree.resolve(self.node);
        Ok((id, &tree[id].kind))
    }

    fn scalar(&self) -> Result<Option<ValueRef<'de>>, Error> {
        Ok(match self.content()?.1 {
            NodeKind::Scalar(scalar) => Some(scalar.value.view(self.context.source)),
            _ => None,
        })
    }

    fn is_null(&self) -> Result<bool, Error> {
        Ok(matches!(self.scalar()?, Some(ValueRef::Null)))
    }

    fn inside(self) -> Result<Self, Error> {
        if self.depth == MAX_DEPTH {
            return Err(Error::new(format!(
                "more than {MAX_DEPTH} values inside each other"
            )));
        }
        Ok(Self {
            depth: self.depth + 1,
            ..self
        })
    }

    fn at(self, node: NodeId) -> Self {
        Self { node, ..self }
    }

    fn entries(self, map: NodeId) -> Result<Entries<'c, 'de>, Error> {
        Ok(Entries {
            parent: self.inside()?,
            entries: self.context.entries(map)?.into_iter(),
            current: None,
        })
    }
}

impl<'de> de::Deserializer<'de> for Deserializer<'_, 'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let (id, kind) = self.content()?;
        match kind {
            NodeKind::Scalar(scalar) => match scalar.value.view(self.context.source) {
                ValueRef::Null => visitor.visit_unit(),
                ValueRef::Bool(value) => visitor.visit_bool(value),
                ValueRef::Int(value) => visitor.visit_i64(value),
                ValueRef::Unsigned(value) => visitor.visit_u64(value),
                ValueRef::Float(value) => visitor.visit_f64(value),
                ValueRef::Time(value) => visitor.visit_string(rfc3339(value)),
                ValueRef::Str(bytes) => match std::str::from_utf8(bytes) {
                    Ok(text) => visitor.visit_borrowed_str(text),
                    Err(_) => visitor.visit_borrowed_bytes(bytes),
                },
            },
            NodeKind::Map { .. } => {
                let mut entries = self.entries(id)?;
                let value = visitor.visit_map(&mut entries)?;
                match entries.entries.len() {
                    0 => Ok(value),
                    _ => Err(Error::new("more entries than expected")),
                }
            }
            NodeKind::Sequence { .. } => {
                let tree = self.context.tree;
                let mut items = Items {
                    parent: self.inside()?,
                    items: tree.items(id).enumerate(),
                };
                let value = visitor.visit_seq(&mut items)?;
                match items.items.next() {
                    None => Ok(value),
                    Some(_) => Err(Error::new("more items than expected")),
                }
            }
            NodeKind::Document => match self.context.tree.root(id) {
                Some(root) => self.at(root).deserialize_any(visitor),
                None => visitor.visit_unit(),
            },
            NodeKind::Key { .. } | NodeKind::Comment => {
                unreachable!("keys and comments are no values")
            }
            NodeKind::Alias { .. } => Err(Error::new("an alias to an alias")),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.is_null()? {
            return visitor.visit_none();
        }
        visitor.visit_some(self)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.scalar()? {
            Some(ValueRef::Str(bytes)) => visitor.visit_borrowed_bytes(bytes),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self.inside()?)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let (id, kind) = self.content()?;
        match kind {
            NodeKind::Scalar(scalar) => match scalar.value.view(self.context.source) {
                ValueRef::Str(bytes) => match std::str::from_utf8(bytes) {
                    Ok(text) => visitor.visit_enum(BorrowedStrDeserializer::new(text)),
                    Err(_) => Err(Error::new("expected the name of a variant, found bytes")),
                },
                _ => Err(Error::new("expected the name of a variant, as a string")),
            },
            NodeKind::Map { .. } => {
                let parent = self.inside()?;
                match *self.context.entries(id)? {
                    [(key, value)] => visitor.visit_enum(Variant {
                        name: self.context.key(key)?,
                        value: parent.at(value),
                    }),
                    _ => Err(Error::new(
                        "expected one entry only, named after the variant",
                    )),
                }
            }
            _ => Err(Error::new(
                "expected the name of a variant, or a map with that name as its only key",
            )),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string unit unit_struct seq tuple
        tuple_struct map struct identifier
    }
}

struct Items<'c, 'de, I> {
    parent: Deserializer<'c, 'de>,
    items: std::iter::Enumerate<I>,
}

impl<'de, I: Iterator<Item = NodeId>> SeqAccess<'de> for &mut Items<'_, 'de, I> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        let Some((index, item)) = self.items.next() else {
            return Ok(None);
        };
        seed.deserialize(self.parent.at(item))
            .map(Some)
            .map_err(|error| error.under(Step::Index(index)))
    }
}

struct Entries<'c, 'de> {
    parent: Deserializer<'c, 'de>,
    entries: std::vec::IntoIter<(NodeId, NodeId)>,
    /// The name and value of the entry whose key was handed out last.
    current: Option<(&'de str, NodeId)>,
}

impl<'de> MapAccess<'de> for &mut Entries<'_, 'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        let Some((key, value)) = self.entries.next() else {
            return Ok(None);
        };
        let name = self.parent.context.key(key)?;
        self.current = Some((name, value));
        seed.deserialize(KeyName(name))
            .map(Some)
            .map_err(|error| error.under(Step::Key(name.to_owned())))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let (name, value) = self
            .current
            .take()
            .ok_or_else(|| Error::new("a value was asked for before its key"))?;
        seed.deserialize(self.parent.at(value))
            .map_err(|error| error.under(Step::Key(name.to_owned())))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.entries.len())
    }
}

/// A key: a string, but where a number or boolean is asked for, its text is read as one.
struct KeyName<'de>(&'de str);

macro_rules! parse_key {
    ($($method:ident => $visit:ident,)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            match self.0.parse() {
                Ok(value) => visitor.$visit(value),
                Err(_) => Err(de::Error::invalid_type(Unexpected::Str(self.0), &visitor)),
            }
        }
    )*};
}

impl<'de> de::Deserializer<'de> for KeyName<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_borrowed_str(self.0)
    }

    parse_key! {
        deserialize_bool => visit_bool,
        deserialize_i8 => visit_i8,
        deserialize_i16 => visit_i16,
        deserialize_i32 => visit_i32,
        deserialize_i64 => visit_i64,
        deserialize_i128 => visit_i128,
        deserialize_u8 => visit_u8,
        deserialize_u16 => visit_u16,
        deserialize_u32 => visit_u32,
        deserialize_u64 => visit_u64,
        deserialize_u128 => visit_u128,
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_enum(BorrowedStrDeserializer::new(self.0))
    }

    serde::forward_to_deserialize_any! {
        f32 f64 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct identifier
        ignored_any
    }
}

/// An externally tagged variant: `name: value`.
struct Variant<'c, 'de> {
    name: &'de str,
    value: Deserializer<'c, 'de>,
}

impl<'c, 'de> EnumAccess<'de> for Variant<'c, 'de> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Error> {
        let variant = seed.deserialize(BorrowedStrDeserializer::<Error>::new(self.name))?;
        Ok((variant, self))
    }
}

impl<'de> Variant<'_, 'de> {
    fn within<T>(
        self,
        read: impl FnOnce(Deserializer<'_, 'de>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        read(self.value).map_err(|error| error.under(Step::Key(self.name.to_owned())))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_, 'de> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        self.within(|value| de::Deserialize::deserialize(value))
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        self.within(|value| seed.deserialize(value))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.within(|value| de::Deserializer::deserialize_seq(value, visitor))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.within(|value| de::Deserializer::deserialize_map(value, visitor))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;
    use crate::{
        format::json,
        tree::{Scalar, Span, Style, Text, Value, timestamp::Timestamp},
    };

    fn read<T: DeserializeOwned>(source: &str) -> Result<T, String> {
        let tree = json::parse(source).unwrap();
        from_first_document(source, &tree).map_err(|error| error.to_string())
    }

    #[derive(Debug, Deserialize, PartialEq)]
    struct Config {
        db: Database,
        hosts: Vec<String>,
        #[serde(default)]
        mode: Option<Mode>,
        #[serde(default)]
        ports: BTreeMap<u16, (String, i8)>,
        #[serde(default)]
        name: Option<Name>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    struct Database {
        port: u16,
        ratio: f64,
        tls: bool,
        ca: Option<String>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "lowercase")]
    enum Mode {
        Off,
        Level(u8),
        Pair(u8, String),
        Full { path: String },
    }

    #[derive(Debug, Deserialize, PartialEq)]
    struct Name(String);

    fn config(mode: &str) -> Result<Config, String> {
        read(&format!(
            r#"{{"db": {{"port": 5432, "ratio": 2, "tls": true, "ca": null, "more": [1]}},
                "hosts": ["a", "\u00e9"], "ports": {{"80": ["http", -1]}}, "name": "n", "mode": {mode}}}"#
        ))
    }

    #[test]
    fn fills_structs_enums_maps_and_tuples() {
        for (mode, expected) in [
            ("null", None),
            ("\"off\"", Some(Mode::Off)),
            ("{\"off\": null}", Some(Mode::Off)),
            ("{\"level\": 3}", Some(Mode::Level(3))),
            (
                "{\"pair\": [3, \"x\"]}",
                Some(Mode::Pair(3, "x".to_owned())),
            ),
            (
                "{\"full\": {\"path\": \"/\"}}",
                Some(Mode::Full {
                    path: "/".to_owned(),
                }),
            ),
        ] {
            let expected = Config {
                db: Database {
                    port: 5432,
                    ratio: 2.0,
                    tls: true,
                    ca: None,
                },
                hosts: vec!["a".to_owned(), "é".to_owned()],
                mode: expected,
                ports: BTreeMap::from([(80, ("http".to_owned(), -1))]),
                name: Some(Name("n".to_owned())),
            };
            assert_eq!(config(mode), Ok(expected), "{mode}");
        }
    }

    #[test]
    fn errors_name_the_path_and_not_the_value() {
        for (mode, message) in [
            (
                "\"hunter2\"",
                "mode: expected one of: off, level, pair, full",
            ),
            ("7", "mode: expected the name of a variant, as a string"),
            (
                "[]",
                "mode: expected the name of a variant, or a map with that name as its only key",
            ),
            (
                "{}",
                "mode: expected one entry only, named after the variant",
            ),
            ("{\"off\": 1}", "mode.off: expected unit, found an integer"),
            (
                "{\"level\": \"hunter2\"}",
                "mode.level: expected an integer (u8), found a string",
            ),
            (
                "{\"level\": 777}",
                "mode.level: expected an integer (u8), and the value does not fit",
            ),
            (
                "{\"pair\": [3, 777]}",
                "mode.pair[1]: expected a string, found an integer",
            ),
            ("{\"full\": {}}", "mode.full: missing key \"path\""),
        ] {
            assert_eq!(config(mode).unwrap_err(), message, "{mode}");
        }
        let error = read::<Config>(r#"{"db": {"port": "x"}}"#).unwrap_err();
        assert_eq!(error, "db.port: expected an integer (u16), found a string");
        let error = read::<BTreeMap<u16, u8>>(r#"{"a.b": 1}"#).unwrap_err();
        assert_eq!(
            error,
            r#"["a.b"]: expected an integer (u16), found a string"#
        );
        let error = read::<u8>("{}").unwrap_err();
        assert_eq!(error, "expected an integer (u8), found a map");
        let error = read::<BTreeMap<String, (u8, u8)>>(r#"{"a": [1, 2, 3]}"#).unwrap_err();
        assert_eq!(error, "a: more items than expected");
    }

    #[test]
    fn types_cannot_leak_a_value_through_their_messages() {
        #[derive(Debug)]
        struct Leaking;
        impl<'de> Deserialize<'de> for Leaking {
            fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Err(de::Error::custom(format!("bad value {text:?}")))
            }
        }
        #[derive(Debug, Deserialize)]
        #[serde(untagged)]
        enum Untagged {
            #[expect(dead_code)]
            Number(u8),
        }
        let error = read::<BTreeMap<String, Leaking>>(r#"{"a": "hunter2"}"#).unwrap_err();
        assert_eq!(error, "a: the value is not one that its type accepts");
        let error = read::<BTreeMap<String, Untagged>>(r#"{"a": "hunter2"}"#).unwrap_err();
        assert_eq!(
            error,
            "a: data did not match any variant of untagged enum Untagged"
        );
    }

    #[test]
    fn text_is_borrowed() {
        let source = r#"{"a": "plain", "b": "\u00e9"}"#;
        let tree = json::parse(source).unwrap();
        let map: BTreeMap<&str, &str> = from_tree(source, &tree, NodeId(0)).unwrap();
        assert_eq!(map, BTreeMap::from([("a", "plain"), ("b", "é")]));
        let map: BTreeMap<&str, &[u8]> = from_tree(source, &tree, NodeId(1)).unwrap();
        assert_eq!(map["b"], "é".as_bytes());
    }

    #[test]
    fn depth_is_limited() {
        #[derive(Debug, Deserialize)]
        struct Nested {
            a: Option<Box<Self>>,
        }
        let nested =
            |depth: usize| format!("{}{{}}{}", "{\"a\": ".repeat(depth), "}".repeat(depth));
        let mut read_depth = 0;
        let mut next = read::<Nested>(&nested(127)).unwrap().a;
        while let Some(inner) = next {
            read_depth += 1;
            next = inner.a;
        }
        assert_eq!(read_depth, 127);
        let error = read::<Nested>(&nested(128)).unwrap_err();
        assert!(
            error.ends_with("a: more than 128 values inside each other"),
            "{error}"
        );
        // What nobody asks for may be deeper.
        #[derive(Debug, Deserialize)]
        struct Other {}
        assert!(read::<Other>(&nested(1000)).is_ok());
    }

    /// Builds trees that JSON cannot: with aliases, comments, merge keys.
    struct Builder {
        source: String,
        tree: Tree,
    }

    impl Builder {
        fn new() -> Self {
            let mut tree = Tree::default();
            tree.push(NodeKind::Document, Span::new(0, 0), 0);
            Self {
                source: String::new(),
                tree,
            }
        }

        fn push(&mut self, kind: impl FnOnce(Span) -> NodeKind, text: &str) -> NodeId {
            let start = self.source.len();
            self.source.push_str(text);
            let span = Span::new(start, self.source.len());
            self.tree.push(kind(span), span, span.start)
        }

        fn map(&mut self, fill: impl FnOnce(&mut Self)) -> NodeId {
            let id = self.push(|_| NodeKind::Map { flow: false }, "");
            fill(self);
            self.tree.close(id, 0);
            id
        }

        fn list(&mut self, fill: impl FnOnce(&mut Self)) -> NodeId {
            let id = self.push(|_| NodeKind::Sequence { flow: false }, "");
            fill(self);
            self.tree.close(id, 0);
            id
        }

        fn key(&mut self, name: &str) -> &mut Self {
            let kind = |span| NodeKind::Key {
                text: Text::Source(span),
                alias: false,
            };
            self.push(kind, name);
            self
        }

        fn alias(&mut self, target: NodeId) {
            self.push(|_| NodeKind::Alias { target }, "*a");
        }

        fn scalar(&mut self, value: Value) {
            let kind = |_| {
                NodeKind::Scalar(Scalar {
                    value,
                    style: Style::Plain,
                    flow: false,
                    converting_tag: false,
                })
            };
            self.push(kind, "");
        }

        fn read<T: DeserializeOwned>(mut self) -> Result<T, String> {
            self.tree.close(NodeId(0), 0);
            from_first_document(&self.source, &self.tree).map_err(|error| error.to_string())
        }
    }

    #[test]
    fn merge_keys_are_merged_and_explicit_keys_win() {
        type Map = BTreeMap<String, BTreeMap<String, i64>>;
        let mut builder = Builder::new();
        builder.map(|b| {
            let one = b.key("one").map(|b| {
                b.key("a").scalar(Value::Int(1));
                b.key("b").scalar(Value::Int(1));
            });
            let two = b.key("two").map(|b| {
                b.key("<<").alias(one);
                b.key("b").scalar(Value::Int(2));
                b.key("c").scalar(Value::Int(2));
            });
            b.key("three").map(|b| {
                b.key("<<").list(|b| {
                    b.alias(two);
                    b.push(|_| NodeKind::Comment, " c");
                    b.map(|b| {
                        b.key("c").scalar(Value::Int(3));
                        b.key("d").scalar(Value::Int(3));
                    });
                });
                b.key("a").scalar(Value::Int(0));
            });
        });
        let map: Map = builder.read().unwrap();
        let expect = |entries: &[(&str, i64)]| {
            entries
                .iter()
                .map(|&(key, value)| (key.to_owned(), value))
                .collect::<BTreeMap<_, _>>()
        };
        assert_eq!(map["two"], expect(&[("a", 1), ("b", 2), ("c", 2)]));
        assert_eq!(
            map["three"],
            expect(&[("a", 0), ("b", 2), ("c", 2), ("d", 3)])
        );

        let mut builder = Builder::new();
        builder.map(|b| {
            b.key("x").map(|b| b.key("<<").scalar(Value::Int(1)));
        });
        let error = builder.read::<Map>().unwrap_err();
        assert_eq!(error, r#"x["<<"]: expected a map to merge"#);
        // In quotes it is a key like any other; so in JSON.
        let map: Map = read(r#"{"x": {"<<": 1}}"#).unwrap();
        assert_eq!(map["x"]["<<"], 1);
    }

    #[test]
    fn alias_bombs_are_refused() {
        let mut builder = Builder::new();
        builder.map(|b| {
            let mut last = b.key("l0").list(|b| b.scalar(Value::Null));
            for level in 1..12 {
                last = b.key(&format!("l{level}")).list(|b| {
                    for _ in 0..10 {
                        b.alias(last);
                    }
                });
            }
        });
        #[derive(Debug)]
        struct Anything;
        impl<'de> Deserialize<'de> for Anything {
            fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Walk;
                impl<'de> Visitor<'de> for Walk {
                    type Value = Anything;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("anything")
                    }
                    fn visit_unit<E>(self) -> Result<Anything, E> {
                        Ok(Anything)
                    }
                    fn visit_seq<A: SeqAccess<'de>>(
                        self,
                        mut items: A,
                    ) -> Result<Anything, A::Error> {
                        while items.next_element::<Anything>()?.is_some() {}
                        Ok(Anything)
                    }
                    fn visit_map<A: MapAccess<'de>>(
                        self,
                        mut map: A,
                    ) -> Result<Anything, A::Error> {
                        while map.next_entry::<String, Anything>()?.is_some() {}
                        Ok(Anything)
                    }
                }
                deserializer.deserialize_any(Walk)
            }
        }
        let error = builder.read::<Anything>().unwrap_err();
        assert!(
            error.ends_with(": aliases stand for too many values"),
            "{error}"
        );
    }

    #[test]
    fn times_are_texts_and_documents_may_be_empty() {
        let mut builder = Builder::new();
        builder.list(|b| {
            b.scalar(Value::Time(Timestamp {
                seconds: 0,
                nanoseconds: 0,
                offset_minutes: 0,
            }));
            b.scalar(Value::Str(Text::Owned(Box::new([0xff]))));
        });
        let (time, bytes): (String, Vec<u8>) = {
            #[derive(Deserialize)]
            struct Both(String, #[serde(deserialize_with = "bytes")] Vec<u8>);
            fn bytes<'de, D: de::Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
                struct Bytes;
                impl Visitor<'_> for Bytes {
                    type Value = Vec<u8>;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("bytes")
                    }
                    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
                        Ok(bytes.to_vec())
                    }
                }
                deserializer.deserialize_bytes(Bytes)
            }
            let Both(time, bytes) = builder.read().unwrap();
            (time, bytes)
        };
        assert_eq!((&*time, &*bytes), ("1970-01-01T00:00:00Z", &[0xff][..]));
        assert_eq!(Builder::new().read::<Option<u8>>(), Ok(None));
        let mut builder = Builder::new();
        builder.list(|b| b.scalar(Value::Str(Text::Owned(Box::new([0xff])))));
        let error = builder.read::<Vec<String>>().unwrap_err();
        assert_eq!(
            error,
            "[0]: expected a string, found bytes that are not UTF-8"
        );
    }
}
