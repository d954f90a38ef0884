//! `sops demo`.

use std::fs;

use sops_core::{
    DecryptOptions, EncryptOptions, EncryptedFile, Format, Keyring, PlainFile, keys::Identities,
    metadata::MasterKey,
};

use crate::{
    context::Context,
    error::{Code, Doing, Failure},
    files::Original,
    ui,
};

/// Show what sops does, with a key that is thrown away, in a folder that is removed
#[derive(clap::Args, Debug)]
pub(crate) struct Args {}

const SAMPLE: &str = "\
# Settings of the shop. Comments stay where they are.
database:
   host: db.internal          # indented by three
   port:  5432
   password: 'correct horse battery staple'

features: [ \"search\", 'cart' ]   # flow lists stay flow lists
limits: {retries: 0x1F, ratio: 1.10}

motd_unencrypted: Keys that end with _unencrypted keep their values in the clear.
certificate: |
  -----BEGIN CERTIFICATE-----
  MIIBszCCAVmgAwIBAgIUQ0ZpY3RpdGlvdXMw
  -----END CERTIFICATE-----
";

pub(crate) fn run(_args: &Args, _context: &Context) -> Result<(), Failure> {
    let failed = |doing| move |error| Failure::from_library(&error, doing, "shop.yaml");
    let folder = tempfile::tempdir().map_err(|error| {
        Failure::new(
            Code::Output,
            format!("cannot make a temporary folder: {error}"),
        )
    })?;
    let file = folder.path().join("shop.yaml");
    fs::write(&file, SAMPLE).map_err(|error| Failure::writing(&file, &error))?;

    let identities = Identities::generate();
    let recipient = identities.recipients().join(",");
    let keyring = Keyring::new().with_identities(identities);
    say(
        "An age key was made; it lives in memory only.",
        &format!("recipient: {recipient}\n"),
    )?;
    say("A file with secrets, shop.yaml:", SAMPLE)?;

    let plain = Original::read(&file)?;
    let options = EncryptOptions::new(vec![vec![MasterKey::Age { recipient }]]);
    let encrypted = PlainFile::parse(plain.content(), Format::Yaml)
        .and_then(|plain| plain.encrypt(&options, &keyring))
        .map_err(failed(Doing::Encrypting))?;
    plain.replace(&encrypted.bytes)?;
    let encrypted = Original::read(&file)?;
    say(
        "The same file after `sops encrypt --in-place shop.yaml`. Keys and layout are as before, values and comments are encrypted:",
        &String::from_utf8_lossy(encrypted.content()),
    )?;

    let decrypted = EncryptedFile::parse(encrypted.content(), Format::Yaml)
        .and_then(|file| file.unlock(&keyring))
        .and_then(|file| file.decrypt(&DecryptOptions::default()))
        .map_err(failed(Doing::Decrypting))?;
    encrypted.replace(decrypted.bytes())?;
    let result = Original::read(&file)?;
    if result.content() != SAMPLE.as_bytes() {
        return Err(Failure::new(
            Code::Dump,
            "after decrypting, the bytes are not the same; please report this",
        ));
    }
    folder.close().map_err(|error| {
        Failure::new(
            Code::Output,
            format!("cannot remove the temporary folder: {error}"),
        )
    })?;
    ui::print(&format!(
        "After `sops decrypt --in-place shop.yaml` the bytes are the same: all {} of them.\n\
         The key is gone, and the folder is removed. Start with `sops init`.\n",
        SAMPLE.len()
    ))
}

fn say(what: &str, text: &str) -> Result<(), Failure> {
    let indented: String = text
        .split_inclusive('\n')
        .map(|line| format!("    {line}"))
        .collect();
    ui::print(&format!("{what}\n\n{indented}\n"))
}
