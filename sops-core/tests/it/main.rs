//! The integration tests of the library: one binary, one module per subject.

mod binary;
mod comment_selectors;
mod damaged;
mod lossless;
mod styles;
mod support;
mod update;
