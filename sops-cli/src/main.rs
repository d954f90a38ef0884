//! The binary `sops`.
fn main() {}
