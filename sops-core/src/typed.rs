//! Values that a format can only write as texts, such as numbers in dotenv: their type is in the ciphertext alone.

use std::ops::Range;

use crate::{
    format::Engine,
    tree::{NodeId, NodeKind, Scalar, Tree, Value, ValueRef, traverse::Event},
};

/// Values by their nodes, in order.
pub(crate) type Typed = Vec<(NodeId, Value)>;

/// Returns a copy of a value that a text cannot tell; `None` if the text of the format can.
pub(crate) fn untold(engine: &dyn Engine, value: ValueRef<'_>) -> Option<Value> {
    let is_untold = match value {
        ValueRef::Null => false,
        ValueRef::Str(bytes) => !engine.holds(bytes),
        value => engine.as_text(value).is_some(),
    };
    is_untold.then(|| value.to_value())
}

/// Puts the values of nodes of `encrypted`, but for its metadata, to the same scalars of what it was decrypted to.
pub(crate) fn restore(
    values: Typed,
    encrypted: &Tree,
    metadata: &[Range<NodeId>],
    decrypted: &mut Tree,
) {
    if values.is_empty() {
        return;
    }
    let is_metadata = |id: NodeId| metadata.iter().any(|range| range.contains(&id));
    let from: Vec<NodeId> = scalars(encrypted).filter(|id| !is_metadata(*id)).collect();
    let to: Vec<NodeId> = scalars(decrypted).collect();
    // Comments that stood as items are none of the values; then the scalars cannot be matched by counting.
    if from.len() != to.len() {
        return;
    }
    let mut values = values.into_iter().peekable();
    for (from, to) in from.into_iter().zip(to) {
        if let Some((_, value)) = values.next_if(|(id, _)| *id == from)
            && let Some(scalar) = scalar_mut(decrypted, to)
        {
            scalar.value = value;
        }
    }
}

/// Gives the scalars of `converted` the values that `original` has in their places, where the format has no more than
/// their texts.
pub(crate) fn take_over(
    (original_text, original): (&str, &Tree),
    (text, converted): (&str, &mut Tree),
    engine: &dyn Engine,
) {
    let mut from = Vec::new();
    let roots: Vec<NodeId> = original
        .documents()
        .filter_map(|document| original.root(document))
        .collect();
    for root in roots {
        let is_whole = original.traverse(root, |event| {
            if let Event::Leaf(id) = event {
                from.push(id);
            }
        });
        if !is_whole {
            return;
        }
    }
    let to: Vec<NodeId> = scalars(converted).collect();
    if from.len() != to.len() {
        return;
    }
    for (from, to) in from.into_iter().zip(to) {
        let NodeKind::Scalar(scalar) = &original[from].kind else {
            continue;
        };
        let Some(value) = untold(engine, scalar.value.view(original_text)) else {
            continue;
        };
        let stands_for_it = {
            let NodeKind::Scalar(scalar) = &converted[to].kind else {
                continue;
            };
            match (value.view(""), scalar.value.view(text)) {
                // It was changed by writing it.
                (ValueRef::Str(_), ValueRef::Str(_)) => true,
                (value, ValueRef::Str(bytes)) => engine
                    .as_text(value)
                    .is_some_and(|text| text.as_bytes() == bytes),
                _ => false,
            }
        };
        if stands_for_it && let Some(scalar) = scalar_mut(converted, to) {
            scalar.value = value;
        }
    }
}

fn scalars(tree: &Tree) -> impl Iterator<Item = NodeId> + '_ {
    tree.numbered()
        .filter(|(_, node)| matches!(node.kind, NodeKind::Scalar(_)))
        .map(|(id, _)| id)
}

fn scalar_mut(tree: &mut Tree, id: NodeId) -> Option<&mut Scalar> {
    match &mut tree.nodes_mut()[id.index()].kind {
        NodeKind::Scalar(scalar) => Some(scalar),
        _ => None,
    }
}
