//! INI sections, with spans.

mod engine;

pub(crate) use engine::Ini;
