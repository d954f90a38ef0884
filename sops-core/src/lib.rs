//! SOPS files in Rust: secrets in YAML, JSON, dotenv, INI and binary files that can be committed to Git.
//!
//! A SOPS file is an ordinary YAML, JSON, dotenv or INI file in which the values are encrypted and the keys are not; any
//! other file becomes JSON with one value. It opens with the Go tool `sops` (getsops/sops) and everything built on it, and
//! this library opens theirs. What is not a secret is not touched: comments, blank lines, quotes, key order and indentation
//! stay as they are, and decrypting an encrypted file gives the original back to the byte.
//!
//! # Reading a configuration
//!
//! ```no_run
//! use sops_core::{Format, Keyring};
//!
//! #[derive(serde::Deserialize)]
//! struct Config {
//!     host: String,
//!     password: String,
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let keyring = Keyring::from_env()?; // age identities from where sops looks for them, and your gpg
//! let bytes = std::fs::read("config.enc.yaml")?;
//! let plain = sops_core::decrypt(&bytes, Format::Yaml, &keyring)?; // MAC checked, wiped when dropped
//! let config: Config = plain.deserialize()?;
//! let password = plain.get("db.users[0].password")?; // or one value
//! # Ok(()) }
//! ```
//!
//! # From the beginning
//!
//! Everything below runs without files, environment or network. A [`Keyring`] is what can decrypt: here one age identity
//! that is made on the spot. [`EncryptOptions`] say for whom to encrypt.
//!
#![cfg_attr(feature = "age", doc = "```")]
#![cfg_attr(not(feature = "age"), doc = "```ignore")]
//! use sops_core::{EncryptOptions, Format, Keyring, keys::Identities, metadata::MasterKey};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let identities = Identities::generate(); // `to_text` gives what an identity file holds
//! let recipient = identities.recipients().remove(0); // age1…
//! let keyring = Keyring::new().with_identities(identities);
//!
//! let source = "db:\n  user: app   # the account\n  password: 'hunter2'\nports: [80, 443]\n";
//! let options = EncryptOptions::new(vec![vec![MasterKey::Age { recipient }]]);
//! let encrypted = sops_core::encrypt(source.as_bytes(), Format::Yaml, &options, &keyring)?;
//! assert!(!String::from_utf8_lossy(&encrypted).contains("hunter2"));
//!
//! let plain = sops_core::decrypt(&encrypted, Format::Yaml, &keyring)?;
//! assert_eq!(plain.bytes(), source.as_bytes()); // every byte is back
//! assert_eq!(plain.get("db.password")?.expose(), "hunter2");
//! assert_eq!(plain.get("/ports/1")?.expose(), "443"); // paths can be JSON pointers, too
//!
//! #[derive(serde::Deserialize)]
//! struct Settings {
//!     db: Database,
//!     ports: Vec<u16>,
//! }
//! #[derive(serde::Deserialize)]
//! struct Database {
//!     user: String,
//!     password: String,
//! }
//! let settings: Settings = plain.deserialize()?;
//! assert_eq!((settings.db.user.as_str(), settings.db.password.len()), ("app", 7));
//! assert_eq!(settings.ports, [80, 443]);
//! # Ok(()) }
//! ```
//!
//! # Changing a file
//!
//! [`encrypt`] and [`decrypt`] are short for the steps [`PlainFile`] → bytes and [`EncryptedFile`] → [`Unlocked`] →
//! [`Plaintext`]. An [`Unlocked`] file encrypts a changed text under its own data key and rules, and what did not change
//! keeps its ciphertext:
//!
#![cfg_attr(feature = "age", doc = "```")]
#![cfg_attr(not(feature = "age"), doc = "```ignore")]
//! use sops_core::{DecryptOptions, EncryptedFile, Format};
//! # use sops_core::{EncryptOptions, Keyring, keys::Identities, metadata::MasterKey};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let identities = Identities::generate();
//! # let recipient = identities.recipients().remove(0);
//! # let keyring = Keyring::new().with_identities(identities);
//! # let options = EncryptOptions::new(vec![vec![MasterKey::Age { recipient }]]);
//! # let encrypted = sops_core::encrypt(b"user: app\npassword: hunter2\n", Format::Yaml, &options, &keyring)?;
//! // `encrypted` holds `user: ENC[…]` and `password: ENC[…]`.
//! let unlocked = EncryptedFile::parse(&encrypted, Format::Yaml)?.unlock(&keyring)?;
//! let plain = unlocked.decrypt(&DecryptOptions::default())?;
//! let changed = String::from_utf8(plain.bytes().to_vec())?.replace("hunter2", "hunter3");
//!
//! let updated = unlocked.update(changed.as_bytes())?;
//! updated.warnings.iter().for_each(|warning| eprintln!("warning: {warning}"));
//! let line = |file: &[u8], index| String::from_utf8_lossy(file).lines().nth(index).map(str::to_owned);
//! assert_eq!(line(&updated.bytes, 0), line(&encrypted, 0)); // user
//! assert_ne!(line(&updated.bytes, 1), line(&encrypted, 1)); // password
//! # Ok(()) }
//! ```
//!
//! [`Unlocked::rewrap`] changes the recipients instead, and no value.
//!
//! # Rules
//!
//! [`config::Config`] reads `.sops.yaml`; a [`Selector`] says which values are encrypted.
//!
//! ```
//! use std::path::Path;
//! use sops_core::{EncryptOptions, config::Config};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let rules = "creation_rules:
//!   - path_regex: \\.enc\\.yaml$
//!     age: age1722y5w97x9djmr5v2gcttts7s7pgeakfaju4c4qve7hzue5tfgwq45f4y8
//!     encrypted_regex: ^password$
//! ";
//! let config = Config::parse(rules, Path::new("/project/.sops.yaml"))?; // or Config::discover and Config::load
//! let rule = config.rule_for(Path::new("/project/db.enc.yaml"))?;
//! let options = EncryptOptions::of_rule(rule);
//! # assert_eq!(options.groups, rule.groups());
//! # assert_eq!(options.selector, sops_core::Selector::EncryptedRegex("^password$".to_owned()));
//! # Ok(()) }
//! ```
//!
//! # Keys of your own
//!
//! Whatever can wrap 32 bytes can be the key to a file: implement [`keys::KeyService`]. This one keeps them in memory,
//! where others would ask a service. `None` means that a key is not its business.
//!
//! ```
//! use std::{collections::HashMap, sync::Mutex};
//! use sops_core::{
//!     EncryptOptions, Format, Keyring, SecretBytes,
//!     keys::{KeyError, KeyService},
//!     metadata::{KeyEntry, MasterKey},
//! };
//!
//! #[derive(Default)]
//! struct Cloakroom(Mutex<HashMap<String, SecretBytes>>);
//!
//! impl KeyService for Cloakroom {
//!     fn wrap(&self, key: &MasterKey, share: &SecretBytes) -> Option<Result<String, KeyError>> {
//!         let MasterKey::GcpKms { resource_id } = key else { return None };
//!         let mut kept = self.0.lock().ok()?;
//!         let ticket = format!("{resource_id}#{}", kept.len());
//!         kept.insert(ticket.clone(), SecretBytes::new(share.expose().to_vec()));
//!         Some(Ok(ticket))
//!     }
//!
//!     fn unwrap(&self, entry: &KeyEntry) -> Option<Result<SecretBytes, KeyError>> {
//!         let MasterKey::GcpKms { .. } = entry.key else { return None };
//!         let kept = self.0.lock().ok()?;
//!         let share = kept.get(&entry.enc).map(|share| SecretBytes::new(share.expose().to_vec()));
//!         Some(share.ok_or_else(|| KeyError::new("no such ticket").with_hint("was it lost?")))
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let keyring = Keyring::new().with_service(Cloakroom::default());
//! let key = MasterKey::GcpKms { resource_id: "projects/p/locations/l/keyRings/r/cryptoKeys/k".to_owned() };
//! let options = EncryptOptions::new(vec![vec![key]]);
//! let encrypted = sops_core::encrypt(br#"{"token": "t0ken"}"#, Format::Json, &options, &keyring)?;
//! let plain = sops_core::decrypt(&encrypted, Format::Json, &keyring)?;
//! assert_eq!(plain.get("token")?.expose(), "t0ken");
//! # Ok(()) }
//! ```
//!
//! # Errors
//!
//! [`Error`] says which stage failed; [`Error::position`] where in the text, [`Error::hint`] what to do. No message
//! holds a value or a key, so errors can be logged. A file that was tampered with is an [`Error::Mac`] or
//! [`Error::Decrypt`]; nothing of it is given out.
//!
//! # What this crate does not do
//!
//! - **Network, terminal, files.** It turns bytes into bytes. It reads the environment, the home folder or the disk only
//!   in functions that say so: [`Keyring::from_env`], the functions `…_from_env` in [`keys`], [`config::Config::discover`]
//!   and [`config::Config::load`]. It runs programs only if `SOPS_AGE_KEY_CMD` asks for it, for age recipients and
//!   identities of plugins, and `gpg` for an OpenPGP key.
//! - **Keys other than age ones and OpenPGP.** Those of services are read from metadata and kept, but need a
//!   [`keys::KeyService`]. The crates `sops-aws-kms`, `sops-azure-kv`, `sops-gcp-kms`, `sops-hc-vault`, `sops-huawei-kms` and
//!   `sops-keyservice`, from the same repository, have one each; [`Keyring::with_service`] takes them, or one of yours.
//! - **Taking knowledge back.** [`Unlocked::rewrap`] changes who can unlock a file from now on; its data key stays the
//!   same, and known to those who could unlock it before. [`Unlocked::rotate`] makes a new one, but the secrets stay the
//!   same: what somebody has seen has to be replaced ([`Unlocked::change`]).
//! - **Hiding more than values and comments.** Keys, structure, types and lengths of values are in the clear.
//! - **Async.** All calls are synchronous, and cost time linear in the size of the file; [`Keyring`] and the files can be
//!   used from several threads.
//! - **Wiping what you copy.** [`Plaintext`], [`SecretText`] and [`SecretBytes`] are wiped when dropped; a `String` that
//!   [`Plaintext::deserialize`] filled is yours.
//!
//! # Features
//!
//! - `age` (on by default): age recipients and identities of all kinds: native and post-quantum ones, SSH keys, and those of
//!   plugins, which are programs. Without it the crate needs about half of its dependencies, and another
//!   [`keys::KeyService`].
//! - `pgp` (on by default): OpenPGP keys through the user's `gpg`. Needs no further crate. The crate `sops-openpgp` does
//!   without a `gpg`.
//!
//! There is no unsafe code here, and none of the dependencies compiles C.

mod binary;
mod change;
pub mod check;
pub mod config;
mod convert;
mod crypto;
mod deserialize;
mod document;
mod environment;
mod error;
mod format;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
pub mod keys;
mod layout;
pub mod metadata;
mod plaintext;
pub mod printable;
mod secret;
mod simple;
mod suggest;
mod tree;
mod typed;
mod warning;
mod warnings;

pub use change::{Change, ChangeError};
pub use crypto::{
    DataKey, DataKeyError, LeafProblem,
    re2::RegexError,
    select::{Selector, SelectorError},
};
pub use deserialize::DeserializeError;
pub use document::{
    DecryptOptions, EncryptOptions, Encrypted, EncryptedFile, FORMAT_VERSION, PlainFile, Unlocked,
    encrypt_binary, is_encrypted,
};
pub use environment::{Variable, VariableError, VariableOptions};
pub use error::{Error, MacError};
pub use format::{EmitError, Format, SyntaxError, SyntaxErrorKind};
pub use keys::{Keyring, Prompt, PromptError};
pub use metadata::rfc3339;
pub use plaintext::Plaintext;
pub use secret::{SecretBytes, SecretText};
pub use simple::{decrypt, encrypt};
pub use tree::{PathError, Step, TreePath, span::Position};
pub use warning::Warning;

#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

#[cfg(doctest)]
#[doc = include_str!("../../docs/library.md")]
struct LibraryGuide;
