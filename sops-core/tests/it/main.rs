//! The integration tests of the library: one binary, one module per subject.

mod damaged;
mod lossless;
mod support;
mod update;
