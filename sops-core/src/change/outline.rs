//! What a text holds, without how it is written: to compare what a change did with what it was meant to do.

use sha2::{Digest, Sha256};

use crate::tree::{NodeId, NodeKind, Tree, ValueRef, traverse::Event};

/// The containers, keys and values of all documents in order; digests, so that no values lie around.
pub(super) struct Outline(Vec<Part>);

#[derive(Clone, Copy)]
struct Part {
    event: Event,
    digest: [u8; 32],
}

impl Outline {
    /// Returns the outline of a text; `None` if its aliases blow it up.
    pub(super) fn of(text: &str, tree: &Tree) -> Option<Self> {
        let mut parts = Vec::new();
        for document in tree.documents() {
            let root = tree.root(document)?;
            parts.extend(Self::of_value(text, tree, root)?.0);
        }
        Some(Self(parts))
    }

    /// Returns the outline of a value.
    pub(super) fn of_value(text: &str, tree: &Tree, node: NodeId) -> Option<Self> {
        let mut parts = Vec::new();
        let is_whole = tree.traverse(node, |event| {
            if !matches!(event, Event::Comment(_)) {
                let digest = digest(text, tree, event);
                parts.push(Part { event, digest });
            }
        });
        is_whole.then_some(Self(parts))
    }

    /// Whether both hold the same.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.0.len() == other.0.len()
            && self
                .0
                .iter()
                .zip(&other.0)
                .all(|(one, other)| one.digest == other.digest)
    }

    /// Returns it with another value in the place of `node`; `None` if aliases repeat the node.
    pub(super) fn replace(&self, node: NodeId, new: &Self) -> Option<Self> {
        let start = self.only(|event| starts(event, node))?;
        Some(self.spliced(start, self.end(start), &new.0))
    }

    /// Returns it without `node` and its key.
    pub(super) fn remove(&self, node: NodeId, key: Option<NodeId>) -> Option<Self> {
        let start = self.only(|event| starts(event, node))?;
        let from = start - usize::from(key.is_some());
        Some(self.spliced(from, self.end(start), &[]))
    }

    /// Returns it with one more entry or item in a container: before the key `next`, or behind all others.
    pub(super) fn add(
        &self,
        container: NodeId,
        next: Option<NodeId>,
        key: Option<&str>,
        new: &Self,
    ) -> Option<Self> {
        let at = self.only(|event| match next {
            Some(next) => event == Event::Key(next),
            None => event == Event::End { id: container },
        })?;
        let key = key.map(|key| Part {
            event: Event::Key(container),
            digest: hash(b"key", key.as_bytes()),
        });
        let parts: Vec<Part> = key.into_iter().chain(new.0.iter().copied()).collect();
        Some(self.spliced(at, at, &parts))
    }

    fn spliced(&self, start: usize, end: usize, new: &[Part]) -> Self {
        Self([&self.0[..start], new, &self.0[end..]].concat())
    }

    fn only(&self, is: impl Fn(Event) -> bool) -> Option<usize> {
        let mut found = (0..self.0.len()).filter(|&at| is(self.0[at].event));
        let first = found.next()?;
        found.next().is_none().then_some(first)
    }

    /// Where the value ends that starts at `start`.
    fn end(&self, start: usize) -> usize {
        let Event::Start { id, .. } = self.0[start].event else {
            return start + 1;
        };
        let ends = |part: &Part| part.event == Event::End { id };
        let length = self.0[start..].iter().position(ends);
        length.map_or(self.0.len(), |length| start + length + 1)
    }
}

fn starts(event: Event, node: NodeId) -> bool {
    match event {
        Event::Start { id, .. } | Event::Leaf(id) => id == node,
        _ => false,
    }
}

fn digest(text: &str, tree: &Tree, event: Event) -> [u8; 32] {
    match event {
        Event::Start { id, .. } => match tree[id].kind {
            NodeKind::Sequence => hash(b"list", b""),
            _ => hash(b"map", b""),
        },
        Event::End { .. } => hash(b"end", b""),
        Event::Key(id) => match &tree[id].kind {
            NodeKind::Key { text: key, .. } => hash(b"key", key.bytes(text)),
            _ => hash(b"key", b""),
        },
        Event::Leaf(id) => match &tree[id].kind {
            NodeKind::Scalar(scalar) => value(scalar.value.view(text)),
            _ => hash(b"other", b""),
        },
        Event::Comment(_) => hash(b"comment", b""),
    }
}

fn value(value: ValueRef<'_>) -> [u8; 32] {
    let mut plaintext = zeroize::Zeroizing::new(Vec::new());
    value.plaintext(&mut plaintext);
    let kind: &[u8] = match value {
        ValueRef::Null => b"null",
        ValueRef::Bool(_) => b"bool",
        ValueRef::Int(_) | ValueRef::Unsigned(_) => b"int",
        // `1.0` is written as `1`.
        ValueRef::Float(value) if value.fract() == 0.0 => b"int",
        ValueRef::Float(_) => b"float",
        ValueRef::Time(_) => b"time",
        ValueRef::Str(_) => b"str",
    };
    hash(kind, &plaintext)
}

fn hash(kind: &[u8], content: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update((kind.len() as u64).to_le_bytes());
    hash.update(kind);
    hash.update(content);
    hash.finalize().into()
}
