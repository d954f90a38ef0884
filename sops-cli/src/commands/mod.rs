//! One file per command: its arguments, whose documentation is the help, and what it does.

mod argument;
mod change;
pub(crate) mod check;
pub(crate) mod completion;
mod covered;
pub(crate) mod decrypt;
mod decryption;
#[cfg(feature = "age")]
pub(crate) mod demo;
mod difference;
#[cfg(feature = "age")]
pub(crate) mod doctor;
pub(crate) mod edit;
pub(crate) mod encrypt;
pub(crate) mod exec_env;
pub(crate) mod exec_file;
pub(crate) mod filestatus;
pub(crate) mod get;
pub(crate) mod groups;
#[cfg(feature = "age")]
pub(crate) mod init;
#[cfg(feature = "age")]
pub(crate) mod keygen;
#[cfg(feature = "keyservice")]
pub(crate) mod keyservice;
pub(crate) mod man;
pub(crate) mod publish;
pub(crate) mod recipients;
pub(crate) mod rotate;
mod run_args;
pub(crate) mod set;
mod transform;
pub(crate) mod unset;
pub(crate) mod updatekeys;
