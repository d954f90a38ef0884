//! From a tree to types of one's own, through serde.

mod error;
#[cfg(test)]
mod tests;

pub use error::DeserializeError;

use std::{cell::Cell, collections::HashSet};

use serde::de::{
    self, DeserializeOwned, DeserializeSeed, EnumAccess, IntoDeserializer, MapAccess, SeqAccess,
    Unexpected, VariantAccess, Visitor, value::BorrowedStrDeserializer,
};

use crate::tree::{NodeId, NodeKind, Tree, ValueRef, path::Step};

use error::Error;

/// How deep values may stand inside each other: deserializing recurses.
const MAX_DEPTH: usize = 128;

/// How many values may be visited, beyond ten times those that stand in the text: aliases multiply.
const FREE_VISITS: usize = 100_000;

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
                NodeKind::Sequence => {
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
                value @ ValueRef::Time(_) => {
                    let mut text = Vec::new();
                    value.plaintext(&mut text);
                    visitor.visit_string(String::from_utf8_lossy(&text).into_owned())
                }
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
            NodeKind::Sequence => {
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
