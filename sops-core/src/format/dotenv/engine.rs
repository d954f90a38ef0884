use crate::{
    format::{EmitError, EmitStyle, Engine, ParseOptions, SyntaxError, edit::Edit},
    metadata::Raw,
    tree::{NodeId, Tree, ValueRef},
};

/// The engine of [`Format::Dotenv`](crate::Format::Dotenv).
pub(crate) struct Dotenv;

impl Engine for Dotenv {
    fn parse(&self, _source: &str, _options: ParseOptions) -> Result<Tree, SyntaxError> {
        unreachable!("refused when the file is opened")
    }

    fn encrypted(&self, _: &str, _: &Tree, _: NodeId, _: &str, _: &mut Vec<Edit>) {}

    fn restored(&self, _: &str, _: &Tree, _: NodeId, _: ValueRef<'_>, _: &mut Vec<Edit>) {}

    fn insert_metadata(&self, _: &str, _: &Tree, _: &Raw) -> Vec<Edit> {
        Vec::new()
    }

    fn replace_metadata(&self, _: &str, _: &Tree, _: &Raw) -> Vec<Edit> {
        Vec::new()
    }

    fn remove_metadata(&self, _: &str, _: &Tree) -> Vec<Edit> {
        Vec::new()
    }

    fn emit(&self, _: &str, _: &Tree, _: NodeId, _: &EmitStyle<'_>) -> Result<String, EmitError> {
        unreachable!("refused when the file is opened")
    }
}
