//! The cipher's work on large files, on all cores, ahead of the walk that uses it.
//!
//! The walk over a file is sequential: the MAC is. What costs most in it, the cipher, is not. For a large file one light
//! walk collects the leaves that the cipher is needed for, threads work on them in equal parts, and the walk proper
//! finds the results in its own order.

use std::{num::NonZero, ops::Range, thread};

use super::{
    LeafError, LeafProblem,
    paths::Paths,
    select::Matcher,
    walk::{Place, Visitor, walk},
};
use crate::tree::{NodeId, NodeKind, Scalar, Tree, ValueRef};

/// From how many nodes on threads are worth their start.
const LARGE: usize = 8192;

/// A leaf that the cipher is needed for.
pub(crate) struct Leaf<'a> {
    /// The node; of a copy that an alias stands for, the one that is copied.
    pub(crate) id: NodeId,
    pub(crate) is_copy: bool,
    pub(crate) value: ValueRef<'a>,
    pub(crate) additional_data: &'a [u8],
}

/// The leaves that one thread works on.
pub(crate) struct Part<'a> {
    source: &'a str,
    tree: &'a Tree,
    paths: &'a Paths,
    items: &'a [Item],
}

impl<'a> Part<'a> {
    /// Returns the leaves, in the order of the walk.
    pub(crate) fn leaves(&self) -> impl Iterator<Item = Leaf<'a>> + use<'a> {
        let (source, tree, paths) = (self.source, self.tree, self.paths);
        self.items.iter().map(move |item| Leaf {
            id: item.id,
            is_copy: item.is_copy,
            value: match &tree[item.id].kind {
                NodeKind::Scalar(scalar) => scalar.value.view(source),
                _ => ValueRef::Null,
            },
            additional_data: paths.get(&item.path),
        })
    }
}

/// Applies `work` to all leaves that are selected and `wanted`, a part of them on each core. Returns the results in the
/// order of the walk; none if the file is too small or has paths out of all proportion, or the machine has one core.
pub(crate) fn on_all_cores<R: Send>(
    source: &str,
    tree: &Tree,
    matcher: &Matcher,
    wanted: fn(ValueRef<'_>) -> bool,
    work: impl Fn(Part<'_>) -> R + Sync,
) -> Result<Vec<R>, LeafError> {
    let cores = cores_for(tree);
    if cores == 1 {
        return Ok(Vec::new());
    }
    let mut leaves = Leaves {
        source,
        wanted,
        paths: Paths::default(),
        items: Vec::new(),
    };
    match walk(source, tree, matcher, &mut leaves) {
        Ok(()) => {}
        Err(Stop::PathsTooLong) => return Ok(Vec::new()),
        Err(Stop::Leaf(error)) => return Err(error),
    }
    let Leaves { paths, items, .. } = leaves;
    let (paths, work) = (&paths, &work);
    let parts = thread::scope(|scope| {
        let threads: Vec<_> = items
            .chunks(items.len().div_ceil(cores).max(1))
            .map(|items| {
                scope.spawn(move || {
                    work(Part {
                        source,
                        tree,
                        paths,
                        items,
                    })
                })
            })
            .collect();
        threads
            .into_iter()
            .map(thread::ScopedJoinHandle::join)
            .collect::<Result<Vec<_>, _>>()
    });
    parts.map_or_else(|panic| std::panic::resume_unwind(panic), Ok)
}

/// Returns how many cores to work with: one, if the file is small.
pub(super) fn cores_for(tree: &Tree) -> usize {
    // To count the cores, files of the system are read: only if it matters.
    match tree.len() < LARGE {
        true => 1,
        false => thread::available_parallelism().map_or(1, NonZero::get),
    }
}

struct Item {
    id: NodeId,
    is_copy: bool,
    path: Range<u32>,
}

struct Leaves<'s> {
    source: &'s str,
    wanted: fn(ValueRef<'_>) -> bool,
    paths: Paths,
    items: Vec<Item>,
}

/// Why the leaves are not gathered.
enum Stop {
    PathsTooLong,
    Leaf(LeafError),
}

impl Visitor for Leaves<'_> {
    type Error = Stop;

    fn leaf(&mut self, at: &Place<'_>, scalar: &Scalar) -> Result<(), Stop> {
        if !at.selected || !(self.wanted)(scalar.value.view(self.source)) {
            return Ok(());
        }
        let last = self.items.last().map(|last| last.path.clone());
        let path = self.paths.push(at.additional_data, last);
        self.items.push(Item {
            id: at.id,
            is_copy: at.alias.is_some(),
            path: path.ok_or(Stop::PathsTooLong)?,
        });
        Ok(())
    }

    fn comment(&mut self, _: &Place<'_>) -> Result<(), Stop> {
        Ok(())
    }

    fn too_many_nodes(&mut self, node: NodeId) -> Stop {
        Stop::Leaf(LeafError {
            node,
            problem: LeafProblem::TooManyNodes,
        })
    }
}
