//! Keys of each kind that age has, and what the tests do with them.

use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf, process::Command};

use crate::support::{
    Program::{self, Ours},
    Ran, Scratch, read_testdata,
};

pub(crate) const PLAIN: &str = "password: correct horse\n";
pub(crate) const PASSPHRASE: &str = "pass phrase\n";
/// A kind of key: a recipient, and what to set to decrypt with its identity.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) recipient: String,
    pub(crate) variable: &'static str,
    pub(crate) file: PathBuf,
}

impl Kind {
    /// Whether age knows it since its version 1.3 only.
    pub(crate) fn is_post_quantum(&self) -> bool {
        self.recipient.starts_with("age1pq1")
    }

    /// Whether it is one of age's own, and not of SSH.
    pub(crate) fn is_native(&self) -> bool {
        self.variable == "SOPS_AGE_KEY_FILE"
    }
}

/// A copy of a file of testdata that only its owner can read.
pub(crate) fn private(scratch: &Scratch, name: &str) -> PathBuf {
    let path = scratch.write(&name.replace('/', "-"), read_testdata(name));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("a file of ours");
    path
}

pub(crate) fn public(name: &str) -> String {
    let text = String::from_utf8(read_testdata(&format!("ssh/{name}.pub"))).expect("a text");
    text.trim().to_owned()
}

pub(crate) fn ssh_kind(scratch: &Scratch, name: &'static str, public_key: &str) -> Kind {
    Kind {
        name,
        recipient: public(public_key),
        variable: "SOPS_AGE_SSH_PRIVATE_KEY_FILE",
        file: private(scratch, &format!("ssh/{name}")),
    }
}

/// A key that `sops keygen` made.
pub(crate) fn made(scratch: &Scratch, name: &'static str, arguments: &[&str]) -> Kind {
    let file = format!("{name}.txt");
    let mut all = vec!["keygen", "-o", &file];
    all.extend_from_slice(arguments);
    scratch.run(Ours, all).ok();
    let text = scratch.read_text(&file);
    let recipient = text
        .lines()
        .find_map(|line| line.strip_prefix("# public key: "));
    Kind {
        name,
        recipient: recipient.expect("a comment").to_owned(),
        variable: "SOPS_AGE_KEY_FILE",
        file: scratch.path(&file),
    }
}

pub(crate) fn kinds(scratch: &Scratch) -> Vec<Kind> {
    vec![
        made(scratch, "x25519", &[]),
        made(scratch, "hybrid", &["--pq"]),
        ssh_kind(scratch, "ed25519", "ed25519"),
        ssh_kind(scratch, "rsa", "rsa"),
        ssh_kind(scratch, "rsa-pkcs1", "rsa"),
        ssh_kind(scratch, "rsa-pkcs8", "rsa"),
    ]
}

/// A command without the identities of the tests.
pub(crate) fn command(scratch: &Scratch, program: Program) -> Command {
    let mut command = scratch.command(program);
    command.env_remove("SOPS_AGE_KEY_FILE");
    command
}

pub(crate) fn run(mut command: Command, arguments: &[&str]) -> Ran {
    command.args(arguments);
    command.output().expect("the program starts").into()
}

pub(crate) fn encrypt(scratch: &Scratch, program: Program, recipient: &str) -> String {
    scratch.write("plain.yaml", PLAIN);
    let arguments = ["encrypt", "--age", recipient, "plain.yaml"];
    let encrypted = run(command(scratch, program), &arguments).ok();
    String::from_utf8(encrypted).expect("a text")
}

pub(crate) fn decrypt(scratch: &Scratch, program: Program, kind: &Kind, encrypted: &str) -> Ran {
    scratch.write("encrypted.yaml", encrypted);
    let mut command = command(scratch, program);
    command.env(kind.variable, &kind.file);
    run(command, &["decrypt", "encrypted.yaml"])
}
