//! `KEY=value` lines, with spans.

mod engine;

pub(crate) use engine::Dotenv;
