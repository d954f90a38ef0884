//! The data key, encrypted values, the MAC, and which leaves they concern.

pub(crate) mod re2;
pub(crate) mod select;
