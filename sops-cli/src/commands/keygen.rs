//! `sops keygen`.

use std::{
    io::{self, IsTerminal},
    path::{Path, PathBuf},
    time::SystemTime,
};

use sops_core::{SecretText, keys::Identities};

use crate::{context::Context, error::Failure, files, json::Object, ui};

/// Make an age key
///
/// Prints the identity, in the format of age-keygen, or writes it to a file that does not exist yet, for your user
/// alone. `sops init` makes one where sops looks for it.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Write the identity to this file; a file that exists is not overwritten
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Make a key that withstands quantum computers; its recipient has some 2,000 characters
    #[arg(long)]
    pq: bool,

    /// Print a line of JSON: the recipient, and the identity or the file that it was written to
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let identities = match args.pq {
        true => Identities::generate_post_quantum(),
        false => Identities::generate(),
    };
    let recipient = identities.recipients().join(",");
    let now = sops_core::rfc3339(SystemTime::now());
    let text = SecretText::new(format!(
        "# created: {now}\n# public key: {recipient}\n{}",
        identities.to_text().expose()
    ));
    let output = args
        .output
        .as_deref()
        .filter(|path| *path != Path::new("-"));
    if let Some(path) = output {
        files::create_private(path, text.expose().as_bytes())?;
    }
    if args.json {
        let identity = output.is_none().then(|| identities.to_text());
        let report = report(&now, &recipient, identity.as_ref(), output);
        return ui::write_stdout(report.expose().as_bytes());
    }
    if output.is_none() {
        ui::write_stdout(text.expose().as_bytes())?;
    }
    if output.is_some() || !io::stdout().is_terminal() {
        context.ui.note(&format!("Public key: {recipient}"));
    }
    Ok(())
}

/// How long the rest of the report is, without a file: then there is no identity in it.
const ROOM: usize = 120;

/// What was made, in JSON. An identity that is in a file is nowhere else.
fn report(
    created: &str,
    recipient: &str,
    identity: Option<&SecretText>,
    file: Option<&Path>,
) -> SecretText {
    // An identity is made of letters, digits and hyphens: quotes are all it needs.
    let secret = identity.map(|identity| identity.expose().trim_end());
    let room = ROOM + recipient.len() + secret.map_or(0, str::len);
    let report = Object::new()
        .with_room(room)
        .text("recipient", recipient)
        .text("created", created)
        .text_or_null("identity", secret)
        .text_or_null(
            "file",
            file.map(|file| file.display().to_string()).as_deref(),
        );
    SecretText::new(report.line())
}
