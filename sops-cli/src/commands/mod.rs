//! One file per command: its arguments, whose documentation is the help, and what it does.

pub(crate) mod check;
pub(crate) mod decrypt;
#[cfg(feature = "age")]
pub(crate) mod demo;
pub(crate) mod edit;
pub(crate) mod encrypt;
pub(crate) mod filestatus;
#[cfg(feature = "age")]
pub(crate) mod init;
mod transform;
