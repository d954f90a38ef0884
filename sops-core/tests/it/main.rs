//! The integration tests of the library: one binary, one module per subject.

mod binary;
mod comment_selectors;
mod corpus;
mod damaged;
mod json_suite;
mod lossless;
mod orphans;
mod rotate;
mod styles;
mod support;
mod tampering;
mod update;
