//! Paths through a tree: `["db"]["users"][0]` on the command line, `db.users[0]` in messages.

/// A path from the root of a document to a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreePath {
    steps: Vec<Step>,
}

/// One step of a [`TreePath`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// Into the entry of a mapping.
    Key(String),
    /// To an item of a list, counted from 0.
    Index(usize),
}

impl TreePath {
    pub(crate) fn from_steps(steps: Vec<Step>) -> Self {
        Self { steps }
    }

    /// Returns the steps of the path, from the root.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }
}
